using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Berth.SystemTests.Clients;

/// <summary>The programs of tests/clients, with what they need of npm and NuGet: fetched at their first use into
/// artifacts/test-clients, in the versions that stand there.</summary>
internal static class ClientTools
{
    private static readonly SemaphoreSlim Gate = new(1);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(8);

    /// <summary>The folder of the sources.</summary>
    public static string Sources { get; } = Path.Combine(SystemTestEnvironment.RepositoryRoot, "tests", "clients");

    /// <summary>The document that clients are made from.</summary>
    public static string Document { get; } =
        Path.Combine(SystemTestEnvironment.RepositoryRoot, "docs", "openapi.json");

    private static string Cache { get; } =
        Path.Combine(SystemTestEnvironment.RepositoryRoot, "artifacts", "test-clients");

    /// <summary>A folder with the npm packages, and with the scripts of a client.</summary>
    /// <param name="client">The client's folder.</param>
    /// <param name="cancel">Gives up.</param>
    public static Task<string> NodeAsync(string client, CancellationToken cancel) => OnceAsync(
        "npm",
        ["package.json", "package-lock.json"],
        async folder =>
        {
            Copy(Sources, folder, recursive: false);
            await RunAsync(
                "npm", folder, null, cancel, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
                "--update-notifier=false");
        },
        folder =>
        {
            Copy(Path.Combine(Sources, client), Path.Combine(folder, client), recursive: true);
            return Path.Combine(folder, client);
        },
        cancel);

    /// <summary>A client of .NET with its sources, and the tools that make such clients.</summary>
    public static Task<string> DotnetAsync(string client, CancellationToken cancel) => OnceAsync(
        "dotnet",
        [".config/dotnet-tools.json", "Directory.Packages.props", "Directory.Build.props", "Directory.Build.targets"],
        async folder =>
        {
            Copy(Sources, folder, recursive: false);
            Copy(Path.Combine(Sources, ".config"), Path.Combine(folder, ".config"), recursive: false);
            await RunAsync("dotnet", folder, null, cancel, "tool", "restore");
        },
        folder =>
        {
            Copy(Path.Combine(Sources, client), Path.Combine(folder, client), recursive: true);
            return Path.Combine(folder, client);
        },
        cancel);

    /// <summary>GitHub's REST API as it is published: one file of a large package.</summary>
    public static async Task<string> GitHubSchemaAsync(CancellationToken cancel)
    {
        const string Package = "@octokit/openapi";
        const string Inside = "package/generated/api.github.com.json";
        using var manifest = JsonDocument.Parse(
            await File.ReadAllTextAsync(Path.Combine(Sources, "package.json"), cancel));
        var version = manifest.RootElement.GetProperty("published").GetProperty(Package).GetString();
        return await OnceAsync(
            "github",
            ["package.json"],
            async folder =>
            {
                var packed = (await RunAsync(
                    "npm", folder, null, cancel, "pack", $"{Package}@{version}", "--silent",
                    "--update-notifier=false")).Trim();
                await RunAsync("tar", folder, null, cancel, "-xzf", packed, Inside);
                File.Delete(Path.Combine(folder, packed));
            },
            folder => Path.Combine(folder, Inside),
            cancel);
    }

    /// <summary>Runs a program to its end; what it printed, or its words where it failed.</summary>
    public static async Task<string> RunAsync(
        string program, string folder, ProgramInput? input, CancellationToken cancel, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in input?.Variables ?? [])
        {
            start.Environment[name] = value;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Limit);
        using var process = Process.Start(start)!;
        var (output, error) = (
            process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
        try
        {
            await process.StandardInput.WriteAsync((input?.Text ?? string.Empty).AsMemory(), limit.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }

        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await error}{await output}");
    }

    // What is there is as old as its manifests: others make it anew, in a folder of another name.
    private static async Task<string> OnceAsync(
        string name, string[] manifests, Func<string, Task> make, Func<string, string> use, CancellationToken cancel)
    {
        await Gate.WaitAsync(cancel);
        try
        {
            var all = string.Concat(manifests.Select(file => File.ReadAllText(Path.Combine(Sources, file))));
            var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all)))[..12];
            var folder = Path.Combine(Cache, $"{name}-{hash}");
            var stamp = Path.Combine(folder, ".made");
            if (!File.Exists(stamp))
            {
                Directory.CreateDirectory(folder);
                await make(folder);
                await File.WriteAllTextAsync(stamp, string.Empty, cancel);
            }

            return use(folder);
        }
        finally
        {
            Gate.Release();
        }
    }

    private static void Copy(string from, string to, bool recursive)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
        }

        foreach (var folder in recursive ? Directory.EnumerateDirectories(from) : [])
        {
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)), recursive);
        }
    }
}

/// <summary>What a program is given.</summary>
/// <param name="Variables">Variables of its environment.</param>
/// <param name="Text">Its standard input.</param>
internal sealed record ProgramInput(Dictionary<string, string> Variables, string Text = "");
