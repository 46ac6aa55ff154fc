using System.Text.Json;
using System.Text.Json.Nodes;
using Berth.Engine.Claude;
using Berth.Protocol;
using Berth.Tests.Tidy;
using Xunit;

namespace Berth.Tests.Claude;

/// <summary>Judges what the real CLI said in each way it can end, as recorded by the system tests'
/// CorpusTests.</summary>
public sealed class CorpusTests
{
    private static readonly string Folder = Path.Combine(SourceTree.Root, "tests", "Berth.Tests", "Claude", "Corpus");

    public static IEnumerable<TheoryDataRow<string>> Names =>
        Directory.EnumerateFiles(Folder, "*.ndjson").Order(StringComparer.Ordinal)
            .Select(file => new TheoryDataRow<string>(Path.GetFileNameWithoutExtension(file)));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recorded_run_is_judged_as_is_due(string name)
    {
        var (evidence, exit, due) = Read(name);

        var verdict = ClaudeVerdict.Judge(evidence, exit);

        var code = (string?)due["code"];
        Assert.Equal((string?)due["end"], verdict.End.ToString());
        Assert.Equal(code, verdict.Failure?.Code);
        Assert.Equal(code is null, verdict.Succeeded);
        Assert.Equal((int?)due["turns"] ?? verdict.Turns, verdict.Turns);
        Assert.Equal((long?)due["input"] ?? verdict.Tokens.Input, verdict.Tokens.Input);
        Assert.Equal((long?)due["output"] ?? verdict.Tokens.Output, verdict.Tokens.Output);
        var denials = due["denials"]!.AsArray().Select(tool => (string)tool!);
        Assert.Equal(denials, verdict.PermissionDenials.Select(denial => denial.Tool), StringComparer.Ordinal);
        Assert.Contains((string?)due["warning"] ?? "", string.Join('\n', verdict.Warnings), StringComparison.Ordinal);
        Assert.Contains((string?)due["message"] ?? "", verdict.Failure?.Message ?? "", StringComparison.Ordinal);
        Assert.All(verdict.PermissionDenials, denial => Assert.NotNull(denial.Input));
        Assert.DoesNotContain("\n", verdict.Failure?.Message ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recorded_run_that_is_cut_anywhere_is_no_success_before_its_result(string name)
    {
        var lines = Lines(name);
        var first = Array.FindIndex(lines, line => line.Contains("\"type\":\"result\"", StringComparison.Ordinal));
        for (var end = 1; end <= (first < 0 ? lines.Length : first); end++)
        {
            var evidence = new ClaudeEvidence();
            foreach (var line in lines[..end])
            {
                evidence.Add(JsonDocument.Parse(line).RootElement);
            }

            Assert.False(ClaudeVerdict.Judge(evidence, Exits.With(code: 0)).Succeeded);
            Assert.False(ClaudeVerdict.Judge(evidence, Exits.With(signal: 9)).Succeeded);
        }
    }

    [Fact]
    public void The_facts_of_a_run_come_from_its_transcript()
    {
        var (evidence, exit, _) = Read("done");

        var verdict = ClaudeVerdict.Judge(evidence, exit);

        Assert.Equal("All done.", verdict.Result);
        Assert.Equal("claude-opus-5-5", verdict.Model);
        Assert.Equal("2.1.330", verdict.CliVersion);
        Assert.NotNull(verdict.SessionId);
        Assert.Equal("dontAsk", evidence.PermissionMode);
        Assert.Equal(0.018m, verdict.CostUsd);
        Assert.Empty(verdict.Warnings);
    }

    [Fact]
    public void Of_two_results_the_last_counts_and_usage_is_added_once()
    {
        var (evidence, exit, _) = Read("background_task");

        var verdict = ClaudeVerdict.Judge(evidence, exit);

        Assert.Equal("second", verdict.Result);
        Assert.Equal((3, 3000, 300), (verdict.Turns, verdict.Tokens.Input, verdict.Tokens.Output));
        Assert.Equal(0.018m, verdict.CostUsd);
    }

    private static string[] Lines(string name) => File.ReadAllLines(Path.Combine(Folder, $"{name}.ndjson"));

    private static (ClaudeEvidence Evidence, ExitRecord Exit, JsonNode Due) Read(string name)
    {
        var evidence = new ClaudeEvidence();
        var lines = Lines(name);
        foreach (var line in lines[1..^1])
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.Text("stderr") is { } stderr)
            {
                evidence.AddStderr(stderr);
            }

            evidence.Add(document.RootElement);
        }

        var exit = JsonNode.Parse(lines[^1])!["exit"]!;
        return (evidence, Exits.With((int?)exit["exitCode"], (int?)exit["signal"]), JsonNode.Parse(lines[0])!["due"]!);
    }
}
