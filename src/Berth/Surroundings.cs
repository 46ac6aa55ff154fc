using System.Collections;
using Berth.Terminal;

namespace Berth;

/// <summary>What a command finds around it: streams, environment, folders, clock. Tests bring their own.</summary>
internal sealed record Surroundings
{
    public required StandardStreams Streams { get; init; }

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required string CurrentDirectory { get; init; }

    /// <summary>The folder of the program.</summary>
    public required string ProgramFolder { get; init; }

    /// <summary>The words that start this very program, an absolute path first.</summary>
    public required IReadOnlyList<string> ProgramCommand { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Those of this process.</summary>
    public static Surroundings OfThisProcess(TimeProvider time) => new()
    {
        Streams = StandardStreams.OfThisProcess(),
        Environment = System.Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(pair => (string)pair.Key, pair => (string)pair.Value!, StringComparer.Ordinal),
        CurrentDirectory = System.Environment.CurrentDirectory,
        ProgramFolder = AppContext.BaseDirectory,
        ProgramCommand = CommandOfThisProgram(),
        Time = time,
    };

    /// <summary>
    /// The path of a program of ours: in a folder beside this program, or beside it as in a build's output.
    /// </summary>
    public string BesideProgram(string folder, string name)
    {
        var published = Path.Combine(ProgramFolder, folder, name);
        var beside = Path.Combine(ProgramFolder, name);
        return File.Exists(published) || !File.Exists(beside) ? published : beside;
    }

    /// <summary>Whether a terminal is to have colours: https://no-color.org.</summary>
    public bool WelcomesColour =>
        !IsPlainTerminal && string.IsNullOrEmpty(Environment.GetValueOrDefault("NO_COLOR"));

    private bool IsPlainTerminal => Environment.GetValueOrDefault("TERM") is null or "" or "dumb";

    /// <summary>Prints a result for programs.</summary>
    public void Print(string result) => Streams.Output.WriteLine(result);

    /// <summary>The screen for people.</summary>
    /// <param name="onError">Whether standard output is taken by a result for programs.</param>
    public IScreen Screen(bool onError = false)
    {
        var (writer, isTerminal) = onError
            ? (Streams.Error, Streams.ErrorIsTerminal)
            : (Streams.Output, Streams.OutputIsTerminal);
        return isTerminal && !IsPlainTerminal
            ? new TerminalScreen(writer, Streams.Width, WelcomesColour)
            : new PlainScreen(writer);
    }

    // Started through `dotnet berth.dll`, the running program is dotnet, and the library has to be named.
    private static IReadOnlyList<string> CommandOfThisProgram()
    {
        var program = System.Environment.ProcessPath
            ?? throw new InvalidOperationException("The program's own path is not known.");
        return string.Equals(Path.GetFileNameWithoutExtension(program), "dotnet", StringComparison.Ordinal)
            ? [program, "exec", Path.Combine(AppContext.BaseDirectory, "berth.dll")]
            : [program];
    }
}
