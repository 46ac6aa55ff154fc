using System.Text.Json;
using Berth.Engine;
using Berth.Protocol;

namespace Berth.Remote;

/// <summary>A request as a server reads it.</summary>
internal static class RunOrderText
{
    /// <summary>Writes it.</summary>
    /// <param name="request">The request.</param>
    /// <param name="key">Makes that asking again makes no second run.</param>
    /// <param name="isNear">Whether the server is on this machine, and knows its paths.</param>
    /// <exception cref="FailureException"><c>usage</c>: something that a server cannot be asked for.</exception>
    public static byte[] Write(RunRequest request, string key, bool isNear)
    {
        RefuseWhatIsNotThere(request);
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            Text("workflow", request.Workflow);
            Text("message", request.Message);
            Text("repository", RepositoryOf(request, isNear));
            Text("continueFrom", request.Continue);
            Text("ref", request.Ref);
            Text("directory", request.Directory);
            Text("branch", request.Branch);
            Text("mode", request.Mode);
            Text("model", request.Model);
            Text("sandbox", request.Sandbox);
            Text("idempotencyKey", key);
            WriteLimits(json, request);
            Switch("push", request.Push ? true : null);
            Switch("pullRequest", request.PullRequest ? true : null);
            Switch("pullRequestDraft", request.PullRequestDraft);
            WriteList(json, "pullRequestLabels", request.PullRequestLabels);
            WriteList(json, "pullRequestReviewers", request.PullRequestReviewers);
            Switch("keep", request.Keep);
            WriteTexts(json, "env", request.Environment);
            WriteTexts(json, "labels", request.Ticket.Labels);
            json.WriteEndObject();

            void Switch(string name, bool? value)
            {
                if (value is { } on)
                {
                    json.WriteBoolean(name, on);
                }
            }

            void Text(string name, string? value)
            {
                if (value is not null)
                {
                    json.WriteString(name, value);
                }
            }
        }

        return bytes.ToArray();
    }

    /// <summary>Writes a message.</summary>
    public static byte[] Write(RunMessage message) => Texts(
        ("id", message.Id),
        ("message", message.Text),
        ("priority", message.Priority.ToString().ToLowerInvariant()));

    /// <summary>Writes a decision on a tool call.</summary>
    public static byte[] Write(ApprovalDecision decision) => Texts(
        ("decision", decision.IsAllowed ? "allow" : "deny"), ("reason", decision.Reason));

    private static byte[] Texts(params ReadOnlySpan<(string Name, string? Value)> fields)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            foreach (var (name, value) in fields)
            {
                if (value is not null)
                {
                    json.WriteString(name, value);
                }
            }

            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> texts)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in texts)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        if (values.Count > 0)
        {
            json.WriteStartArray(name);
            foreach (var value in values)
            {
                json.WriteStringValue(value);
            }

            json.WriteEndArray();
        }
    }

    private static void WriteLimits(Utf8JsonWriter json, RunRequest request)
    {
        if (request.MaxTurns is { } turns)
        {
            json.WriteNumber("maxTurns", turns);
        }

        if (request.MaxTokens is { } tokens)
        {
            json.WriteNumber("maxTokens", tokens);
        }

        if (request.MaxBudgetUsd is { } budget)
        {
            json.WriteNumber("maxBudgetUsd", budget);
        }

        if (request.Timeout is { } timeout)
        {
            json.WriteNumber("timeoutSeconds", (int)Math.Ceiling(timeout.TotalSeconds));
        }
    }

    // This folder means something to a server of this machine only; another has a repository of its own, or asks.
    private static string? RepositoryOf(RunRequest request, bool isNear) => request.Repository switch
    {
        null => isNear && request.Continue is null ? request.CurrentDirectory : null,
        var path when isNear && Directory.Exists(Path.Combine(request.CurrentDirectory, path)) =>
            Path.GetFullPath(path, request.CurrentDirectory),
        var named => named,
    };

    private static void RefuseWhatIsNotThere(RunRequest request)
    {
        var option = request switch
        {
            { Image: not null } => "--image",
            { Network: not null } => "--network",
            { AllowedHosts.Count: > 0 } => "--allow-host",
            { Mounts.Count: > 0 } => "--mount",
            { Trust: not null } => "--trust",
            _ => null,
        };
        if (option is not null)
        {
            throw new FailureException(
                "usage",
                $"{option} cannot be asked of a server; a workflow there may say it.",
                "Leave it out, or run without --server.",
                Fault.User);
        }
    }
}
