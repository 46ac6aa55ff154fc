using Berth.Protocol.Posix;

namespace Berth.Engine.Processes;

/// <summary>A detached program that was started early. It gets ready, waits until it is told to begin, and ends by
/// itself when whoever started it has gone without telling it.</summary>
/// <remarks>Starting a program takes as long as what is to be done before it is needed, so both are done at once. It
/// must do nothing that is seen before it is told: then one that is not needed leaves no trace.</remarks>
/// <param name="process">It, with a pipe as its standard input.</param>
internal sealed class WaitingProgram(ChildProcess process) : IDisposable
{
    private const byte Go = (byte)'\n';

    /// <summary>The process, which ends without a word unless <see cref="Begin"/> came first.</summary>
    public ChildProcess Process => process;

    /// <summary>Tells it to begin.</summary>
    /// <returns>Whether it could be told; where not, another one is needed.</returns>
    public bool Begin() => Descriptor.Write(process.Input!, [Go], out _) == 0;

    /// <summary>What such a program does first: waits until it is told to begin, or for the end of whoever started
    /// it.</summary>
    /// <param name="input">Its standard input.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Whether to begin.</returns>
    public static async Task<bool> IsToBeginAsync(Stream input, CancellationToken cancel) =>
        await input.ReadAsync(new byte[1], cancel) == 1;

    /// <summary>Lets go of it: it goes on, or ends when it was not told to begin.</summary>
    public void Dispose()
    {
        process.Input!.Dispose();
        process.Dispose();
    }
}
