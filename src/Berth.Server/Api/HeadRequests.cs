using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>HEAD wherever GET is: the same answer, of which the server sends no body.</summary>
internal static class HeadRequests
{
    /// <summary>Whether a request is one.</summary>
    public static bool Is(HttpContext context) => context.Items.ContainsKey(typeof(HeadRequests));

    /// <summary>The method that a request came with.</summary>
    public static string MethodOf(HttpContext context) => Is(context) ? HttpMethods.Head : context.Request.Method;

    /// <summary>Has it answered as GET is.</summary>
    public static async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await next(context);
            return;
        }

        // Kestrel remembers how it was asked, and drops what is written.
        context.Items[typeof(HeadRequests)] = true;
        context.Request.Method = HttpMethods.Get;
        try
        {
            await next(context);
        }
        finally
        {
            context.Request.Method = HttpMethods.Head;
        }
    }
}
