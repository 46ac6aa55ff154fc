using System.Security.Cryptography;
using System.Text;

namespace Berth.Engine.Webhooks;

/// <summary>Somebody who is told.</summary>
/// <param name="Url">Where. Its path may be a credential of its own, so it is not shown.</param>
internal sealed record WebhookReceiver(Uri Url)
{
    private const int KeyBytes = 12;
    private const int ShownDigits = 6;

    /// <summary>What the database knows it by.</summary>
    public string Key { get; } = Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes(Url.AbsoluteUri)).AsSpan(0, KeyBytes));

    /// <summary>What may be shown of it: where it is, and the first six digits of the SHA-256 of its URL, which tell
    /// receivers at one host apart and say nothing of a credential in the path.</summary>
    public string Shown => $"{Url.GetLeftPart(UriPartial.Authority)} ({Key[..ShownDigits]})";
}
