namespace Berth.Engine.Executors.Local;

/// <summary>Where the local executor finds what it needs.</summary>
internal sealed record LocalExecutorOptions
{
    /// <summary>The folder of run directories. An entry may be a symbolic link to elsewhere.</summary>
    public required string RunsFolder { get; init; }

    /// <summary>The supervisor program, an absolute path.</summary>
    public required string SupervisorPath { get; init; }

    /// <summary>The bubblewrap program; null, the default, to look for <c>bwrap</c> in PATH.</summary>
    public string? BubblewrapPath { get; init; }

    /// <summary>The git program that captures; null, the default, to look for <c>git</c> in PATH.</summary>
    public string? GitPath { get; init; }

    /// <summary>The version of the CLI that this build was tested with, for example <c>2.1.330</c>: another one is
    /// told, and taken. Null, the default, for any.</summary>
    public string? ClaudeVersion { get; init; }

    /// <summary>How long the supervisor may take to write its handle. Range 1 s to 5 min, default 20 s: a loaded
    /// machine is slow.</summary>
    public TimeSpan StartLimit { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a supervisor may take to answer. Range 100 ms to 1 min, default 5 s.</summary>
    public TimeSpan ReplyLimit { get; init; } = TimeSpan.FromSeconds(5);
}
