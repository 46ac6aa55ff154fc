using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Tests.Terminal;
using Xunit;

namespace Berth.Tests.Commands;

public sealed class ExitCodesTests
{
    [Theory]
    [InlineData(RunState.Succeeded, null, 0)]
    [InlineData(RunState.Failed, "api_error", 1)]
    [InlineData(RunState.Failed, null, 1)]
    [InlineData(RunState.Failed, "max_turns_reached", 3)]
    [InlineData(RunState.Failed, "budget_reached", 3)]
    [InlineData(RunState.TimedOut, null, 4)]
    [InlineData(RunState.Failed, "sandbox_failed", 5)]
    [InlineData(RunState.Lost, "supervisor_died", 6)]
    [InlineData(RunState.Cancelled, "cancelled", 130)]
    internal void The_state_of_a_run_decides(RunState state, string? code, int expected)
    {
        var error = code is null ? null : new Failure(code, "m", "h", Fault.Nobody);

        Assert.Equal(expected, ExitCodes.Of(TrialRun.View with { State = state, Error = error }));
    }

    [Theory]
    [InlineData("setting_invalid", Fault.Operator, 2)]
    [InlineData("ref_not_found", Fault.User, 2)]
    [InlineData("credential_missing", Fault.Operator, 2)]
    [InlineData("cli_not_found", Fault.Operator, 5)]
    [InlineData("bubblewrap_missing", Fault.Operator, 5)]
    [InlineData("docker_unreachable", Fault.Operator, 5)]
    [InlineData("disk_full", Fault.Operator, 1)]
    [InlineData("internal_error", Fault.Berth, 1)]
    public void A_refusal_is_bad_usage_where_it_is_the_user_s_fault(string code, Fault fault, int expected) =>
        Assert.Equal(expected, ExitCodes.Of(new Failure(code, "m", "h", fault)));
}
