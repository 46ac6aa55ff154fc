namespace Berth.Engine.Claude;

/// <summary>Which tools the agent may use.</summary>
internal enum PermissionMode
{
    /// <summary>Only those that a rule allows; nobody is asked.</summary>
    DontAsk,

    /// <summary>Every tool; only inside a sandbox or container.</summary>
    Bypass,
}
