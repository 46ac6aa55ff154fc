using System.Globalization;
using System.Runtime.InteropServices;
using Berth.ScriptedModel;

const string Usage = """
    Usage: berth-scripted-model [--urls http://127.0.0.1:0] [--unix PATH] [--script FILE|demo]
                                [--log FILE] [--bodies FOLDER] [--until-stdin-closes]

    A loopback Messages API that plays a script. Once it listens it prints one line:
    listening on http://127.0.0.1:PORT
      --urls URL             where to listen: http, on 127.0.0.1; port 0 for any free one; 'none' for no port
      --unix PATH            a Unix socket to listen on as well
      --script FILE|demo     what to play where the prompt holds no script; 'demo' is built in
      --log FILE             takes one JSON line for each request
      --bodies FOLDER        takes each request's body
      --until-stdin-closes   end when standard input ends, so that it never outlives its parent
    The script language is in README.md.
    """;

ScriptedModelOptions? options;
var untilStdinCloses = false;
try
{
    options = Parse(args);
}
catch (Exception e) when (e is FormatException or ScriptException or IOException or UnauthorizedAccessException)
{
    await Console.Error.WriteLineAsync($"berth-scripted-model: {e.Message}");
    return 2;
}

if (options is null)
{
    Console.WriteLine(Usage);
    return 0;
}

using var end = new CancellationTokenSource();
using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
await using var server = await ScriptedModelServer.StartAsync(options);
Console.WriteLine($"listening on {server.Uri?.ToString().TrimEnd('/') ?? options.UnixSocket}");
if (untilStdinCloses)
{
    _ = Task.Run(WatchStandardInput);
}

await Task.Delay(Timeout.Infinite, end.Token).ContinueWith(_ => { }, TaskScheduler.Default);
return 0;

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    end.Cancel();
}

void WatchStandardInput()
{
    using var input = Console.OpenStandardInput();
    var buffer = new byte[256];
    while (input.Read(buffer) > 0)
    {
        // What the parent says does not matter, only that it lives.
    }

    end.Cancel();
}

ScriptedModelOptions? Parse(string[] words)
{
    var parsed = new ScriptedModelOptions();
    for (var i = 0; i < words.Length; i++)
    {
        string Value() => ++i < words.Length ? words[i] : throw new FormatException($"{words[i - 1]} needs a value.");
        switch (words[i])
        {
            case "--help" or "-h": return null;
            case "--urls": parsed = parsed with { Port = Port(Value()) }; break;
            case "--unix": parsed = parsed with { UnixSocket = Value() }; break;
            case "--script": parsed = parsed with { Script = Load(Value()) }; break;
            case "--log": parsed = parsed with { LogFile = Value() }; break;
            case "--bodies": parsed = parsed with { BodiesFolder = Directory.CreateDirectory(Value()).FullName }; break;
            case "--until-stdin-closes": untilStdinCloses = true; break;
            default: throw new FormatException($"'{words[i]}' is not an option; see --help.");
        }
    }

    return parsed;
}

static Script Load(string name) => ScriptParser.Parse(name is "demo" ? DemoScript.Text : File.ReadAllText(name));

static int? Port(string url)
{
    if (url is "none")
    {
        return null;
    }

    // Whoever reaches this port can make an agent run commands, so it is never open to others.
    return Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri is { Scheme: "http", IsLoopback: true }
        ? uri.Port
        : throw new FormatException(string.Create(
            CultureInfo.InvariantCulture, $"--urls takes http://127.0.0.1:PORT, not '{url}'."));
}
