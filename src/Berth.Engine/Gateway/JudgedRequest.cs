namespace Berth.Engine.Gateway;

/// <summary>What a request says that matters to the gateway, or why it is not forwarded.</summary>
internal sealed record JudgedRequest
{
    /// <summary>The model's name, or null where it has none.</summary>
    public string? Model { get; init; }

    /// <summary><c>max_tokens</c>, or null where it has none.</summary>
    public long? MaxTokens { get; init; }

    /// <summary>Whether it asks for the dearer, faster answer.</summary>
    public bool IsFast { get; init; }

    /// <summary>Whether another model than the one it names may answer.</summary>
    public bool HasFallbacks { get; init; }

    /// <summary>Whether the service may read more than the request holds.</summary>
    public bool MayReadMore { get; init; }

    /// <summary>Why it is not forwarded, or null.</summary>
    public RequestRefusal? Refusal { get; init; }
}
