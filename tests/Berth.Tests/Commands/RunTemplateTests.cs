using Berth.Commands;
using Berth.Protocol;
using Berth.Tests.Terminal;
using Xunit;

namespace Berth.Tests.Commands;

/// <summary>Fault 67: <c>berth ps --format</c>.</summary>
public sealed class RunTemplateTests
{
    [Theory]
    [InlineData("{{.shortId}} {{.state}}", "8n4c6b0a succeeded")]
    [InlineData("{{ .ID }}\\t{{.Title}}", "01jd3k7k3m9xq2vw5t8n4c6b0a\tGreet <everybody>")]
    [InlineData("{{.labels.team}}|{{.labels.none}}|{{.error.code}}|{{.signal}}", "shop|||")]
    [InlineData("{{.costUsd}} {{.isError}} {{.labels}}", "0.024 false {\"team\":\"shop\"}")]
    [InlineData("no fields", "no fields")]
    [InlineData("", "")]
    public void F67_A_template_has_the_fields_of_the_run(string template, string expected) => Assert.Equal(
        expected,
        RunTemplate.Parse(template).Of(TrialRun.View with
        {
            Title = "Greet <everybody>",
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "shop" },
        }));

    [Theory]
    [InlineData("json")]
    [InlineData("{{json .}}")]
    public void F67_Json_is_one_line_for_each_run(string template)
    {
        var line = RunTemplate.Parse(template).Of(TrialRun.View);

        Assert.StartsWith("{\"id\":\"01jd3k7k3m9xq2vw5t8n4c6b0a\"", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
    }

    [Theory]
    [InlineData("{{.nosuch}}")]
    [InlineData("{{id}}")]
    [InlineData("{{.id}")]
    [InlineData("{{}}")]
    public void F67_A_template_with_what_is_no_field_is_refused(string template) =>
        Assert.Equal("usage", Assert.Throws<FailureException>(() => RunTemplate.Parse(template)).Failure.Code);
}
