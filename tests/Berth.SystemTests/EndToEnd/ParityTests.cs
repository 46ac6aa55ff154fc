using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>
/// What runs in one mode runs in the other, with the same events, commits, files and outcome: the real CLI, sandbox
/// against container. The differences that there are stand in docs/DOCKER_MODE_GUIDE.md.
/// </summary>
public sealed class ParityTests
{
    private const string Instruction = "canary-of-the-instructions";

    // Each case is two runs, one in each mode; more at once only wait for the processors.
    private const int AtOnce = 2;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static IReadOnlyList<Case> Tasks { get; } =
    [
        new("text-only", "\"state\": \"succeeded\"", "text Hello.\\nThere is nothing to do."),
        new("file-written", "\"path\": \"src/new.txt\"", """
            tool Write {"file_path": "{{cwd}}/src/new.txt", "content": "one\ntwo\n"}
            ---
            text Written.
            """),
        new("several-tools", "Good day, Ada", """
            tool Read {"file_path": "{{cwd}}/README.md"}
            ---
            tool Grep {"pattern": "Ada", "path": "{{cwd}}", "output_mode": "content"}
            ---
            tool Glob {"pattern": "src/*.sh"}
            ---
            tool Edit {"file_path": "{{cwd}}/src/greet.sh", "old_string": "Hello", "new_string": "Good day"}
            tool Write {"file_path": "{{cwd}}/notes.md", "content": "Changed.\n"}
            ---
            bash sh src/greet.sh Ada; echo trouble >&2; exit 3
            ---
            text It ended so: {{last}}
            """),
        new("denied-tool", "has been denied",
            "bash touch {{cwd}}/not-allowed.txt\n---\ntext So be it.") { Workflow = "review" },
        new("max-turns", "\"code\": \"max_turns_reached\"",
            "repeat forever\nbash echo turn {{turn}} >> turns.txt") { Options = ["--max-turns", "2"] },
        new("own-commit", "Mine, with a body", """
            bash echo a > a.txt; git add a.txt; git commit -q -m "Mine, with a body" -m "Why."
            ---
            bash echo b > b.txt
            ---
            text One is committed.
            """),
        new("nothing-changed", "no branch", "bash cat README.md; git status --short\n---\ntext All is well."),
        new("api-error", "\"code\": \"model_rejected_request\"", "error 400 This cannot be done."),
        new("names", "$(id)", """
            bash mkdir -p 'ü 文/-dash'; echo x > 'ü 文/naïve — "quoted".txt'; echo y > 'ü 文/-dash/$(id)'; ls -R ü*
            ---
            text Grüße, 世界. {{last}}
            """),
        new("modes-and-links", "\"path\": \"src/link\"", """
            bash <<END
            chmod +x src/greet.sh; ln -s ../README.md src/link; ln -s /nowhere/at/all gone
            echo '*.o' > .gitignore; : > x.o
            END
            ---
            text Linked.
            """),
        new("deleted-and-renamed", "\"status\": \"renamed\"",
            "bash git rm -q 'docs/old name.md'; mv src/greet.sh src/salute.sh\n---\ntext Gone."),
        new("tool-of-a-server", "It says an answer from /workspace", """
            tool mcp__probe__answer {"to": "all"}
            ---
            text It says {{last}}
            """) { Workflow = "served" },
        new("big-output", "Output too large", "bash seq 1 60000\n---\nflood 400K\n---\ntext Enough."),
        new("instructions", "no branch", "text Yes.") { Options = ["--ref", "told", "--trust", "instructions"] },
        new("secret", "***\\n23",
            "bash printf '%s' \"$TOKEN\" | tee token.txt; echo; echo \"${#TOKEN}\"\n---\ntext {{last}}")
        {
            Options = ["--env", "TOKEN=secret-of-the-user-1234"],
        },
    ];

    [Fact]
    public async Task The_eight_workflows_do_the_same_in_both_modes()
    {
        string[] names = ["architect", "document", "fix", "implement", "pr", "refactor", "review", "test"];
        await SameAsync([.. names.Select(name => new Case(name, "That was it.", """
            tool Read {"file_path": "{{cwd}}/README.md"}
            ---
            bash git rev-parse HEAD
            ---
            tool Write {"file_path": "{{cwd}}/docs/design/plan.md", "content": "# A plan\n"}
            tool Write {"file_path": "{{cwd}}/REVIEW.md", "content": "# Findings\n"}
            ---
            tool Edit {"file_path": "{{cwd}}/README.md", "old_string": "sample", "new_string": "better sample"}
            bash sh src/greet.sh Bob > src/bob.txt
            ---
            text That was it.
            """)
        {
            Workflow = name,
        })]);
    }

    [Fact]
    public Task A_dozen_tasks_and_more_go_the_same_way_in_both_modes() => SameAsync(Tasks);

    [Fact]
    public async Task What_differs_is_found()
    {
        // The agent's number is a difference that is documented: nothing else may be found, and this must.
        var home = await StageAsync();
        await using var disposed = home;
        var asked = new Case("number", "\"state\": \"succeeded\"", "bash id -u\n---\ntext Done.");
        var (local, docker) = await BothAsync(home, asked);
        var found = RunPortrait.Difference(local, docker)!;
        Assert.Contains("\"content\": \"1000\"", found, StringComparison.Ordinal);
        Assert.Equal(local.Count, docker.Count);
        Assert.Equal(2, local.Except(docker, StringComparer.Ordinal).Count());

        // And no line can go, come or change without being missed.
        Assert.Null(RunPortrait.Difference(local, [.. local]));
        Assert.NotNull(RunPortrait.Difference(local, [.. local.SkipLast(1)]));
        Assert.NotNull(RunPortrait.Difference([.. local.Skip(1)], local));
        foreach (var (first, second) in new[]
        {
            ("""{"timestamp": "a", "text": "b"}""", """{"text": "b"}"""),
            ("""{"is_error": false}""", """{"is_error": true}"""),
            ("""{"items": [1, 2]}""", """{"items": [2, 1]}"""),
            ("""{"mode": "acceptEdits"}""", """{"mode": "dontAsk"}"""),
            ("""{"text": null}""", """{"text": ""}"""),
        })
        {
            Assert.NotEqual(Text(first), Text(second));
        }

        static string Text(string json) =>
            RunPortrait.Normal(JsonNode.Parse(json), isOurs: false, [])!.ToJsonString();
    }

    private static async Task SameAsync(IReadOnlyList<Case> cases)
    {
        await using var home = await StageAsync();
        var differing = new ConcurrentBag<string>();
        var limits = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = Cancel };
        await Parallel.ForEachAsync(cases, limits, async (one, _) =>
        {
            var (local, docker) = await BothAsync(home, one);
            if (RunPortrait.Difference(local, docker) is { } difference)
            {
                differing.Add($"{one.Name}: {difference}");
            }
        });

        Assert.True(differing.IsEmpty, string.Join("\n\n", differing));
    }

    private static async Task<(IReadOnlyList<string> Local, IReadOnlyList<string> Docker)> BothAsync(
        BerthHome home, Case one)
    {
        var portraits = await Task.WhenAll(new[] { "local", "docker" }.Select(async mode =>
        {
            var repository = RepositoryOf(home, mode);
            var command = await home.BerthAsync(
                Cancel,
                [
                    "run", one.Workflow, BerthHome.Prompt(one.Script), "--json", "--mode", mode, "--repo", repository,
                    "--branch", $"made/{one.Name}", .. one.Options,
                ]);
            Assert.Equal(mode, command.Json.GetProperty("mode").GetString());
            if (one.Options.Contains("told", StringComparer.Ordinal))
            {
                Assert.Contains(home.Model.Requests, request => request.Text() is var text
                    && text.Contains(Instruction, StringComparison.Ordinal)
                    && text.Contains(command.Json.GetProperty("sessionId").GetString()!, StringComparison.Ordinal));
            }

            var portrait = await RunPortrait.TakeAsync(home, command, repository);
            Assert.True(
                portrait.Any(line => line.Contains(one.Shows, StringComparison.Ordinal)),
                $"{one.Name}: expected {one.Shows}, found {command.Output}");
            return portrait;
        }));
        return (portraits[0], portraits[1]);
    }

    // Each mode has a clone of its own, so that branches can have the same names.
    private static async Task<BerthHome> StageAsync()
    {
        var home = await DockerHome.CreateAsync();
        foreach (var (file, text) in new[]
        {
            ("src/greet.sh", "echo \"Hello, $1\"\n"), ("docs/old name.md", "# Old\n\nIt knows Ada.\n"),
        })
        {
            Directory.CreateDirectory(Path.Combine(home.Repository, Path.GetDirectoryName(file)!));
            await File.WriteAllTextAsync(Path.Combine(home.Repository, file), text, Cancel);
        }

        await home.CommitAsync("Second", Cancel);
        await home.GitAsync(Cancel, "checkout", "-q", "-b", "told");
        await File.WriteAllTextAsync(Path.Combine(home.Repository, "CLAUDE.md"), Instruction, Cancel);
        await home.CommitAsync("Told", Cancel);
        foreach (var mode in new[] { "local", "docker" })
        {
            var clone = RepositoryOf(home, mode);
            await home.GitAsync(Cancel, "clone", "-q", "--branch", "main", home.Repository, clone);
            await BerthHome.GitInAsync(clone, Cancel, "branch", "told", "origin/told");
        }

        await OutcomeTests.WorkflowAsync(
            home, "served", "[\"mcp__probe__answer\"]",
            ("server.sh", Server),
            (".mcp.json",
            """{"mcpServers": {"probe": {"command": "/bin/bash", "args": ["${BERTH_WORKFLOW}/server.sh"]}}}"""));
        return home;
    }

    private static string RepositoryOf(BerthHome home, string mode) => Path.Combine(home.Folder, $"of-{mode}");

    // Answers the three requests of the Model Context Protocol that a client makes for one tool.
    private const string Server = """
        while read -r line; do
          id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
          case $line in
            *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"probe","version":"1"}}' ;;
            *'"tools/list"'*) result='{"tools":[{"name":"answer","description":"Answers","inputSchema":{"type":"object"}}]}' ;;
            *'"tools/call"'*) result='{"content":[{"type":"text","text":"an answer from '$(pwd)'"}]}' ;;
            *) result='{}' ;;
          esac
          [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
        done
        """;

    /// <summary>A request to be made in both modes.</summary>
    /// <param name="Name">Its name, and its branch's.</param>
    /// <param name="Shows">What is to be seen in both, so that it is about what it says.</param>
    /// <param name="Script">What the model does.</param>
    private sealed record Case(string Name, string Shows, string Script)
    {
        public string Workflow { get; init; } = "implement";

        public IReadOnlyList<string> Options { get; init; } = [];
    }
}
