using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunFlowTests : IDisposable
{
    private const string Secret = "tok\"en-of-the-run";
    private const string Credential = "sk-of-this-host";
    private readonly string folder = Directory.CreateTempSubdirectory("berth-flow-").FullName;
    private readonly RunStore store;
    private readonly RunDirectories directories;

    public RunFlowTests()
    {
        store = new RunStore(
            Database.Open(Path.Combine(folder, "berth.db"), connectionString: null),
            HomeName.Alone,
            TimeProvider.System);
        directories = new RunDirectories(Path.Combine(folder, "runs"), elsewhere: null);
    }

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void What_the_host_writes_is_redacted_before_and_after_the_supervisor_took_the_secrets()
    {
        var flow = Flow(new RunSecrets { Redact = [Secret] });
        Write(flow, $"before {Secret} and {Credential}");
        File.Delete(flow.Directory.SecretsFile);
        Write(flow, $"after {Secret} and {Credential}");

        var journal = File.ReadAllText(flow.Directory.JournalFile);
        Assert.Contains("before *** and ***", journal, StringComparison.Ordinal);
        Assert.Contains("after *** and ***", journal, StringComparison.Ordinal);
        Assert.DoesNotContain("en-of-the-run", journal, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"delivered\"", journal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_that_takes_over_later_still_redacts_its_own_credential()
    {
        var flow = Flow(new RunSecrets());
        Write(flow, $"refused: {Credential}");

        Assert.Contains(
            "refused: ***", File.ReadAllText(flow.Directory.JournalFile), StringComparison.Ordinal);
        Assert.Equal("*** it is", flow.Redact($"{Credential} it is"));
    }

    [Fact]
    public void An_outcome_says_no_secret_either()
    {
        var flow = Flow(new RunSecrets { Redact = [Secret] });
        flow.Finish(new RunOutcome
        {
            State = RunState.Failed,
            Error = new Failure("git_failed", $"It said {Secret}.", $"Unset {Credential}.", Fault.Operator),
            Warnings = [$"{Secret} was seen."],
        });

        var outcome = store.Find(flow.Id)!.Outcome!;
        Assert.Equal(("It said ***.", "Unset ***."), (outcome.Error!.Message, outcome.Error.Hint));
        Assert.Equal(["*** was seen."], outcome.Warnings);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task What_a_host_said_before_it_died_waiting_is_not_said_again(int lines)
    {
        var id = Flow(new RunSecrets()).Id;
        var run = store.Find(id)! with { Plan = Plans.Any() with { Notices = ["mind this"] } };
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        for (var host = 0; host < 2; host++)
        {
            var flow = new RunFlow(run, store, directories, [Credential], TimeProvider.System);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flow.WaitForPlaceAsync(0, gone.Token));
            var said = await File.ReadAllLinesAsync(flow.Directory.JournalFile, CancellationToken.None);
            Assert.Equal(["run_accepted", "notice", "phase"], said.Select(TypeOf));
            await File.WriteAllLinesAsync(flow.Directory.JournalFile, said.Take(lines), CancellationToken.None);
        }
    }

    private static string? TypeOf(string line) =>
        JsonDocument.Parse(line).RootElement.GetProperty("data").GetProperty("type").GetString();

    private static void Write(RunFlow flow, string text) =>
        flow.Write(BerthEvents.Delivered, new(StringComparer.Ordinal) { ["branch"] = text });

    private RunFlow Flow(RunSecrets secrets)
    {
        var id = RunId.New(TimeProvider.System);
        directories.Create(id, new AgentFiles([], null, null, secrets));
        return new RunFlow(store.Insert(id, Plans.Any()), store, directories, [Credential], TimeProvider.System);
    }
}
