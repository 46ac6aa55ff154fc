using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Berth.Engine.Claude;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Claude;

/// <summary>
/// Runs the real CLI through each case and judges it. With <c>BERTH_RECORD_CORPUS</c> set to a folder
/// (tests/Berth.Tests/Claude/Corpus of a clone) it also writes what it saw there, for the unit tests to judge again.
/// </summary>
public sealed partial class CorpusTests : IDisposable
{
    private static readonly string[] TrimmedLists =
    [
        "slash_commands", "terminal_slash_commands", "agents", "skills", "plugins", "capabilities", "commands",
        "models", "memory_paths", "tool_use_result",
    ];

    private const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    private readonly string folder = Directory.CreateTempSubdirectory("berth-corpus-").FullName;

    public static IEnumerable<TheoryDataRow<string>> Names =>
        CorpusCases.All.Select(one => new TheoryDataRow<string>(one.Name));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_real_cli_ends_as_the_corpus_says(string name)
    {
        var claude = RealClaude.Find();
        Assert.SkipWhen(claude is null, "There is no Claude CLI: run npm ci in tools/claude, or set BERTH_CLAUDE.");
        var corpusCase = CorpusCases.All.Single(one => string.Equals(one.Name, name, StringComparison.Ordinal));

        var cancellation = TestContext.Current.CancellationToken;
        var recording = await RunAsync(claude, corpusCase, cancellation);
        if (Environment.GetEnvironmentVariable("BERTH_RECORD_CORPUS") is { Length: > 0 } corpus)
        {
            await RecordAsync(Path.Combine(corpus, $"{name}.ndjson"), corpusCase, recording);
        }

        var verdict = Judge(recording);
        Assert.Equal((corpusCase.End, corpusCase.Code), (verdict.End, verdict.Failure?.Code));
        Assert.Equal(corpusCase.Turns ?? verdict.Turns, verdict.Turns);
        var denied = verdict.PermissionDenials.Select(denial => denial.Tool);
        Assert.Equal(corpusCase.Denials, denied, StringComparer.Ordinal);
        var tokens = (verdict.Tokens.Input, verdict.Tokens.Output);
        Assert.Equal(corpusCase.Tokens ?? tokens, tokens);
        Assert.Contains(corpusCase.Message ?? "", verdict.Failure?.Message ?? "", StringComparison.Ordinal);
        Assert.Contains(corpusCase.Warning ?? "", string.Join('\n', verdict.Warnings), StringComparison.Ordinal);
        Assert.Equal(corpusCase.Warning is null, verdict.Warnings.Count == 0);
    }

    private async Task<Recording> RunAsync(string claude, CorpusCase corpusCase, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            var place = attempt == 1 ? folder : Path.Combine(folder, $"again{attempt}");
            Directory.CreateDirectory(place);
            var recording = await new RealClaude(claude, place).RunAsync(corpusCase, cancellation);
            if (attempt == corpusCase.Attempts || Judge(recording).End == corpusCase.End)
            {
                return recording;
            }
        }
    }

    private static ClaudeVerdict Judge(Recording recording)
    {
        var evidence = new ClaudeEvidence();
        foreach (var line in recording.Stdout)
        {
            evidence.Add(JsonDocument.Parse(line).RootElement);
        }

        foreach (var line in recording.Stderr)
        {
            evidence.AddStderr(line);
        }

        var now = TimeProvider.System.GetUtcNow();
        return ClaudeVerdict.Judge(evidence, new ExitRecord
        {
            RunId = "corpus",
            Cause = ExitCause.Exited,
            ExitCode = recording.Exit.Code,
            Signal = recording.Exit.Signal,
            StartedAt = now,
            EndedAt = now,
        });
    }

    private async Task RecordAsync(string file, CorpusCase corpusCase, Recording recording)
    {
        var due = new JsonObject
        {
            ["about"] = corpusCase.About,
            ["end"] = corpusCase.End.ToString(),
            ["code"] = corpusCase.Code,
            ["turns"] = corpusCase.Turns,
            ["input"] = corpusCase.Tokens?.Input,
            ["output"] = corpusCase.Tokens?.Output,
            ["denials"] = new JsonArray([.. corpusCase.Denials.Select(tool => (JsonNode)tool)]),
            ["warning"] = corpusCase.Warning,
            ["message"] = corpusCase.Message,
        };
        var exit = new JsonObject { ["exitCode"] = recording.Exit.Code, ["signal"] = recording.Exit.Signal };
        List<string> lines =
        [
            new JsonObject { ["due"] = due }.ToJsonString(),
            .. recording.Stdout.Select(line => Normalize(JsonNode.Parse(line)!)),
            .. recording.Stderr.Select(line => new JsonObject { ["stderr"] = Normalize(line) }.ToJsonString()),
            new JsonObject { ["exit"] = exit }.ToJsonString(),
        ];
        await File.WriteAllLinesAsync(file, lines, TestContext.Current.CancellationToken);
    }

    private string Normalize(JsonNode e)
    {
        Trim(e);
        return Normalize(e.ToJsonString());
    }

    private static void Trim(JsonNode? node)
    {
        if (node is JsonArray array)
        {
            foreach (var item in array)
            {
                Trim(item);
            }
        }
        else if (node is JsonObject members)
        {
            foreach (var (name, value) in members.ToList())
            {
                if (TrimmedLists.Contains(name, StringComparer.Ordinal))
                {
                    members.Remove(name);
                }
                else if (name.EndsWith("_ms", StringComparison.Ordinal) && value is JsonValue)
                {
                    members[name] = 1;
                }
                else
                {
                    Trim(value);
                }
            }
        }
    }

    // Nothing of the machine that recorded is kept: its folders, process ids, random ids and clock.
    private string Normalize(string text)
    {
        text = text.Replace($"{folder}/workspace", "/workspace", StringComparison.Ordinal)
            .Replace($"{folder}/home", "/home/agent", StringComparison.Ordinal)
            .Replace(folder, "/run/berth", StringComparison.Ordinal)
            .Replace(folder.Replace('/', '-'), "-run-berth", StringComparison.Ordinal);
        text = RandomId().Replace(text, "00000000-0000-4000-8000-000000000001");
        text = Clock().Replace(text, "2026-01-01T00:00:00.000Z");
        return ProcessSocket().Replace(text, "cc-socks/2.sock");
    }

    [GeneratedRegex("[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", Options, 1000)]
    private static partial Regex RandomId();

    [GeneratedRegex(@"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", Options, 1000)]
    private static partial Regex Clock();

    [GeneratedRegex(@"cc-socks/\d+\.sock", Options, 1000)]
    private static partial Regex ProcessSocket();
}
