using Berth.Engine;
using Berth.Engine.Gateway;
using Berth.Protocol;
using Berth.Tests.Commands;
using Xunit;

namespace Berth.Tests;

public sealed class OperatorVariablesTests
{
    [Theory]
    [InlineData("https://api.anthropic.com/v1", "https://api.anthropic.com/")]
    [InlineData("https://api.anthropic.com/v1/", "https://api.anthropic.com/")]
    [InlineData("https://gate.example.com/anthropic/v1/messages", "https://gate.example.com/anthropic")]
    [InlineData("https://gate.example.com:8443/a/b/", "https://gate.example.com:8443/a/b")]
    [InlineData("http://127.0.0.1:9000", "http://127.0.0.1:9000/")]
    public void F84_A_base_url_may_end_in_the_part_that_each_call_has_behind_it(string text, string upstream)
    {
        using var trial = new TrialSurroundings(("ANTHROPIC_BASE_URL", text));

        Assert.Equal(new Uri(upstream), Settings.Bind(trial.Given).Gateway.Upstream);
    }

    [Fact]
    public void F84_The_operators_model_and_headers_count()
    {
        using var trial = new TrialSurroundings(
            ("ANTHROPIC_MODEL", "opus"),
            ("ANTHROPIC_CUSTOM_HEADERS", "x-team: shop\n\nAuthorization: Bearer abcdefgh-12345678\r\nX-Trace:1"));
        var options = Settings.Bind(trial.Given);
        var headers = options.Gateway.CustomHeaders;

        Assert.Equal("opus", options.Model);
        Assert.Equal(["x-team", "Authorization", "X-Trace"], headers.All.Select(header => header.Key));
        Assert.Equal("1", headers.All[2].Value);
        Assert.True(options.Gateway.HasCredential);
        Assert.Contains("abcdefgh-12345678", options.Gateway.Secrets);
        Assert.DoesNotContain("shop", options.Gateway.Secrets);
    }

    [Theory]
    [InlineData("no colon")]
    [InlineData(": value")]
    [InlineData("bad name: x")]
    [InlineData("Host: elsewhere")]
    [InlineData("Content-Length: 3")]
    [InlineData("x: \u00e9")]
    public void F84_A_header_that_cannot_be_one_is_refused_and_not_repeated(string text)
    {
        using var trial = new TrialSurroundings(("ANTHROPIC_CUSTOM_HEADERS", text));
        var refused = Assert.Throws<FailureException>(() => Settings.Bind(trial.Given)).Failure;

        Assert.Equal("setting_invalid", refused.Code);
        Assert.DoesNotContain(text, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void F84_A_header_of_the_operators_replaces_what_the_call_has()
    {
        using var request = new HttpRequestMessage();
        request.Headers.TryAddWithoutValidation("authorization", "Bearer ours");
        CustomHeaders.Parse("Authorization: Bearer theirs\nx-a: 1\nx-a: 2")!.AddTo(request);

        Assert.Equal(["Bearer theirs"], request.Headers.GetValues("Authorization"));
        Assert.Equal(["1", "2"], request.Headers.GetValues("x-a"));
    }

    [Theory]
    [InlineData("CLAUDE_CODE_USE_BEDROCK", "1", "Bedrock")]
    [InlineData("CLAUDE_CODE_USE_VERTEX", "true", "Vertex")]
    [InlineData("CLAUDE_CODE_USE_FOUNDRY", "yes", "Foundry")]
    public void F84_Another_service_is_refused_by_its_name(string variable, string value, string name)
    {
        var refused = Assert.Throws<FailureException>(
            () => OperatorVariables.RefuseOtherProviders(Of((variable, value)))).Failure;

        Assert.Equal(("provider_not_supported", Fault.Operator), (refused.Code, refused.Fault));
        Assert.Contains(name, refused.Message, StringComparison.Ordinal);
        OperatorVariables.RefuseOtherProviders(Of((variable, "0")));
        OperatorVariables.RefuseOtherProviders(Of((variable, "")));
    }

    [Fact]
    public void F84_Variables_that_do_nothing_are_named_and_those_that_count_are_not()
    {
        Assert.Empty(OperatorVariables.Notices(Of(
            ("ANTHROPIC_API_KEY", "x"), ("ANTHROPIC_MODEL", "x"), ("CLAUDE_CODE_MODE", "local"), ("PATH", "x"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"), ("ANTHROPIC_LOG", ""), ("CLAUDE_CODE_SSE_PORT", "1"))));
        var notice = Assert.Single(OperatorVariables.Notices(Of(
            ("ANTHROPIC_DEFAULT_OPUS_MODEL", "secret"), ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "5"),
            ("MAX_THINKING_TOKENS", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "0"))));

        Assert.Contains(
            "ANTHROPIC_DEFAULT_OPUS_MODEL, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC, CLAUDE_CODE_MAX_OUTPUT_TOKENS, "
                + "MAX_THINKING_TOKENS", notice, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", notice, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Of(params (string Name, string Value)[] variables) =>
        variables.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
}
