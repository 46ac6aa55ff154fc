namespace Berth.Engine;

/// <summary>The server that commands ask in the place of this machine's home.</summary>
/// <param name="Server">Where it is; null for this machine's own runs. <c>BERTH_SERVER</c>.</param>
/// <param name="Token">What it is shown. <c>BERTH_TOKEN</c>.</param>
internal sealed record RemoteOptions(Uri? Server, string? Token);
