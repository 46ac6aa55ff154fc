using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Berth.Engine.Executors;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>What hostile code inside tries, in every executor that isolates. Each test has the number of its fault. The
/// system calls are made by perl, which every Debian has.</summary>
public abstract class IsolationConformance : IAsyncDisposable
{
    private const int NoSuchCall = 38;
    private const int NoSuchFamily = 97;
    private const long Bound = 16L * 1024 * 1024;

    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    private protected abstract ExecutorStage Stage { get; }

    private protected static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F46_The_keyring_of_the_callers_session_is_out_of_reach()
    {
        // The session's keyring, the user's, a key of one's own, and a search in all of them.
        var answers = await CallAsync(
            ("session", Number(250, 219), ["0", "-3", "1"]),
            ("user", Number(250, 219), ["0", "-4", "1"]),
            ("read", Number(250, 219), ["11", "-3", "0", "0"]),
            ("join", Number(250, 219), ["1", "0"]),
            ("add", Number(248, 217), ["my $x = 'user'", "my $y = 'a'", "my $z = 'b'", "1", "-3"]),
            ("request", Number(249, 218), ["my $x = 'user'", "my $y = 'a'", "0", "-3"]));

        Assert.All(answers, answer => Assert.Equal((answer.Key, NoSuchCall), (answer.Key, answer.Value)));
        Assert.Empty(await PrintedAsync("cat /proc/keys 2>/dev/null"));
    }

    [Fact]
    public async Task F46_Every_call_of_the_list_is_refused_with_the_error_that_it_names()
    {
        var calls = new List<(string Name, int Number, string[] Arguments)>();
        var expected = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var rule in AgentFilter.Rules.Where(rule => rule.Test is null))
        {
            foreach (var call in rule.Calls)
            {
                var number = IsArm ? call.Arm64 : call.X64;
                if (number != FilterCall.None)
                {
                    calls.Add((call.Name, number, ["0", "0", "0", "0", "0"]));
                    expected.Add(call.Name, rule.Error);
                }
            }
        }

        Assert.Equal(expected, await CallAsync([.. calls]));
    }

    [Fact]
    public async Task F46_Only_sockets_of_programs_and_of_the_internet_can_be_made()
    {
        const int Stream = 1;
        const int Datagram = 2;
        var families = Enumerable.Range(1, 45).ToDictionary(
            family => family.ToString(CultureInfo.InvariantCulture), StringComparer.Ordinal);
        var answers = await CallAsync(
            [.. families.Select(family => (
                family.Key,
                Number(41, 198),
                new[] { family.Key, $"{(family.Value == 16 ? Datagram : Stream)}", "0" }))]);
        var pairs = await CallAsync(
            ("unix", Number(53, 199), ["1", "1", "0", "my $pair = 'x' x 8"]),
            ("tipc", Number(53, 199), ["30", "1", "0", "my $other = 'x' x 8"]));

        foreach (var (family, answer) in answers)
        {
            var isAllowed = family is "1" or "2" or "10" or "16";
            Assert.Equal((family, isAllowed ? 0 : NoSuchFamily), (family, answer));
        }

        Assert.Equal((0, NoSuchFamily), (pairs["unix"], pairs["tipc"]));
    }

    [Fact]
    public async Task F46_No_namespace_no_odd_personality_and_no_typing_into_terminals()
    {
        const string Child = "17";
        var answers = await CallAsync(
            ("unshare user", Number(272, 97), [$"{0x1000_0000}"]),
            ("unshare time", Number(272, 97), [$"{0x80}"]),
            ("unshare mount and files", Number(272, 97), [$"{0x2_0400}"]),
            ("clone user", Number(56, 220), [$"{0x1000_0000} | {Child}", "0", "0", "0", "0"]),
            ("no randomness", Number(135, 92), [$"{0x4_0000}"]),
            ("executable stacks", Number(135, 92), [$"{0x40_0000}"]),
            ("which personality", Number(135, 92), ["0xffffffff"]),
            ("type", Number(16, 29), ["0", $"{0x5412}", "my $x = 'x'"]),
            ("paste", Number(16, 29), ["0", $"{0x541c}", "my $x = 'x'"]),
            ("type, with a high half", Number(16, 29), ["0", "0x100005412", "my $x = 'x'"]));

        Assert.Equal(
            [
                "unshare user 1", "unshare time 1", "unshare mount and files 1", "clone user 1", "no randomness 1",
                "executable stacks 1", "which personality 0", "type 22", "paste 22",
                "type, with a high half 22",
            ],
            answers.Select(answer => $"{answer.Key} {answer.Value}"));
    }

    [Fact]
    public async Task F46_Calls_by_other_numbers_lead_nowhere()
    {
        Assert.SkipWhen(IsArm, "These are the other ways into an x86-64 kernel.");
        const int X32 = 0x4000_0000;
        var run = Stage.NewRun();
        var program = Path.Combine(run.Workspace, "i386");
        await File.WriteAllBytesAsync(program, ExitOfI386(42), Ending);
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);

        var lines = await PrintedAsync(
            "./i386; echo i386=$?", run);
        var answers = await CallAsync(
            ("x32", X32 | 39, []), ("x32 keyctl", X32 | 250, ["0", "-3", "1"]), ("not yet known", 600, []));

        Assert.DoesNotContain("i386=42", lines);
        Assert.All(answers, answer => Assert.Equal((answer.Key, NoSuchCall), (answer.Key, answer.Value)));
    }

    [Fact]
    public async Task F46_What_capture_runs_for_the_repository_is_under_the_filter_too()
    {
        var run = Stage.NewRun();
        await ExecutorStage.ToolAsync("git", ["init", "-q", run.Workspace]);
        await File.WriteAllTextAsync(
            Path.Combine(run.Workspace, "filter.pl"),
            $"print STDOUT <STDIN>; my $r = syscall({Number(250, 219)}, 0, -3, 1); my $e = $r < 0 ? $!+0 : 0; "
                + "open(F, '>', '/workspace/.git/answer'); print F $e; close F;",
            Ending);
        var spec = Stage.Shell(
            run,
            "git config filter.evil.clean 'perl /workspace/filter.pl'; echo '* filter=evil' > .gitattributes; "
                + "echo x > x.txt") with { Capture = new CapturePlan(null, "Work", "A", "a@example.invalid") };

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(CaptureState.Bundled, exit.Capture?.State);
        Assert.Equal("38", await File.ReadAllTextAsync(Path.Combine(run.Workspace, ".git", "answer"), Ending));
    }

    [Fact]
    public async Task F50_Nobody_can_open_the_agents_streams_a_second_time()
    {
        var lines = await PrintedAsync("""
            sleep 600 & other=$!
            for f in 0 1 2
            do
              (: < /proc/$$/fd/$f) 2>/dev/null && echo "reads $f"
              (: >> /proc/$$/fd/$f) 2>/dev/null && echo "writes $f"
              readlink /proc/$$/fd/$f | sed 's/:.*//'
            done
            echo back 2>/dev/null >&0 && echo "talks back"
            kill $other
            """);

        Assert.Equal(["socket", "socket", "socket"], lines);
    }

    [Fact]
    public async Task F50_A_process_beside_the_CLI_gets_neither_at_its_memory_nor_at_its_streams()
    {
        var run = Stage.NewRun();
        const string Look = """
            for f in mem maps environ auxv fd/0 fd/1 map_files stack syscall
            do
              (exec 3< /proc/$PPID/$f) 2>/dev/null && head -c 1 /proc/$PPID/$f >/dev/null 2>&1 && echo "reads $f"
            done
            for task in /proc/$PPID/task/*; do (exec 3<> $task/mem) 2>/dev/null && echo "writes $task"; done
            (exec 3<> /proc/$PPID/mem) 2>/dev/null && echo "writes mem"
            (exec 3> /proc/$PPID/fd/0) 2>/dev/null && echo "writes its input"
            perl -e 'my $fd = syscall(434, $ARGV[0], 0); print "has a handle\n" if syscall(438, $fd, 0, 0) >= 0;' $PPID
            chmod u+r /opt/claude/berth-fake-claude 2>/dev/null && echo "changes the program"
            head -c 4 /opt/claude/berth-fake-claude >/dev/null 2>&1 && echo "reads the program"
            """;
        await File.WriteAllTextAsync(Path.Combine(run.Workspace, "look.sh"), Look, Ending);
        var policy = Stage.Policy with { GuardsClaude = true };
        var spec = Stage.Fake(run, "sh exec sh /workspace/look.sh > /workspace/seen 2>&1", "result Done.") with
        {
            Policy = policy,
        };

        var exit = await Stage.RunAsync(spec);

        Assert.Equal((0, null), (exit.ExitCode, exit.Signal));
        Assert.Empty(await File.ReadAllTextAsync(Path.Combine(run.Workspace, "seen"), Ending));
    }

    [Fact]
    public async Task F56_Shared_memory_and_dev_hold_no_more_than_tmp()
    {
        var policy = Stage.Policy with { TempBytes = Bound };
        var lines = await PrintedAsync(
            """
            for f in /tmp /dev/shm
            do
              head -c 100M /dev/zero > $f/fill 2>/dev/null
              size=$(stat -c %s $f/fill)
              [ $size -le 16777216 ] && [ $size -ge 8388608 ] || echo "$f is not bounded"
              rm $f/fill
            done
            for f in /dev /dev/pts /dev/mqueue
            do (: > $f/file) 2>/dev/null && head -c 100M /dev/zero > $f/file 2>/dev/null && echo "$f is not bounded"
            done
            mkdir /dev/folder 2>/dev/null && echo "/dev is mine"
            echo x > /dev/null && head -c 1 /dev/urandom > /dev/shm/works && cat /dev/shm/works | wc -c
            """,
            policy: policy);

        Assert.Equal(["1"], lines);
    }

    [Fact]
    public async Task F47_Of_the_CLI_s_folder_only_the_CLI_is_there()
    {
        var folder = Directory.CreateTempSubdirectory("berth-home-").FullName;
        try
        {
            File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
            var program = Path.Combine(folder, "claude-1.2.3");
            await File.WriteAllTextAsync(program, "#!/bin/sh\nls -A /opt/claude; cat \"$0\" | wc -l\n", Ending);
            File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
            await File.WriteAllTextAsync(Path.Combine(folder, "secret"), "canary", Ending);
            var link = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName, "claude");
            File.CreateSymbolicLink(link, program);

            Assert.Equal(["claude-1.2.3", "2"], await OfCliAsync(link));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task F47_A_CLI_in_a_package_has_its_package_and_no_other()
    {
        var folder = Directory.CreateTempSubdirectory("berth-home-").FullName;
        try
        {
            File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
            var package = Path.Combine(folder, "node_modules", "@maker", "cli");
            Directory.CreateDirectory(Path.Combine(package, "bin"));
            Directory.CreateDirectory(Path.Combine(folder, "node_modules", "other"));
            await File.WriteAllTextAsync(Path.Combine(package, "text"), "beside\n", Ending);
            var program = Path.Combine(package, "bin", "cli.sh");
            await File.WriteAllTextAsync(
                program, "#!/bin/sh\ncat \"$(dirname \"$0\")/../text\"; ls -A /opt/claude; ls /opt\n", Ending);
            File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);

            Assert.Equal(["beside", "bin", "text", "claude"], await OfCliAsync(program));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Stage.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected async Task<IReadOnlyList<string>> PrintedAsync(
        string script, RunDirectory? run = null, ExecutionPolicy? policy = null)
    {
        var spec = Stage.Shell(run ?? Stage.NewRun(), script);
        await Stage.RunAsync(policy is null ? spec : spec with { Policy = policy });
        return await Stage.PrintedAsync(spec.RunId);
    }

    private async Task<IReadOnlyList<string>> OfCliAsync(string claude)
    {
        var run = Stage.NewRun();
        var layout = Stage.Executor.LayOut(ExecutorStage.IdOf(run), Stage.Policy, claude);
        var spec = Stage.Spec(run, [layout.Claude]) with { ClaudeBinary = claude };
        await Stage.RunAsync(spec);
        return [.. (await Stage.PrintedAsync(spec.RunId)).Where(line => line is not "berth")];
    }

    /// <summary>Makes system calls inside.</summary>
    /// <returns>Their errors by name; 0 for those that were carried out.</returns>
    private protected async Task<IReadOnlyDictionary<string, int>> CallAsync(
        params (string Name, int Number, string[] Arguments)[] calls)
    {
        var script = new StringBuilder("$| = 1;\n");
        foreach (var (name, number, arguments) in calls)
        {
            // A child for each: a call that succeeds changes its process.
            var words = string.Join(", ", arguments.Prepend($"{number}"));
            script.Append(CultureInfo.InvariantCulture, $"if (!fork) {{ my $r = syscall({words}); ")
                .Append(CultureInfo.InvariantCulture, $"print '{name}=', $r < 0 ? $!+0 : 0, \"\\n\"; exit; }} wait;\n");
        }

        var run = Stage.NewRun();
        await File.WriteAllTextAsync(Path.Combine(run.Workspace, "calls.pl"), script.ToString(), Ending);
        var lines = await PrintedAsync("perl calls.pl", run);
        Assert.True(lines.Count == calls.Length, string.Join('\n', lines));
        return lines.Select(line => line.Split('=')).ToDictionary(
            parts => parts[0], parts => int.Parse(parts[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);
    }

    private static int Number(int x64, int arm64) => IsArm ? arm64 : x64;

    // An ELF program of 32 bits: mov eax, 1 (exit); mov ebx, CODE; int 0x80; hlt.
    private static byte[] ExitOfI386(byte code)
    {
        byte[] program = [0xb8, 1, 0, 0, 0, 0xbb, code, 0, 0, 0, 0xcd, 0x80, 0xf4];
        byte[] header =
        [
            0x7f, (byte)'E', (byte)'L', (byte)'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 4, 8, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0, 0x20, 0, 1, 0,
            0, 0, 0, 0, 0, 0,
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 8, 0, 0x80, 4, 8, 0x61, 0, 0, 0, 0x61, 0, 0, 0, 5, 0, 0, 0, 0, 0x10,
            0, 0,
        ];
        return [.. header, .. program];
    }
}

/// <summary>In bubblewrap.</summary>
public sealed class LocalIsolationTests : IsolationConformance
{
    private protected override ExecutorStage Stage { get; } =
        new(SandboxKind.Bubblewrap, LocalExecutorTests.NewExecutor);
}

/// <summary>In a container.</summary>
public sealed class DockerIsolationTests : IsolationConformance
{
    private protected override ExecutorStage Stage { get; } =
        new(SandboxKind.Container, DockerExecutorTests.NewExecutor);
}
