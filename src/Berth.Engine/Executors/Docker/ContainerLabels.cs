using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>By what our containers are known: their name says the run, a label the home.</summary>
/// <remarks>Several homes, of several machines even, may use one daemon, and each removes only its own. A path would
/// not tell them apart, so a home has a name of its own, drawn once.</remarks>
internal sealed class ContainerLabels(string runsFolder)
{
    /// <summary>The label that names the run.</summary>
    internal const string Run = "berth.run";

    /// <summary>The label that names the home.</summary>
    internal const string Home = "berth.home";

    private const string OwnerFile = "docker-owner";

    private string OwnerPath => Path.Combine(runsFolder, OwnerFile);

    private const string Prefix = "berth-";
    private const string WarmPrefix = "berth-warm-";

    /// <summary>The name of a run's container.</summary>
    internal static string NameOf(string runId) => Prefix + runId;

    /// <summary>The name of a warm container, until a run has it.</summary>
    internal static string WarmNameOf(string slot) => WarmPrefix + slot;

    /// <summary>The run that a container of ours belongs to, or null for a warm one that waits. One that was warm has
    /// no label for it, for labels stay what they were, and so its name says it.</summary>
    internal static string? RunOf(ContainerListing container) =>
        container.Labels?.GetValueOrDefault(Run) is { } labelled ? labelled
        : NameOf(container) is { } name && name.StartsWith(Prefix, StringComparison.Ordinal)
            && !name.StartsWith(WarmPrefix, StringComparison.Ordinal) ? name[Prefix.Length..]
        : null;

    /// <summary>The slot of a warm container that waits, or null for any other one.</summary>
    internal static string? SlotOf(ContainerListing container) =>
        container.Labels?.ContainsKey(Run) is not true
        && NameOf(container) is { } name && name.StartsWith(WarmPrefix, StringComparison.Ordinal)
            ? name[WarmPrefix.Length..]
            : null;

    /// <summary>The home's name, or null where it never made a container.</summary>
    internal string? Owner
    {
        get
        {
            try
            {
                return File.ReadAllText(OwnerPath) is { Length: > 0 } owner ? owner : null;
            }
            catch (IOException)
            {
                return null;
            }
        }
    }

    /// <summary>The labels of a run's container, or of a warm one. The home is given its name where it has
    /// none.</summary>
    internal Dictionary<string, string> Of(string? runId)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal) { [Home] = Owner ?? Draw() };
        if (runId is not null)
        {
            labels[Run] = runId;
        }

        return labels;
    }

    /// <summary>Whether a container is that of a run of this home.</summary>
    internal bool IsOurs(ContainerDetails container, string runId) =>
        IsOfHome(container)
        && (container.Config.Labels!.GetValueOrDefault(Run) is { } labelled
            ? string.Equals(labelled, runId, StringComparison.Ordinal)
            : string.Equals(container.Name.TrimStart('/'), NameOf(runId), StringComparison.Ordinal));

    /// <summary>Whether a container is a warm one of this home, which no run has.</summary>
    internal bool IsWaiting(ContainerDetails container) =>
        IsOfHome(container)
        && !container.Config.Labels!.ContainsKey(Run)
        && container.Name.TrimStart('/').StartsWith(WarmPrefix, StringComparison.Ordinal);

    private bool IsOfHome(ContainerDetails container) =>
        container.Config.Labels is { } labels && Owner is { } owner
        && string.Equals(labels.GetValueOrDefault(Home), owner, StringComparison.Ordinal);

    private static string? NameOf(ContainerListing container) => container.Names is [var name, ..]
        ? name.TrimStart('/')
        : null;

    // Of two that draw at once one wins, and both use its name: a link is made whole or not at all.
    private string Draw()
    {
        var drawn = Path.Combine(runsFolder, $".{OwnerFile}-{Guid.NewGuid():N}");
        try
        {
            File.WriteAllText(drawn, Guid.NewGuid().ToString("N"));
            File.Move(drawn, OwnerPath, overwrite: false);
        }
        catch (IOException) when (Owner is not null)
        {
            File.Delete(drawn);
        }
        catch (IOException failed)
        {
            throw new FailureException(
                "run_record_not_written",
                $"The record {OwnerPath} could not be written: {failed.Message}",
                "Make room on the disk and try again; nothing was started.",
                Fault.Operator,
                failed);
        }

        return Owner!;
    }
}
