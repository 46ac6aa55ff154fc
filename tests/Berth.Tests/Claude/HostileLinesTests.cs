using System.Text;
using Berth.Engine.Claude;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Claude;

/// <summary>What any process inside can put on the CLI's output, taken down and judged.</summary>
public sealed class HostileLinesTests : IDisposable
{
    private const int Rounds = 150;
    private const int Seed = 20261129;

    private static readonly string[] Lines =
    [
        """{"type":"system","subtype":"init","model":"m","mcp_servers":[{"name":"x","status":"pending"}]}""",
        """{"type":"assistant","message":{"id":"a","model":"m","content":[{"type":"tool_use","id":"t","name":"B"}]}}""",
        """{"type":"user","message":{"content":[{"tool_use_id":"t","type":"tool_result","is_error":true}]}}""",
        """{"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","api_error":"x"}""",
        """{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","num_turns":1}""",
    ];

    private readonly TemporaryRun run = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task F80_Hostile_lines_survive_the_journal_and_nothing_but_a_success_is_judged_as_one()
    {
        var random = new Random(Seed);
        using (var journal = JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System))
        {
            for (var i = 0; i < Rounds * Lines.Length; i++)
            {
                Assert.True(journal.AppendLine(JournalEntry.Stdout, Spoilt(Lines[i % Lines.Length], random)));
            }
        }

        var evidence = new ClaudeEvidence();
        var count = 0;
        var wasSuccess = false;
        await foreach (var entry in new JournalReader(TimeProvider.System)
            .ReadAsync(run.Directory, 0, null, Cancel))
        {
            count++;
            evidence.Add(entry.Data);
            if (entry.Data.Text("type") is "result")
            {
                wasSuccess = entry.Data.Text("subtype") is "success"
                    && entry.Data.Member("is_error").ValueKind == System.Text.Json.JsonValueKind.False;
            }

            var verdict = ClaudeVerdict.Judge(evidence, Exits.With(code: 0));
            Assert.False(verdict.Succeeded && !wasSuccess, $"Entry {entry.Seq} made a success.");
        }

        Assert.Equal(Rounds * Lines.Length, count);
    }

#pragma warning disable CA5394 // The changes have to come again when the test is run again.
    private static byte[] Spoilt(string line, Random random)
    {
        var bytes = Encoding.UTF8.GetBytes(line).ToList();
        for (var change = random.Next(4); change > 0 && bytes.Count > 1; change--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, random.Next(bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, [0xff, 0x00, 0xc0, 0xed, 0xa0, 0x80]);
                    break;
                default:
                    bytes.InsertRange(at, bytes[..at]);
                    break;
            }
        }

        return [.. bytes.Where(one => one is not (byte)'\n')];
    }
#pragma warning restore CA5394
}
