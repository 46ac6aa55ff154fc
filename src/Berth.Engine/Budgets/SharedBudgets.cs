using System.Data.Common;
using System.Globalization;

namespace Berth.Engine.Budgets;

/// <summary>Who spends: whose budgets count for a run.</summary>
/// <param name="RunId">The run.</param>
/// <param name="Workflow">Its workflow's name.</param>
/// <param name="Repository">Its repository's path or canonical URL.</param>
/// <param name="Owner">The name of the token that it was asked for with; see <see cref="LocalOwner"/>.</param>
internal sealed record Spender(string RunId, string Workflow, string Repository, string Owner)
{
    /// <summary>The owner of runs of this machine's own user. No token can have that name.</summary>
    public const string LocalOwner = "(local)";
}

/// <summary>One run's part in the budgets that are kept for a day, of which many runs spend at once.</summary>
/// <remarks>
/// What is spent and what is set aside stands in the database that the runs share, so it holds for the runs of all
/// homes. Where there is no such budget, a run's spending is only noted. A database that cannot be asked lets no call
/// through that has to be reckoned against others, and loses nothing that was spent: it is noted later.
/// </remarks>
internal sealed class SharedBudgets
{
    // Only this day is reckoned with; the days before are for whoever looks at the table.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(31);

    private readonly Lock gate = new();
    private readonly SpendingStore? store;
    private readonly Spender spender;
    private readonly IReadOnlyList<BudgetRule> rules;
    private readonly TimeProvider time;

    // What could not be noted yet, by the day it belongs to.
    private readonly List<SpendingChange> unsaid = [];
    private long marked;
    private bool hasEnded;

    private SharedBudgets(SpendingStore? store, Spender spender, IReadOnlyList<BudgetRule> rules, TimeProvider time)
    {
        (this.store, this.spender, this.rules, this.time) = (store, spender, rules, time);
        marked = time.GetTimestamp();
    }

    /// <summary>None, and nothing is noted.</summary>
    public static SharedBudgets None(TimeProvider time) => new(
        null, new Spender(string.Empty, string.Empty, string.Empty, string.Empty), [], time);

    /// <summary>Begins, or goes on after a host that died: what that one had set aside is free again.</summary>
    public static SharedBudgets Open(
        SpendingStore store, Spender spender, IReadOnlyList<BudgetRule> rules, TimeProvider time)
    {
        store.Forget(DayOf(time.GetUtcNow() - Kept));
        store.Release(spender.RunId);
        return new SharedBudgets(store, spender, rules, time);
    }

    /// <summary>Whether there is any that concerns the run.</summary>
    public bool HasRules => rules.Count > 0;

    /// <summary>The day that a time belongs to: days begin at midnight UTC.</summary>
    public static string DayOf(DateTimeOffset at) =>
        at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>Sets something aside for a call.</summary>
    /// <returns>Null where that depends on other calls, or on the database.</returns>
    public CallEntry? TryEnter(Spending most)
    {
        var day = DayOf(time.GetUtcNow());
        if (store is null || rules.Count == 0)
        {
            return new CallEntry(most, day);
        }

        lock (gate)
        {
            Mark(day);
            try
            {
                var decision = store.Reserve(spender, day, rules, most, [.. unsaid]);
                unsaid.Clear();
                return decision switch
                {
                    { Stop: { } stop } => new CallEntry(most, day, stop),
                    { IsReserved: true } => new CallEntry(most, day),
                    _ => null,
                };
            }
            catch (DbException)
            {
                // It is asked again, until nobody waits for the call any more.
                return null;
            }
        }
    }

    /// <summary>A call has ended.</summary>
    public void Leave(CallEntry entry, Spending used)
    {
        if (store is null)
        {
            return;
        }

        lock (gate)
        {
            // What is set aside was forgotten at the end; a call that was cut off by it still has cost something.
            var released = rules.Count == 0 || hasEnded ? Spending.None : entry.Most;
            unsaid.Add(new SpendingChange(entry.Day!, used, released));
            Mark(DayOf(time.GetUtcNow()));
            Save();
        }
    }

    /// <summary>The run has ended, or this host lets go of it.</summary>
    public void End()
    {
        if (store is null)
        {
            return;
        }

        lock (gate)
        {
            Mark(DayOf(time.GetUtcNow()));
            Save();
            hasEnded = true;
            for (var i = 0; i < unsaid.Count; i++)
            {
                unsaid[i] = unsaid[i] with { Released = Spending.None };
            }

            try
            {
                store.Release(spender.RunId);
            }
            catch (DbException)
            {
                // The next host of the run does it; and what was set aside is forgotten after a while in any case.
            }
        }
    }

    private void Mark(string day)
    {
        var now = time.GetTimestamp();
        var took = (long)time.GetElapsedTime(marked, now).TotalMilliseconds;
        if (took > 0)
        {
            marked = now;
            unsaid.Add(new SpendingChange(day, Spending.None with { WallMs = took }, Spending.None));
        }
    }

    private void Save()
    {
        SpendingChange.Join(unsaid);
        try
        {
            store!.Change(spender, [.. unsaid]);
            unsaid.Clear();
        }
        catch (DbException)
        {
            // Kept, and noted with the next.
        }
    }
}
