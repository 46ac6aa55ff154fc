using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What must not be shown of runs: the second look, after that of whoever wrote down what they said.</summary>
/// <remarks>
/// Some secrets last: the operator's, and those of workflows, which stand in files. Others pass: what a run was given
/// with its request is forgotten at its end. Changes are git's and are not rewritten, so those that hold one of the
/// latter are remembered by its places.
/// </remarks>
internal sealed class ShownSecrets(BerthOptions options, RunDirectories directories, WorkflowCatalog workflows)
{
    private const int MostKept = 32;
    private readonly Lock gate = new();
    private readonly Dictionary<string, Redactor> kept = new(StringComparer.Ordinal);

    /// <summary>A redactor for what is shown of no run: what is the operator's.</summary>
    public Redactor OfOperator() => KeptOf([.. OperatorValues()]);

    /// <summary>A redactor for what is shown of a run: all that is known now.</summary>
    public Redactor RedactorOf(string runId, string workflow) =>
        KeptOf([.. Lasting(workflow), .. directories.SecretsOf(runId) ?? []]);

    private Redactor KeptOf(List<string> values)
    {
        var key = KeyOf(values);
        lock (gate)
        {
            if (!kept.TryGetValue(key, out var redactor))
            {
                if (kept.Count == MostKept)
                {
                    kept.Clear();
                }

                kept[key] = redactor = new Redactor(values);
            }

            return redactor;
        }
    }

    /// <summary>The secrets of a run at work that nobody will know after its end.</summary>
    public IReadOnlyList<string> PassingOf(string runId, string workflow)
    {
        var lasting = Lasting(workflow).ToHashSet(StringComparer.Ordinal);
        return [.. (directories.SecretsOf(runId) ?? []).Where(value => !lasting.Contains(value))];
    }

    private IEnumerable<string> Lasting(string workflow) =>
    [
        .. OperatorValues(),
        .. Readable(() => [.. workflows.Load(workflow).Environment.Values]),
    ];

    /// <summary>What is the operator's, as it is now.</summary>
    public IReadOnlyList<string> OperatorSecrets => [.. OperatorValues()];

    private IEnumerable<string> OperatorValues() =>
        [.. options.Gateway.Secrets, .. Readable(() => options.Git.Credentials.Secrets())];

    // A file that cannot be used is said to whoever needs it; what it holds is not known here then.
    private static IReadOnlyList<string> Readable(Func<IReadOnlyList<string>> read)
    {
        try
        {
            return read();
        }
        catch (FailureException)
        {
            return [];
        }
    }

    // Not the values themselves: they would stay in memory for longer than what was made of them.
    private static string KeyOf(List<string> values) =>
        Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', values))));
}
