using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Forges;
using Berth.Engine.Gateway;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Turns a request into a run, or refuses it before anything is created.</summary>
internal sealed class RunSubmission(
    BerthOptions options,
    WorkflowCatalog workflows,
    RepositoryWorkspaces workspaces,
    ExecutorFactory executors,
    RunDirectories directories,
    RunStore runs)
{
    /// <summary>Checks everything and creates the run in the state <c>queued</c>. It still needs a host.</summary>
    /// <exception cref="FailureException">The request is refused; nothing was created.</exception>
    public async Task<RunRecord> CreateAsync(string id, RunRequest request, CancellationToken cancel)
    {
        var workflow = workflows.Load(request.Workflow);
        request = GoingOn(request);
        Refuse(
            request.Message.Contains('\0', StringComparison.Ordinal),
            "prompt_invalid",
            "The prompt holds a NUL character.",
            "Remove it.");
        var input = ClaudeCommandLine.InputLine(request.Message);
        var environment = Merge(workflow.Environment, request.Environment);
        var plan = new RunBudgets(options, runs.Spending).Checked(
            await PlanAsync(request, workflow, environment, id, cancel),
            request.Continue is { } earlier ? runs.Find(earlier) : null);
        var secrets = SharedQueue.SecretsOf(options, environment);

        var asked = AskedText.Of(request.Message, secrets.Redact);
        plan = plan with { Title = asked.Title, Message = asked.Message };
        if (runs.AreShared && request.Ticket.ViaServer)
        {
            // Whichever server takes it makes its directory.
            return runs.Insert(
                id, plan, new WaitingFiles(input, workflow.SystemPrompt, workflow.McpConfigJson, environment));
        }

        try
        {
            directories.Create(
                id,
                new AgentFiles(input, workflow.SystemPrompt, workflow.McpConfigJson, secrets)
                {
                    Conversation = ConversationOf(plan),
                },
                WarmRefill.KeyOf(options, plan));
            return runs.Insert(id, plan);
        }
        catch (IOException unwritten)
        {
            directories.Remove(id);
            throw new FailureException(
                "run_record_not_written",
                $"The directory of the run {id} could not be written: {unwritten.Message}",
                "Make room on the disk: berth cleanup --all removes old workspaces.",
                Fault.Operator,
                unwritten);
        }
        catch
        {
            directories.Remove(id);
            throw;
        }
    }

    /// <summary>The same for a request that may have been made before, under its key.</summary>
    /// <returns>The run, and whether this call has created it.</returns>
    /// <exception cref="FailureException">The request is refused, with <c>idempotency_conflict</c> where its key
    /// stands for another one; nothing was created.</exception>
    public async Task<(RunRecord Run, bool IsNew)> AcceptAsync(
        string id, RunRequest request, CancellationToken cancel)
    {
        if (Earlier(request.Ticket) is { } earlier)
        {
            return (earlier, false);
        }

        try
        {
            return (await CreateAsync(id, request, cancel), true);
        }
        catch (RunStore.KeyTakenException)
        {
            // Two asked at once with one key, and the other was first.
            return (Earlier(request.Ticket)!, false);
        }
    }

    private RunRecord? Earlier(RunTicket ticket)
    {
        if (runs.FindByKey(ticket) is not var (run, hash))
        {
            return null;
        }

        Refuse(
            !string.Equals(hash, ticket.RequestHash, StringComparison.Ordinal),
            "idempotency_conflict",
            $"The idempotency key was used for another request, which made the run {run.Id}.",
            "Use a new key for a new request.");
        return run;
    }

    private async Task<RunPlan> PlanAsync(
        RunRequest request, Workflow workflow, IReadOnlyDictionary<string, string> environment, string id,
        CancellationToken cancel)
    {
        var sandbox = ParseSandbox(request.Sandbox ?? workflow.Settings.Sandbox);
        CheckBypass(workflow, sandbox);
        var branch = request.Branch ?? $"berth/{workflow.Name}/{RunId.Short(id)}";
        var source = SourceOf(request);
        var claude = ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home);
        var wish = await RunModes.WishAsync(options, request, workflow, id);
        var inspecting = InspectAsync(request, source, branch, cancel);
        var choosing = executors.ChooseAsync(wish, PolicyOf(request, workflow, sandbox), claude, cancel);
        await Task.WhenAll(inspecting, choosing);
        var (facts, (choice, policy, probe)) = (await inspecting, await choosing);
        Check(request, wish, choice, probe);
        var start = await StartDirectory.Decide(request, workflow.Settings, source)
            .CheckedAsync(workspaces, source, facts.BaseCommit, cancel);
        return WithFiles(workflow, new RunPlan
        {
            Workflow = workflow.Name,
            WorkflowFolder = workflow.Folder,
            Mode = choice.Mode,
            ModeReason = choice.Reason,
            Repository = source.Location,
            Ref = request.Ref,
            Directory = start.Path,
            Branch = branch,
            PushRemote = request.Push || request.PullRequest ? await PushRemoteAsync(request, source, cancel) : null,
            PullRequest = PullRequestText.PlanOf(request, workflow.Settings),
            SessionId = Guid.NewGuid().ToString(),
            ContinuedFrom = request.Continue,
            AllowedTools = workflow.AllowedTools,
            ApprovalsByOther = request.ApprovalsByOther || workflow.Settings.ApprovalsByOther,
            Trust = TrustOf(request, workflow, source),
            Sandbox = policy.Sandbox,
            Image = policy.Sandbox == SandboxKind.Container ? policy.Image : null,
            Model = Checked(request.Model ?? workflow.Settings.Model ?? options.Model),
            MaxTurns = InRange(request.MaxTurns ?? workflow.Settings.MaxTurns),
            MaxBudgetUsd = InRange(request.MaxBudgetUsd ?? workflow.Settings.MaxBudgetUsd),
            MaxTokens = request.MaxTokens ?? workflow.Settings.MaxTokens,
            Timeout = request.Timeout ?? workflow.Settings.Timeout ?? options.Timeout,
            IdleStop = workflow.Settings.IdleTimeout ?? options.IdleStop,
            Network = policy.Network,
            ModelTools = RunNetwork.ModelToolsOf(options, workflow.Settings.ModelTools),
            Mounts = policy.ExtraMounts,
            TempBytes = options.TempBytes, MemoryBytes = policy.MemoryBytes,
            Processes = policy.Processes, Cpus = policy.Cpus,
            Keep = request.Keep ?? !options.RemoveWorkspaces,
            Ticket = request.Ticket,
            Title = string.Empty,
            EnvironmentNames = [.. environment.Keys.Order(StringComparer.Ordinal)],
            ClaudeBinary = claude!,
            Upstream = options.Gateway.Upstream,
            NeedsCredential = options.Gateway.HasCredential,
            Notices = [.. RunNotices.Of(options, facts with { Notes = [.. start.Notices, .. facts.Notes] }, probe,
                environment, policy, workflow.Settings.Image)],
        });
    }

    private static RepositorySource SourceOf(RunRequest request) =>
        RepositorySource.Parse(request.Repository ?? request.CurrentDirectory, request.CurrentDirectory)
            .Guarded(request.Ticket.IsGuarded);

    private static RunPlan WithFiles(Workflow workflow, RunPlan plan) => plan with
    {
        PermissionMode = workflow.Settings.Asks ? PermissionMode.Ask : workflow.Settings.PermissionMode,
        ApprovalTimeout = RunTalk.ApprovalTimeoutOf(workflow.Settings),
        HasSystemPrompt = workflow.SystemPrompt.Length > 0,
        HasMcpConfig = workflow.McpConfigJson is not null,
        NeedsWorkflowFolder = workflow is { McpConfigJson: not null, HasOthers: true },
    };

    private Task<RepositoryFacts> InspectAsync(
        RunRequest request, RepositorySource source, string branch, CancellationToken cancel) =>
        request is { Ticket.ViaServer: true, Branch: null }
            ? workspaces.InspectAgainAsync(source, request.Ref, branch, cancel)
            : workspaces.InspectAsync(
                source, request.Ref, branch, countChanges: !request.Ticket.ViaServer, cancel);

    // Where a run goes on, it is on the repository of the earlier one, from where that one ended.
    private RunRequest GoingOn(RunRequest request)
    {
        if (request.Continue is null)
        {
            return request;
        }

        var earlier = RunLookup.Resolve(runs, request.Continue);
        Refuse(
            !earlier.State.IsFinal(), "run_not_final", $"The run {earlier.Id} is still at work.",
            $"berth cancel {earlier.Id} stops it; then its conversation can go on.");
        if (Conversations.Of(directories.Of(earlier.Id)) is null)
        {
            throw Conversations.Gone(earlier.Id);
        }

        var repository = request.Repository ?? earlier.Plan.Repository;
        var isSame = string.Equals(repository, earlier.Plan.Repository, StringComparison.Ordinal);
        return request with
        {
            Continue = earlier.Id,
            Repository = repository,
            Directory = request.Directory ?? (isSame && earlier.Plan.Directory.Length > 0 ? earlier.Plan.Directory
                : null),
            Ref = request.Ref ?? (isSame ? earlier.Progress.Work?.HeadCommit ?? earlier.Progress.Workspace?.BaseCommit
                : null),
        };
    }

    private string? ConversationOf(RunPlan plan) =>
        plan.ContinuedFrom is { } earlier ? Conversations.Of(directories.Of(earlier)) : null;

    private async Task<string> PushRemoteAsync(
        RunRequest request, RepositorySource source, CancellationToken cancel)
    {
        var remote = await workspaces.PushRemoteAsync(source, cancel);

        // What is wrong with the credential is said before the work is paid for.
        var credential = options.Git.Credentials.For(RemotePlace.Of(remote));
        return !request.PullRequest || Forge.Of(remote, credential) is not null
            ? remote
            : throw PullRequestText.Impossible(remote);
    }

    private void Check(RunRequest request, ModeWish wish, ExecutorChoice choice, ExecutorProbe probe)
    {
        Refuse(
            request.Image is not null && choice.Mode is not "docker",
            "image_needs_docker",
            $"--image {request.Image} was asked for, and the run would be {choice.Mode}: {choice.Reason}.",
            "Leave out --image, or use --mode docker: a local run works with this machine's own programs.");
        if (probe.Failure is { } missing)
        {
            throw new FailureException(wish.Explained(missing));
        }

        CheckCredential();
    }

    private ExecutionPolicy PolicyOf(RunRequest request, Workflow workflow, SandboxKind sandbox)
    {
        var image = request.Image ?? workflow.Settings.Image ?? options.Image;
        Refuse(
            !ImageName.IsName(image), "image_invalid", $"--image {image} cannot be an image's name.",
            "Use a name such as debian:bookworm or registry.example.com/team/tools:2.");
        return new ExecutionPolicy
        {
            Sandbox = sandbox,
            Image = image,
            Network = RunNetwork.Decide(options, request, workflow.Settings.Network, sandbox),
            ExtraMounts = RunMounts.Decide(options, request, workflow.Settings.Mounts ?? [], sandbox),
            TempBytes = options.TempBytes ?? ExecutionPolicy.DefaultTempBytes,
            MemoryBytes = options.MemoryBytes,
            Processes = options.Processes,
            Cpus = options.Cpus,
        };
    }

    private Trust TrustOf(RunRequest request, Workflow workflow, RepositorySource source)
    {
        if (request.Trust is { } asked)
        {
            return Enum.TryParse<Trust>(asked, ignoreCase: true, out var trust) && !char.IsAsciiDigit(asked[0])
                ? trust
                : throw new FailureException(
                    "trust_unknown", $"--trust {asked} does not exist.", "Use none, instructions or full.", Fault.User);
        }

        // A trusted repository that is not there, or no longer, must not keep other ones from running.
        var named = options.TrustedRepositories
            .Where(trusted => !Path.IsPathRooted(trusted) || Directory.Exists(trusted))
            .Any(trusted => string.Equals(
                RepositorySource.Parse(trusted, options.Home).Canonical,
                source.Canonical,
                StringComparison.Ordinal));
        return named ? Trust.Full : workflow.Settings.Trust ?? Trust.Instructions;
    }

    private void CheckCredential()
    {
        OperatorVariables.RefuseOtherProviders(options.Environment);
        Refuse(
            !options.Gateway.HasCredential && options.Gateway.Upstream == GatewayOptions.PublicApi,
            "credential_missing",
            "There is nothing to authenticate with at the model's API.",
            "Set ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN; or try berth demo, which needs "
                + "none.",
            Fault.Operator);
    }

    private static void CheckBypass(Workflow workflow, SandboxKind sandbox) => Refuse(
        workflow.Settings.PermissionMode == PermissionMode.Bypass && sandbox == SandboxKind.None,
        "bypass_needs_sandbox",
        $"The workflow {workflow.Name} bypasses permissions, which is possible inside a sandbox only.",
        "Leave out --sandbox none, or give the workflow explicit tool rules.");

    private static Dictionary<string, string> Merge(
        IReadOnlyDictionary<string, string> workflow, IReadOnlyDictionary<string, string> request)
    {
        var merged = new Dictionary<string, string>(workflow, StringComparer.Ordinal);
        foreach (var (name, value) in request)
        {
            merged[name] = value;
        }

        foreach (var name in merged.Keys)
        {
            Refuse(
                !EnvironmentName.IsName(name),
                "environment_invalid",
                $"--env {name}: expected {EnvironmentName.Expected}.",
                "Write --env NAME=VALUE.");
            var why = name.StartsWith("BERTH_", StringComparison.Ordinal)
                ? $"{name} is one of the variables by which Berth knows its own processes"
                : EnvironmentName.WhyRefused(name);
            Refuse(why is not null, "environment_reserved", $"{why}.", "Choose another name.");
        }

        return merged;
    }

    private static SandboxKind ParseSandbox(string? text) => text switch
    {
        null or "bubblewrap" => SandboxKind.Bubblewrap,
        "none" => SandboxKind.None,
        _ => throw new FailureException(
            "sandbox_unknown", $"--sandbox {text} does not exist.", "Use bubblewrap or none.", Fault.User),
    };

    private static int? InRange(int? turns)
    {
        Refuse(
            turns is < 1 or > WorkflowSettings.MostTurns,
            "max_turns_invalid",
            $"--max-turns {turns} is out of range.",
            "Use 1 to 1000.");
        return turns;
    }

    private static decimal? InRange(decimal? budget)
    {
        Refuse(
            budget is <= 0 or > WorkflowSettings.HighestBudget,
            "max_budget_invalid",
            $"--max-budget-usd {budget} is out of range.",
            "Use more than 0 and at most 10000.");
        return budget;
    }

    private static string? Checked(string? model)
    {
        Refuse(
            model is not null && (model.Length is 0 or > 200 || model[0] == '-' || model.Any(char.IsControl)),
            "model_invalid",
            $"--model {model} cannot be a model's name.",
            "Use an alias such as opus or sonnet, or a model's full name.");
        return model;
    }

    private static void Refuse(bool wrong, string code, string message, string hint, Fault fault = Fault.User)
    {
        if (wrong)
        {
            throw new FailureException(code, message, hint, fault);
        }
    }
}
