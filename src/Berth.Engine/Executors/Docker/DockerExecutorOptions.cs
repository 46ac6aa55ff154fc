namespace Berth.Engine.Executors.Docker;

/// <summary>Where the Docker executor finds what it needs.</summary>
internal sealed record DockerExecutorOptions
{
    /// <summary>The folder of run directories. An entry may be a symbolic link to elsewhere.</summary>
    public required string RunsFolder { get; init; }

    /// <summary>The supervisor program, an absolute path.</summary>
    public required string SupervisorPath { get; init; }

    /// <summary>The image of runs that name none.</summary>
    public required string Image { get; init; }

    /// <summary>How long the supervisor in a container may take to write its handle. Range 1 s to 5 min, default
    /// 30 s: a loaded machine is slow.</summary>
    public TimeSpan StartLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a supervisor may take to answer. Range 100 ms to 1 min, default 5 s.</summary>
    public TimeSpan ReplyLimit { get; init; } = TimeSpan.FromSeconds(5);
}
