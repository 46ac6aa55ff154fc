using System.Text;
using Berth.Protocol;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>Where the prompt comes from: the command line or standard input.</summary>
internal static class Prompt
{
    /// <summary>More than this no run takes.</summary>
    public const int MaxBytes = 9 * 1024 * 1024;

    private const string FromInput = "-";
    private const int BufferBytes = 64 * 1024;

    private static readonly UTF8Encoding Strict = new(
        encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The prompt, exactly as it was given.</summary>
    /// <exception cref="FailureException"><c>prompt_missing</c>, <c>prompt_too_large</c> or
    /// <c>prompt_invalid</c>.</exception>
    public static async Task<string> ReadAsync(string? message, StandardStreams streams, CancellationToken cancel)
    {
        if (message is not (null or FromInput))
        {
            return message;
        }

        if (message is null && streams.InputIsTerminal)
        {
            throw new FailureException(
                "prompt_missing",
                "There is no MESSAGE, and nothing is piped in.",
                "Type it behind the workflow: berth run fix \"the login test fails\". "
                    + "A dash reads it from the terminal.",
                Fault.User);
        }

        try
        {
            var bytes = await BytesAsync(streams.Input, cancel);
            var text = Strict.GetString(bytes);
            return text.Length > 0
                ? text
                : throw new FailureException(
                    "prompt_missing",
                    "Standard input is empty.",
                    "Pipe the prompt in, or give it as MESSAGE.",
                    Fault.User);
        }
        catch (DecoderFallbackException invalid)
        {
            throw new FailureException(
                "prompt_invalid",
                "What is piped in is not UTF-8 text.",
                "Convert it, for example with iconv.",
                Fault.User,
                invalid);
        }
    }

    private static async Task<byte[]> BytesAsync(Stream input, CancellationToken cancel)
    {
        using var read = new MemoryStream();
        var buffer = new byte[BufferBytes];
        while (await input.ReadAsync(buffer, cancel) is var count and > 0)
        {
            await read.WriteAsync(buffer.AsMemory(0, count), cancel);
            if (read.Length > MaxBytes)
            {
                throw new FailureException(
                    "prompt_too_large",
                    $"What is piped in has more than {MaxBytes} bytes, the most that is possible.",
                    "Put the material into the repository and name the file in the prompt.",
                    Fault.User);
            }
        }

        return read.ToArray();
    }
}
