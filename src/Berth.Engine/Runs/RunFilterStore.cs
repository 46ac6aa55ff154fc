using System.Globalization;
using System.Text.Json;

namespace Berth.Engine.Runs;

/// <summary>A filter as the table of runs understands it.</summary>
internal static class RunFilterStore
{
    /// <summary>The condition, and the values that stand in it by name.</summary>
    public static (string Where, List<(string Name, object? Value)> Values) Conditions(this RunFilter filter)
    {
        var conditions = new List<string>();
        var values = new List<(string Name, object? Value)>();
        if (filter.States.Count > 0)
        {
            // Words of our own enumeration, never text of the asker's.
            var words = filter.States.Select(state => $"'{JsonNamingPolicy.SnakeCaseLower.ConvertName($"{state}")}'");
            conditions.Add($"state in ({string.Join(", ", words)})");
        }

        Add("workflow = @workflow", "workflow", filter.Workflow);
        Add("mode = @mode", "mode", filter.Mode);
        Add("repository = @repository", "repository", filter.Repository);
        Add("owner = @owner", "owner", filter.Owner);
        Add("created_at >= @since", "since", Text(filter.Since));
        Add("created_at < @until", "until", Text(filter.Until));
        Add("(finished_at is null or finished_at >= @ended)", "ended", Text(filter.OpenOrEndedSince));
        Add(filter.OldestFirst ? "id > @after" : "id < @after", "after", filter.After);
        foreach (var (name, value) in filter.Labels)
        {
            var number = values.Count.ToString(CultureInfo.InvariantCulture);
            conditions.Add(
                $"id in (select run_id from run_labels where name = @name{number} and value = @value{number})");
            values.Add(($"name{number}", name));
            values.Add(($"value{number}", value));
        }

        return (conditions.Count == 0 ? string.Empty : $"where {string.Join(" and ", conditions)}", values);

        void Add(string condition, string name, string? value)
        {
            if (value is not null)
            {
                conditions.Add(condition);
                values.Add((name, value));
            }
        }
    }

    private static string? Text(DateTimeOffset? at) => at?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
}
