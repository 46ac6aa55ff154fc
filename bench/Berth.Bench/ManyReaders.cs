using System.Globalization;
using System.Net.Http.Headers;

namespace Berth.Bench;

/// <summary>Many who read the events of one run as they happen, half of them as lines of JSON.</summary>
internal static class ManyReaders
{
    private const string Data = "data: ";
    private const string Number = "{\"seq\":";

    /// <summary>Reads a run's events to its end, so many times at once.</summary>
    /// <returns>How many events each has seen; all have seen the same, each once and in order.</returns>
    public static async Task<int> ReadAsync(
        HttpClient http, string run, int count, TaskCompletionSource allRead, CancellationToken cancel)
    {
        var begun = 0;
        var counts = await Task.WhenAll(Enumerable.Range(0, count).Select(
            reader => ReadAsync(http, run, asLines: reader % 2 == 0, Begun, cancel)));
        return counts.Distinct().ToList() is [var same]
            ? same
            : throw new InvalidOperationException(
                $"The readers saw {string.Join(", ", counts.Distinct().Order())} events.");

        void Begun()
        {
            if (Interlocked.Increment(ref begun) == count)
            {
                allRead.TrySetResult();
            }
        }
    }

    private static async Task<int> ReadAsync(
        HttpClient http, string run, bool asLines, Action begun, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Get, new Uri($"/api/v1/runs/{run}/events", UriKind.Relative));
        request.Headers.Accept.Add(
            new MediaTypeWithQualityHeaderValue(asLines ? "application/x-ndjson" : "text/event-stream"));
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(
            await response.Content.ReadAsStreamAsync(cancel), bufferSize: 1024);
        var seen = 0;
        var last = string.Empty;
        while (await reader.ReadLineAsync(cancel) is { } line)
        {
            var data = asLines ? line : line.StartsWith(Data, StringComparison.Ordinal) ? line[Data.Length..] : null;
            if (data is null)
            {
                continue;
            }

            if (seen++ == 0)
            {
                begun();
            }

            var expected = string.Create(CultureInfo.InvariantCulture, $"{Number}{seen},");
            if (!data.StartsWith(expected, StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"Expected event {seen}, read {data}");
            }

            last = data;
        }

        return last.Contains("run_finished", StringComparison.Ordinal)
            ? seen
            : throw new InvalidOperationException($"The stream ended after {seen} events, before the run.");
    }
}
