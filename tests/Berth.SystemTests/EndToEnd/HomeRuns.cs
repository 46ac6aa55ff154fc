using System.Globalization;
using System.Text.Json;
using Berth.Engine.Processes;
using Berth.Engine.Workspaces;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What tests do with the runs of a home: start, wait for, and kill what serves them.</summary>
internal static class HomeRuns
{
    public const int Kill = 9;

    /// <summary>A command for the agent that goes on until the test lets it, with <see cref="LetGo"/>.</summary>
    public const string WaitForGo = "touch started; while [ ! -e go ]; do sleep 0.1; done";

    /// <summary>A command that makes a file which, when it is there, is whole.</summary>
    public const string WriteHalf = "echo half > new && mv new half.txt";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts a run that goes on by itself, and gives its id.</summary>
    public static async Task<string> DetachAsync(
        this BerthHome home, string script, params IReadOnlyList<string> options)
    {
        var command = await home.BerthAsync(
            Cancel,
            ["run", "implement", BerthHome.Prompt(script), "--detach", .. options]);
        Assert.True(command.ExitCode == 0, command.Error);
        return command.Output.Trim();
    }

    /// <summary>The one run that there is, as soon as it is there.</summary>
    /// <remarks>From the list and not from the folder: a run's directory is there before its record.</remarks>
    public static Task<string> OnlyRunAsync(this BerthHome home) => Eventually.SomeAsync(
        async () => (await home.BerthAsync(Cancel, "ps", "--json")).Json.EnumerateArray()
            .Select(run => run.GetProperty("id").GetString()).SingleOrDefault(),
        "a run",
        BerthHome.Patience);

    /// <summary>Waits for a file of a run's workspace.</summary>
    public static Task WaitForFileAsync(this BerthHome home, string id, string name) => Eventually.TrueAsync(
        () => File.Exists(home.RunFile(id, Path.Combine("workspace", name))),
        $"the file {name}",
        BerthHome.Patience);

    /// <summary>Ends <see cref="WaitForGo"/>.</summary>
    public static void LetGo(this BerthHome home, string id) =>
        File.WriteAllText(home.RunFile(id, Path.Combine("workspace", "go")), string.Empty);

    /// <summary>Waits until the journal holds some text.</summary>
    public static Task WaitForJournalAsync(this BerthHome home, string id, string text) => Eventually.TrueAsync(
        () => home.Journal(id).Contains(text, StringComparison.Ordinal),
        $"{text} in the journal of {id}",
        BerthHome.Patience);

    /// <summary>Waits until the journal says that a phase has begun.</summary>
    public static Task WaitForPhaseAsync(this BerthHome home, string id, string phase) =>
        home.WaitForJournalAsync(id, $"\"type\":\"phase\",\"phase\":\"{phase}\"");

    /// <summary>Waits for a state that the run stays in until the test does something.</summary>
    public static Task<JsonElement> StateAsync(this BerthHome home, string id, string state) => WhenAsync(
        home,
        id,
        run => string.Equals(run.GetProperty("state").GetString(), state, StringComparison.Ordinal));

    /// <summary>Waits until the run has ended and is cleaned up.</summary>
    public static Task<JsonElement> FinalAsync(this BerthHome home, string id) => WhenAsync(
        home,
        id,
        run => !string.Equals(
            run.GetProperty("cleanup").GetProperty("state").GetString(),
            "pending",
            StringComparison.Ordinal));

    /// <summary>Kills the processes that host a run, and waits until its lock is free.</summary>
    public static Task KillHostAsync(this BerthHome home, string id)
    {
        foreach (var host in HostsOf(id))
        {
            host.Signal(Kill);
        }

        return Eventually.TrueAsync(
            () => !LockFile.IsHeld(home.RunFile(id, "host.lock")), $"the host of {id} is dead", BerthHome.Patience);
    }

    /// <summary>The supervisor of a run, as this machine numbers it.</summary>
    public static ProcessIdentity? SupervisorOf(this BerthHome home, string id)
    {
        var record = new[] { "container.json", "handle.json" }.Select(name => home.RunFile(id, name))
            .FirstOrDefault(File.Exists);
        return record is null
            ? null
            : JsonDocument.Parse(File.ReadAllBytes(record)).RootElement.GetProperty("supervisor")
                .Deserialize<ProcessIdentity>(JsonSerializerOptions.Web);
    }

    /// <summary>What a power cut and a new boot leave of runs: no process, and records that name a boot which is
    /// over.</summary>
    public static async Task RebootAsync(this BerthHome home, params IReadOnlyList<string> ids)
    {
        await Task.WhenAll(ids.Select(home.KillHostAsync));
        foreach (var id in ids)
        {
            home.SupervisorOf(id)?.Signal(Kill);
            await NothingLeftAsync(id);
            foreach (var record in Directory.EnumerateFiles(home.RunFile(id, "."), "*.json"))
            {
                var said = await File.ReadAllTextAsync(record, Cancel);
                await File.WriteAllTextAsync(
                    record,
                    said.Replace(ProcessIdentity.CurrentBootId, Guid.Empty.ToString(), StringComparison.Ordinal),
                    Cancel);
            }
        }
    }

    /// <summary>The processes that host a run.</summary>
    public static IReadOnlyList<ProcessIdentity> HostsOf(string id) =>
        ProcessesWhere(folder => Read(Path.Combine(folder, "cmdline")).Contains(
            $"\0host\0{id}\0", StringComparison.Ordinal));

    /// <summary>Waits until no process of the run is left. Each has its id in its environment.</summary>
    public static Task NothingLeftAsync(string id) => Eventually.TrueAsync(
        () => ProcessesWhere(folder => Read(Path.Combine(folder, "environ")).Contains(
            id, StringComparison.Ordinal)).Count == 0,
        $"no process of {id} is left",
        BerthHome.Patience);

    /// <summary>The processes that have a word in their command line.</summary>
    public static IReadOnlyList<ProcessIdentity> ProcessesWith(string word) =>
        ProcessesWhere(folder => Read(Path.Combine(folder, "cmdline")).Contains(word, StringComparison.Ordinal));

    public static void AssertNumberedWithoutGaps(this BerthHome home, string id)
    {
        var numbers = home.Journal(id).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("seq").GetInt64()).ToList();
        Assert.Equal(Enumerable.Range(1, numbers.Count).Select(number => (long)number), numbers);
    }

    /// <summary>The journal so far.</summary>
    public static string Journal(this BerthHome home, string id) => Read(home.RunFile(id, "events.ndjson"));

    /// <summary>A file of a run's directory.</summary>
    public static string RunFile(this BerthHome home, string id, string name) =>
        Path.Combine(home.Home, "runs", id, name);

    /// <summary>The mirror of the home's repository, which may not be there yet.</summary>
    public static string Mirror(this BerthHome home) => Path.Combine(
        home.Home,
        "mirrors",
        Engine.Workspaces.Mirror.NameOf(RepositorySource.Parse(home.Repository, home.Folder)) + ".git");

    /// <summary>Takes the lock of the mirror as its writer does: whoever needs the mirror waits until it is disposed
    /// of.</summary>
    public static FileStream HoldMirror(this BerthHome home)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(home.Mirror())!);
        return new FileStream(
            Path.ChangeExtension(home.Mirror(), ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
    }

    private static async Task<JsonElement> WhenAsync(BerthHome home, string id, Func<JsonElement, bool> condition)
    {
        JsonElement run = default;
        var look = async () =>
        {
            run = (await home.BerthAsync(Cancel, "show", id, "--json")).Json;
            return condition(run) ? run : (object?)null;
        };
        await Eventually.SomeAsync(look, $"the run {id} gets there", BerthHome.Patience);
        return run;
    }

    private static List<ProcessIdentity> ProcessesWhere(Func<string, bool> isWanted)
    {
        var found = new List<ProcessIdentity>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && isWanted(folder)
                && ProcessIdentity.Of(pid) is { } process)
            {
                found.Add(process);
            }
        }

        return found;
    }

    private static string Read(string path)
    {
        try
        {
            using var file = new FileStream(
                path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file);
            return reader.ReadToEnd();
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }
}
