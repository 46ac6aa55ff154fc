using System.Data.Common;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Commands;

/// <summary>Turns the expected ways in which a command can fail into a message and an exit code.</summary>
/// <remarks>What nobody expected goes on to the program, which catches it.</remarks>
internal static class CommandBoundary
{
    /// <summary>The error number of a pipe whose reader has gone.</summary>
    public const int Epipe = 32;

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
        catch (DbException database)
        {
            var failure = DatabaseFailures.Of(database, "The home's database");
            return FailureReport.Show(surroundings, failure, json);
        }
        catch (IOException gone) when (IsReaderGone(gone))
        {
            // The reader of our output has gone, as in `berth logs … | head`; there is nobody to tell.
            return ExitCodes.SentAway + BrokenPipe;
        }
        catch (IOException full) when (DiskSpace.IsFull(full))
        {
            return FailureReport.Show(surroundings, NoRoom(full), json: false);
        }
    }

    private static Failure NoRoom(IOException full) => new(
        "disk_full",
        $"Something could not be written, perhaps the output of this command: {full.Message.TrimEnd('.')}.",
        "Free some space on the disk, and try again; berth cleanup --all removes what ended runs have left.",
        Fault.Operator);

    /// <summary>
    /// Whether an error says that the reader of our output has gone: of a pipe, or a terminal that was closed.
    /// </summary>
    public static bool IsReaderGone(IOException error)
    {
        const int Eio = 5;
        return error.HResult is Epipe or Eio;
    }
}
