using Berth.Protocol.Posix;

namespace Berth.Engine.Processes;

/// <summary>Starts a program that is to outlive us: in a session of its own, with no output that we read.</summary>
internal static class DetachedProgram
{
    /// <summary>Starts it; standard input and output are <c>/dev/null</c>.</summary>
    /// <param name="fileName">The program, as an absolute path.</param>
    /// <param name="arguments">Its arguments, without its own name.</param>
    /// <param name="environment">Its whole environment.</param>
    /// <param name="error">Standard error. No pipe: nobody would read it when we have ended.</param>
    /// <returns>The child. It lives on when we end; while we live, its end is reaped.</returns>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be started; the error number says
    /// why.</exception>
    internal static ChildProcess Start(
        string fileName,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        ChildStdio error) =>
        ChildProcess.Start(new ChildProcessStart
        {
            FileName = fileName,
            Arguments = arguments,
            Environment = environment,
            WorkingDirectory = "/",
            Error = error,
        });
}
