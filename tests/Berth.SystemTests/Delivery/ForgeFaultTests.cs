using System.Diagnostics;
using System.Globalization;
using Berth.Engine.Forges;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Delivery;

/// <summary>Repositories that were renamed, limits, refusals and connections that break, at both services.</summary>
public sealed class ForgeFaultTests
{
    private static readonly PullRequestOrder Order = new("berth/fix/1", "main", "A title", "A text");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<bool, int> Redirects => new(
        from isGitHub in new[] { true, false }
        from status in new[] { 301, 302, 307, 308 }
        select (isGitHub, status));

    [Theory]
    [MemberData(nameof(Redirects))]
    public async Task F60_A_renamed_repository_is_followed_and_its_new_place_is_named(bool isGitHub, int status)
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.RenamedTo = "you/store";
        service.RedirectStatus = status;
        using var client = Client(service, isGitHub);

        var opened = await client.OpenAsync(Order with { Base = null, Labels = ["bug"] }, Cancel);
        var again = await client.OpenAsync(Order, Cancel);

        Assert.Equal("https://forge.example/you/store", opened.MovedTo);
        Assert.Equal((opened.Number, opened.Url), (again.Number, again.Url));
        Assert.Empty(opened.Warnings);
        Assert.Single(service.Opened);
    }

    [Fact]
    public async Task F60_The_token_goes_to_the_same_scheme_host_and_port_only_and_no_circle_is_gone_round()
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        await using var other = await ForgeStandIn.StartAsync(Cancel);
        var at = new Uri(service.GitHub);
        foreach (var place in new[]
        {
            $"{other.GitHub}/repos/me/shop/pulls", $"https://127.0.0.1:{at.Port}/api/v3/repos/me/shop/pulls",
            $"http://localhost:{at.Port}/api/v3/repos/me/shop/pulls", "http://evil.example/x?token=1",
            $"http://user@127.0.0.1:{at.Port}/api/v3/repos/me/shop/pulls", "//evil.example/y",
        })
        {
            service.Answers.Enqueue(new ForgeFault(307) { Headers = { ["Location"] = place } });
            using var client = Client(service, isGitHub: true);

            var failed = await Assert.ThrowsAsync<FailureException>(() => client.OpenAsync(Order, Cancel));

            Assert.Equal("pull_request_refused", failed.Failure.Code);
            Assert.Contains("has moved to", failed.Failure.Message, StringComparison.Ordinal);
            Assert.Contains(
                new Uri(at, place).Host + (place.Contains("pulls", StringComparison.Ordinal) ? ":" : "/"),
                failed.Failure.Message, StringComparison.Ordinal);
        }

        foreach (var _ in Enumerable.Range(0, 20))
        {
            service.Answers.Enqueue(new ForgeFault(301) { Headers = { ["Location"] = "/api/v3/repos/me/shop/pulls" } });
        }

        using var round = Client(service, isGitHub: true);
        var circle = await Assert.ThrowsAsync<FailureException>(() => round.OpenAsync(Order, Cancel));

        Assert.Contains("redirected more than 5 times", circle.Failure.Message, StringComparison.Ordinal);
        Assert.Empty(other.Asked);
        Assert.InRange(service.Asked.Count, 1, 20);
    }

    [Theory]
    [InlineData(true, 403, "retry-after", "1")]
    [InlineData(true, 429, "retry-after", "1")]
    [InlineData(true, 403, "retry-after", "date")]
    [InlineData(true, 403, "x-ratelimit-reset", "reset")]
    [InlineData(true, 429, "x-ratelimit-reset", "reset")]
    [InlineData(false, 429, "Retry-After", "1")]
    [InlineData(false, 429, "Retry-After", "date")]
    [InlineData(false, 429, "RateLimit-Reset", "reset")]
    [InlineData(false, 503, "Retry-After", "1")]
    public async Task F61_A_limit_is_waited_for_as_the_service_says(
        bool isGitHub, int status, string header, string value)
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Answers.Enqueue(Limit(status, header, value, TimeSpan.FromSeconds(2)));
        var said = new List<string>();
        using var client = Client(service, isGitHub, said.Add);
        var began = Stopwatch.GetTimestamp();

        var opened = await client.OpenAsync(Order, Cancel);

        Assert.Equal(41, opened.Number);
        Assert.Single(service.Opened);
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.FromSeconds(0.9), TimeSpan.FromMinutes(1));
        Assert.Matches("asked for again at 20[0-9-]+T[0-9:]+Z", Assert.Single(said));
    }

    [Theory]
    [InlineData(true, 403, "retry-after", "3600")]
    [InlineData(true, 403, "x-ratelimit-reset", "reset")]
    [InlineData(false, 429, "Retry-After", "date")]
    [InlineData(false, 429, "Retry-After", "2147483647")]
    public async Task F61_A_limit_that_is_too_long_ends_it_at_once_and_says_until_when(
        bool isGitHub, int status, string header, string value)
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Answers.Enqueue(Limit(status, header, value, TimeSpan.FromHours(1)));
        using var client = Client(service, isGitHub);

        var failed = await Assert.ThrowsAsync<FailureException>(() => client.OpenAsync(Order, Cancel));

        Assert.Equal("pull_request_rate_limited", failed.Failure.Code);
        Assert.Matches("until 20[0-9-]+T[0-9:]+Z, in [0-9]+ minutes", failed.Failure.Message);
        Assert.Matches("^Wait until 20", failed.Failure.Hint);
        Assert.Single(service.Asked);
    }

    [Fact]
    public async Task F61_A_refusal_for_want_of_single_sign_on_says_where_to_get_it()
    {
        const string Place = "https://github.com/orgs/me/sso?authorization_request=ABC";
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Answers.Enqueue(new ForgeFault(403)
        {
            Headers = { ["X-GitHub-SSO"] = $"required; url={Place}" },
            Message = "Resource protected by organization SAML enforcement.",
        });
        service.Answers.Enqueue(new ForgeFault(403)
        {
            Headers = { ["X-Accepted-GitHub-Permissions"] = "pull_requests=write", ["x-ratelimit-remaining"] = "4999" },
            Message = "Resource not accessible by personal access token",
        });
        using var client = Client(service, isGitHub: true);

        var sso = await Assert.ThrowsAsync<FailureException>(() => client.OpenAsync(Order, Cancel));
        var right = await Assert.ThrowsAsync<FailureException>(() => client.OpenAsync(Order, Cancel));

        Assert.Equal("pull_request_sso_required", sso.Failure.Code);
        Assert.Contains("SAML", sso.Failure.Message, StringComparison.Ordinal);
        Assert.Contains(Place, sso.Failure.Hint, StringComparison.Ordinal);
        Assert.Equal("pull_request_refused", right.Failure.Code);
        Assert.Contains("pull_requests=write", right.Failure.Hint, StringComparison.Ordinal);
        Assert.Equal(2, service.Asked.Count);
    }

    [Theory]
    [InlineData(true, null)]
    [InlineData(true, 502)]
    [InlineData(false, null)]
    [InlineData(false, 504)]
    public async Task F61_A_request_that_broke_off_is_looked_for_before_it_is_made_again(bool isGitHub, int? status)
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Answers.Enqueue(new ForgeFault(status) { IsDone = true });
        using var client = Client(service, isGitHub);
        var done = await client.OpenAsync(Order, Cancel);
        service.Answers.Enqueue(new ForgeFault(status));
        var undone = await client.OpenAsync(Order with { Branch = "berth/fix/2" }, Cancel);

        Assert.Equal((41, 42), (done.Number, undone.Number));
        Assert.Equal(2, service.Opened.Count);
        Assert.Equal(
            ["POST", "GET", "POST", "GET", "POST"], service.Asked.Select(line => line.Split(' ')[0]));
    }

    [Fact]
    public async Task F61_An_open_request_into_another_branch_is_not_taken_for_this_one()
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        using var client = Client(service, isGitHub: false);
        var into = await client.OpenAsync(Order, Cancel);
        service.Answers.Enqueue(new ForgeFault(null));

        var other = await client.OpenAsync(Order with { Base = "next" }, Cancel);

        Assert.NotEqual(into.Number, other.Number);
    }

    private static ForgeFault Limit(int status, string header, string value, TimeSpan wait)
    {
        var until = DateTimeOffset.UtcNow + wait;
        var fault = new ForgeFault(status) { Message = "API rate limit exceeded" };
        fault.Headers[header] = value switch
        {
            "date" => until.ToString("r", CultureInfo.InvariantCulture),
            "reset" => until.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            _ => value,
        };
        if (value is "reset")
        {
            fault.Headers[header.Replace("Reset", "Remaining", StringComparison.Ordinal)
                .Replace("reset", "remaining", StringComparison.Ordinal)] = "0";
        }

        return fault;
    }

    private static ForgeClient Client(ForgeStandIn service, bool isGitHub, Action<string>? say = null) => new(
        new Forge(
            isGitHub ? ForgeKind.GitHub : ForgeKind.GitLab,
            new Uri((isGitHub ? service.GitHub : service.GitLab) + "/"),
            ForgeStandIn.Token,
            "me/shop"),
        TimeProvider.System,
        say);
}
