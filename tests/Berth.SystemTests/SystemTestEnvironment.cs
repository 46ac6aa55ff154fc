using System.Runtime.InteropServices;
using Xunit;

namespace Berth.SystemTests;

/// <summary>Where these tests find the programs that they run. What is missing fails a test by name; nothing is
/// skipped in silence.</summary>
internal static class SystemTestEnvironment
{
    /// <summary>The tests' output folder: the programs are run from here, so that their coverage is measured.</summary>
    internal static string OutputFolder { get; } = AppContext.BaseDirectory;

    /// <summary>The root of the repository.</summary>
    internal static string RepositoryRoot { get; } = Upwards("global.json")
        ?? throw new InvalidOperationException("No global.json above the tests.");

    /// <summary>The supervisor.</summary>
    internal static string Supervisor =>
        Required(Path.Combine(OutputFolder, "berth-supervisor"), "build the tests again");

    /// <summary>The CLI that misbehaves on request.</summary>
    internal static string FakeClaude => Required(FakeClaudePackage.Program, "build the tests again");

    /// <summary>The scripted model.</summary>
    internal static string ScriptedModel =>
        Required(Path.Combine(OutputFolder, "berth-scripted-model"), "build the tests again");

    /// <summary>The command line.</summary>
    internal static string Berth => Required(Path.Combine(OutputFolder, "berth"), "build the tests again");

    /// <summary>The real CLI: named by BERTH_CLAUDE, or installed in tools/claude.</summary>
    internal static string RealClaude => Required(
        Environment.GetEnvironmentVariable("BERTH_CLAUDE") is { Length: > 0 } named ? named : InstalledClaude,
        "type `npm ci` in tools/claude, or set BERTH_CLAUDE");

    /// <summary>Where the Docker of the tests listens; scripts/test_docker.sh starts it.</summary>
    internal static string DockerHost
    {
        get
        {
            var host = Environment.GetEnvironmentVariable("DOCKER_HOST");
            Assert.SkipWhen(
                string.IsNullOrEmpty(host),
                "These tests need Docker: export DOCKER_HOST=$(sudo scripts/test_docker.sh start)");
            return host!;
        }
    }

    /// <summary>How the PostgreSQL of the tests is reached; scripts/test_postgres.sh starts it.</summary>
    internal static string Postgres
    {
        get
        {
            var server = Environment.GetEnvironmentVariable("TEST_POSTGRES");
            Assert.SkipWhen(
                string.IsNullOrEmpty(server),
                "These tests need PostgreSQL: export TEST_POSTGRES=$(scripts/test_postgres.sh start)");
            return server!;
        }
    }

    /// <summary>The supervisor as users have it: one file that needs no runtime, so that any image can hold
    /// it.</summary>
    internal static string PublishedSupervisor => Required(
        Path.Combine(RepositoryRoot, "artifacts/berth/supervisor/berth-supervisor"), "type ./berth --version");

    /// <summary>The command line as the launcher publishes it: a native program.</summary>
    internal static string PublishedBerth =>
        Required(Path.Combine(RepositoryRoot, "artifacts/berth/berth"), "type ./berth --version");

    /// <summary>An image with git, made by scripts/test_docker.sh.</summary>
    internal const string RunImage = "berth-test-run:1";

    /// <summary>An image without git, made by scripts/test_docker.sh.</summary>
    internal const string BareImage = "debian:bookworm-slim";

    /// <summary>The folder of the .NET runtime, for programs that are not self-contained.</summary>
    internal static string DotnetRoot { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));

    private static string InstalledClaude => Path.Combine(
        RepositoryRoot,
        "tools/claude/node_modules/@anthropic-ai",
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            ? "claude-code-linux-arm64"
            : "claude-code-linux-x64",
        "claude");

    private static string Required(string path, string mend)
    {
        Assert.True(File.Exists(path), $"These tests need {path}, which is not there: {mend}.");
        return path;
    }

    private static string? Upwards(string name)
    {
        for (var folder = new DirectoryInfo(OutputFolder); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, name)))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
