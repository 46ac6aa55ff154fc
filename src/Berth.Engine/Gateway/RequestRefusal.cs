namespace Berth.Engine.Gateway;

/// <summary>Why the gateway did not forward a request of the agent's.</summary>
/// <param name="Status">The HTTP status that the agent gets.</param>
/// <param name="Code">A stable code, for the journal.</param>
/// <param name="Message">One sentence.</param>
internal sealed record RequestRefusal(int Status, string Code, string Message)
{
    /// <summary>The path or the method is not one that the CLI needs.</summary>
    public const string Path = "model_path_refused";

    /// <summary>It is no JSON that has one meaning only.</summary>
    public const string Invalid = "model_request_invalid";

    /// <summary>It has a field that Berth does not know.</summary>
    public const string Field = "model_field_unknown";

    /// <summary>The model's service would fetch something, or read something that is stored there.</summary>
    public const string Fetch = "model_fetch_refused";

    /// <summary>It is larger than any request that the API takes.</summary>
    public const string TooLarge = "model_request_too_large";

    /// <summary>It did not arrive in time.</summary>
    public const string Slow = "model_request_slow";

    /// <summary>Too much is under way at once.</summary>
    public const string Busy = "model_gateway_busy";

    /// <summary>The run has counted tokens too often.</summary>
    public const string Counts = "model_count_limit";

    /// <summary>What the Messages API calls an error of this status.</summary>
    public string Type => Status switch
    {
        400 => "invalid_request_error",
        413 => "request_too_large",
        408 or 429 => "rate_limit_error",
        503 => "overloaded_error",
        _ => "permission_error",
    };
}
