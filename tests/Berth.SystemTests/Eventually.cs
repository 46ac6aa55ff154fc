using System.Diagnostics;
using Xunit;
using Xunit.Sdk;

namespace Berth.SystemTests;

/// <summary>Waits for something to become true, with a bound: the one way in which these tests wait.</summary>
internal static class Eventually
{
    /// <summary>The bound where none is named: far above what is needed on a loaded machine.</summary>
    internal static readonly TimeSpan Bound = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until a condition holds; fails with what was waited for.</summary>
    internal static Task TrueAsync(Func<bool> condition, string what, TimeSpan? bound = null) =>
        TrueAsync(() => Task.FromResult(condition()), what, bound);

    /// <summary>Waits until a condition holds; fails with what was waited for.</summary>
    internal static async Task TrueAsync(Func<Task<bool>> condition, string what, TimeSpan? bound = null)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > (bound ?? Bound))
            {
                Assert.Fail($"Waited {bound ?? Bound} for {what}.");
            }

            await Task.Delay(Pause, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits until there is something, and gives it.</summary>
    internal static async Task<T> SomeAsync<T>(Func<Task<T?>> look, string what, TimeSpan? bound = null)
        where T : class
    {
        T? found = null;
        await TrueAsync(async () => (found = await look()) is not null, what, bound);
        return found!;
    }

    /// <summary>Waits until assertions pass; fails with the last that did not.</summary>
    internal static async Task PassesAsync(Action assertions, TimeSpan bound)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                assertions();
                return;
            }
            catch (XunitException) when (watch.Elapsed < bound)
            {
                await Task.Delay(Pause, TestContext.Current.CancellationToken);
            }
        }
    }
}
