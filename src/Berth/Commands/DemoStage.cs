using Berth.Engine.Claude;
using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Protocol;

namespace Berth.Commands;

/// <summary>
/// What the demo needs around it: a folder, a sample repository in it, a home, and somebody who plays the model.
/// </summary>
internal sealed class DemoStage : IAsyncDisposable
{
    private const string Listening = "listening on ";

    // It goes nowhere but to the program that plays the model.
    private const string MadeUpKey = "made-up-key-of-the-demo";
    private const string ModelProgram = "berth-scripted-model";

    // These say where a user's own runs go and how they are made, and the demo is nobody's own run.
    private static readonly string[] LeftOut =
    [
        "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_LOCAL_WORKSPACE", "CLAUDE_LOCAL_CLEANUP",
        "CLAUDE_LOCAL_GIT_CACHE", "CLAUDE_CODE_MODE", "CLAUDE_CODE_TIMEOUT", "CLAUDE_CODE_MAX_CONCURRENT",
        "BERTH_WORKFLOWS", "BERTH_TRUSTED", "BERTH_CONFIG",
    ];

    private readonly CompanionProcess model;

    private DemoStage(string folder, Surroundings surroundings, CompanionProcess model)
    {
        Folder = folder;
        Surroundings = surroundings;
        this.model = model;
    }

    /// <summary>The folder of it all.</summary>
    public string Folder { get; }

    /// <summary>The surroundings in which the run is made.</summary>
    public Surroundings Surroundings { get; }

    /// <summary>The home of the demo's run.</summary>
    public string Home => HomeIn(Folder);

    /// <summary>The sample repository.</summary>
    public string Repository => RepositoryIn(Folder);

    /// <summary>Sets the stage.</summary>
    public static async Task<DemoStage> SetAsync(string folder, Surroundings surroundings, CancellationToken cancel)
    {
        await MakeSampleAsync(folder, surroundings, cancel);
        var program = surroundings.BesideProgram("scripted-model", ModelProgram);
        var player = await CompanionProcess.StartAsync(
            [program, "--urls", "http://127.0.0.1:0", "--script", "demo", "--until-stdin-closes"],
            surroundings.Environment,
            surroundings.Time,
            cancel);
        var url = player.FirstLine.Replace(Listening, string.Empty, StringComparison.Ordinal);
        return new DemoStage(folder, Inside(folder, url, surroundings), player);
    }

    /// <summary>Sends the model's player home. The folder is its user's to remove.</summary>
    public ValueTask DisposeAsync() => model.DisposeAsync();

    private static Surroundings Inside(string folder, string url, Surroundings surroundings)
    {
        var options = Settings.Bind(surroundings);
        var variables = surroundings.Environment.Where(pair => !LeftOut.Contains(pair.Key, StringComparer.Ordinal))
            .ToDictionary(StringComparer.Ordinal);
        variables["BERTH_HOME"] = HomeIn(folder);
        variables["ANTHROPIC_BASE_URL"] = url;
        variables["ANTHROPIC_API_KEY"] = MadeUpKey;
        variables["NO_PROXY"] = variables["no_proxy"] = "127.0.0.1";

        // The CLI may be one that was installed into the user's own home of Berth.
        if (ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home) is { } claude)
        {
            variables["BERTH_CLAUDE"] = claude;
        }

        return surroundings with { Environment = variables, CurrentDirectory = RepositoryIn(folder) };
    }

    private static async Task MakeSampleAsync(string folder, Surroundings surroundings, CancellationToken cancel)
    {
        var repository = RepositoryIn(folder);
        Directory.CreateDirectory(repository);
        await File.WriteAllTextAsync(Path.Combine(repository, "README.md"), ReadMe, cancel);
        await File.WriteAllTextAsync(Path.Combine(repository, "greet.sh"), Greet, cancel);
        var git = new GitProgram(
            new GitOptions { ConfigFolder = Path.Combine(folder, "git"), Environment = surroundings.Environment },
            new ProcessRunner(surroundings.Time));
        var made = await git.MakeRepositoryAsync(repository, "Greet people by name", cancel);
        if (!made.Succeeded)
        {
            throw new FailureException(
                "demo_failed",
                $"The sample repository {repository} could not be made: {made.Excerpt}",
                "Check that git works here: git init, git commit.",
                Fault.Operator);
        }
    }

    private static string HomeIn(string folder) => Path.Combine(folder, "home");

    private static string RepositoryIn(string folder) => Path.Combine(folder, "greeter");

    private const string ReadMe =
        """
        # greeter

        `sh greet.sh NAME` greets NAME. Without a name it greets the world:

            $ sh greet.sh
            Hello, world!

        """;

    private const string Greet =
        """
        #!/bin/sh
        # Greets whoever is named.
        echo "Hello, $1!"

        """;
}
