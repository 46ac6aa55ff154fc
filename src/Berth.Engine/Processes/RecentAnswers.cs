using System.Collections.Concurrent;

namespace Berth.Engine.Processes;

/// <summary>Good answers of a moment ago, for a server to which requests come one after the other.</summary>
/// <param name="isGood">Whether an answer may be given to others too.</param>
/// <param name="time">The clock.</param>
/// <remarks>
/// The programs that are asked take longer than all the rest of a submission. What held seconds ago holds: who asks
/// then gets that answer, and once it is no longer new another one is fetched beside him. A bad one, or an exception,
/// is never kept, so what has been mended is seen at once.
/// </remarks>
internal sealed class RecentAnswers<TSubject, TAnswer>(Func<TAnswer, bool> isGood, TimeProvider time)
    where TSubject : notnull
{
    // With more than these all are forgotten, and asked for anew.
    private const int Most = 1000;

    // Requests that come at the rate of a loop cost one answer in so long.
    private static readonly TimeSpan New = TimeSpan.FromSeconds(15);

    // After this who asks waits for an answer of his own. A run that is accepted although the machine has just lost
    // what it needs ends with the same code when it is started.
    private static readonly TimeSpan Oldest = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<TSubject, Known> known = new();

    /// <summary>The answer of a moment ago, or a new one.</summary>
    /// <param name="subject">All that the answer depends on.</param>
    /// <param name="ask">Asks; each of its steps has a bound of its own, for what is fetched beside is not given
    /// up.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task<TAnswer> AskAsync(
        TSubject subject, Func<CancellationToken, Task<TAnswer>> ask, CancellationToken cancel)
    {
        if (known.TryGetValue(subject, out var recent) && time.GetElapsedTime(recent.At) < Oldest)
        {
            if (time.GetElapsedTime(recent.At) > New && recent.TryBeginRenewal())
            {
                // Starting a program takes its time too. What goes wrong is told to the next one: he asks anew.
                _ = Task.Run(() => NoteAsync(subject, ask, CancellationToken.None), CancellationToken.None);
            }

            return recent.Answer;
        }

        return await NoteAsync(subject, ask, cancel);
    }

    private async Task<TAnswer> NoteAsync(
        TSubject subject, Func<CancellationToken, Task<TAnswer>> ask, CancellationToken cancel)
    {
        // What was already lacking when it began is not known by its end.
        var began = time.GetTimestamp();
        var isKept = false;
        try
        {
            var answer = await ask(cancel);
            isKept = isGood(answer);
            if (isKept)
            {
                if (known.Count >= Most)
                {
                    known.Clear();
                }

                known[subject] = new Known(answer, began);
            }

            return answer;
        }
        finally
        {
            if (!isKept)
            {
                known.TryRemove(subject, out _);
            }
        }
    }

    private sealed class Known(TAnswer answer, long at)
    {
        private int renewals;

        public TAnswer Answer => answer;

        public long At => at;

        public bool TryBeginRenewal() => Interlocked.Exchange(ref renewals, 1) == 0;
    }
}
