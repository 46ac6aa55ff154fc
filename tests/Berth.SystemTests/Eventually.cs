using System.Diagnostics;
using Xunit;
using Xunit.Sdk;

namespace Berth.SystemTests;

/// <summary>Waits for something to become true, with a bound: the one way in which these tests wait.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until a condition holds; fails with what was waited for.</summary>
    internal static Task TrueAsync(Func<bool> condition, string what, TimeSpan bound) =>
        TrueAsync(() => Task.FromResult(condition()), what, bound);

    /// <summary>Waits until a condition holds; fails with what was waited for.</summary>
    internal static async Task TrueAsync(Func<Task<bool>> condition, string what, TimeSpan bound)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > bound)
            {
                Assert.Fail($"Waited {bound} for {what}.");
            }

            await Task.Delay(Pause, TestContext.Current.CancellationToken);
        }
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
