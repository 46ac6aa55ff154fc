using System.Text.Json;

namespace Berth.Engine.Claude;

/// <summary>The CLI that this build was tested with: what <c>tools/claude/package.json</c> pins.</summary>
internal static class PinnedClaude
{
    private const string Resource = "claude-package.json";
    private const string Package = "@anthropic-ai/claude-code";

    private static readonly Lazy<string> Pinned = new(Read);

    /// <summary>The version, for example <c>2.1.330</c>.</summary>
    public static string Version => Pinned.Value;

    private static string Read()
    {
        using var stream = typeof(PinnedClaude).Assembly.GetManifestResourceStream(Resource)!;
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.GetProperty("dependencies").GetProperty(Package).GetString()!;
    }
}
