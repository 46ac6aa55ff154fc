using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>The words in what a run has changed.</summary>
internal static class WorkText
{
    /// <summary>Work whose names of files and subjects of commits are without secrets.</summary>
    public static CollectedWork? Redacted(this CollectedWork? work, Redactor redactor) => work is null
        ? null
        : work with
        {
            Commits = [.. work.Commits.Select(commit => commit with { Subject = redactor.Redact(commit.Subject) })],
            FilesChanged =
            [
                .. work.FilesChanged.Select(file => file with
                {
                    Path = redactor.Redact(file.Path),
                    OldPath = file.OldPath is { } old ? redactor.Redact(old) : null,
                }),
            ],
        };
}
