using Berth.Engine.Budgets;
using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>What the agent asks of the model, as far as it matters for what it may cost.</summary>
/// <remarks>
/// The agent may write anything: what cannot be read is reckoned at the most. A byte is never more than one token, and
/// pictures and documents, whose bytes are fewer than their tokens only where they are named by a URL, are small beside
/// what an answer may have.
/// </remarks>
/// <param name="Model">The model's name, or null where none can be read.</param>
/// <param name="IsMain">Whether a whole answer to it is a turn: <see cref="RequestClass"/>.</param>
/// <param name="Most">The most that it can come to.</param>
internal sealed record ModelCall(string? Model, bool IsMain, Spending Most)
{
    // More than any model of today writes; what the API is given as max_tokens where it is given anything.
    private const long MostOutput = 128_000;
    private const long MostNamed = 10_000_000;

    // What a server tool brings in is not in the request; more than this no model reads.
    private const long WholeContext = 1_000_000;

    /// <summary>The most tokens that it reads.</summary>
    public long InputTokens { get; private init; }

    /// <summary>The most tokens that it writes.</summary>
    public long OutputTokens { get; private init; }

    /// <summary>Reckons what a request may come to.</summary>
    public static ModelCall Of(IHeaderDictionary headers, JudgedRequest request, int bodyBytes, ModelPrices prices)
    {
        var isMain = RequestClass.IsTurn(headers);

        // Another model than the one named may answer, which may be any.
        var priced = request.HasFallbacks ? null : request.Model;
        var input = request.MayReadMore ? Math.Max(bodyBytes, WholeContext) : bodyBytes;
        var output = Math.Clamp(request.MaxTokens ?? MostOutput, 0, MostNamed);
        var cost = prices.MostFor(priced, request.IsFast || request.HasFallbacks, input, output);
        return new ModelCall(request.Model, isMain, new Spending(1, isMain ? 1 : 0, input + output, cost))
        {
            InputTokens = input,
            OutputTokens = output,
        };
    }
}
