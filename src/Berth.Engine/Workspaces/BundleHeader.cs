using System.Text;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>A ref of the agent's beside its work at HEAD.</summary>
/// <param name="Kind">One of <see cref="WorkRefs.Kinds"/>.</param>
/// <param name="Name">A plain name, as <see cref="WorkRefs.IsPlain"/> has it.</param>
/// <param name="Id">The object that it leads to: a commit, or an annotated tag.</param>
internal sealed record WorkRef(string Kind, string Name, string Id);

/// <summary>The head of a bundle, read from bytes that the agent may have written.</summary>
/// <remarks>Names are taken only as capture makes them, and not many: whatever else stands there refuses the whole
/// bundle, or is passed over where git itself may have put it.</remarks>
/// <param name="Tip">What HEAD or the run's branch leads to, or null.</param>
/// <param name="Refs">The other refs.</param>
/// <param name="Length">Where the pack begins.</param>
internal sealed record BundleHeader(string? Tip, IReadOnlyList<WorkRef> Refs, int Length)
{
    /// <summary>The longest head that is read.</summary>
    internal const int MaxBytes = 1024 * 1024;

    private const int MaxLines = 10_000;
    private const int ShortId = 40;
    private const int WideId = 64;

    /// <summary>Reads it.</summary>
    /// <param name="bytes">The bundle's beginning.</param>
    /// <param name="branch">The run's branch in the workspace.</param>
    /// <param name="problem">What is wrong with it, as the end of a sentence; null where nothing is.</param>
    internal static BundleHeader? Read(ReadOnlySpan<byte> bytes, string branch, out string? problem)
    {
        var end = bytes[..Math.Min(bytes.Length, MaxBytes)].IndexOf("\n\n"u8);
        var lines = end < 0 ? [] : Encoding.UTF8.GetString(bytes[..end]).Split('\n');
        problem = lines.Length == 0 || lines[0] is not ("# v2 git bundle" or "# v3 git bundle") ? "it is no git bundle"
            : lines.Length > MaxLines ? $"its head has more than {MaxLines} lines"
            : Array.Exists(lines, line => line.StartsWith("@filter", StringComparison.Ordinal))
                ? "it leaves objects out"
            : null;
        if (problem is not null)
        {
            return null;
        }

        string? head = null;
        string? own = null;
        var refs = new List<WorkRef>();
        foreach (var line in lines.AsSpan(1))
        {
            if (line.Split(' ', 2) is not [var id, var name] || !IsId(id))
            {
                // A prerequisite, which git itself looks for when it takes the pack, or a capability.
                continue;
            }

            head ??= name is "HEAD" ? id : null;
            own ??= string.Equals(name, $"refs/heads/{branch}", StringComparison.Ordinal) ? id : null;
            if (name.StartsWith(WorkRefs.Prefix, StringComparison.Ordinal))
            {
                if (Parse(name, id) is not { } found || refs.Count == WorkRefs.Max
                    || refs.Exists(other => other with { Id = id } == found))
                {
                    problem = "a name in it is none that capture gives, or there are too many";
                    return null;
                }

                refs.Add(found);
            }
        }

        var tip = head ?? own;
        problem = tip is null && refs.Count == 0 ? "it has neither HEAD nor the run's branch" : null;
        return problem is null ? new BundleHeader(tip, refs, end + 2) : null;
    }

    private static WorkRef? Parse(string name, string id) =>
        name[WorkRefs.Prefix.Length..].Split('/') is [var kind, var plain]
            && WorkRefs.Kinds.Contains(kind, StringComparer.Ordinal) && WorkRefs.IsPlain(plain)
            ? new WorkRef(kind, plain, id)
            : null;

    private static bool IsId(string text) =>
        text.Length is ShortId or WideId && text.All(char.IsAsciiHexDigitLower);
}
