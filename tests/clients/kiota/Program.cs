// A whole round with a client of Kiota: submit, list, stream, talk, cancel, diff, artifact.
using Berth.Kiota;
using Berth.Kiota.Models;
using Microsoft.Kiota.Abstractions;
using Microsoft.Kiota.Abstractions.Authentication;
using Microsoft.Kiota.Http.HttpClientLibrary;

static string Variable(string name) =>
    Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

static void Check(bool holds, string what)
{
    if (!holds)
    {
        throw new InvalidOperationException(what);
    }
}

// Kiota's own provider of keys takes https only.
using var http = new HttpClient();
http.DefaultRequestHeaders.Add("x-api-key", Variable("BERTH_TOKEN"));
var adapter = new HttpClientRequestAdapter(new AnonymousAuthenticationProvider(), httpClient: http)
{
    BaseUrl = Variable("BERTH_URL"),
};
var runs = new BerthClient(adapter).Api.V1.Runs;

async Task<string> SubmitAsync(string message)
{
    var run = await runs.PostAsync(new RunOrder
    {
        Workflow = "implement",
        Message = message,
        Repository = Variable("BERTH_REPOSITORY"),
        MaxTokens = 5_000_000_000,
        Labels = new RunOrder_labels { AdditionalData = new Dictionary<string, object> { ["client"] = "kiota" } },
    });
    return run!.Id!;
}

async Task<Run> UntilAsync(string id, Func<Run, bool> holds)
{
    while (true)
    {
        if (await runs[id].GetAsync() is { } run && holds(run))
        {
            return run;
        }

        await Task.Delay(200);
    }
}

var first = await SubmitAsync(Variable("BERTH_FIRST"));
var page = await runs.GetAsync(request => request.QueryParameters.Label = ["client=kiota"]);
Check(page!.Runs!.Any(run => run.Id == first), "the run is not in the list");
using (var events = new StreamReader((await runs[first].Events.GetAsync())!))
{
    Check((await events.ReadToEndAsync()).Contains("run_finished"), "the stream does not come to its end");
}

var ended = await UntilAsync(first, run => run.FinishedAt is not null);
Check(ended is { State: Run_state.Succeeded, MaxTokens: 5_000_000_000 }, $"it ended {ended.State}");
var diff = await runs[first].Diff.GetAsync();
Check(diff!.FilesChanged!.Single().Path == "hello.txt", "the diff");
var artifacts = await runs[first].Artifacts.GetAsync();
Check(artifacts!.Any(one => one.Name == "files/a/b.txt"), "the list of artifacts");
using (var artifact = new StreamReader((await runs[first].Artifacts["files/a/b.txt"].GetAsync())!))
{
    Check(await artifact.ReadToEndAsync() == "left\n", "the artifact");
}

var second = await SubmitAsync(Variable("BERTH_SECOND"));
await UntilAsync(second, run => run.State == Run_state.Running);
while (true)
{
    try
    {
        var receipt = await runs[second].Messages.PostAsync(
            new Message { MessageProp = "Hurry.", Priority = Message_priority.Later });
        Check(receipt!.RunId == second, "the message");
        break;
    }
    catch (Problem refused) when (refused.Code is "run_not_started" or "execution_not_running")
    {
        await Task.Delay(200);
    }
}

await runs[second].Cancel.PostAsync(request => request.QueryParameters.Force = true);
await UntilAsync(second, run => run.State == Run_state.Cancelled);
try
{
    await runs["nosuchrun"].GetAsync();
    Check(false, "there is no such run");
}
catch (Problem problem)
{
    Check(problem.Code == "run_not_found", $"the problem {problem.Code}");
}

Console.WriteLine("round");
