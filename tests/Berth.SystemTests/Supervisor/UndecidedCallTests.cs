using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>A CLI that makes a call before anybody has allowed it, because somebody inside has answered in our
/// place.</summary>
public sealed class UndecidedCallTests : IDisposable
{
    private const string Request =
        """print {"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash","""
        + """ "tool_use_id":"toolu_1","input":{"command":"x"}}}""";

    private const string Result =
        """print {"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_1","type":"tool_result","""
        + """ "content":"done","is_error":false}]},"tool_result_meta":[{"id":"toolu_1","""
        + """ "permission_decision":{"decision":"accept","source":"user_temporary"}}]}""";

    private readonly SupervisedFixture fixture = new();

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData("hang")]
    [InlineData("result Done.")]
    public async Task F50_The_effect_of_a_call_that_nobody_decided_ends_the_run_at_once(string afterwards)
    {
        fixture.Limits = fixture.Limits with { ApprovalTimeout = TimeSpan.FromMinutes(10) };
        fixture.StartFake(string.Empty, Request, Result, afterwards);

        var exit = await fixture.EndAsync();

        Assert.Equal(ExitCause.ApprovalBypassed, exit.Cause);
        var told = Assert.Single(
            fixture.Entries(), entry => SupervisedFixture.IsType(entry, BerthEvents.ApprovalBypassed));
        Assert.Equal("toolu_1", told.Data.GetProperty("toolUseId").GetString());
    }
}
