using System.Text.Json;

namespace Berth.Engine.Forges;

/// <summary>What is sent to open a pull request.</summary>
internal static class PullRequestBody
{
    // GitLab has no field for it: the title says it.
    private const string Draft = "Draft: ";

    /// <summary>Writes it for a service.</summary>
    /// <param name="kind">The service.</param>
    /// <param name="order">The request.</param>
    /// <param name="target">Where it is to be merged to.</param>
    /// <param name="reviewers">The numbers of those who are to review it; GitLab's only.</param>
    public static byte[] Of(
        ForgeKind kind, PullRequestOrder order, string target, IReadOnlyList<long> reviewers) =>
        ForgeJson(json =>
        {
            if (kind == ForgeKind.GitHub)
            {
                json.WriteString("title", order.Title);
                json.WriteString("head", order.Branch);
                json.WriteString("base", target);
                json.WriteString("body", order.Body);
                if (order.IsDraft)
                {
                    json.WriteBoolean("draft", true);
                }

                return;
            }

            json.WriteString("title", order.IsDraft ? Draft + order.Title : order.Title);
            json.WriteString("source_branch", order.Branch);
            json.WriteString("target_branch", target);
            json.WriteString("description", order.Body);
            if (order.Labels.Count > 0)
            {
                json.WriteString("labels", string.Join(',', order.Labels));
            }

            if (reviewers.Count > 0)
            {
                json.WriteStartArray("reviewer_ids");
                foreach (var reviewer in reviewers)
                {
                    json.WriteNumberValue(reviewer);
                }

                json.WriteEndArray();
            }
        });

    /// <summary>An object that has one list of texts for each name.</summary>
    public static byte[] Lists(params IReadOnlyList<(string Name, IReadOnlyList<string> Values)> lists) =>
        ForgeJson(json =>
        {
            foreach (var (name, values) in lists)
            {
                json.WriteStartArray(name);
                foreach (var value in values)
                {
                    json.WriteStringValue(value);
                }

                json.WriteEndArray();
            }
        });

    private static byte[] ForgeJson(Action<Utf8JsonWriter> members)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }
}
