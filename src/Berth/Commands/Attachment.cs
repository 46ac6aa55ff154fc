using System.Runtime.InteropServices;
using System.Threading.Channels;
using Berth.Engine.Runs;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>How a command's time with a run ended.</summary>
/// <param name="Run">The run; final, unless the command was sent away.</param>
/// <param name="SentAwayBy">The signal that sent the command away while the run goes on, or null.</param>
internal sealed record AttachmentEnd(RunView Run, int? SentAwayBy);

/// <summary>A command that stays with a run: shows what it says, and turns signals into requests to it.</summary>
/// <remarks>
/// The run belongs to its host, not to this process. Ctrl-C asks it to stop, a second one takes it down; a TERM or
/// HUP, or the end of whoever reads our output, only sends this command away. Where it has an input, Ctrl-C ends the
/// agent's turn, and a second one leaves.
/// </remarks>
internal sealed class Attachment(
    IRunService runs, RunView run, IScreen screen, Surroundings surroundings, AttachedInput? input = null)
{
    /// <summary>In the place of a signal: somebody has asked to leave.</summary>
    public const int Detached = 0;

    private const int Interrupt = 2;
    private const int Hangup = 1;
    private const int Terminate = 15;
    private const int BrokenPipe = 13;

    // Nobody presses Ctrl-C so often before the first is acted on.
    private const int MostSignals = 16;
    private static readonly TimeSpan StatusInterval = TimeSpan.FromSeconds(1);

    private readonly Narrator narrator = new(run.CreatedAt);
    private readonly Lock drawing = new();
    private readonly Channel<int> signals = Channel.CreateBounded<int>(
        new BoundedChannelOptions(MostSignals) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Follows the run to its end.</summary>
    public async Task<AttachmentEnd> FollowAsync()
    {
        using var interrupt = Listen(PosixSignal.SIGINT, Interrupt);
        using var terminate = Listen(PosixSignal.SIGTERM, Terminate);
        using var hangup = Listen(PosixSignal.SIGHUP, Hangup);
        using var leaving = new CancellationTokenSource();
        using var ticks = new PeriodicTimer(StatusInterval, surroundings.Time);
        var telling = TellAsync(leaving.Token);
        var hearing = HearAsync();
        var ticking = TickAsync(ticks);
        var typing = input is null ? Task.CompletedTask : TypeAsync(input, leaving.Token);
        var first = await Task.WhenAny(telling, hearing, ticking);
        await leaving.CancelAsync();
        signals.Writer.Complete();
        ticks.Dispose();
        var sentAwayBy = await hearing;
        await ticking;
        await typing;
        var ended = await telling;
        Draw(() => screen.Status(string.Empty));
        if (ended is not null)
        {
            return new AttachmentEnd(ended, SentAwayBy: null);
        }

        return Leave(first == telling ? BrokenPipe : sentAwayBy ?? BrokenPipe);
    }

    // Null when we were sent away first.
    private async Task<RunView?> TellAsync(CancellationToken leaving)
    {
        // There may be much to read before there is anything to wait for.
        await Task.Yield();
        try
        {
            await foreach (var entry in runs.ReadLogAsync(run.Id, after: 0, follow: true, leaving))
            {
                Draw(() =>
                {
                    foreach (var line in narrator.Tell(entry))
                    {
                        screen.Write(line);
                    }

                    screen.Status(narrator.Status(surroundings.Time.GetUtcNow()));
                });
            }

            return await runs.WaitAsync(run.Id, leaving);
        }
        catch (OperationCanceledException) when (leaving.IsCancellationRequested)
        {
            return null;
        }
        catch (IOException gone) when (CommandBoundary.IsReaderGone(gone))
        {
            return null;
        }
    }

    // Null when no signal sent us away until there was no more to hear.
    private async Task<int?> HearAsync()
    {
        var interrupts = 0;
        await foreach (var signal in signals.Reader.ReadAllAsync())
        {
            if (signal != Interrupt || ++interrupts > (input is null ? 2 : 1))
            {
                return signal;
            }

            if (input is not null)
            {
                Say(await input.InterruptAsync());
                continue;
            }

            await runs.CancelAsync(run.Id, force: interrupts == 2, CancellationToken.None);
            Say(interrupts == 1
                ? "Stopping; what was done is kept. Ctrl-C again kills it."
                : "Killing it; what was written so far is kept. Ctrl-C again leaves it to itself.");
        }

        return null;
    }

    // A terminal that says no more leaves; a pipe has only said all that it had.
    private async Task TypeAsync(AttachedInput typist, CancellationToken leaving)
    {
        // Nobody can call back a read from a terminal: it is left to the end of the process.
        var typed = new StreamReader(surroundings.Streams.Input);
        try
        {
            while (await typed.ReadLineAsync(CancellationToken.None).AsTask().WaitAsync(leaving) is { } line)
            {
                if (await typist.TakeAsync(line) is not { } answer)
                {
                    _ = signals.Writer.TryWrite(Detached);
                    return;
                }

                if (answer.Length > 0)
                {
                    Say(answer);
                }
            }

            if (surroundings.Streams.InputIsTerminal)
            {
                _ = signals.Writer.TryWrite(Detached);
            }
        }
        catch (OperationCanceledException) when (leaving.IsCancellationRequested)
        {
            // The run has ended, or the command is leaving.
        }
    }

    // Until the timer is disposed of.
    private async Task TickAsync(PeriodicTimer ticks)
    {
        try
        {
            while (await ticks.WaitForNextTickAsync())
            {
                Draw(() => screen.Status(narrator.Status(surroundings.Time.GetUtcNow())));
            }
        }
        catch (IOException gone) when (CommandBoundary.IsReaderGone(gone))
        {
            // Nobody looks any more: ending first, this sends the command away.
        }
    }

    private AttachmentEnd Leave(int signal)
    {
        var id = RunId.Short(run.Id);
        try
        {
            surroundings.Screen(onError: true).Write(Line.Of(
                $"The run {id} goes on without this command; "
                    + $"berth logs {id} --follow shows it, berth cancel {id} stops it."));
        }
        catch (IOException)
        {
            // The terminal has gone; there is nobody to tell.
        }

        return new AttachmentEnd(run, signal);
    }

    private void Say(string text) => Draw(() => screen.Write(Line.Of(text, Tone.Warning)));

    private void Draw(Action draw)
    {
        lock (drawing)
        {
            draw();
        }
    }

    private PosixSignalRegistration Listen(PosixSignal signal, int number) =>
        PosixSignalRegistration.Create(signal, received =>
        {
            received.Cancel = true;
            signals.Writer.TryWrite(number);
        });
}
