using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>What can go wrong with a run's container.</summary>
internal static class ContainerFailures
{
    /// <summary>The daemon has no image of that name.</summary>
    internal static Failure ImageMissing(string image, string usual, DockerEndpoint endpoint) => new(
        "image_missing",
        $"Docker at {endpoint.Text} has no image '{image}'.",
        string.Equals(image, usual, StringComparison.Ordinal)
            ? "Type: berth image build"
            : $"Type: docker pull {image}   (or build it; Berth pulls nothing by itself)",
        Fault.Operator);

    /// <summary>Somebody else has a container of the run's name.</summary>
    internal static FailureException NameTaken(string name) => new(
        "container_name_taken",
        $"The container of the run was to be called {name}, and there is another one of that name.",
        $"Type: docker rm --force {name}   if it is not needed, and start the run again.",
        Fault.Operator);

    /// <summary>A container that the run cannot have does not go.</summary>
    internal static FailureException StillThere(string id) => new(
        "container_not_removed",
        $"The warm container {id[..12]} is not one that the run can have, and the daemon has not removed it in time.",
        "Start the run again; if it comes again, restart Docker.",
        Fault.Operator);

    /// <summary>The daemon made the container and could not start it.</summary>
    internal static FailureException NotStarted(string image, string why) => new(
        "container_start_failed",
        $"The container of the run was made from {image} and could not be started: {why}",
        "The image must be a Linux one with glibc, for this machine's processor; `berth doctor` says more.",
        Fault.Operator);

    /// <summary>Its init ended before it had begun.</summary>
    internal static FailureException DiedAtStart(RunDirectory run, ContainerStatus? status) => new(
        "supervisor_died_at_start",
        $"The supervisor ended with exit code {status?.ExitCode} before it had begun. "
        + ExecutionRecords.LastWords(run),
        $"Look at {run.SupervisorLog}. Does the image have glibc, and can it see the folders of this machine?",
        Fault.Operator);

    /// <summary>Its init had not begun in time.</summary>
    internal static FailureException Late(RunDirectory run, TimeSpan limit) => new(
        "supervisor_start_timeout",
        $"The supervisor in the container had not begun after {limit.TotalSeconds:0} s; it was killed. "
        + ExecutionRecords.LastWords(run),
        "The machine is overloaded or its disk hangs; try again when it is not.",
        Fault.Operator);

    /// <summary>The daemon runs its containers on another machine.</summary>
    internal static FailureException NotHere(DockerEndpoint endpoint) => new(
        "docker_not_local",
        $"Docker at {endpoint.Text} runs its containers on another machine, or in a virtual one.",
        "Runs need a daemon on this machine: they share folders and sockets with it. Use local mode otherwise.",
        Fault.Operator);

    /// <summary>What became of a run whose container ended without a record.</summary>
    internal static Failure Lost(RunDirectory run, ContainerDetails? container) => container switch
    {
        null => new Failure(
            "container_removed",
            "The container of the run was removed while the run went on.",
            "Its workspace and its transcript are kept. Somebody, or a clean-up of Docker's, has removed it.",
            Fault.Operator),
        { State.OutOfMemory: true } => new Failure(
            "container_out_of_memory",
            "The container of the run reached its memory limit, and its supervisor was killed for it.",
            "Its workspace and its transcript are kept. Raise the memory limit.",
            Fault.User),
        _ => SupervisorFailures.Died(run),
    };
}
