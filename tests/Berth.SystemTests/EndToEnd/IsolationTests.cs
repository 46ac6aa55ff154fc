using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What the agent can see and reach, asked from inside by its own Bash tool. FAULTS D 34: what a repository
/// brings.</summary>
public sealed class IsolationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task From_inside_nothing_of_the_host_can_be_seen_or_reached()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await File.WriteAllTextAsync(Path.Combine(home.Folder, "user", "secret.txt"), "canary-of-the-user", Cancel);
        var report = await ProbeAsync(
            home,
            $$"""
            echo "uid=$(id -u)"
            echo "key=$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -c '{{BerthHome.DummyKey}}')"
            echo "anthropic=$(env | grep -c 'sk-dummy')"
            echo "home=$(ls {{home.Folder}}/user 2>/dev/null | wc -l)"
            echo "roothome=$(ls -A /root 2>/dev/null | wc -l)"
            echo "shadow=$(cat /etc/shadow 2>/dev/null | wc -l)"
            echo "runs=$(ls {{home.Home}}/runs 2>/dev/null | wc -l)"
            echo "database=$(cat {{home.Home}}/berth.db 2>/dev/null | wc -c)"
            echo "interfaces=$(ls /sys/class/net 2>/dev/null | grep -cv '^lo$')"
            echo "tcp=$( (exec 3<>/dev/tcp/127.0.0.1/{{home.Model.Uri!.Port}}) 2>/dev/null && echo open || echo closed)"
            echo "host=$(kill -0 {{Environment.ProcessId}} 2>/dev/null && echo seen || echo unseen)"
            echo "processes=$(ls -d /proc/[0-9]* | wc -l)"
            echo "usr=$(touch /usr/owned 2>/dev/null && echo written || echo refused)"
            echo "mirror=$(find / -xdev -name packed-refs -not -path '/workspace/*' 2>/dev/null | wc -l)"
            """);

        Assert.Equal("1000", report["uid"]);
        Assert.Equal("0", report["key"]);
        Assert.Equal("0", report["anthropic"]);
        Assert.Equal("0", report["home"]);
        Assert.Equal("0", report["roothome"]);
        Assert.Equal("0", report["shadow"]);
        Assert.Equal("0", report["runs"]);
        Assert.Equal("0", report["database"]);
        Assert.Equal("0", report["interfaces"]);
        Assert.Equal("closed", report["tcp"]);
        Assert.Equal("unseen", report["host"]);
        Assert.True(int.Parse(report["processes"], System.Globalization.CultureInfo.InvariantCulture) < 30);
        Assert.Equal("refused", report["usr"]);
        Assert.Equal("0", report["mirror"]);
    }

    [Fact]
    public async Task Values_of_the_environment_reach_the_agent_and_are_redacted_wherever_they_are_shown()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await OutcomeTests.WorkflowAsync(home, "secretive", "[\"Bash\"]", (".env", "FROM_FILE=file-secret-1234\n"));
        var command = await home.BerthAsync(
            Cancel,
            "run", "secretive",
            BerthHome.Prompt(
                "bash echo $FROM_FILE $FROM_LINE; echo \"$FROM_LINE\" | wc -c > n\n---\ntext It was {{last}}"),
                "--json",
            "--env", "FROM_LINE=line \"secret\" 5678", "--branch", "b");
        var id = command.Json.GetProperty("id").GetString()!;
        var logs = await home.BerthAsync(Cancel, "logs", id);
        var raw = await home.BerthAsync(Cancel, "logs", id, "--raw");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("19", (await home.GitAsync(Cancel, "show", "b:n")).Trim());
        foreach (var shown in new[] { command.Output, command.Error, logs.Output, raw.Output })
        {
            Assert.DoesNotContain("file-secret-1234", shown, StringComparison.Ordinal);
            Assert.DoesNotContain("secret\" 5678", shown, StringComparison.Ordinal);
            Assert.DoesNotContain("secret\\\" 5678", shown, StringComparison.Ordinal);
        }

        Assert.Contains("***", raw.Output, StringComparison.Ordinal);
        foreach (var file in Directory.EnumerateFiles(
            Path.Combine(home.Home, "runs", id),
            "*",
            SearchOption.AllDirectories))
        {
            Assert.DoesNotContain(
                "file-secret-1234",
                await File.ReadAllTextAsync(file, Cancel),
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task F33_F34_A_hostile_repository_runs_nothing_on_the_host_nor_through_its_settings()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var canary = Path.Combine(home.Folder, "canary");
        Directory.CreateDirectory(canary);
        await HostileRepository.MakeAsync(home, canary, Cancel);
        var evil = $$"""
            printf '#!/bin/sh\ntouch {{canary}}/hook\n' > .git/hooks/post-commit; cp .git/hooks/post-commit .git/hooks/pre-commit; chmod +x .git/hooks/*
            git config core.fsmonitor 'touch {{canary}}/fsmonitor'
            git config core.sshCommand 'touch {{canary}}/ssh'
            git config diff.external 'touch {{canary}}/diff'
            git config filter.evil.clean 'touch {{canary}}/filter; cat'
            git config uploadpack.packObjectsHook 'touch {{canary}}/pack; git pack-objects'
            echo '* filter=evil' >> .gitattributes
            echo done > work.txt
            ls canary-inside 2>/dev/null | wc -l > fired.txt
            """;

        // The CLI itself denies a plain write to .git, so it is hidden from it, as a hostile agent would.
        var hidden = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(evil));
        var (command, run) = await home.RunAsync(
            $"bash echo {hidden} | base64 -d > /tmp/evil.sh; sh /tmp/evil.sh\n---\ntext Done.", Cancel, "--branch",
            "b");
        await home.BerthAsync(Cancel, "diff", run.GetProperty("id").GetString()!);

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(canary));
        Assert.Equal("0\n", await home.GitAsync(Cancel, "show", "b:fired.txt"));
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:work.txt"));
        Assert.All(home.Model.Requests, request => Assert.Equal(BerthHome.DummyKey, request.Headers["x-api-key"]));
    }

    [Theory]
    [InlineData("none", false, 0)]
    [InlineData("instructions", true, 0)]
    [InlineData("full", true, 1)]
    public async Task The_repositorys_own_configuration_counts_as_far_as_it_is_trusted(
        string trust,
        bool instructions,
        int hooks)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await HostileRepository.MakeAsync(home, "/tmp/nowhere", Cancel);
        var (command, run) = await home.RunAsync(
            "bash ls canary-inside/session-start 2>/dev/null | wc -l > fired.txt\n---\ntext Done.", Cancel, "--trust",
            trust, "--branch", "b");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal(trust, run.GetProperty("trust").GetString());
        Assert.Equal(
            instructions,
            home.Model.Requests.Any(request => request.Text().Contains(
                "canary-of-CLAUDE.md",
                StringComparison.Ordinal)));
        Assert.Equal($"{hooks}\n", await home.GitAsync(Cancel, "show", "b:fired.txt"));

        // Its env.ANTHROPIC_* never counts: all calls came to our model with our key.
        Assert.NotEmpty(home.Model.Requests);
        Assert.All(home.Model.Requests, request => Assert.Equal(BerthHome.DummyKey, request.Headers["x-api-key"]));
    }

    [Fact]
    public async Task A_server_of_the_workflows_mcp_json_runs_inside_the_sandbox()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        const string Server = """
            #!/bin/bash
            # Answers the three requests of the Model Context Protocol that a client makes for one tool.
            while read -r line; do
              id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
              case $line in
                *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"probe","version":"1"}}' ;;
                *'"tools/list"'*) result='{"tools":[{"name":"whoami","description":"Says who runs it","inputSchema":{"type":"object"}}]}' ;;
                *'"tools/call"'*) result='{"content":[{"type":"text","text":"mcp uid '$(id -u)' in '$(ls -d /workspace)'"}]}' ;;
                *) result='{}' ;;
              esac
              [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
            done
            """;
        await OutcomeTests.WorkflowAsync(
            home, "served", "[\"mcp__probe__whoami\"]",
            ("server.sh", Server),
            (".mcp.json",
            """{"mcpServers": {"probe": {"command": "/bin/bash", "args": ["${BERTH_WORKFLOW}/server.sh"]}}}"""));
        var command = await home.BerthAsync(
            Cancel, "run", "served", BerthHome.Prompt("tool mcp__probe__whoami {}\n---\ntext It says {{last}}"),
            "--json");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Contains(
            "mcp uid 1000 in /workspace",
            command.Json.GetProperty("result").GetString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_sandbox_runs_only_what_asked_for_that_by_name_and_it_is_labelled_weak()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("PATH", EmptyOf("bwrap", home));
        var refused = await home.BerthAsync(Cancel, "run", "implement", BerthHome.Prompt("text Hi."), "--json");
        var (command, run) = await home.RunAsync(
            "bash echo x > x.txt\n---\ntext Done.",
            Cancel,
            "--sandbox",
            "none",
            "--branch",
            "b");

        Assert.Equal(5, refused.ExitCode);
        Assert.Contains(
            "bubblewrap",
            refused.Json.GetProperty("error").GetProperty("hint").GetString(),
            StringComparison.Ordinal);
        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("none", run.GetProperty("sandbox").GetString());
        Assert.Contains("eak", command.Error, StringComparison.Ordinal);
        Assert.Equal("x\n", await home.GitAsync(Cancel, "show", "b:x.txt"));
    }

    private static async Task<Dictionary<string, string>> ProbeAsync(BerthHome home, string script)
    {
        var (command, run) = await home.RunAsync($"bash <<END\n{script}\nEND\n---\ntext {{{{last}}}}", Cancel);
        Assert.True(command.ExitCode == 0, command.Error);
        return run.GetProperty("result").GetString()!.Split('\n')
            .Select(line => line.Split('=', 2)).Where(parts => parts.Length == 2)
            .ToDictionary(parts => parts[0], parts => parts[1], StringComparer.Ordinal);
    }

    // A PATH with everything of the usual one but one program.
    private static string EmptyOf(string program, BerthHome home)
    {
        var folder = Directory.CreateDirectory(Path.Combine(home.Folder, "bin")).FullName;
        foreach (var source in new[] { "/usr/bin", "/bin" }.SelectMany(Directory.EnumerateFiles))
        {
            var link = Path.Combine(folder, Path.GetFileName(source));
            if (!string.Equals(Path.GetFileName(source), program, StringComparison.Ordinal) && !File.Exists(link))
            {
                File.CreateSymbolicLink(link, source);
            }
        }

        return folder;
    }
}
