namespace Berth.Engine.Claude;

/// <summary>Which tools the agent may use.</summary>
internal enum PermissionMode
{
    /// <summary>Only those that a rule allows; nobody is asked.</summary>
    DontAsk,

    /// <summary>Those that a rule allows; for the others somebody is asked each time.</summary>
    Ask,

    /// <summary>Every tool; only inside a sandbox or container.</summary>
    Bypass,
}
