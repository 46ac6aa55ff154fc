// A whole round with a client of NSwag: submit, list, stream, talk, cancel, diff, artifact.
using Berth.NSwag;

static string Variable(string name) =>
    Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

static void Check(bool holds, string what)
{
    if (!holds)
    {
        throw new InvalidOperationException(what);
    }
}

using var http = new HttpClient();
http.DefaultRequestHeaders.Add("x-api-key", Variable("BERTH_TOKEN"));
var berth = new BerthClient(http) { BaseUrl = Variable("BERTH_URL") };

async Task<string> SubmitAsync(string message) => (await berth.CreateRunAsync(new RunOrder
{
    Workflow = "implement",
    Message = message,
    Repository = Variable("BERTH_REPOSITORY"),
    MaxTokens = 5_000_000_000,
    Labels = new Dictionary<string, string> { ["client"] = "nswag" },
})).Id;

async Task<Run> UntilAsync(string id, Func<Run, bool> holds)
{
    while (true)
    {
        var run = await berth.ShowRunAsync(id);
        if (holds(run))
        {
            return run;
        }

        await Task.Delay(200);
    }
}

var first = await SubmitAsync(Variable("BERTH_FIRST"));
var page = await berth.ListRunsAsync(
    null, null, null, null, ["client=nswag"], null, null, null, null, null);
Check(page.Runs.Any(run => run.Id == first), "the run is not in the list");
using (var events = await berth.ShowEventsAsync(first, null, null, null))
using (var text = new StreamReader(events.Stream))
{
    Check((await text.ReadToEndAsync()).Contains("run_finished"), "the stream has no end");
}

var ended = await UntilAsync(first, run => run.FinishedAt is not null);
Check(ended is { State: RunState.Succeeded, MaxTokens: 5_000_000_000 }, $"it ended {ended.State}");
var diff = await berth.ShowDiffAsync(first, null, null, null);
Check(diff.FilesChanged.Single().Path == "hello.txt", "the diff");
Check((await berth.ListArtifactsAsync(first)).Any(one => one.Name == "files/a/b.txt"), "the list of artifacts");
using (var artifact = await berth.ShowArtifactAsync(first, "files/a/b.txt"))
using (var text = new StreamReader(artifact.Stream))
{
    Check(await text.ReadToEndAsync() == "left\n", "the artifact");
}

var second = await SubmitAsync(Variable("BERTH_SECOND"));
await UntilAsync(second, run => run.State == RunState.Running);
while (true)
{
    try
    {
        var receipt = await berth.SendMessageAsync(
            second, new Message { Message1 = "Hurry.", Priority = MessagePriority.Later });
        Check(receipt.RunId == second, "the message");
        break;
    }
    catch (ApiException<Problem> refused) when (refused.StatusCode == 409)
    {
        await Task.Delay(200);
    }
}

await berth.CancelRunAsync(second, true);
await UntilAsync(second, run => run.State == RunState.Cancelled);
try
{
    await berth.ShowRunAsync("nosuchrun");
    Check(false, "there is no such run");
}
catch (ApiException<Problem> problem)
{
    Check(problem.Result.Code == "run_not_found", $"the problem {problem.Result.Code}");
}

Console.WriteLine("round");
