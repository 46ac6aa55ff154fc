using System.Text;
using Berth.Commands;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Commands;

/// <summary>Surroundings in memory, with a home in a temporary folder.</summary>
internal sealed class TrialSurroundings : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-cli-").FullName;
    private readonly MemoryStream output = new();
    private readonly StringWriter error = new();

    public TrialSurroundings(params (string Name, string Value)[] variables)
    {
        var environment = variables.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
        environment.TryAdd("BERTH_HOME", Home);
        environment.TryAdd("HOME", folder);
        Given = new Surroundings
        {
            Streams = new StandardStreams
            {
                Input = new MemoryStream(),
                InputIsTerminal = true,
                RawOutput = output,
                Output = new StreamWriter(output, new UTF8Encoding(false)) { AutoFlush = true },
                Error = error,
            },
            Environment = environment,
            CurrentDirectory = folder,
            ProgramFolder = Path.Combine(folder, "program"),
            ProgramCommand = ["/bin/false"],
            Time = TimeProvider.System,
        };
    }

    public Surroundings Given { get; init; }

    public string Folder => folder;

    public string Home => Path.Combine(folder, "home");

    public string Output => Encoding.UTF8.GetString(output.ToArray());

    public string Error => error.ToString();

    public Task<int> RunAsync(params string[] arguments) => CommandLine.RunAsync(Given, arguments)
        .WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    public void Dispose()
    {
        output.Dispose();
        error.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
