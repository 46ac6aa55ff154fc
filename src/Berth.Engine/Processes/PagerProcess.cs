using System.ComponentModel;
using System.Diagnostics;

namespace Berth.Engine.Processes;

/// <summary>A program that shows a text to the person at this terminal, page by page.</summary>
/// <remarks>
/// The one child that is to have our terminal, and that is waited for as long as a person reads: so it is started by
/// <see cref="Process"/>, which gives it the terminal as it was, and not by the class that keeps children from it.
/// </remarks>
internal sealed class PagerProcess : IDisposable
{
    private readonly Process process;

    private PagerProcess(Process process) => this.process = process;

    /// <summary>What it is to show.</summary>
    public Stream Input => process.StandardInput.BaseStream;

    /// <summary>Starts one.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments; no shell sees them.</param>
    /// <param name="environment">Its whole environment.</param>
    /// <returns>Null where it cannot be started.</returns>
    public static PagerProcess? Start(
        string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true };
        start.Environment.Clear();
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        try
        {
            return Process.Start(start) is { } process ? new PagerProcess(process) : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Says that there is no more, and waits until the reader has seen enough.</summary>
    public async Task EndAsync()
    {
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has gone already.
        }

        await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
    }

    public void Dispose() => process.Dispose();
}
