using System.Globalization;
using Berth.Engine.Runs;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>Reads which runs somebody wants to see.</summary>
internal static class RunFilters
{
    /// <summary>What a query may have; docs/openapi.json says what each is.</summary>
    internal static readonly string[] Names =
        ["state", "workflow", "mode", "repository", "label", "since", "until", "cursor", "sort", "limit"];

    /// <summary>Reads the query string.</summary>
    /// <exception cref="FailureException"><c>query_invalid</c>.</exception>
    public static RunFilter Read(IQueryCollection query)
    {
        if (query.Keys.FirstOrDefault(key => !Names.Contains(key, StringComparer.Ordinal)) is not null)
        {
            throw Invalid($"there are the parameters {string.Join(", ", Names)}, and no others");
        }

        return new RunFilter
        {
            States = [.. query["state"].SelectMany(value => (value ?? string.Empty).Split(',')).Select(StateOf)],
            Workflow = One(query, "workflow"),
            Mode = One(query, "mode"),
            Repository = One(query, "repository"),
            Labels = [.. query["label"].Select(value => LabelOf(value ?? string.Empty))],
            Since = TimeOf(query, "since"),
            Until = TimeOf(query, "until"),
            After = One(query, "cursor") is not { } cursor ? null
                : RunId.IsFragment(cursor) ? cursor
                : throw Invalid("cursor is the next of the page before"),
            OldestFirst = One(query, "sort") switch
            {
                null or "-createdAt" => false,
                "createdAt" => true,
                _ => throw Invalid("sort is createdAt or -createdAt"),
            },
            Limit = One(query, "limit") is not { } limit ? new RunFilter().Limit
                : int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
                    && count is >= 1 and <= RunFilter.MostOnPage ? count
                : throw Invalid($"limit is a whole number, 1 to {RunFilter.MostOnPage}"),
        };
    }

    private static string? One(IQueryCollection query, string name) => query[name] switch
    {
        [] => null,
        [{ Length: > 0 } only] => only,
        _ => throw Invalid($"{name} has one value"),
    };

    private static RunState StateOf(string word)
    {
        foreach (var state in Enum.GetValues<RunState>())
        {
            if (string.Equals(RunWord.Of(state), word, StringComparison.Ordinal))
            {
                return state;
            }
        }

        throw Invalid($"state is one of {string.Join(", ", Enum.GetValues<RunState>().Select(RunWord.Of))}");
    }

    private static KeyValuePair<string, string> LabelOf(string text) =>
        text.IndexOf('=', StringComparison.Ordinal) is > 0 and var sign
            ? KeyValuePair.Create(text[..sign], text[(sign + 1)..])
            : throw Invalid("label is NAME=VALUE");

    private static DateTimeOffset? TimeOf(IQueryCollection query, string name) => One(query, name) is not { } text
        ? null
        : DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : throw Invalid($"{name} is a time such as 2026-05-04T12:00:00Z");

    private static FailureException Invalid(string expected) => new(
        "query_invalid",
        $"The query is not valid: {expected}.",
        "docs/API.md says what can be asked.",
        Fault.User);
}
