namespace Berth.Engine.Budgets;

/// <summary>What came of asking to make a call of the model.</summary>
/// <param name="Most">What the call may come to at most, which is set aside for it.</param>
/// <param name="Day">The day that it belongs to, where other runs' spending counts too.</param>
/// <param name="Stop">The budget of which nothing is left; null where the call may be made.</param>
internal sealed record CallEntry(Spending Most, string? Day = null, BudgetStop? Stop = null);

/// <summary>Decides on each call of one run whether it may be made: here its budgets are kept.</summary>
/// <remarks>
/// A call may be made where what was spent, and what calls in flight may still come to at most, leave something of each
/// budget. Where only the calls in flight fill one up, the call waits until one of them has ended. So at most one call
/// goes over, and only by itself: however many subagents call at once, and whatever the CLI's own limits do.
/// </remarks>
/// <param name="limits">The run's own.</param>
/// <param name="before">What counts of it already: of the conversations that it goes on with, and of hosts that had it
/// before.</param>
/// <param name="shared">The budgets that it has together with others.</param>
/// <param name="time">The clock.</param>
internal sealed class CallAdmission(BudgetLimits limits, Spending before, SharedBudgets shared, TimeProvider time)
    : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private readonly Lock gate = new();

    // Whoever came first goes first, and one alone asks again and again.
    private readonly LinkedList<Spending> waiting = [];
    private Spending spent = before;
    private Spending reserved = Spending.None;

    /// <summary>Lets everything pass: for a gateway that nobody pays for.</summary>
    public static CallAdmission Free(TimeProvider time) =>
        new(BudgetLimits.None, Spending.None, SharedBudgets.None(time), time);

    /// <summary>Asks to make a call, and waits where that depends on others.</summary>
    /// <param name="most">The most that it can come to.</param>
    /// <param name="cancel">Nobody waits for it any more.</param>
    /// <returns>Hand it to <see cref="Leave"/> once the call has ended, if it may be made.</returns>
    public async Task<CallEntry> EnterAsync(Spending most, CancellationToken cancel)
    {
        LinkedListNode<Spending> place;
        lock (gate)
        {
            place = waiting.AddLast(most);
        }

        try
        {
            while (true)
            {
                if (IsFirst(place) && TryEnter(most) is { } entry)
                {
                    return entry;
                }

                await Task.Delay(Poll, time, cancel);
            }
        }
        finally
        {
            lock (gate)
            {
                waiting.Remove(place);
            }
        }
    }

    /// <summary>A call has ended.</summary>
    public void Leave(CallEntry entry, Spending used)
    {
        lock (gate)
        {
            reserved -= entry.Most;
            spent += used;
        }

        shared.Leave(entry, used);
    }

    /// <summary>No call follows: the run has ended, or its host lets go of it.</summary>
    public void Dispose() => shared.End();

    // Where nothing is limited nobody waits.
    private bool IsFirst(LinkedListNode<Spending> place)
    {
        lock (gate)
        {
            return waiting.First == place || (!limits.HasAny && !shared.HasRules);
        }
    }

    /// <summary>Asks once.</summary>
    /// <returns>Null where it depends on calls in flight.</returns>
    internal CallEntry? TryEnter(Spending most)
    {
        lock (gate)
        {
            // What is no turn itself (a summary, a subagent of the last turn) is not stopped by a limit of turns.
            var kept = most.Turns > 0 ? limits : limits with { Turns = null };
            if (kept.FindSpent(spent) is { } unit)
            {
                return new CallEntry(most, Stop: new BudgetStop(
                    BudgetScope.Run, null, unit, kept.TextOf(unit), BudgetLimits.Text(unit, spent)));
            }

            if (kept.FindSpent(spent + reserved) is not null)
            {
                return null;
            }

            // Set aside first: between this and the next line no other call of this run is let in.
            reserved += most;
        }

        CallEntry? entry = null;
        try
        {
            entry = shared.TryEnter(most);
            return entry;
        }
        finally
        {
            if (entry is null or { Stop: not null })
            {
                lock (gate)
                {
                    reserved -= most;
                }
            }
        }
    }
}
