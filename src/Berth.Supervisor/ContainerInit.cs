using System.Globalization;
using System.Runtime.InteropServices;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>What the supervisor does first where it is a container's init.</summary>
/// <remarks>
/// It is the container's root, with few capabilities, and the agent is another user, so the agent can neither signal
/// nor trace it. Files are made and read as the user that owns the run directory on the host, who must be able to read
/// and to remove them. Where that is the agent's number too, the run directory must not be reachable by a path: it is
/// mounted below a folder that only root may enter, and from here on it is named by an open descriptor.
/// </remarks>
internal static class ContainerInit
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    // Ten minutes of its own time: it has none while the container is paused, and is so within a second.
    private const int MostLooks = 120_000;

    /// <summary>Reads the owner's numbers, and whether to wait; no words are an ordinary start.</summary>
    internal static bool TryRead(IReadOnlyList<string> words, out ChildUser? owner, out bool waits)
    {
        owner = null;
        waits = words is [_, _, RunDirectory.WaitWord];
        if (words is [var user, var group, ..] && words.Count == (waits ? 3 : 2)
            && Number(user) is { } userId && Number(group) is { } groupId)
        {
            owner = new ChildUser(userId, groupId);
        }

        return words.Count == 0 || owner is not null;
    }

    /// <summary>Takes the place of a container's init.</summary>
    /// <returns>The run directory by a path that is good in this process only.</returns>
    internal static RunDirectory Enter(string folder, ChildUser owner)
    {
        var directory = new RunDirectory(HeldFolder.Open(folder));
        OwnProcess.ForbidTracing();
        OwnProcess.ActOnFilesAs(owner);

        // The container keeps no log: what it prints would be lost.
        Descriptor.SendErrorsTo(directory.SupervisorLog);
        return directory;
    }

    /// <summary>Waits until there is something to do.</summary>
    /// <returns>Whether there is; false where it is to end instead.</returns>
    internal static bool WaitForSpec(RunDirectory directory)
    {
        // A container's init is deaf to a signal that it has no handler for.
        using var ending = new ManualResetEvent(initialState: false);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            ending.Set();
        });
        for (var looks = 0; looks < MostLooks; looks++)
        {
            if (!Descriptor.IsMissing(directory.SpecFile))
            {
                return true;
            }

            if (ending.WaitOne(Look))
            {
                break;
            }
        }

        return false;
    }

    private static uint? Number(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
