using System.ComponentModel;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Processes;

/// <summary>A program of ours that serves this process while it lives.</summary>
/// <remarks>It ends when its standard input does, and so with us, whatever ends us.</remarks>
internal sealed class CompanionProcess : IAsyncDisposable
{
    private const int Term = 15;
    private const int Kill = 9;

    // One line of text; a program that says more before it is ready is not one of ours.
    private const int MostCharacters = 4096;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly ChildProcess process;
    private readonly TimeProvider time;

    private CompanionProcess(ChildProcess process, string firstLine, TimeProvider time)
    {
        this.process = process;
        this.time = time;
        FirstLine = firstLine;
    }

    /// <summary>What it said when it was ready.</summary>
    public string FirstLine { get; }

    /// <summary>Starts it and waits until it says its first line.</summary>
    /// <param name="command">The program as an absolute path, and its arguments.</param>
    /// <param name="environment">Its whole environment.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Gives up waiting.</param>
    /// <exception cref="FailureException"><c>companion_start_failed</c>.</exception>
    public static async Task<CompanionProcess> StartAsync(
        IReadOnlyList<string> command,
        IReadOnlyDictionary<string, string> environment,
        TimeProvider time,
        CancellationToken cancel)
    {
        var started = Start(command, environment);
        try
        {
            var line = await ReadLineAsync(started).WaitAsync(StartLimit, time, cancel)
                ?? throw Failed(command[0], "it ended at once", inner: null);
            return new CompanionProcess(started, line, time);
        }
        catch (TimeoutException late)
        {
            await EndAsync(started, time);
            throw Failed(command[0], $"it was not ready within {StartLimit.TotalSeconds:0} seconds", late);
        }
        catch
        {
            await EndAsync(started, time);
            throw;
        }
    }

    /// <summary>Ends it: by the end of its input, then by signals.</summary>
    public ValueTask DisposeAsync() => EndAsync(process, time);

    private static ChildProcess Start(
        IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment)
    {
        try
        {
            return ChildProcess.Start(new ChildProcessStart
            {
                FileName = command[0],
                Arguments = [.. command.Skip(1)],
                Environment = environment,
                Input = ChildStdio.Pipe,
                Output = ChildStdio.Pipe,
            });
        }
        catch (Win32Exception error)
        {
            throw Failed(command[0], error.Message, error);
        }
    }

    private static async ValueTask EndAsync(ChildProcess child, TimeProvider time)
    {
        child.Input?.Dispose();
        foreach (var signal in (int[])[Term, Kill])
        {
            if (await HasEndedAsync(child, time))
            {
                break;
            }

            child.SignalGroup(signal);
        }

        await HasEndedAsync(child, time);
        child.Dispose();
    }

    private static async Task<bool> HasEndedAsync(ChildProcess child, TimeProvider time)
    {
        try
        {
            await child.Exit.WaitAsync(Grace, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    // On a thread of its own: a read of a pipe cannot be given up, but it ends with the program.
    private static Task<string?> ReadLineAsync(ChildProcess child) => Task.Run(() =>
    {
        using var reader = new StreamReader(
            new FileStream(child.Output!, FileAccess.Read, bufferSize: 0), Encoding.UTF8);
        var line = new StringBuilder();
        while (line.Length < MostCharacters && reader.Read() is var letter and >= 0)
        {
            if (letter == '\n')
            {
                return line.ToString();
            }

            line.Append((char)letter);
        }

        return null;
    });

    private static FailureException Failed(string program, string problem, Exception? inner) => new(
        "companion_start_failed",
        $"The program {program} could not be started: {problem}.",
        "Check that Berth is installed completely; ./berth builds what is missing.",
        Fault.Operator,
        inner);
}
