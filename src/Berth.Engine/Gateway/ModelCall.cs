using System.Text.Json;
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

    /// <summary>Reads a request.</summary>
    public static ModelCall Read(IHeaderDictionary headers, ReadOnlyMemory<byte> body, ModelPrices prices)
    {
        var isMain = RequestClass.IsTurn(headers);
        var (model, output, fast) = ReadBody(body.Span);
        var tokens = body.Length + output;
        var cost = prices.MostFor(model, fast, body.Length, output);
        return new ModelCall(model, isMain, new Spending(1, isMain ? 1 : 0, tokens, cost));
    }

    private static (string? Model, long Output, bool IsFast) ReadBody(ReadOnlySpan<byte> body)
    {
        string? model = null;
        long? output = null;
        var fast = false;
        try
        {
            var reader = new Utf8JsonReader(body);
            _ = reader.Read();
            while (reader.TokenType == JsonTokenType.StartObject || reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.TokenType == JsonTokenType.StartObject)
                {
                    _ = reader.Read();
                    continue;
                }

                var name = reader.GetString();
                _ = reader.Read();
                switch (name)
                {
                    case "model" when reader.TokenType == JsonTokenType.String:
                        model = reader.GetString();
                        break;
                    case "max_tokens" when reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var most):
                        output = Math.Max(output ?? 0, Math.Clamp(most, 0, MostNamed));
                        break;
                    case "speed" when reader.TokenType == JsonTokenType.String:
                        fast |= reader.ValueTextEquals("fast");
                        break;
                }

                reader.Skip();
                _ = reader.Read();
            }
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // The upstream refuses it; until then it counts as the most that there can be.
            return (null, MostOutput, true);
        }

        return (model, output ?? MostOutput, fast);
    }
}
