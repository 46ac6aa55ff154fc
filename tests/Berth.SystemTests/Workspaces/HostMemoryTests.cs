using Berth.Engine.Git;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>FAULTS 48: what an agent has packed does not fill the host's memory.</summary>
public sealed class HostMemoryTests
{
    private const long Gibi = 1024L * 1024 * 1024;

    private static CancellationToken Soon => GitPlayground.Soon;

    [Fact]
    public async Task F48_A_pack_that_unfolds_to_gigabytes_is_refused()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository));
        var bomb = PackBomb.Bundle(3 * Gibi);
        Assert.InRange(bomb.Length, 1, 65 * 1024);
        await File.WriteAllBytesAsync(run.RunDirectory.BundleFile, bomb, Soon);

        var thrown = await Assert.ThrowsAsync<FailureException>(() => workspaces.CollectAsync(run, Soon));

        Assert.Equal("bundle_refused", thrown.Failure.Code);
        Assert.Contains("emory", thrown.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F48_A_pack_with_a_delta_within_the_bound_is_taken()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository));
        await File.WriteAllBytesAsync(run.RunDirectory.BundleFile, PackBomb.Bundle(Gibi / 4), Soon);

        var work = await workspaces.CollectAsync(run, Soon);

        Assert.Equal("file", Assert.Single(work!.FilesChanged, file => file.Path is "file").Path);
    }

    [Fact]
    public async Task F48_A_blob_of_200_MB_is_taken_delivered_and_shown()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var prepared = await workspaces.PrepareAsync(place.Request(repository), Soon);
        await File.WriteAllBytesAsync(Path.Combine(prepared.Path, "large"), new byte[200 * 1024 * 1024], Soon);
        await place.CommitAsync(prepared.Path, "Large");
        await place.BundleAsync(prepared.Run);

        var work = await workspaces.CollectAsync(prepared.Run, Soon);
        await workspaces.DeliverAsync(prepared.Run, work!, Soon);
        using var diff = new MemoryStream();
        await workspaces.DiffAsync(prepared.Run, work!.HeadCommit, new DiffOrder(DiffForm.Patch), diff, Soon);

        Assert.Equal(
            work.HeadCommit, await place.GitAsync(repository, "rev-parse", $"refs/heads/{prepared.Run.Branch}"));
        Assert.True(diff.Length > 0, "There is no diff.");
    }
}
