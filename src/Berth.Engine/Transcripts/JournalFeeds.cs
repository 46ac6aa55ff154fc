namespace Berth.Engine.Transcripts;

/// <summary>The journals that somebody reads at this moment: one feed each, however many read it.</summary>
internal sealed class JournalFeeds(TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, (JournalFeed Feed, int Readers)> feeds = new(StringComparer.Ordinal);

    /// <summary>How many read at this moment.</summary>
    public int Readers
    {
        get
        {
            lock (gate)
            {
                return feeds.Values.Sum(feed => feed.Readers);
            }
        }
    }

    /// <summary>Gives a journal's feed. Dispose of the lease when done.</summary>
    /// <param name="path">The journal.</param>
    /// <param name="isOver">Whether nothing more will be written to it.</param>
    public Lease Open(string path, Func<bool> isOver)
    {
        lock (gate)
        {
            var (feed, readers) = feeds.GetValueOrDefault(path);
            feed ??= new JournalFeed(path, isOver, time);
            feeds[path] = (feed, readers + 1);
            return new Lease(this, path, feed);
        }
    }

    private JournalFeed? Close(string path)
    {
        lock (gate)
        {
            var (feed, readers) = feeds[path];
            if (readers > 1)
            {
                feeds[path] = (feed, readers - 1);
                return null;
            }

            feeds.Remove(path);
            return feed;
        }
    }

    /// <summary>One reader's part in a feed.</summary>
    internal sealed class Lease(JournalFeeds owner, string path, JournalFeed feed) : IAsyncDisposable
    {
        /// <summary>The feed.</summary>
        public JournalFeed Feed => feed;

        public async ValueTask DisposeAsync()
        {
            if (owner.Close(path) is { } last)
            {
                await last.DisposeAsync();
            }
        }
    }
}
