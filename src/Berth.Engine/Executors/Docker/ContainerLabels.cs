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

    /// <summary>The name of a run's container.</summary>
    internal static string NameOf(string runId) => $"berth-{runId}";

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

    /// <summary>The labels of a run's container. The home is given its name where it has none.</summary>
    internal Dictionary<string, string> Of(string runId) => new(StringComparer.Ordinal)
    {
        [Run] = runId,
        [Home] = Owner ?? Draw(),
    };

    /// <summary>Whether a container is that of a run of this home.</summary>
    internal bool IsOurs(ContainerDetails container, string runId) =>
        container.Config.Labels is { } labels
        && string.Equals(labels.GetValueOrDefault(Run), runId, StringComparison.Ordinal)
        && Owner is { } owner
        && string.Equals(labels.GetValueOrDefault(Home), owner, StringComparison.Ordinal);

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
