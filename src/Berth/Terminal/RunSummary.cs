using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Terminal;

/// <summary>What people see when a run has ended: outcome, branch, changes, cost, and what to type next.</summary>
internal static class RunSummary
{
    private const int MostCommits = 10;
    private const int MostFiles = 20;
    private const int MaxRefs = 20;
    private const string BranchPrefix = "refs/heads/";
    private const int ShaLength = 8;
    private const int MostWarnings = 20;
    private const int LabelWidth = 11;

    /// <summary>The lines.</summary>
    /// <param name="run">The run.</param>
    /// <param name="currentDirectory">Where the user is: commands are shown as they work from here.</param>
    /// <param name="withNext">Whether what can be typed next is shown.</param>
    public static IEnumerable<Line> Of(RunView run, string currentDirectory, bool withNext = true) =>
        [.. Outcome(run), .. Work(run), .. Remarks(run), .. withNext ? Next(run, currentDirectory) : []];

    private static IEnumerable<Line> Outcome(RunView run)
    {
        var took = run.DurationMs is { } milliseconds ? $" in {Amounts.Milliseconds(milliseconds)}" : string.Empty;
        var tokens = run.Tokens.Input + run.Tokens.CacheRead + run.Tokens.CacheCreation + run.Tokens.Output;
        var figures = run.Turns == 0
            ? string.Empty
            : $" · {Amounts.Of(run.Turns, "turn")} · {Amounts.Count(tokens)} tokens · {Amounts.Dollars(run.CostUsd)}";
        var state = RunWords.State(run.State);
        yield return new Line(new Part(state.Text, state.Tone), new Part(took + figures));
        if (run.Error is { } error)
        {
            yield return Labelled("why", error.Message, Tone.Bad, $" ({error.Code})");
            if (error.Hint.Length > 0)
            {
                yield return Labelled(string.Empty, error.Hint);
            }
        }
    }

    private static IEnumerable<Line> Work(RunView run)
    {
        if (run.Branch is null)
        {
            if (run.State == RunState.Succeeded)
            {
                yield return Labelled("branch", NoBranch(run));
            }

            foreach (var line in OtherRefs(run))
            {
                yield return line;
            }

            yield break;
        }

        yield return Labelled("branch", run.Branch, Tone.Strong, $" · {Amounts.Of(run.Commits.Count, "commit")}");
        foreach (var line in OtherRefs(run).Concat(Pushed(run)))
        {
            yield return line;
        }

        foreach (var commit in run.Commits.Take(MostCommits))
        {
            var sha = commit.Sha[..Math.Min(ShaLength, commit.Sha.Length)];
            yield return Labelled(string.Empty, $"{sha} {commit.Subject}", Tone.Faint);
        }

        if (run.Commits.Count > MostCommits)
        {
            yield return Labelled(string.Empty, $"and {run.Commits.Count - MostCommits} more", Tone.Faint);
        }

        foreach (var line in Files(run.FilesChanged))
        {
            yield return line;
        }
    }

    // What is only in the workspace is work too.
    private static string NoBranch(RunView run) => run switch
    {
        { Refs.Count: > 0 } => "none: the run's work is beside it",
        { WorkspacePath: not null, Warnings.Count: > 0 } => "none; see the notes, and the workspace",
        { Warnings.Count: > 0 } => "none: nothing new that could be delivered; see the notes",
        _ => "none: the run changed nothing that could be delivered",
    };

    // Of what a run's agent left beside its branch; it is not pushed.
    private static IEnumerable<Line> OtherRefs(RunView run)
    {
        foreach (var one in run.Refs.Take(MaxRefs))
        {
            var name = one.Ref.StartsWith(BranchPrefix, StringComparison.Ordinal)
                ? one.Ref[BranchPrefix.Length..] : one.Ref;
            yield return Labelled("also", name, Tone.Strong, run.Push is null ? string.Empty : " · not pushed");
        }

        if (run.Refs.Count > MaxRefs)
        {
            yield return Labelled(string.Empty, $"and {run.Refs.Count - MaxRefs} more", Tone.Faint);
        }
    }

    private static IEnumerable<Line> Pushed(RunView run)
    {
        if (run.Push is { State: PushState.Pushed } push)
        {
            yield return Labelled("pushed", push.Branch, Tone.Strong, $" to {push.Remote}");
            if (push.PullRequest is { } request)
            {
                yield return Labelled("request", request.Url, Tone.Strong);
            }
        }

        // What the run itself is to blame for is said already.
        if (run.Push?.Error is { } failed && failed != run.Error)
        {
            yield return Labelled("delivery", failed.Message, Tone.Bad, $" ({failed.Code})");
        }
    }

    private static IEnumerable<Line> Files(IReadOnlyList<ChangedFile> files)
    {
        if (files.Count == 0)
        {
            yield break;
        }

        var added = files.Sum(file => file.Added ?? 0);
        var removed = files.Sum(file => file.Removed ?? 0);
        yield return Labelled("files", $"{files.Count} changed, +{added} -{removed}");
        foreach (var file in files.Take(MostFiles))
        {
            var lines = file.Added is null ? "binary" : $"+{file.Added} -{file.Removed}";
            yield return Labelled(string.Empty, $"{file.Status} {file.Path} {lines}", Tone.Faint);
        }

        if (files.Count > MostFiles)
        {
            yield return Labelled(string.Empty, $"and {files.Count - MostFiles} more", Tone.Faint);
        }
    }

    private static IEnumerable<Line> Remarks(RunView run)
    {
        if (run.PermissionDenials.Count > 0)
        {
            var tools = run.PermissionDenials.CountBy(denial => denial.Tool, StringComparer.Ordinal)
                .Select(tool => tool.Value == 1 ? tool.Key : $"{tool.Key} ×{tool.Value}");
            yield return Labelled("denied", string.Join(", ", tools), Tone.Warning);
        }

        foreach (var warning in run.Warnings.Take(MostWarnings))
        {
            yield return Labelled("note", warning, Tone.Warning);
        }

        foreach (var leak in run.Cleanup.Leaked)
        {
            yield return Labelled("left over", leak, Tone.Warning);
        }

        if (run.WorkspacePath is { } workspace)
        {
            yield return Labelled("workspace", workspace);
        }
    }

    private static IEnumerable<Line> Next(RunView run, string currentDirectory)
    {
        var id = RunId.Short(run.Id);
        if (run.Branch is null)
        {
            if (run.State != RunState.Succeeded)
            {
                yield return Labelled("next", $"berth logs {id}");
            }

            yield break;
        }

        yield return Labelled("next", $"berth diff {id}");
        if (run.Push is { Error: not null })
        {
            yield return Labelled(string.Empty, $"berth deliver {id}");
        }

        if (Path.IsPathRooted(run.Repository))
        {
            var folder = run.Repository.TrimEnd('/') + "/";
            var isHere = (currentDirectory + "/").StartsWith(folder, StringComparison.Ordinal);
            var where = isHere ? string.Empty : $"-C {ShellText.Quoted(run.Repository)} ";
            yield return Labelled(string.Empty, $"git {where}merge {ShellText.Quoted(run.Branch)}");
        }
    }

    private static Line Labelled(string label, string text, Tone tone = Tone.Plain, string more = "") =>
        new(new Part($"  {label.PadRight(LabelWidth)}", Tone.Faint), new Part(text, tone), new Part(more, Tone.Faint))
        {
            Indent = LabelWidth + 2,
        };
}
