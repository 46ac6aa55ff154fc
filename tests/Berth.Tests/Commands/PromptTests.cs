using System.Text;
using Berth.Commands;
using Berth.Protocol;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Commands;

public sealed class PromptTests
{
    [Fact]
    public async Task A_message_is_taken_as_it_is() => Assert.Equal(" /cost\n", await ReadAsync(" /cost\n", "piped"));

    [Fact]
    public async Task Without_a_message_what_is_piped_in_is_read_to_its_end() =>
        Assert.Equal("größer\r\n\n", await ReadAsync(null, "größer\r\n\n"));

    [Fact]
    public async Task A_dash_reads_standard_input() => Assert.Equal("from there", await ReadAsync("-", "from there"));

    [Fact]
    public async Task Exactly_9_MiB_are_read()
    {
        var text = new string('x', Prompt.MaxBytes);

        Assert.Equal(text.Length, (await ReadAsync(null, text)).Length);
    }

    [Fact]
    public async Task One_byte_more_is_refused() =>
        await RefusedAsync("prompt_too_large", Encoding.UTF8.GetBytes(new string('x', Prompt.MaxBytes + 1)));

    [Fact]
    public async Task Nothing_piped_in_is_refused() => await RefusedAsync("prompt_missing", []);

    [Fact]
    public async Task What_is_not_UTF_8_is_refused() => await RefusedAsync("prompt_invalid", [0x66, 0xff, 0xfe]);

    private static async Task RefusedAsync(string code, byte[] input)
    {
        using var trial = new TrialSurroundings();
        var streams = trial.Given.Streams with { Input = new MemoryStream(input), InputIsTerminal = false };

        var refused = await Assert.ThrowsAsync<FailureException>(() => ReadAsync(null, streams));

        Assert.Equal(code, refused.Failure.Code);
        Assert.Equal(Fault.User, refused.Failure.Fault);
    }

    private static async Task<string> ReadAsync(string? message, string input)
    {
        using var trial = new TrialSurroundings();
        using var bytes = new MemoryStream(Encoding.UTF8.GetBytes(input));
        return await ReadAsync(message, trial.Given.Streams with { Input = bytes, InputIsTerminal = false });
    }

    private static Task<string> ReadAsync(string? message, StandardStreams streams) =>
        Prompt.ReadAsync(message, streams, TestContext.Current.CancellationToken)
            .WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
}
