namespace Berth.Engine.Claude;

/// <summary>What of the repository's own Claude configuration counts.</summary>
internal enum Trust
{
    /// <summary>Nothing of it.</summary>
    None,

    /// <summary>Its CLAUDE.md and rules, which are only text.</summary>
    Instructions,

    /// <summary>Its settings, hooks, agents, skills and MCP servers too, inside the sandbox.</summary>
    Full,
}
