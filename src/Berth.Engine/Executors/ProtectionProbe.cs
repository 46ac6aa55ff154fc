using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>Tries the protections of a mode from inside, by an execution of the supervisor in the agent's place: the
/// very path of a run.</summary>
internal sealed class ProtectionProbe(string runsFolder, string supervisorPath, TimeProvider time)
{
    private const string Missing = "protection_missing";
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    /// <summary>Tries them.</summary>
    /// <param name="sandbox">The mode's isolation.</param>
    /// <param name="create">Makes the mode's executor over a folder of run directories.</param>
    /// <param name="claudeBinary">The CLI as a host path.</param>
    /// <param name="cancellation">Gives it up.</param>
    internal async Task<IReadOnlyList<ProbeCheck>> TryAsync(
        SandboxKind sandbox, Func<string, IExecutor> create, string claudeBinary, CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("berth-doctor-").FullName;
        var runId = $"doctor{Guid.NewGuid():N}"[..26];
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var expires = time.CreateTimer(
            _ => bound.Cancel(), null, Bound, Timeout.InfiniteTimeSpan);
        try
        {
            GuardedClaude.Share(runsFolder, folder);
            Directory.CreateDirectory(new RunDirectory(Path.Combine(folder, runId)).Workspace);
            var executor = create(folder);
            try
            {
                var spec = SpecOf(executor, runId, sandbox, claudeBinary);
                _ = await executor.ExecuteClaudeTaskAsync(spec, bound.Token);
                return ChecksOf(sandbox, claudeBinary, await ReadAsync(executor, runId, bound.Token));
            }
            finally
            {
                using var deadline = new CancellationTokenSource(Bound, time);
                _ = await executor.CleanUpAsync(runId, keepWorkspace: false, deadline.Token);
            }
        }
        catch (FailureException failed)
        {
            return [Bad(NameOf(sandbox, "protections"), $"could not be tried: {failed.Failure.Message}")];
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return [Bad(NameOf(sandbox, "protections"), "could not be tried within a minute")];
        }
        finally
        {
            SafeDeletion.Remove(Path.GetDirectoryName(folder)!, [Path.GetFileName(folder)], CancellationToken.None);
        }
    }

    private ExecutionSpec SpecOf(IExecutor executor, string runId, SandboxKind sandbox, string claudeBinary)
    {
        var policy = new ExecutionPolicy
        {
            Sandbox = sandbox,
            GuardsClaude = true,

            // A container has it anyway.
            Mounts = sandbox == SandboxKind.Bubblewrap
                ? [new HostMount(Path.GetDirectoryName(supervisorPath)!, InsidePaths.Supervisor)]
                : [],
        };
        var layout = executor.LayOut(runId, policy, claudeBinary);
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
            ["HOME"] = layout.Home,
            ["DOTNET_EnableDiagnostics"] = "0",
        };
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root)
        {
            environment["DOTNET_ROOT"] = root;
        }

        return new ExecutionSpec
        {
            RunId = runId,
            Argv =
            [
                $"{InsidePaths.Supervisor}/{Path.GetFileName(supervisorPath)}", "try", layout.Claude,
                policy.TempBytes.ToString(CultureInfo.InvariantCulture),
            ],
            Environment = environment,
            Policy = policy,
            ClaudeBinary = claudeBinary,
        };
    }

    private static async Task<IReadOnlyList<string>> ReadAsync(
        IExecutor executor, string runId, CancellationToken cancellation)
    {
        var lines = new List<string>();
        await foreach (var entry in executor.GetExecutionLogsAsync(runId, after: 0, follow: true, cancellation))
        {
            if (entry.Stream is JournalEntry.Stdout or JournalEntry.Stderr
                && entry.Data.ValueKind == System.Text.Json.JsonValueKind.String)
            {
                lines.Add(entry.Data.GetString()!);
            }
        }

        return lines;
    }

    private static IReadOnlyList<ProbeCheck> ChecksOf(
        SandboxKind sandbox, string claudeBinary, IReadOnlyList<string> lines)
    {
        var tried = lines.Select(ProtectionLine.Parse).OfType<ProtectionLine>().ToList();
        return
        [
            .. from name in ProtectionLine.Names
               let line = tried.Find(line => string.Equals(line.Name, name, StringComparison.Ordinal))
               select line switch
               {
                   null => Bad(
                       NameOf(sandbox, name),
                       $"could not be tried: {(lines.Count > 0 ? lines[0] : "no answer from inside")}"),
                   { Holds: true } => new ProbeCheck(NameOf(sandbox, name), true, line.Detail),

                   // A package is what such a CLI needs.
                   { Name: ProtectionLine.CliFolder } when ClaudeMount.Of(claudeBinary).IsPackage =>
                       new ProbeCheck(NameOf(sandbox, name), true, line.Detail),
                   _ => Bad(NameOf(sandbox, name), line.Detail),
               },
        ];
    }

    private static string NameOf(SandboxKind sandbox, string name) =>
        sandbox == SandboxKind.Container ? ProbeCheck.OfDocker + name : name;

    private static ProbeCheck Bad(string name, string detail) => new(
        name, false, detail, "Runs work without it, and hostile code has more to try: see SECURITY.md")
    {
        Required = false,
        Code = Missing,
    };
}
