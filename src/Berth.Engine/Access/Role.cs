namespace Berth.Engine.Access;

/// <summary>What a token may do at a server; each role may do what those before it may.</summary>
internal enum Role
{
    /// <summary>See runs, what they said and what they changed.</summary>
    Viewer,

    /// <summary>Start, stop and clean up runs too.</summary>
    Operator,

    /// <summary>Everything: workflows, any repository of the machine, runs without a sandbox.</summary>
    Admin,
}

/// <summary>Who asks.</summary>
/// <param name="Name">The token's name.</param>
/// <param name="Role">What it may do.</param>
internal sealed record Caller(string Name, Role Role);
