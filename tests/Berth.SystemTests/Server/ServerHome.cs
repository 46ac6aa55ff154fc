using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Berth.Protocol.Posix;
using Berth.SystemTests.EndToEnd;

namespace Berth.SystemTests.Server;

/// <summary>A home with a server that really runs, and somebody who asks it.</summary>
internal sealed class ServerHome : IAsyncDisposable
{
    private readonly IReadOnlyList<string> arguments;
    private readonly HttpClient http = new() { Timeout = BerthHome.Patience };
    private ChildProcess? process;
    private Task<string[]> reading = Task.FromResult<string[]>([]);
    private Task<string> error = Task.FromResult(string.Empty);

    private ServerHome(BerthHome home, IReadOnlyList<string> arguments) => (Home, this.arguments) = (home, arguments);

    public BerthHome Home { get; }

    /// <summary>Where it listens.</summary>
    public Uri Url { get; private set; } = new("http://127.0.0.1/");

    /// <summary>The admin's token, as the first start said it; of servers that share a database, the first's.</summary>
    public string Token { get; set; } = string.Empty;

    /// <summary>What it wrote to standard error, of those of its lives that have ended.</summary>
    public string Log { get; private set; } = string.Empty;

    /// <summary>All addresses where it listens, that one first.</summary>
    public IReadOnlyList<Uri> Urls { get; private set; } = [];

    public int ProcessId => process!.Id;

    public bool IsRunning => process is not null;

    /// <summary>Sets up a home, and starts its server.</summary>
    public static async Task<ServerHome> StartAsync(
        CancellationToken cancel, (string Name, string Value)[]? settings = null,
        params IReadOnlyList<string> arguments)
    {
        var server = await PrepareAsync(cancel, settings, program: null, arguments);
        await server.StartAgainAsync(cancel);
        return server;
    }

    /// <summary>Sets up a home whose server does not run yet.</summary>
    public static async Task<ServerHome> PrepareAsync(
        CancellationToken cancel, (string Name, string Value)[]? settings = null, string? program = null,
        params IReadOnlyList<string> arguments)
    {
        var home = await BerthHome.CreateAsync(cancel, program);
        foreach (var (name, value) in settings ?? [])
        {
            home.Set(name, value);
        }

        return new ServerHome(home, arguments);
    }

    /// <summary>Starts the server of a home that was set up.</summary>
    public static async Task<ServerHome> StartOnAsync(
        BerthHome home, CancellationToken cancel, params IReadOnlyList<string> arguments)
    {
        var server = new ServerHome(home, arguments);
        await server.StartAgainAsync(cancel);
        return server;
    }

    /// <summary>Starts it, and waits until it says where it listens.</summary>
    /// <param name="cancel">Gives up.</param>
    /// <param name="samePlace">Whether it listens where it did before; else anywhere.</param>
    public async Task StartAgainAsync(CancellationToken cancel, bool samePlace = false)
    {
        var url = samePlace ? Url.AbsoluteUri : "http://127.0.0.1:0";
        process = Home.StartBerth(["serve", "--urls", url, .. arguments]);
        var output = new StreamReader(new FileStream(process.Output!, FileAccess.Read, bufferSize: 1));
        var log = new StreamReader(new FileStream(process.Error!, FileAccess.Read, bufferSize: 1));
        error = log.ReadToEndAsync(cancel);
        var listens = await WordAfterAsync(output, "listens at ", error, cancel);
        Urls = [.. listens.Split(", ").Select(each => new Uri(each))];
        Url = Urls[0];
        if (Token.Length == 0 && !arguments.Contains("--no-auth", StringComparer.Ordinal))
        {
            Token = await WordAfterAsync(output, "once: ", error, cancel);
        }

        reading = Task.WhenAll(output.ReadToEndAsync(cancel), error);
    }

    /// <summary>Kills it with -9, and sees it gone.</summary>
    public async Task KillAsync(CancellationToken cancel)
    {
        process!.Signal(9);
        await EndAsync(cancel);
    }

    /// <summary>What it has logged, once it has ended.</summary>
    public Task<string> LogAsync() => error;

    /// <summary>Waits for its end.</summary>
    public async Task<int?> EndAsync(CancellationToken cancel)
    {
        var exit = await process!.Exit.WaitAsync(BerthHome.Patience, cancel);
        _ = await reading.WaitAsync(BerthHome.Patience, cancel);
        Log += await error.WaitAsync(BerthHome.Patience, cancel);
        process.Dispose();
        process = null;
        return exit.Code;
    }

    public void Signal(int signal) => process!.Signal(signal);

    /// <summary>Asks the server something.</summary>
    public async Task<(HttpStatusCode Status, string Body)> AskAsync(
        HttpMethod method, string path, CancellationToken cancel, string? body = null, string? token = null)
    {
        using var request = Request(method, path, token);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request, cancel);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(cancel));
    }

    /// <summary>Asks for a run of a script.</summary>
    public async Task<JsonElement> SubmitAsync(
        string script, CancellationToken cancel, Dictionary<string, object>? more = null)
    {
        var (status, text) = await AskAsync(HttpMethod.Post, "/api/v1/runs", cancel, Body(script, more));
        return status == HttpStatusCode.Accepted
            ? JsonDocument.Parse(text).RootElement.Clone()
            : throw new InvalidOperationException($"{status}: {text}");
    }

    /// <summary>What is sent to ask for a run of a script.</summary>
    public string Body(string script, Dictionary<string, object>? more = null)
    {
        var fields = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["workflow"] = "implement",
            ["message"] = BerthHome.Prompt(script),
            ["repository"] = Home.Repository,
        };
        foreach (var (name, value) in more ?? [])
        {
            fields[name] = value;
        }

        return JsonSerializer.Serialize(fields);
    }

    /// <summary>One run as it is now.</summary>
    public async Task<JsonElement> ShowAsync(string id, CancellationToken cancel)
    {
        var (status, text) = await AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}", cancel);
        return status == HttpStatusCode.OK
            ? JsonDocument.Parse(text).RootElement.Clone()
            : throw new InvalidOperationException($"{status}: {text}");
    }

    /// <summary>A run's events after a number, to the end of the stream: its lines.</summary>
    public async Task<IReadOnlyList<JsonElement>> EventsAsync(string id, long after, CancellationToken cancel)
    {
        using var request = Request(HttpMethod.Get, $"/api/v1/runs/{id}/events?after={after}");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/x-ndjson"));
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancel));
        var events = new List<JsonElement>();
        while (await reader.ReadLineAsync(cancel) is { } line)
        {
            events.Add(JsonDocument.Parse(line).RootElement.Clone());
        }

        return events;
    }

    /// <summary>Waits for a run's end, whatever becomes of the server meanwhile.</summary>
    public async Task<JsonElement> FinalAsync(string id, CancellationToken cancel)
    {
        JsonElement run = default;
        await Eventually.TrueAsync(
            async () => (run = await ShowAsync(id, cancel)).GetProperty("finishedAt").ValueKind != JsonValueKind.Null
                && run.GetProperty("cleanup").GetProperty("state").GetString() is not "pending",
            $"run {id} ends",
            BerthHome.Patience);
        return run;
    }

    public HttpRequestMessage Request(HttpMethod method, string path, string? token = null)
    {
        var request = new HttpRequestMessage(method, new Uri(Url, path));
        if ((token ?? Token) is { Length: > 0 } sent)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", sent);
        }

        return request;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            process.Signal(15);
            await EndAsync(CancellationToken.None);
        }

        // Where a test failed in the middle of its runs, nothing of them lives on.
        var runs = await Home.BerthAsync(CancellationToken.None, "ps", "--all", "--json");
        // A server that never came up tells why in the test's own failure, which nothing here may hide.
        foreach (var run in runs.ExitCode == 0 ? runs.Json.EnumerateArray() : default)
        {
            if (run.GetProperty("finishedAt").ValueKind == JsonValueKind.Null)
            {
                await Home.BerthAsync(CancellationToken.None, "cancel", "--force", run.GetProperty("id").GetString()!);
            }
        }

        http.Dispose();
        await Home.DisposeAsync();
    }

    private static async Task<string> WordAfterAsync(
        StreamReader output, string words, Task<string> error, CancellationToken cancel)
    {
        while (await output.ReadLineAsync(cancel).AsTask().WaitAsync(BerthHome.Patience, cancel) is { } line)
        {
            var at = line.IndexOf(words, StringComparison.Ordinal);
            if (at >= 0)
            {
                return line[(at + words.Length)..].TrimEnd('.');
            }
        }

        throw new InvalidOperationException($"The server ended: {await error}");
    }
}
