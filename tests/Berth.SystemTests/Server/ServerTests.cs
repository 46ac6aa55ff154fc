using Berth.SystemTests.Storage;
using Xunit;

namespace Berth.SystemTests.Server;

public sealed class SqliteServerRunTests : ServerRunConformance;

public sealed class PostgresServerRunTests : ServerRunConformance, IDisposable
{
    private readonly PostgresPlace place = new();

    private protected override PostgresPlace Postgres => place;

    public void Dispose() => place.Dispose();
}

[Collection(Alone.Name)]
public sealed class SqliteServerDeathTests : ServerDeathConformance;

[Collection(Alone.Name)]
public sealed class PostgresServerDeathTests : ServerDeathConformance, IDisposable
{
    private readonly PostgresPlace place = new();

    private protected override PostgresPlace Postgres => place;

    public void Dispose() => place.Dispose();
}
