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
    /// <exception cref="FailureException"><c>prompt_missing</c>, <c>prompt_too_large</c>, <c>prompt_invalid</c> or
    /// <c>prompt_unreadable</c>.</exception>
    public static async Task<string> ReadAsync(
        string? message, string? file, Surroundings surroundings, CancellationToken cancel)
    {
        if (file is FromInput)
        {
            (message, file) = (message ?? FromInput, null);
        }

        if (file is null)
        {
            return await ReadAsync(message, surroundings.Streams, cancel);
        }

        if (message is not null)
        {
            throw new FailureException(
                "usage", "MESSAGE and --file cannot be had together.", "Leave out one of them.", Fault.User);
        }

        try
        {
            await using var opened = File.OpenRead(Path.GetFullPath(file, surroundings.CurrentDirectory));
            return await TextAsync(opened, $"--file {file}", cancel);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "prompt_unreadable", $"--file {file} cannot be read: {unreadable.Message}", "Name another file.",
                Fault.User, unreadable);
        }
    }

    /// <summary>The prompt from a word of the command line, or from standard input.</summary>
    /// <exception cref="FailureException">As above.</exception>
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

        return await TextAsync(streams.Input, "Standard input", cancel);
    }

    private static async Task<string> TextAsync(Stream input, string name, CancellationToken cancel)
    {
        try
        {
            var text = Strict.GetString(await BytesAsync(input, name, cancel));
            return text.Length > 0
                ? text
                : throw new FailureException(
                    "prompt_missing", $"{name} is empty.", "Pipe the prompt in, or give it as MESSAGE.", Fault.User);
        }
        catch (DecoderFallbackException invalid)
        {
            throw new FailureException(
                "prompt_invalid", $"{name} is not UTF-8 text.", "Convert it, for example with iconv.", Fault.User,
                invalid);
        }
    }

    private static async Task<byte[]> BytesAsync(Stream input, string name, CancellationToken cancel)
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
                    $"{name} has more than {MaxBytes} bytes, the most that is possible.",
                    "Put the material into the repository and name the file in the prompt.",
                    Fault.User);
            }
        }

        return read.ToArray();
    }
}
