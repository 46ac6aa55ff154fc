using System.Text.Json;
using Berth.Protocol;
using Berth.Server.Logs;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Berth.Tests.Server;

public sealed class LogFormatterTests
{
    private const string Key = "sk-made-up-key";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_the_server_knows_to_be_secret_is_stars_and_a_line_stays_a_line(bool asJson)
    {
        var line = Write(asJson, $"it said {Key}\nand \"more\u001b[2J\"", new InvalidOperationException($"a\nb {Key}"));

        Assert.EndsWith("\n", line, StringComparison.Ordinal);
        Assert.Equal(1, line.Count(letter => letter == '\n'));
        Assert.DoesNotContain(line[..^1], char.IsControl);
        Assert.DoesNotContain(Key, line, StringComparison.Ordinal);
        Assert.Contains("it said ***", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_has_its_fields_and_its_run_and_nothing_else_of_what_surrounds_it()
    {
        var line = JsonDocument.Parse(Write(asJson: true, "hello", exception: null)).RootElement;

        Assert.Equal(
            ["at", "event", "level", "message", "number", "run", "source"],
            line.EnumerateObject().Select(field => field.Name).Order(StringComparer.Ordinal));
        Assert.Equal("info", line.GetProperty("level").GetString());
        Assert.Equal("of the scope", line.GetProperty("run").GetString());
        Assert.Equal(7, line.GetProperty("number").GetInt32());
    }

    private static string Write(bool asJson, string message, Exception? exception)
    {
        var scopes = new LoggerExternalScopeProvider();
        using var run = scopes.Push(new RunScope("of the scope"));
        using var request = scopes.Push(new KeyValuePair<string, object?>[] { new("RequestPath", "/secret") });
        KeyValuePair<string, object?>[] fields = [new("Number", 7), new("{OriginalFormat}", "x")];
        using var writer = new StringWriter();
        new LogFormatter(asJson, new Redactor([Key]), TimeProvider.System).Write(
            new LogEntry<KeyValuePair<string, object?>[]>(
                LogLevel.Information, "source", new EventId(1), fields, exception, (_, _) => message),
            scopes, writer);
        return writer.ToString();
    }
}
