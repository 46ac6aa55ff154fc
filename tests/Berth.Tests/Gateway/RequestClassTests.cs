using Berth.Engine.Budgets;
using Berth.Engine.Gateway;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Berth.Tests.Gateway;

public sealed class RequestClassTests
{
    [Theory]
    [InlineData("main", null, true)]
    [InlineData("subagent", "a", false)]
    [InlineData("workflow", "a", false)]
    [InlineData("compaction", null, false)]
    [InlineData("auxiliary", null, false)]
    [InlineData("side_reply", null, false)]
    [InlineData(null, null, true)]
    [InlineData(null, "a", false)]
    public void F77_Only_a_call_of_the_main_conversation_is_a_turn(string? said, string? agent, bool isTurn)
    {
        var headers = new HeaderDictionary();
        if (said is not null)
        {
            headers[RequestClass.Header] = said;
        }

        if (agent is not null)
        {
            headers[RequestClass.AgentHeader] = agent;
        }

        Assert.Equal(isTurn, RequestClass.IsTurn(headers));
        Assert.Equal(isTurn ? 1 : 0, MostOf(headers).Turns);
    }

    private static Spending MostOf(HeaderDictionary headers)
    {
        var body = """{"model": "m", "messages": []}"""u8.ToArray();
        return ModelCall.Of(
            headers, RequestJudge.Judge(body, GatewayPolicy.Closed), body.Length, ModelPrices.Listed).Most;
    }

    [Fact]
    public void F77_A_limit_of_turns_stops_no_call_that_is_no_turn()
    {
        using var admission = new CallAdmission(
            new BudgetLimits { Turns = 1, Tokens = 100 }, new Spending(Calls: 1, Turns: 1),
            SharedBudgets.None(TimeProvider.System), TimeProvider.System);

        Assert.NotNull(admission.TryEnter(new Spending(1, 1, 10))!.Stop);
        var summary = admission.TryEnter(new Spending(1, 0, 10))!;
        Assert.Null(summary.Stop);
        admission.Leave(summary, new Spending(1, 0, 200));
        Assert.Equal(BudgetUnit.Tokens, admission.TryEnter(new Spending(1, 0, 10))!.Stop!.Unit);
    }
}
