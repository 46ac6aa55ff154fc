using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Webhooks;
using Berth.Protocol;

namespace Berth.Server.Webhooks;

/// <summary>What messages are signed with: one key, or two while receivers change over to another.</summary>
internal sealed class WebhookKeys
{
    private const string Prefix = "whsec_";
    private const int FewestBytes = 24;
    private const int MostBytes = 64;
    private readonly IReadOnlyList<byte[]> keys;

    private WebhookKeys(IReadOnlyList<string> texts, IReadOnlyList<byte[]> keys) => (Texts, this.keys) = (texts, keys);

    /// <summary>As they were set, for the redactor.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <summary>Reads them, where there is somebody to be told.</summary>
    /// <exception cref="FailureException"><c>webhook_secret_missing</c>, <c>webhook_secret_invalid</c>.</exception>
    public static WebhookKeys Read(WebhookOptions options)
    {
        if (options.Urls.Count == 0)
        {
            return new WebhookKeys([], []);
        }

        var words = TextOf(options).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var read = words.Select(KeyOf).OfType<byte[]>().ToList();
        return words.Length > 0 && read.Count == words.Length
            ? new WebhookKeys(words, read)
            : throw new FailureException(
                "webhook_secret_invalid",
                $"The secret of webhooks is not valid: expected {FewestBytes} to {MostBytes} bytes in base 64.",
                "openssl rand -base64 32 makes one; the receivers need the same.",
                Fault.Operator);
    }

    /// <summary>The signature of a message, as Standard Webhooks has it.</summary>
    public string Sign(string id, DateTimeOffset at, string body)
    {
        var signed = Encoding.UTF8.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $"{id}.{at.ToUnixTimeSeconds()}.{body}"));
        return string.Join(' ', keys.Select(key => $"v1,{Convert.ToBase64String(HMACSHA256.HashData(key, signed))}"));
    }

    private static string TextOf(WebhookOptions options)
    {
        if (options.Secret is { } secret)
        {
            return secret;
        }

        try
        {
            return options.SecretFile is { } file
                ? File.ReadAllText(file)
                : throw Missing("BERTH_WEBHOOKS names receivers, and there is no secret to sign with.", null);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw Missing($"The file of the webhooks' secret cannot be read: {unreadable.Message}", unreadable);
        }
    }

    private static FailureException Missing(string message, Exception? why) => new(
        "webhook_secret_missing",
        message,
        "Set BERTH_WEBHOOK_SECRET, or BERTH_WEBHOOK_SECRET_FILE to a file that has it; "
            + "openssl rand -base64 32 makes one.",
        Fault.Operator,
        why);

    private static byte[]? KeyOf(string word)
    {
        var text = word.StartsWith(Prefix, StringComparison.Ordinal) ? word[Prefix.Length..] : word;
        var key = new byte[text.Length];
        return Convert.TryFromBase64String(text, key, out var length) && length is >= FewestBytes and <= MostBytes
            ? key[..length]
            : null;
    }
}
