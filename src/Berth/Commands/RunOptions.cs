using System.CommandLine;
using Berth.Engine.Runs;
using Berth.Engine;

namespace Berth.Commands;

/// <summary>What <c>berth run</c> is called with.</summary>
internal sealed class RunOptions
{
    private const int MostTurns = 1000;
    private const long MostTokens = 1_000_000_000_000;
    private const decimal HighestBudget = 10_000;

    private readonly Argument<string> workflow = new("WORKFLOW")
    {
        Description = "The workflow; berth workflows lists them.",
    };

    private readonly Argument<string?> message = new("MESSAGE")
    {
        Description = "What the agent is to do. A dash, or nothing with input piped in, reads standard input.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> repository = new("--repo", "-R")
    {
        Description = "A repository's path or URL. Default: the repository of the current folder.",
        HelpName = "PATH|URL",
    };

    private readonly Option<string?> reference = new("--ref")
    {
        Description = "The branch, tag or commit to start from. Default: HEAD of a path, the default branch of a URL.",
        HelpName = "REF",
    };

    private readonly Option<string?> directory = new("--directory")
    {
        Description = "The folder of the repository to begin in, from its top. Default: the workflow's, else the one "
            + "that you are in, or that --repo names.",
        HelpName = "FOLDER",
    };

    private readonly Option<string?> branch = new("--branch")
    {
        Description = "The result's branch. Default: berth/WORKFLOW/ID.",
        HelpName = "NAME",
    };

    // What is none of these is refused by name where all that can name a mode is weighed.
    private readonly Option<string?> goOn = new("--continue")
    {
        Description = "A run whose conversation goes on; also from its last commit, where no --repo or --ref is given.",
        HelpName = "RUN",
    };

    private readonly Option<bool> push = BerthCommand.Flag(
        "--push", "Push the result's branch to the repository's URL, or to the origin of a path.");

    private readonly Option<bool> pullRequest = BerthCommand.Flag(
        "--pr", "Push it, and open a pull request (GitHub) or merge request (GitLab) if the agent succeeds.");

    private readonly Option<bool> draft = BerthCommand.Flag("--draft", "With --pr: open it as a draft.");

    private readonly Option<string[]> requestLabels = new("--pr-label")
    {
        Description = "With --pr: a label of the pull request, beside the workflow's. Repeatable.",
        HelpName = "LABEL",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string[]> reviewers = new("--reviewer")
    {
        Description = "With --pr: an account that is asked to review it; at GitHub a team too, as ORG/TEAM. "
            + "Repeatable.",
        HelpName = "NAME",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> mode = new("--mode")
    {
        Description = "Where it runs. Default: the workflow's mode, else CLAUDE_CODE_MODE, else docker.",
        HelpName = "local|docker|auto",
    };

    private readonly Option<string?> image = new("--image")
    {
        Description = "The image of a run in Docker mode. Default: the one of berth image build.",
        HelpName = "NAME",
    };

    private readonly Option<string?> model = new("--model")
    {
        Description = "The model, as the CLI names it.",
        HelpName = "NAME",
    };

    private readonly Option<int?> maxTurns = BerthCommand.Option<int?>(
        "--max-turns",
        "N",
        "a whole number from 1 to 1000",
        text => Numbers.Whole(text) is { } turns and >= 1 and <= MostTurns ? (int)turns : null);

    private readonly Option<decimal?> maxBudget = BerthCommand.Option<decimal?>(
        "--max-budget-usd",
        "X",
        "an amount above 0 and at most 10000",
        text => Numbers.Decimal(text) is { } amount and > 0 and <= HighestBudget ? amount : null);

    private readonly Option<long?> maxTokens = BerthCommand.Option<long?>(
        "--max-tokens",
        "N",
        "a whole number from 1 to 1000000000000",
        text => Numbers.Whole(text) is { } tokens and >= 1 and <= MostTokens ? tokens : null);

    private readonly Option<TimeSpan?> timeout = BerthCommand.Option<TimeSpan?>(
        "--timeout",
        "TIME",
        "a time from 1s to 24h, such as 90s, 30m or 2h",
        text => TimeText.Read(text, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)));

    private readonly Option<string[]> environment = new("--env", "-e")
    {
        Description = "A variable for the agent; its value is redacted wherever the run is shown. Repeatable.",
        HelpName = "NAME=VALUE",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string[]> labels = BerthCommand.Many(
        "--label", "NAME=VALUE", "A label by which berth ps finds the run. Repeatable.", "-l");

    private readonly Option<string?> file = new("--file", "-f")
    {
        Description = "Read what the agent is to do from this file, in the place of MESSAGE.",
        HelpName = "FILE",
    };

    private readonly Option<string?> sandbox = OneOf(
        "--sandbox", "The isolation; none is weak and must be asked for.", "bubblewrap", "none");

    private readonly Option<string?> network = OneOf(
        "--network",
        "What it may reach beyond the model. Default: the workflow's choice, else none.",
        "none",
        "allowlist",
        "open");

    private readonly Option<string[]> allowedHosts = new("--allow-host")
    {
        Description = "A host that it may reach, such as registry.npmjs.org or *.example.com:8443; without a port "
            + "443 and 80. Repeatable.",
        HelpName = "NAME[:PORT]",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string[]> mounts = new("--mount", "-v")
    {
        Description = "A folder that it has beside the workspace, of those that the operator permits. Repeatable.",
        HelpName = "HOST[:INSIDE][:rw]",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> trust = OneOf(
        "--trust", "How much of the repository's own Claude configuration counts.", "none", "instructions", "full");

    private readonly Option<bool> keep = BerthCommand.Flag("--keep", "Keep the workspace when the run has ended.");

    private readonly Option<bool> detach = BerthCommand.Flag(
        "--detach", "Print the run's id and return; the run goes on.", "-d");

    private readonly Option<bool> quiet = BerthCommand.Flag("--quiet", "Show nothing but the outcome.", "-q");

    private readonly Option<string?> server = Opened.Server();

    private readonly Option<bool> json = BerthCommand.JsonFlag(
        "Print the run as one JSON object; what is for people goes to standard error.");

    /// <summary>Gives them to a command.</summary>
    public void AddTo(Command command)
    {
        maxTurns.Description = "How many turns the agent may take, 1 to 1000.";
        maxTokens.Description = "How many tokens it may read and write, with those of the runs that it goes on with.";
        maxBudget.Description = "What it may cost, in US dollars, with the runs that it goes on with.";
        timeout.Description = "How long the agent may work, 1s to 24h. Default: 2h.";
        environment.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => Variable(token.Value) is null))
            {
                // The value may be a secret: what was typed is not repeated.
                result.AddError("--env must be NAME=VALUE; a NAME has letters, digits and _, and no digit in front.");
            }
        });
        labels.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => RunLabels.Read(token.Value) is null))
            {
                result.AddError($"--label {token.Value} is not valid: expected NAME=VALUE, {RunLabels.Expected}.");
            }
        });
        command.Add(workflow);
        command.Add(message);
        foreach (var option in (IReadOnlyList<Option>)
        [
            repository, reference, directory, branch, goOn, push, pullRequest, draft, requestLabels, reviewers, mode,
            image, model, maxTurns, maxTokens, maxBudget, timeout, file, environment, labels, sandbox, network,
            allowedHosts, mounts, trust, keep, detach, quiet, server, json,
        ])
        {
            command.Add(option);
        }
    }

    public bool IsJson(ParseResult parsed) => parsed.GetValue(json);

    public string? ServerOf(ParseResult parsed) => parsed.GetValue(server);

    public bool IsDetached(ParseResult parsed) => parsed.GetValue(detach);

    public bool IsQuiet(ParseResult parsed) => parsed.GetValue(quiet);

    /// <summary>What was asked for.</summary>
    public async Task<RunRequest> ReadAsync(
        ParseResult parsed, Surroundings surroundings, CancellationToken cancel) => new()
    {
        Workflow = parsed.GetRequiredValue(workflow),
        Message = await Prompt.ReadAsync(
            parsed.GetValue(message), parsed.GetValue(file), surroundings, cancel),
        Repository = parsed.GetValue(repository),
        CurrentDirectory = surroundings.CurrentDirectory,
        Ref = parsed.GetValue(reference),
        Directory = parsed.GetValue(directory),
        Branch = parsed.GetValue(branch),
        Continue = parsed.GetValue(goOn),
        Push = parsed.GetValue(push),
        PullRequest = parsed.GetValue(pullRequest),
        PullRequestDraft = parsed.GetValue(draft) ? true : null,
        PullRequestLabels = parsed.GetValue(requestLabels) ?? [],
        PullRequestReviewers = parsed.GetValue(reviewers) ?? [],
        Mode = parsed.GetValue(mode),
        Image = parsed.GetValue(image),
        Model = parsed.GetValue(model),
        MaxTurns = parsed.GetValue(maxTurns),
        MaxBudgetUsd = parsed.GetValue(maxBudget),
        MaxTokens = parsed.GetValue(maxTokens),
        Timeout = parsed.GetValue(timeout),
        Environment = Variables(parsed.GetValue(environment) ?? []),
        Sandbox = parsed.GetValue(sandbox),
        Network = parsed.GetValue(network),
        AllowedHosts = parsed.GetValue(allowedHosts) ?? [],
        Mounts = parsed.GetValue(mounts) ?? [],
        Trust = parsed.GetValue(trust),
        Keep = parsed.GetValue(keep) ? true : null,
        Ticket = RunTicket.Own with { Labels = LabelsOf(parsed.GetValue(labels) ?? []) },
    };

    // Of two with one name the last counts, as in a shell.
    private static Dictionary<string, string> Variables(IEnumerable<string> texts)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in texts.Select(text => Variable(text)!.Value))
        {
            variables[name] = value;
        }

        return variables;
    }

    private static Dictionary<string, string> LabelsOf(IEnumerable<string> texts)
    {
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in texts.Select(text => RunLabels.Read(text)!.Value))
        {
            named[name] = value;
        }

        return RunLabels.Checked(named);
    }

    private static (string Name, string Value)? Variable(string text)
    {
        var end = text.IndexOf('=', StringComparison.Ordinal);
        var isName = end > 0
            && !char.IsAsciiDigit(text[0])
            && text[..end].All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_');
        return isName ? (text[..end], text[(end + 1)..]) : null;
    }

    private static Option<string?> OneOf(string name, string description, params string[] words)
    {
        var expected = $"{string.Join(", ", words[..^1])} or {words[^1]}";
        var option = BerthCommand.Option(
            name,
            string.Join('|', words),
            expected,
            text => words.Contains(text, StringComparer.Ordinal) ? text : null);
        option.Description = description;
        return option;
    }
}
