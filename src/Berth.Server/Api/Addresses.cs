using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>Where a request comes from, for the audit table.</summary>
internal static class Addresses
{
    /// <summary>The address, or nothing where there is none.</summary>
    public static string Of(HttpContext context) => context.Connection.RemoteIpAddress?.ToString() ?? string.Empty;
}
