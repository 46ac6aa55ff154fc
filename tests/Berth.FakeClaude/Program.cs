using Berth.FakeClaude;

// Plays a Claude Code CLI that misbehaves; see README.md beside this file for its verbs.
if (args is ["--version"])
{
    // What Berth asks before it starts a run.
    Console.WriteLine("0.0.0 (Berth's fake)");
    return 0;
}

var stage = new Stage();
var verbs = new Verbs(stage);
foreach (var verb in Scripts.FromArguments(args))
{
    verbs.Play(verb);
}

var first = stage.NextMessage();
if (first is null)
{
    return stage.ExitCode;
}

stage.Print(Events.Init(stage.SessionId));
for (var message = first; message is not null; message = stage.NextMessage())
{
    stage.Prompt = message.Text;
    stage.ResultPrinted = false;
    foreach (var verb in Scripts.FromPrompt(message.Text))
    {
        verbs.Play(verb);
    }

    if (stage is { ResultPrinted: false, WithoutResult: false })
    {
        stage.Print(Events.Result(stage.SessionId, "done"));
    }

    stage.Complete(message);
}

stage.LingerIfAsked();
return stage.ExitCode;
