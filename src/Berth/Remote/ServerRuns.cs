using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Berth.Engine;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Api;

namespace Berth.Remote;

/// <summary>The runs of a server.</summary>
/// <remarks>
/// A server that has answered and then is not there is asked again for a while: it may be restarting, and the runs go
/// on meanwhile. A run is asked for with a key, so that doing it again makes no second one.
/// </remarks>
internal sealed class ServerRuns : IRunService
{
    private const int LongestLine = 128 * 1024 * 1024;
    private const string Lines = "application/x-ndjson";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRun = TimeSpan.FromHours(48);

    // For cleaning up, which is about all of them.
    private static readonly RunSelection Everything = new() { All = true, Limit = int.MaxValue };

    private readonly HttpClient http;
    private readonly Uri server;
    private readonly TimeProvider time;
    private bool hasAnswered;

    public ServerRuns(Uri server, string? token, TimeProvider time)
    {
        (this.server, this.time) = (server, time);

        // No redirect: a token is for the server that was named.
        http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = new Uri(server, "/api/v1/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        http.DefaultRequestHeaders.Authorization =
            token is null ? null : new AuthenticationHeaderValue("Bearer", token);
    }

    public async Task<RunView> SubmitAsync(RunRequest request, CancellationToken cancel)
    {
        // A server takes whole ids where something is made or changed.
        request = request.Continue is { } earlier
            ? request with { Continue = (await ResolveAsync(earlier, cancel)).Id }
            : request;
        var body = RunOrderText.Write(request, Guid.NewGuid().ToString("N"), server.IsLoopback);
        return await AskAsync(HttpMethod.Post, "runs", RunJson.Default.RunView, cancel, body);
    }

    public Task<RunView> ResolveAsync(string fragment, CancellationToken cancel) => AskAsync(
        HttpMethod.Get, $"runs/{Uri.EscapeDataString(fragment)}", RunJson.Default.RunView, cancel);

    public async Task<IReadOnlyList<RunView>> ListAsync(RunSelection selection, CancellationToken cancel)
    {
        if (selection.All)
        {
            return await PagesAsync(selection, string.Empty, cancel);
        }

        // The API asks when a run was created, and one that ended today may have been begun the day before.
        var since = time.GetUtcNow() - RunSelection.Recent - LongestRun;
        RunState[] states = [.. selection.States.Count == 0 ? Enum.GetValues<RunState>() : selection.States];
        List<RunView> found =
        [
            .. await PagesAsync(
                selection with { States = [.. states.Where(state => !state.IsFinal())] }, string.Empty, cancel),
            .. await PagesAsync(
                selection with { States = [.. states.Where(state => state.IsFinal())] },
                $"&since={Uri.EscapeDataString(since.ToString("O", CultureInfo.InvariantCulture))}", cancel),
        ];
        return [.. found.Where(run => selection.Includes(run, time.GetUtcNow()))
            .DistinctBy(run => run.Id, StringComparer.Ordinal)
            .OrderByDescending(run => run.Id, StringComparer.Ordinal).Take(selection.Limit)];
    }

    private async Task<List<RunView>> PagesAsync(RunSelection selection, string since, CancellationToken cancel)
    {
        var runs = new List<RunView>();
        if (selection is { All: false, States.Count: 0 })
        {
            return runs;
        }

        var query = string.Concat(
            selection.States.Select(state => $"&state={RunWord.Of(state)}")
                .Concat(selection.Workflow is { } name ? [$"&workflow={Uri.EscapeDataString(name)}"] : [])
                .Concat(selection.Labels.Select(each => $"&label={Uri.EscapeDataString($"{each.Key}={each.Value}")}")));
        for (string? next = null; ;)
        {
            var size = Math.Min(RunFilter.MostOnPage, selection.Limit - runs.Count);
            var page = await AskAsync(
                HttpMethod.Get,
                $"runs?limit={size}{query}{since}{(next is null ? string.Empty : $"&cursor={next}")}",
                RunJson.Default.RunPage,
                cancel);
            runs.AddRange(page.Runs);
            next = page.Next;
            if (next is null || runs.Count >= selection.Limit)
            {
                return runs;
            }
        }
    }

    public async IAsyncEnumerable<JournalEntry> ReadLogAsync(
        string id, long after, bool follow, [EnumeratorCancellation] CancellationToken cancel)
    {
        // Where the stream breaks off before the end, the server has ended, and the next one goes on.
        for (var hasEnded = false; !hasEnded;)
        {
            using var answer = await SendAsync(
                () => new HttpRequestMessage(HttpMethod.Get, $"runs/{id}/events?after={after}&follow={Word(follow)}")
                {
                    Headers = { Accept = { new MediaTypeWithQualityHeaderValue(Lines) } },
                },
                cancel);
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(cancel));
            hasEnded = !follow;
            while (await LineAsync(reader, cancel) is { } line)
            {
                var entry = Parse(line);
                after = entry.Seq;
                yield return entry;
                hasEnded |= Engine.Transcripts.JournalReader.IsEnd(entry);
            }

            if (!hasEnded)
            {
                // What is over is read to its end once more, and no longer.
                await Task.Delay(Pause, time, cancel);
                follow = !IsOver(await ResolveAsync(id, cancel));
            }
        }
    }

    public async Task WriteRawLogAsync(string id, bool follow, Stream output, CancellationToken cancel)
    {
        using var answer = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, $"runs/{id}/log?follow={Word(follow)}"), cancel);
        await answer.Content.CopyToAsync(output, cancel);
    }

    public async Task<RunView> WaitAsync(string id, CancellationToken cancel)
    {
        using var poll = new PeriodicTimer(Poll, time);
        while (true)
        {
            var run = await ResolveAsync(id, cancel);
            if (IsOver(run))
            {
                return run;
            }

            await poll.WaitForNextTickAsync(cancel);
        }
    }

    public Task<RunView> CancelAsync(string id, bool force, CancellationToken cancel) => AskAsync(
        HttpMethod.Post, $"runs/{id}/cancel?force={Word(force)}", RunJson.Default.RunView, cancel);

    public Task<MessageReceipt> SendAsync(string id, RunMessage message, CancellationToken cancel)
    {
        // With an id of its own, for a server that is asked twice must send it once.
        var body = RunOrderText.Write(message with { Id = message.Id ?? Guid.NewGuid().ToString() });
        return AskAsync(HttpMethod.Post, $"runs/{id}/messages", ApiJson.Default.MessageReceipt, cancel, body);
    }

    public Task<InterruptReceipt> InterruptAsync(string id, CancellationToken cancel) => AskAsync(
        HttpMethod.Post, $"runs/{id}/interrupt", ApiJson.Default.InterruptReceipt, cancel);

    public async Task<ApprovalReceipt> DecideAsync(string id, ApprovalDecision decision, CancellationToken cancel)
    {
        var call = decision.Call ?? RunTalk.OnlyCall(id, (await ResolveAsync(id, cancel)).Approvals);
        return await AskAsync(
            HttpMethod.Post, $"runs/{id}/approvals/{call}", ApiJson.Default.ApprovalReceipt, cancel,
            RunOrderText.Write(decision));
    }

    public Task<RunView> DeliverAsync(string id, bool allowSecrets, CancellationToken cancel) => AskAsync(
        HttpMethod.Post, $"runs/{id}/deliver?allowSecrets={Word(allowSecrets)}", RunJson.Default.RunView, cancel);

    public Task<BudgetReport> BudgetsAsync(CancellationToken cancel) =>
        AskAsync(HttpMethod.Get, "budgets", ApiJson.Readable.BudgetReport, cancel);

    public async Task WriteDiffAsync(string id, DiffOrder order, Stream output, CancellationToken cancel)
    {
        var stat = order.Form == DiffForm.Stat;
        using var answer = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, $"runs/{id}/diff?stat={Word(stat)}"), cancel);
        await answer.Content.CopyToAsync(output, cancel);
    }

    public Task<IReadOnlyList<Artefact>> ListArtefactsAsync(string id, CancellationToken cancel) => AskAsync(
        HttpMethod.Get, $"runs/{id}/artifacts", ApiJson.Default.IReadOnlyListArtefact, cancel);

    public async Task WriteArtefactAsync(string id, string name, Stream output, CancellationToken cancel)
    {
        var path = string.Join('/', name.Split('/').Select(Uri.EscapeDataString));
        using var answer = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, $"runs/{id}/artifacts/{path}"), cancel);
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(cancel);
            await body.CopyToAsync(output, cancel);
        }
        catch (Exception broken) when (broken is HttpRequestException or HttpIOException)
        {
            throw Unreachable(broken);
        }
    }

    public async Task<CleanupReport> CleanUpAsync(CleanupSelection selection, bool dryRun, CancellationToken cancel)
    {
        if (selection.MostBytes is not null)
        {
            throw new FailureException(
                "usage",
                "--max-size cannot be asked of a server: it bounds a whole home.",
                "Set BERTH_RETENTION_BYTES for the server, or run berth cleanup on its machine.",
                Fault.User);
        }

        var ids = selection.RunId is { } one ? [one] : (await ListAsync(Everything, cancel))
            .Where(run => run.State.IsFinal()
                && time.GetUtcNow() - run.FinishedAt >= (selection.OlderThan ?? TimeSpan.Zero))
            .Select(run => run.Id).ToList();
        var cleaned = new List<CleanedRun>();
        foreach (var id in ids)
        {
            var report = await AskAsync(
                HttpMethod.Delete, $"runs/{id}?dryRun={Word(dryRun)}", ApiJson.Default.CleanupReport, cancel);
            cleaned.AddRange(report.Runs);
        }

        return new CleanupReport(dryRun, cleaned);
    }

    public void Dispose() => http.Dispose();

    private static bool IsOver(RunView run) => run.State.IsFinal() && run.Cleanup.State != CleanupState.Pending;

    // A proxy says so while the server behind it is restarted; the server itself has its reasons.
    private static bool IsAway(HttpResponseMessage answer) =>
        answer.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
        && answer.Content.Headers.ContentType?.MediaType is not Problem.ContentType;

    private static string Word(bool value) => value ? "true" : "false";

    private static async Task<string?> LineAsync(StreamReader reader, CancellationToken cancel)
    {
        try
        {
            return await reader.ReadLineAsync(cancel) is { Length: < LongestLine } line ? line : null;
        }
        catch (IOException)
        {
            // Broken off in the middle of a line, which comes again whole.
            return null;
        }
    }

    private JournalEntry Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ProtocolJson.Default.JournalEntry) ?? throw NotUnderstood();
        }
        catch (JsonException)
        {
            throw NotUnderstood();
        }
    }

    private async Task<T> AskAsync<T>(
        HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancel, byte[]? body = null)
    {
        using var answer = await SendAsync(() => Request(method, path, body), cancel);
        try
        {
            var bytes = await answer.Content.ReadAsByteArrayAsync(cancel);
            return JsonSerializer.Deserialize(bytes, type) ?? throw NotUnderstood();
        }
        catch (JsonException)
        {
            throw NotUnderstood();
        }
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, byte[]? body)
    {
        var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        return request;
    }

    private async Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> make, CancellationToken cancel)
    {
        for (var began = time.GetTimestamp(); ;)
        {
            try
            {
                using var request = make();
                var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
                hasAnswered = true;
                if (!IsAway(answer) || Elapsed(began))
                {
                    return answer.IsSuccessStatusCode ? answer : throw await RefusedAsync(answer, cancel);
                }

                answer.Dispose();
            }
            catch (HttpRequestException unreachable)
            {
                if (!hasAnswered || Elapsed(began))
                {
                    throw Unreachable(unreachable);
                }
            }

            await Task.Delay(Pause, time, cancel);
        }
    }

    private bool Elapsed(long began) => time.GetElapsedTime(began) > Patience;

    private async Task<FailureException> RefusedAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        using (answer)
        {
            try
            {
                var bytes = await answer.Content.ReadAsByteArrayAsync(cancel);
                return JsonSerializer.Deserialize(bytes, ApiJson.Default.ProblemDocument) is { Code: { } code } problem
                    ? new FailureException(code, problem.Detail, problem.Hint, problem.Fault)
                    : NotUnderstood();
            }
            catch (JsonException)
            {
                return NotUnderstood();
            }
        }
    }

    private FailureException Unreachable(Exception why) => new(
        "server_unreachable",
        $"The server {server} could not be reached: {why.Message}",
        "Is it running, and is BERTH_SERVER right? berth serve starts one.",
        Fault.Operator,
        why);

    private FailureException NotUnderstood() => new(
        "server_not_understood",
        $"What answers at {server} is no server of Berth's, or one of another version.",
        "Check BERTH_SERVER.",
        Fault.Operator);
}
