namespace Berth.Engine.Network;

/// <summary>What a run may reach beyond the model. Each permits more than the one before.</summary>
internal enum NetworkMode
{
    /// <summary>Nothing. The default.</summary>
    None,

    /// <summary>Named hosts, through a proxy of Berth's.</summary>
    Allowlist,

    /// <summary>Whatever the machine reaches. It must be asked for by name.</summary>
    Open,
}

/// <summary>What a run may reach beyond the model.</summary>
/// <param name="Mode">How much.</param>
/// <param name="Hosts">For <see cref="NetworkMode.Allowlist"/>: the hosts, as <see cref="HostPattern"/>
/// reads them.</param>
internal sealed record NetworkPolicy(NetworkMode Mode, IReadOnlyList<string> Hosts)
{
    /// <summary>The most hosts that may be named.</summary>
    public const int MostHosts = 200;

    /// <summary>Nothing but the model.</summary>
    public static NetworkPolicy None { get; } = new(NetworkMode.None, []);

    /// <summary>A policy that names no host.</summary>
    public static NetworkPolicy Of(NetworkMode mode) => mode == NetworkMode.None ? None : new NetworkPolicy(mode, []);

    /// <summary>The words for <see cref="NetworkMode"/>.</summary>
    public static IReadOnlyList<string> Modes { get; } = ["none", "allowlist", "open"];

    /// <summary>The mode that a word names, or null.</summary>
    public static NetworkMode? Read(string? word) => word switch
    {
        "none" => NetworkMode.None,
        "allowlist" => NetworkMode.Allowlist,
        "open" => NetworkMode.Open,
        _ => null,
    };

    /// <summary>The word for a mode.</summary>
    public static string Word(NetworkMode mode) => Modes[(int)mode];

    /// <summary>As people read it: <c>allowlist (registry.npmjs.org, *.example.com:443)</c>.</summary>
    public override string ToString() =>
        Mode == NetworkMode.Allowlist ? $"{Word(Mode)} ({string.Join(", ", Hosts)})" : Word(Mode);
}
