using System.Text;
using Berth.Protocol;
using Berth.Server.Api;
using Xunit;

namespace Berth.Tests.Server;

/// <summary>What a server answers is redacted once more on its way out.</summary>
public sealed class RedactedStreamTests
{
    private const string Secret = "a-very-secret-value";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_secret_is_found_wherever_it_is_cut()
    {
        var text = Encoding.UTF8.GetBytes($"before {Secret} after\n");
        for (var cut = 0; cut <= text.Length; cut++)
        {
            using var written = new MemoryStream();
            await using (var stream = new RedactedStream(written, new Redactor([Secret])))
            {
                await stream.WriteAsync(text.AsMemory(0, cut), Soon);
                await stream.WriteAsync(text.AsMemory(cut), Soon);
                await stream.FlushAsync(Soon);
            }

            Assert.Equal("before *** after\n", Encoding.UTF8.GetString(written.ToArray()));
        }
    }

    [Fact]
    public async Task A_long_answer_goes_out_as_it_comes_and_loses_nothing()
    {
        var piece = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat($"line with {Secret}\n", 1000)));
        using var written = new MemoryStream();
        await using var stream = new RedactedStream(written, new Redactor([Secret]));
        for (var i = 0; i < 20; i++)
        {
            await stream.WriteAsync(piece, Soon);
        }

        Assert.InRange(written.Length, 1, 20_000 * "line with ***\n".Length);
        await stream.FlushAsync(Soon);
        Assert.Equal(
            string.Concat(Enumerable.Repeat("line with ***\n", 20_000)), Encoding.UTF8.GetString(written.ToArray()));
    }

    [Fact]
    public async Task What_is_flushed_is_out()
    {
        using var written = new MemoryStream();
        await using var stream = new RedactedStream(written, new Redactor([Secret]));
        await stream.WriteAsync("data: a-very\n\n"u8.ToArray(), Soon);
        await stream.FlushAsync(Soon);

        Assert.Equal("data: a-very\n\n", Encoding.UTF8.GetString(written.ToArray()));
    }
}
