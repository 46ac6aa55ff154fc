using System.Text;
using Berth.Engine.Access;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Api;
using Berth.Tests.Commands;
using Berth.Tests.Runs;
using Berth.Tests.Tidy;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Server;

/// <summary>Whatever is sent to ask for a run, it is understood or refused in words.</summary>
public sealed class RunOrderPropertyTests
{
    private static readonly string Codes = SourceTree.Read("docs/TROUBLESHOOTING.md");

    private static readonly RunView Earlier = RunView.Of(
        new RunRecord
        {
            Id = "01jd3k7k3m9xq2vw5t8n4c6b0a", State = RunState.Succeeded, CreatedAt = DateTimeOffset.UnixEpoch,
            Plan = Plans.Any() with { Repository = "/nowhere/at/all" },
        },
        "/nowhere");

    [Theory]
    [InlineData("operator")]
    [InlineData("admin")]
    public void Each_body_is_a_request_or_a_refusal_of_the_caller_s_making(string role)
    {
        using var trial = new TrialSurroundings();
        var options = Settings.Bind(trial.Given);
        var caller = new Caller("ada", Enum.Parse<Role>(role, ignoreCase: true));
        var (read, refused) = (0, new HashSet<string>(StringComparer.Ordinal));

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000), Prop.ForAll(RunBodies.All.ToArbitrary(), bytes =>
        {
            try
            {
                using var body = RequestBody.Parse(bytes);
                var request = RunOrders.Read(body, caller, options, _ => Earlier);
                read++;
                return request is { Message.Length: >= 0, Workflow: not null, Repository: not null }
                    && request.MaxTurns is null or (>= 1 and <= 1000)
                    && request.Ticket.Priority is >= -100 and <= 100;
            }
            catch (FailureException failed)
            {
                refused.Add(failed.Failure.Code);
                return Problem.StatusOf(failed.Failure) is >= 400 and < 500
                    && Codes.Contains($"`{failed.Failure.Code}`", StringComparison.Ordinal)
                    && failed.Failure.Message.Length is > 0 and < 2000
                    && !failed.Failure.Message.Any(char.IsControl);
            }
        }));

        // Both happen, or the bodies show nothing.
        Assert.True(role is "operator" || read > 100, $"{read} were read");
        Assert.Contains("request_invalid", refused);
        Assert.True(role is "admin" || refused.Contains("repository_forbidden"), string.Join(", ", refused));
    }

    [Fact]
    public void A_body_as_deep_as_bodies_may_be_is_read_and_a_deeper_one_refused()
    {
        using var good = RequestBody.Parse(Encoding.UTF8.GetBytes(Nested(15)));

        Assert.True(good.Has("a"));
        Assert.Equal(
            "request_invalid",
            Assert.Throws<FailureException>(() => RequestBody.Parse(Encoding.UTF8.GetBytes(Nested(16)))).Failure.Code);
    }

    private static string Nested(int depth) =>
        $"{{\"a\":{new string('[', depth)}{new string(']', depth)}}}";
}
