using System.Net;

namespace Berth.Engine.Webhooks;

/// <summary>Whom a server tells of its runs, and how.</summary>
internal sealed record WebhookOptions
{
    /// <summary>The most receivers.</summary>
    public const int MostReceivers = 16;

    /// <summary>The receivers. Default none. <c>BERTH_WEBHOOKS</c>.</summary>
    public IReadOnlyList<Uri> Urls { get; init; } = [];

    /// <summary>What they are told. Default: everything. <c>BERTH_WEBHOOK_EVENTS</c>.</summary>
    public IReadOnlyList<string> Events { get; init; } = WebhookEvents.All;

    /// <summary>What messages are signed with, as it was set. <c>BERTH_WEBHOOK_SECRET</c>.</summary>
    public string? Secret { get; init; }

    /// <summary>The file that has it instead. <c>BERTH_WEBHOOK_SECRET_FILE</c>.</summary>
    public string? SecretFile { get; init; }

    /// <summary>Inner addresses that a receiver may have. Default none. <c>BERTH_WEBHOOK_PRIVATE</c>.</summary>
    public IReadOnlyList<IPNetwork> Private { get; init; } = [];
}
