using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Berth.FakeClaude;

/// <summary>What a script can ask for: one word, then its arguments.</summary>
internal sealed partial class Verbs
{
    private readonly Dictionary<string, Action<string>> verbs;
    private readonly Stage stage;
    private readonly List<byte[]> eaten = [];

    internal Verbs(Stage stage)
    {
        this.stage = stage;
        verbs = new Dictionary<string, Action<string>>(StringComparer.Ordinal)
        {
            ["say"] = text => stage.Print(Events.Assistant(stage.SessionId, text)),
            ["print"] = text => stage.PrintBytes(Encoding.UTF8.GetBytes(text + "\n")),
            ["err"] = text => Console.Error.WriteLine(text),
            ["bytes"] = hex => stage.PrintBytes(Convert.FromHexString(hex)),
            ["flood"] = Flood,
            ["flood-err"] = FloodError,
            ["long-line"] = LongLine,
            ["result"] = text => stage.Print(Events.Result(stage.SessionId, text)),
            ["result-error"] = subtype => stage.Print(Events.Result(stage.SessionId, "", subtype, isError: true)),
            ["no-result"] = _ => stage.WithoutResult = true,
            ["linger"] = _ => stage.Lingers = true,
            ["sleep"] = seconds => Thread.Sleep(TimeSpan.FromSeconds(double.Parse(seconds,
                CultureInfo.InvariantCulture))),
            ["hang"] = _ => Thread.Sleep(Timeout.Infinite),
            ["ignore"] = Ignore,
            ["exit"] = code => Environment.Exit((int)Number(code)),
            ["exit-code"] = code => stage.ExitCode = (int)Number(code),
            ["die"] = Die,
            ["kill"] = KillOthers,
            ["daemon"] = seconds => Shell($"(setsid sh -c 'sleep {Number(seconds)}' </dev/null >/dev/null 2>&1 &)"),
            ["bare-daemon"] = seconds =>
                Shell($"(cd / && setsid env -i /bin/sh -c '/bin/sleep {Number(seconds)}' >/dev/null 2>&1 &)"),
            ["hold-stdout"] = seconds => Shell($"(setsid sleep {Number(seconds)} &)", inheritOutput: true),
            ["stubborn-child"] = seconds =>
                Shell($"(trap '' INT TERM HUP; setsid sleep {Number(seconds)} >/dev/null 2>&1 &)"),
            ["fork"] = Fork,
            ["eat"] = Eat,
            ["write"] = Write,
            ["sh"] = command => Shell(command),
            ["ask"] = Ask,
            ["env"] = Env,
            ["report"] = _ => Report(),
            ["prompt"] = _ => ReportPrompt(),
        };
    }

    internal void Play(string line)
    {
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        var (verb, rest) = space < 0 ? (line, "") : (line[..space], line[(space + 1)..]);
        if (!verbs.TryGetValue(verb, out var act))
        {
            Console.Error.WriteLine($"berth-fake-claude: unknown verb '{verb}'; known: {string.Join(' ', verbs.Keys)}");
            Environment.Exit(64);
        }

        act(rest);
    }

    private void Ask(string numbers)
    {
        var (count, every) = numbers.Split(' ') switch
        {
            [var one] => (Number(one), long.MaxValue),
            var two => (Number(two[0]), Number(two[1])),
        };
        var waits = new List<string>();
        for (var i = 1; i <= count; i++)
        {
            stage.Print(Events.PermissionRequest($"ask-{i}"));
        }

        for (var i = 1; i <= count; i++)
        {
            if (i % every == 0)
            {
                stage.Print(new JsonObject { ["type"] = "control_cancel_request", ["request_id"] = $"ask-{i}" });
            }
            else
            {
                waits.Add($"ask-{i}");
            }
        }

        stage.WaitForAnswers(waits);
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static void Shell(string command, bool inheritOutput = false)
    {
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(inheritOutput ? command : $"exec >/dev/null 2>&1 </dev/null; {command}");
        using var shell = Process.Start(start)!;
        shell.WaitForExit();
    }

    private static int SignalNumber(string name) => name switch
    {
        "HUP" => 1, "INT" => 2, "QUIT" => 3, "ILL" => 4, "ABRT" => 6, "KILL" => 9, "SEGV" => 11, "TERM" => 15,
        _ => int.Parse(name, CultureInfo.InvariantCulture),
    };

    // By a shell, because the runtime catches some of these in its own process.
    private static void Die(string signal)
    {
        Shell($"kill -{SignalNumber(signal)} {Environment.ProcessId}");
        Thread.Sleep(Timeout.Infinite);
    }

    private static void KillOthers(string whom)
    {
        var words = whom.Split(' ');
        var signal = SignalNumber(words.Length > 1 ? words[1] : "KILL");
        Shell(words[0] switch
        {
            "parent" => $"kill -{signal} {ParentId()}",
            "group" => $"kill -{signal} 0",
            _ => $"kill -{signal} -1",
        });
    }

    private static int ParentId()
    {
        var status = File.ReadLines("/proc/self/status").First(line =>
            line.StartsWith("PPid:", StringComparison.Ordinal));
        return int.Parse(status.AsSpan(5), CultureInfo.InvariantCulture);
    }

    private static void FloodTo(Stream stream, long count)
    {
        var line = Encoding.UTF8.GetBytes(
            """{"type":"assistant","message":{"content":[{"type":"text","text":"TEXT"}]}}"""
                .Replace("TEXT", new string('x', 940), StringComparison.Ordinal) + "\n");
        var many = Enumerable.Repeat(line, 64).SelectMany(bytes => bytes).ToArray();
        for (long written = 0; written < count; written += many.Length)
        {
            // Whole lines only, so that what follows begins on a line of its own.
            var lines = Math.Min(many.Length, (count - written + line.Length - 1) / line.Length * line.Length);
            stream.Write(many, 0, (int)lines);
        }

        stream.Flush();
    }

    private static void Write(string rest)
    {
        var words = rest.Split(' ', 2);
        if (Path.GetDirectoryName(words[0]) is { Length: > 0 } folder)
        {
            Directory.CreateDirectory(folder);
        }

        File.WriteAllText(words[0], (words.Length > 1 ? words[1] : "") + "\n");
    }

    private static void Fork(string count)
    {
        // Each sleeps, so that they count against a process limit.
        Shell(string.Create(CultureInfo.InvariantCulture,
            $"i=0; while [ $i -lt {Number(count)} ]; do sleep 600 & i=$((i+1)); done"));
    }

    private static void FloodError(string count)
    {
        using var stream = Console.OpenStandardError();
        FloodTo(stream, Number(count));
    }

    private static void Flood(string count)
    {
        using var stream = Console.OpenStandardOutput();
        FloodTo(stream, Number(count));
    }

    private void LongLine(string rest)
    {
        var words = rest.Split(' ');
        var count = Number(words[0]);
        var kind = words.Length > 1 ? words[1] : "text";
        stage.PrintBytes(kind switch
        {
            "text" => ""u8,
            "json" => "{\"type\":\"assistant\",\"text\":\""u8,
            _ => "{\"is_error\":false,\"num_turns\":1,\"result\":\""u8,
        });
        var chunk = new byte[1 << 16];
        chunk.AsSpan().Fill((byte)'y');
        for (long written = 0; written < count; written += chunk.Length)
        {
            stage.PrintBytes(chunk.AsSpan(0, (int)Math.Min(chunk.Length, count - written)));
        }

        stage.PrintBytes(kind switch
        {
            "text" => "\n"u8,
            "json" => "\"}\n"u8,
            _ => "\",\"subtype\":\"success\",\"type\":\"result\"}\n"u8,
        });
        stage.ResultPrinted |= kind is "result";
    }

    private void Ignore(string names)
    {
        foreach (var name in names.Split(' '))
        {
            switch (name)
            {
                case "interrupt": stage.IgnoresInterrupt = true; break;
                case "INT": stage.Ignore(PosixSignal.SIGINT); break;
                case "TERM": stage.Ignore(PosixSignal.SIGTERM); break;
                default: stage.Ignore(PosixSignal.SIGHUP); break;
            }
        }
    }

    private void Eat(string count)
    {
        const int Block = 1 << 20;
        for (long got = 0; got < Number(count); got += Block)
        {
            var block = new byte[Block];
            block.AsSpan().Fill(1);
            eaten.Add(block);
        }
    }

    private void Env(string name)
    {
        var fact = Events.Fact("env");
        fact["name"] = name;
        fact["value"] = Environment.GetEnvironmentVariable(name);
        stage.Print(fact);
    }

    private void ReportPrompt()
    {
        var bytes = Encoding.UTF8.GetBytes(stage.Prompt);
        var fact = Events.Fact("prompt");
        fact["bytes"] = bytes.Length;
        fact["sha256"] = Convert.ToHexStringLower(SHA256.HashData(bytes));
        stage.Print(fact);
    }

    private void Report()
    {
        var fact = Events.Fact("report");
        fact["pid"] = Environment.ProcessId;
        fact["parent"] = ParentId();
        fact["session"] = GetSession(0);
        fact["cwd"] = Environment.CurrentDirectory;
        fact["arguments"] = new JsonArray([.. Environment.GetCommandLineArgs().Select(word => JsonValue.Create(word))]);
        fact["environment"] = new JsonArray([.. Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Order(StringComparer.Ordinal).Select(word => JsonValue.Create(word))]);
        fact["uid"] = File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
        stage.Print(fact);
    }

    [LibraryImport("libc", EntryPoint = "getsid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetSession(int pid);
}
