using System.Net.Sockets;
using Berth.Engine.Budgets;
using Berth.Engine.Gateway;
using Xunit;

namespace Berth.SystemTests.Gateway;

/// <summary>FAULTS F 44: what the agent does with its connection changes nothing in what is counted.</summary>
public sealed class CountedCallTests
{
    private const string Slow = "usage in=1000 out=200\ntext The beginning\nwait 700ms\ntext The end";
    private static readonly ModelUsage One = new(1, 1000, 200) { Turns = 1, CostUsd = 0.008m };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Ways => ["headers", "middle", "half-closed", "reset", "slow", "whole"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task F44_A_call_is_counted_exactly_whatever_its_client_does(string way)
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        await LeaveAsync(stage, way, stream: true);

        await CountedAsync(stage, 1);
        Assert.Equal(One, stage.Totals);
        Assert.Empty(stage.Pending);
    }

    [Fact]
    public async Task F44_A_call_that_is_not_streamed_is_counted_when_its_client_hangs_up()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        await LeaveAsync(stage, "headers", stream: false);

        await CountedAsync(stage, 1);
        Assert.Equal(One, stage.Totals);
    }

    [Fact]
    public async Task F44_Twenty_clients_at_once_that_hang_up_are_all_counted()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        var before = stage.Totals;
        var request = GatewayStage.Request(GatewayStage.Body(Slow));
        var clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => stage.ConnectAsync(Cancel)));
        await Task.WhenAll(clients.Select(client => client.WriteAsync(request, Cancel).AsTask()));
        await Eventually.TrueAsync(() => stage.Sent == 20, "all calls are about to be sent", GatewayStage.Patience);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }

        await CountedAsync(stage, 20);
        Assert.Equal(20, stage.Model.Requests.Count);
        Assert.Equal(new ModelUsage(20, 20_000, 4_000) { Turns = 20, CostUsd = 0.16m }, stage.Totals);
        Assert.Equal(new ModelUsage(), before);
    }

    [Fact]
    public async Task F44_A_budget_is_not_got_round_by_hanging_up()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        using var admission = new CallAdmission(
            new() { Usd = 0.02m }, Spending.None, SharedBudgets.None(TimeProvider.System), TimeProvider.System);
        await using var gateway = await stage.ServeAsync(Cancel, admission: admission);
        for (var call = 0; call < 10 && stage.Stops.IsEmpty; call++)
        {
            await LeaveAsync(stage, "sent", stream: true);
            await Eventually.TrueAsync(
                () => !stage.Stops.IsEmpty || (stage.Totals.Requests == call + 1),
                "the call is counted or stopped",
                GatewayStage.Patience);
        }

        // 0.008 each: the third one goes over, and no fourth is sent.
        Assert.Equal(3, stage.Model.Requests.Count);
        Assert.Equal(0.024m, stage.Totals.CostUsd);
    }

    [Fact]
    public async Task F44_A_call_in_flight_when_the_run_ends_is_waited_for()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        var gateway = await stage.ServeAsync(Cancel, stage.Options with { Ending = TimeSpan.FromMinutes(1) });
        await LeaveAsync(stage, "sent", stream: true);
        await gateway.DisposeAsync();

        Assert.Equal(One, stage.Totals);
    }

    [Theory]
    [InlineData("wait 10m\ntext Never")]
    [InlineData("usage in=1000 out=200\nstart\ntext A\nwait 10m\ntext Never")]
    public async Task F44_A_call_that_nobody_can_wait_for_is_charged_in_full(string script)
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        var gateway = await stage.ServeAsync(Cancel, stage.Options with { Ending = TimeSpan.FromMilliseconds(200) });
        await LeaveAsync(stage, "sent", stream: true, script);
        await gateway.DisposeAsync();

        Assert.Equal(1, stage.Totals.Requests);
        Assert.Equal(1, stage.Totals.EstimatedCalls);

        // max_tokens is 1000, and costs 0.02.
        Assert.Equal(1000, stage.Totals.OutputTokens);
        Assert.True(stage.Totals.CostUsd >= 0.02m, $"{stage.Totals}");
        Assert.Equal(stage.Totals.CostUsd, stage.Totals.EstimatedCostUsd);
        Assert.Empty(stage.Pending);
    }

    [Fact]
    public async Task F44_An_answer_that_is_read_on_in_vain_is_cut_and_charged_in_full()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(
            Cancel, stage.Options with { Unheard = TimeSpan.FromMilliseconds(300) });
        await LeaveAsync(stage, "middle", stream: true, "usage in=10 out=2\ntext A\nwait 10m\ntext Never");

        await CountedAsync(stage, 1);
        Assert.Equal((1, 1000), (stage.Totals.EstimatedCalls, stage.Totals.OutputTokens));
    }

    [Fact]
    public async Task F44_An_upstream_that_never_answers_is_charged_for_each_attempt()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(
            Cancel, stage.Options with { FirstByte = TimeSpan.FromMilliseconds(500) });
        _ = await stage.ExchangeAsync(GatewayStage.Request(GatewayStage.Body("wait 10m\ntext Never")), Cancel);

        await CountedAsync(stage, 2);
        Assert.Equal(2, stage.Totals.EstimatedCalls);
    }

    [Fact]
    public async Task F44_What_a_call_may_come_to_is_noted_before_it_is_sent()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        await LeaveAsync(stage, "sent", stream: true);

        var noted = Assert.Single(stage.Pending).Value;
        Assert.Equal(1000, noted.OutputTokens);
        Assert.True(noted.CostUsd >= 0.02m);
        await CountedAsync(stage, 1);
        Assert.Empty(stage.Pending);
    }

    private static Task CountedAsync(GatewayStage stage, long requests) => Eventually.TrueAsync(
        () => stage.Totals.Requests >= requests, $"{requests} calls are counted", GatewayStage.Patience);

    // Sends a call and leaves it in one of the ways in which a client can.
    private static async Task LeaveAsync(GatewayStage stage, string way, bool stream, string script = Slow)
    {
        var known = stage.Sent;
        var request = GatewayStage.Request(GatewayStage.Body(script, stream));
        if (way is "whole")
        {
            _ = await stage.ExchangeAsync(request, Cancel);
            return;
        }

        var client = await stage.ConnectAsync(Cancel);
        await client.WriteAsync(request, Cancel);
        await Eventually.TrueAsync(
            () => stage.Sent > known || !stage.Stops.IsEmpty, "the call is about to be sent, or stopped",
            GatewayStage.Patience);
        if (way is "half-closed")
        {
            // Before it is sent this would be a client that has gone, and then nothing is.
            client.Socket.Shutdown(SocketShutdown.Send);
            await CountedAsync(stage, 1);
        }

        if (way is "middle" or "slow")
        {
            await client.ReadExactlyAsync(new byte[200], Cancel);
        }

        if (way is "reset")
        {
            client.Socket.LingerState = new LingerOption(true, 0);
        }

        if (way is not "slow")
        {
            await client.DisposeAsync();
            return;
        }

        await CountedAsync(stage, 1);
        await client.DisposeAsync();
    }
}
