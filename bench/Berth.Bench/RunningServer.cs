using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Berth.Protocol.Posix;

namespace Berth.Bench;

/// <summary>The real server program, on a home of its own, and what it costs.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private const int Term = 15;
    private const double KiBInMiB = 1024;

    // proc_pid_stat(5) counts in these; it is 100 a second on every Linux.
    private const double TicksASecond = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly ChildProcess process;
    private readonly HttpClient http;
    private readonly Task log;

    private RunningServer(ChildProcess process, Uri url, string token, Task log)
    {
        (this.process, this.log) = (process, log);
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = url, Timeout = Patience };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Asks it, with the first admin's token.</summary>
    public HttpClient Http => http;

    /// <summary>What it has in memory, in MiB.</summary>
    public double Memory => FromStatus("VmRSS:");

    /// <summary>The most that it has had since <see cref="ForgetPeak"/>.</summary>
    public double PeakMemory => FromStatus("VmHWM:");

    /// <summary>The processor time of its own, and of the processes that it has waited for, in milliseconds.</summary>
    public (double Own, double Children) ProcessorTime
    {
        get
        {
            var stat = File.ReadAllText($"{Proc}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (Milliseconds(fields[11], fields[12]), Milliseconds(fields[13], fields[14]));
        }
    }

    private string Proc => string.Create(CultureInfo.InvariantCulture, $"/proc/{process.Id}");

    /// <summary>Starts it, and waits until it says where it listens.</summary>
    public static async Task<RunningServer> StartAsync(
        string program, Dictionary<string, string> environment, string logFile, CancellationToken cancel)
    {
        var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = program,
            Arguments = ["serve", "--urls", "http://127.0.0.1:0"],
            Environment = environment,
            WorkingDirectory = "/",
            Output = ChildStdio.Pipe,
            Error = ChildStdio.File(logFile),
        });
        var output = new StreamReader(new FileStream(child.Output!, FileAccess.Read, bufferSize: 1));
        var url = await WordAfterAsync(output, "listens at ", cancel);
        var token = await WordAfterAsync(output, "once: ", cancel);
        return new RunningServer(child, new Uri(url), token, output.ReadToEndAsync(cancel));
    }

    /// <summary>Begins to count the peak anew.</summary>
    public void ForgetPeak() => File.WriteAllText($"{Proc}/clear_refs", "5");

    /// <summary>Asks for a run.</summary>
    public async Task<string> SubmitAsync(string repository, string message, CancellationToken cancel)
    {
        var body = JsonSerializer.Serialize(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["workflow"] = "implement",
            ["message"] = message,
            ["repository"] = repository,
        });
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await http.PostAsync(new Uri("/api/v1/runs", UriKind.Relative), content, cancel);
        var text = await response.Content.ReadAsStringAsync(cancel);
        return response.StatusCode == HttpStatusCode.Accepted
            ? JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!
            : throw new InvalidOperationException($"{response.StatusCode}: {text}");
    }

    /// <summary>One object of the API.</summary>
    public async Task<JsonElement> GetAsync(string path, CancellationToken cancel)
    {
        var text = await http.GetStringAsync(new Uri(path, UriKind.Relative), cancel);
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    /// <summary>Waits until a run is in one of these states, and cleaned up where it is final.</summary>
    public async Task<JsonElement> WaitAsync(string id, Func<JsonElement, bool> holds, CancellationToken cancel)
    {
        while (true)
        {
            var run = await GetAsync($"/api/v1/runs/{id}", cancel);
            if (holds(run))
            {
                return run;
            }

            await Task.Delay(Pause, cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        process.Signal(Term);
        await process.Exit.WaitAsync(Patience);
        await log.WaitAsync(Patience);
        process.Dispose();
    }

    private double FromStatus(string name) => double.Parse(
        File.ReadLines($"{Proc}/status").First(line => line.StartsWith(name, StringComparison.Ordinal))
            .Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture) / KiBInMiB;

    private static double Milliseconds(string user, string system) =>
        (double.Parse(user, CultureInfo.InvariantCulture) + double.Parse(system, CultureInfo.InvariantCulture))
        * 1000 / TicksASecond;

    private static async Task<string> WordAfterAsync(StreamReader output, string words, CancellationToken cancel)
    {
        while (await output.ReadLineAsync(cancel).AsTask().WaitAsync(Patience, cancel) is { } line)
        {
            var at = line.IndexOf(words, StringComparison.Ordinal);
            if (at >= 0)
            {
                return line[(at + words.Length)..].TrimEnd('.');
            }
        }

        throw new InvalidOperationException("The server ended; its log says why.");
    }
}
