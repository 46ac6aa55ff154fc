using System.Text;
using Berth.Supervisor;
using Xunit;

namespace Berth.Tests.Supervisor;

/// <summary>Which results show that a call was made without a decision. The lines are those of version
/// 2.1.330.</summary>
public sealed class DecidedCallsTests
{
    private const string Accepted = """{"decision":"accept","source":"user_temporary"}""";
    private const string ByRule = """{"decision":"accept","source":"config","reason_type":"rule"}""";
    private const string Rejected = """{"decision":"reject","source":"user_reject"}""";

    private readonly DecidedCalls calls = new();

    [Theory]
    [InlineData(Accepted, false, true)]
    [InlineData(Accepted, true, true)]
    [InlineData(ByRule, false, true)]
    [InlineData(Rejected, true, false)]
    [InlineData(null, false, true)]
    [InlineData(null, true, false)]
    public void F50_The_result_of_a_call_that_waits_shows_whether_it_was_made(
        string? decision, bool isError, bool isMade)
    {
        calls.Asked("t1");

        Assert.Equal(isMade ? "t1" : null, Find(Line("t1", isError, decision)));
    }

    [Theory]
    [InlineData(Accepted, true)]
    [InlineData(ByRule, false)]
    [InlineData(null, false)]
    public void F50_A_call_that_nobody_asked_about_must_not_say_that_a_person_permitted_it(
        string? decision, bool isForged) =>
        Assert.Equal(isForged ? "t1" : null, Find(Line("t1", isError: false, decision)));

    [Fact]
    public void F50_What_was_allowed_may_be_made_and_what_was_allowed_for_one_call_not_for_another()
    {
        calls.Asked("t1");
        calls.Asked("t2");
        calls.Allowed("t1");

        Assert.Null(Find(Line("t1", isError: false, Accepted)));
        Assert.Equal("t2", Find(Line("t2", isError: false, Accepted)));
        calls.Asked("t1");
        Assert.Null(Find(Line("t1", isError: false, Accepted)));
    }

    [Fact]
    public void F50_A_result_that_is_too_long_to_be_read_whole_is_judged_by_its_beginning()
    {
        calls.Asked("t1");
        var whole = Line("t1", isError: false, null).Replace("out", new string('x', 100_000), StringComparison.Ordinal);
        var beginning = Encoding.UTF8.GetBytes(whole).AsSpan(0, 50_000);

        Assert.Equal("t1", calls.FindUndecidedIn(beginning));
        calls.Allowed("t1");
        Assert.Null(calls.FindUndecidedIn(beginning));
    }

    [Theory]
    [InlineData("""{"type":"user","message":"tool_result"}""")]
    [InlineData("""{"type":"user","message":{"content":[1,{"type":"tool_result"}]}}""")]
    [InlineData("""{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":7}]}}""")]
    [InlineData("""{"type":"assistant","message":{"content":[{"type":"tool_result","tool_use_id":"t1"}]}}""")]
    [InlineData("""{"type":"tool_result",""")]
    public void F50_Lines_of_another_shape_mean_nothing(string line)
    {
        calls.Asked("t1");

        Assert.Null(Find(line));
    }

    private string? Find(string line) => calls.FindUndecided(Encoding.UTF8.GetBytes(line));

    private static string Line(string id, bool isError, string? decision)
    {
        var error = isError ? "true" : "false";
        var meta = decision is null
            ? string.Empty
            : $$""","tool_result_meta":[{"id":"{{id}}","permission_decision":{{decision}}}]""";
        var result = $$"""{"tool_use_id":"{{id}}","type":"tool_result","content":"out","is_error":{{error}}}""";
        return $$"""{"type":"user","message":{"role":"user","content":[{{result}}]}{{meta}}}""";
    }
}
