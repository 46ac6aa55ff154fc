namespace Berth.Server.Logs;

/// <summary>Put around lines of the log: which run they are about.</summary>
/// <param name="Id">The run.</param>
internal sealed record RunScope(string Id);
