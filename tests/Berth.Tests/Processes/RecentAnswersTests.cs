using Berth.Engine.Processes;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Processes;

public sealed class RecentAnswersTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly ManualTime time = new();
    private readonly RecentAnswers<string, string> answers;
    private string says = "good";
    private int asked;

    public RecentAnswersTests() => answers = new RecentAnswers<string, string>(
        answer => answer.StartsWith("good", StringComparison.Ordinal), time);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_held_a_moment_ago_is_not_asked_again()
    {
        await AskAsync();
        time.Advance(TimeSpan.FromSeconds(14));
        says = "good, once more";

        Assert.Equal("good", await AskAsync());
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task What_is_no_longer_new_is_asked_again_beside_whoever_asks_and_once()
    {
        await AskAsync();
        time.Advance(TimeSpan.FromSeconds(16));
        var gate = new TaskCompletionSource<string>();

        Assert.Equal("good", await AskAsync(gate.Task));
        Assert.Equal("good", await AskAsync(gate.Task));
        gate.SetResult("good, once more");
        await UntilAsync("good, once more");

        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task After_a_minute_whoever_asks_waits_for_an_answer_of_his_own()
    {
        await AskAsync();
        time.Advance(TimeSpan.FromSeconds(61));
        says = "good, once more";

        Assert.Equal("good, once more", await AskAsync());
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task What_is_bad_is_asked_again_each_time()
    {
        says = "bad";
        await AskAsync();
        says = "good";

        Assert.Equal("good", await AskAsync());
        Assert.Equal(2, asked);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_found_bad_beside_is_told_from_then_on(bool throws)
    {
        await AskAsync();
        time.Advance(TimeSpan.FromSeconds(16));
        says = "bad";
        await AskAsync(throws ? Task.FromException<string>(new InvalidOperationException("gone")) : null);

        await UntilAsync("bad");
        Assert.Equal("bad", await AskAsync());
    }

    [Fact]
    public async Task An_exception_is_told_and_not_kept()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => AskAsync(Task.FromException<string>(new InvalidOperationException("gone"))));

        Assert.Equal("good", await AskAsync());
    }

    [Fact]
    public async Task Each_subject_has_its_own_answer_and_of_too_many_the_old_ones_are_forgotten()
    {
        for (var subject = 0; subject <= 1000; subject++)
        {
            await AskAsync(subject: $"{subject}");
        }

        await AskAsync(subject: "1000");
        Assert.Equal(1001, asked);

        await AskAsync(subject: "0");
        Assert.Equal(1002, asked);
    }

    private Task<string> AskAsync(Task<string>? answer = null, string subject = "one") => answers.AskAsync(
        subject,
        _ =>
        {
            Interlocked.Increment(ref asked);
            return answer ?? Task.FromResult(says);
        },
        Ending);

    private async Task UntilAsync(string expected)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!string.Equals(await AskAsync(), expected, StringComparison.Ordinal))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Bound, $"\"{expected}\" was never answered.");
            await Task.Yield();
        }
    }
}
