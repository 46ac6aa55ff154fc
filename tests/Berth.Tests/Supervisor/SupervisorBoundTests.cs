using System.Globalization;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Supervisor;
using Xunit;

namespace Berth.Tests.Supervisor;

/// <summary>
/// FAULTS F 59, the supervisor's part of the inventory: what an agent can make it keep, in memory and in the journal
/// past its cap. What comes after a cap is kept for good reasons, and any process inside can forge it.
/// </summary>
public sealed class SupervisorBoundTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private const int Requests = 10_500;

    // Each letter takes six bytes in an event.
    private static readonly string Foreign = new('é', 5000);

    private readonly TemporaryRun run = new();
    private readonly JournalWriter writer;
    private readonly RunJournal journal;

    public SupervisorBoundTests()
    {
        writer = JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System);
        journal = new RunJournal(writer, run.Directory, new ExecutionLimits { JournalBytes = MiB });
        File.WriteAllText(run.Directory.InputFile, string.Empty);
    }

    public static TheoryData<string, int, bool> Forged => new()
    {
        { "as large as a line", MiB, false },
        { "as large as a line, and withdrawn", MiB, true },
        { "as large as is shown", BerthEvents.LongestInput - 100, false },
        { "as large as is shown, and withdrawn", BerthEvents.LongestInput - 100, true },
        { "small, and withdrawn", 10, true },
    };

    public void Dispose()
    {
        journal.Dispose();
        writer.Dispose();
        run.Dispose();
    }

    [Theory]
    [MemberData(nameof(Forged))]
    public void F59_Forged_approval_requests_cost_little_memory_and_little_of_the_journal(
        string what, int inputBytes, bool areWithdrawn)
    {
        var desk = new ApprovalDesk(journal, TimeSpan.FromMinutes(10), TimeProvider.System);
        var input = new AgentInput(run.Directory.InputFile);
        desk.Begin(input);
        var ask = Line(new
        {
            type = "control_request",
            request_id = "r",
            request = new
            {
                subtype = "can_use_tool",
                tool_name = Foreign,
                tool_use_id = Foreign,
                decision_reason = Foreign,
                input = new { command = new string('x', inputBytes) },
            },
        });
        var withdraw = Line(new { type = "control_cancel_request", request_id = "r" });
        for (var request = 0; request < Requests; request++)
        {
            desk.Hear(ask);
            if (areWithdrawn)
            {
                desk.Hear(withdraw);
            }
        }

        AssertJournal(40 * MiB, what);
        AssertKept(8 * MiB, desk, what);
        var told = run.Entries();
        Assert.Contains(told, entry => entry.Data.GetProperty("type").ValueEquals(BerthEvents.ApprovalRequested));

        // Who asks after that is still answered, and nothing is told of it.
        desk.Hear(ask);
        Assert.Equal(told.Count, run.Entries().Count);
    }

    [Fact]
    public void F59_Answers_that_nobody_reads_are_bounded_by_their_bytes()
    {
        var desk = new ApprovalDesk(journal, TimeSpan.FromMinutes(10), TimeProvider.System);
        var input = new AgentInput(run.Directory.InputFile);
        desk.Begin(input);
        var id = new string('é', MiB / 2);
        var other = Line(new { type = "control_request", request_id = id, request = new { subtype = "initialize" } });
        for (var request = 0; request < 300; request++)
        {
            desk.Hear(other);
            desk.RefuseLong(id);
        }

        AssertKept(40 * MiB, input, "answers that wait");
        AssertJournal(MiB, "answers that wait");
    }

    [Fact]
    public void F59_Ids_of_calls_are_remembered_up_to_a_number_and_the_first_are_kept()
    {
        var calls = new DecidedCalls();
        for (var number = 0; number < 60_000; number++)
        {
            calls.Asked(number.ToString(CultureInfo.InvariantCulture).PadLeft(200, 'x'));
            calls.Asked(number + Foreign);
        }

        AssertKept(16 * MiB, calls, "ids of calls");
        Assert.NotNull(calls.FindUndecided(Encoding.UTF8.GetBytes(
            $$$"""
            {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"{{{"0".PadLeft(200, 'x')}}}"}]}}
            """)));
    }

    [Fact]
    public void F59_Calls_that_nobody_allowed_are_told_once_until_the_run_has_ended()
    {
        var desk = new ApprovalDesk(journal, TimeSpan.FromMinutes(10), TimeProvider.System);
        for (var number = 0; number < 1000; number++)
        {
            desk.TellBypassed(Foreign);
        }

        Assert.InRange(Assert.Single(run.Entries()).Data.GetProperty("toolUseId").GetString()!.Length, 1, 200);
    }

    [Fact]
    public void F59_Words_on_messages_that_nobody_sent_are_not_remembered()
    {
        var talk = new AgentTalk(journal);
        for (var number = 0; number < 2000; number++)
        {
            talk.Hear(isResult: false, Line(new
            {
                type = "command_lifecycle", command_uuid = number + Foreign, state = "queued",
            }));
        }

        AssertKept(MiB, talk, "messages");
    }

    [Theory]
    [InlineData(100_000, 1500)]
    [InlineData(8 * MiB, 20)]
    public void F59_Forged_results_are_kept_past_the_cap_up_to_a_bound(int bytes, int count)
    {
        var limits = new ExecutionLimits { JournalBytes = MiB, LineBytes = 256 * 1024, SpillBytes = MiB };
        var few = new RunJournal(writer, run.Directory, limits);
        var sink = new LineSink(JournalEntry.Stdout, few, Redactor.None, limits, new Deaf());
        var line = Encoding.UTF8.GetBytes($$"""{"result":"{{new string('r', bytes)}}","type":"result"}""" + "\n");
        for (var number = 0; number < count; number++)
        {
            sink.Take(line);
        }

        var spilled = Directory.Exists(run.Directory.SpillFolder)
            ? Directory.EnumerateFiles(run.Directory.SpillFolder).Sum(file => new FileInfo(file).Length)
            : 0;
        Assert.InRange(spilled + new FileInfo(run.Directory.JournalFile).Length, 60 * MiB, 76 * MiB);
        Assert.True(few.DroppedBytes > 50 * MiB);
    }

    private static JsonElement Line<T>(T said) => JsonSerializer.SerializeToElement(said);

    private void AssertJournal(long most, string what)
    {
        var bytes = new FileInfo(run.Directory.JournalFile).Length;
        Assert.True(bytes < most, $"{what}: the journal has {bytes} bytes.");
    }

    private static void AssertKept(long most, object holder, string what)
    {
        var kept = Retained.BytesOf(holder);
        Assert.True(kept < most, $"{what}: {kept} bytes are kept.");
    }

    private sealed class Deaf : ILineListener
    {
        public void LongLineBegins(ReadOnlySpan<byte> beginning)
        {
            // Only the journal counts here.
        }

        public void LineEnded(ReadOnlySpan<byte> line, bool isResult)
        {
            // Likewise.
        }
    }
}
