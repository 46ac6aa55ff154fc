using Berth.Protocol;

namespace Berth.Commands;

/// <summary>The outermost boundary of a command: whatever happens in it becomes a message and an exit code.</summary>
internal static class CommandBoundary
{
    private const int BrokenPipe = 13;

    /// <summary>Runs a command.</summary>
    public static async Task<int> RunAsync(Surroundings surroundings, bool json, Func<Task<int>> act)
    {
        try
        {
            return await act();
        }
        catch (FailureException expected)
        {
            return FailureReport.Show(surroundings, expected.Failure, json);
        }
        catch (IOException gone) when (IsReaderGone(gone))
        {
            // The reader of our output has gone, as in `berth logs … | head`; there is nobody to tell.
            return ExitCodes.SentAway + BrokenPipe;
        }
        catch (Exception defect)
        {
            var failure = new Failure(
                "internal_error",
                $"Berth itself failed: {defect.GetType().Name}: {defect.Message}",
                "This is a defect; please report it with the lines below.",
                Fault.Berth);
            var code = FailureReport.Show(surroundings, failure, json);
            await surroundings.Streams.Error.WriteLineAsync(defect.StackTrace);
            return code;
        }
    }

    /// <summary>
    /// Whether an error says that the reader of our output has gone: of a pipe, or a terminal that was closed.
    /// </summary>
    public static bool IsReaderGone(IOException error)
    {
        const int Epipe = 32;
        const int Eio = 5;
        return error.HResult is Epipe or Eio;
    }
}
