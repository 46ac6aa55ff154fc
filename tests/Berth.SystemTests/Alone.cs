using Xunit;

namespace Berth.SystemTests;

/// <summary>
/// Tests that take the whole machine, or count what the whole process has: no other test runs beside them.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    /// <summary>The collection's name.</summary>
    public const string Name = "alone";
}
