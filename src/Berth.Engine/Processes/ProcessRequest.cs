namespace Berth.Engine.Processes;

/// <summary>A short-lived program to run to its end, and every bound on it.</summary>
internal sealed record ProcessRequest
{
    /// <summary>The program, as an absolute path.</summary>
    public required string FileName { get; init; }

    /// <summary>The arguments, without the program's own name. No shell sees them.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The whole environment; nothing is inherited.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>How long it may take. There is no default: who starts a program knows what it is for.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>The working directory, or null for ours.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>What it reads from standard input: bytes, so NUL is no problem. Default: nothing.</summary>
    public ReadOnlyMemory<byte> Input { get; init; }

    /// <summary>What it reads after <see cref="Input"/>, for content too large for memory. Not closed. Default:
    /// nothing.</summary>
    public Stream? InputStream { get; init; }

    /// <summary>Where standard output goes as it comes, instead of into the result. Not closed.</summary>
    public Stream? OutputStream { get; init; }

    /// <summary>
    /// How much of standard output is kept, or sent to <see cref="OutputStream"/>. A program that writes more to a
    /// stream is ended;
    /// one whose output is kept in memory is read to its end, and the rest is dropped. Default 16 MiB.
    /// </summary>
    public long MaxOutputBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>How much of standard error is kept. Default 64 KiB.</summary>
    public int MaxErrorBytes { get; init; } = 64 * 1024;

    /// <summary>How much private memory it may have, and each that it starts, in bytes. Default no bound.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>How long its group has between SIGTERM and SIGKILL. Default 2 s.</summary>
    public TimeSpan TermGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long the pipes are read after its end, for a grandchild may hold them. Default 1 s.</summary>
    public TimeSpan DrainGrace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Called once with the process's id as soon as it runs, so that it can be found again after our own
    /// death.</summary>
    public Action<int>? Started { get; init; }
}

/// <summary>Why a program ended.</summary>
internal enum ProcessEnd
{
    /// <summary>By itself; the exit code or signal says how.</summary>
    Exited,

    /// <summary>It could not be started; <see cref="ProcessResult.Error"/> says why.</summary>
    NotStarted,

    /// <summary>We ended it: its time was up.</summary>
    TimedOut,

    /// <summary>We ended it: the caller asked for that.</summary>
    Cancelled,

    /// <summary>We ended it: it wrote more than its stream was to take.</summary>
    OutputLimit,
}

/// <summary>How a program ended and what it said.</summary>
internal sealed record ProcessResult
{
    /// <summary>Why it ended.</summary>
    public required ProcessEnd End { get; init; }

    /// <summary>The exit code, or null when a signal ended it or it never ran.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The signal that ended it, or null.</summary>
    public int? Signal { get; init; }

    /// <summary>Standard output, as far as it was kept.</summary>
    public ReadOnlyMemory<byte> Output { get; init; }

    /// <summary>Whether there was more output than was kept.</summary>
    public bool OutputTruncated { get; init; }

    /// <summary>Standard error as text, as far as it was kept: its beginning, for a program names the cause
    /// first.</summary>
    public string Error { get; init; } = string.Empty;

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Whether it ended by itself with exit code 0.</summary>
    public bool Succeeded => End == ProcessEnd.Exited && ExitCode == 0;
}
