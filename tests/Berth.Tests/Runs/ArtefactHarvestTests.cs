using System.Security.Cryptography;
using System.Text;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class ArtefactHarvestTests : IDisposable
{
    private const string Secret = "correct-horse-battery";
    private const long Much = 1024L * 1024 * 1024;

    private readonly string folder = Directory.CreateTempSubdirectory("berth-artefacts-").FullName;

    public ArtefactHarvestTests() => Directory.CreateDirectory(Run.ArtifactsInside);

    private RunDirectory Run => new(folder);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Files_are_taken_whole_for_their_owner_alone()
    {
        var bytes = RandomNumberGenerator.GetBytes(300_000);
        Write("a/b/raw.bin", bytes);
        Write(".hidden", "x"u8);
        Write("empty", []);

        var taken = await TakeAsync();

        Assert.Equal((3, 300_001L), (taken.Files, taken.Bytes));
        Assert.Empty(taken.LeftOut);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(Path.Combine(Run.ArtifactsFolder, "a/b/raw.bin"), Ending));
        Assert.Equal([".hidden", "a/b/raw.bin", "empty"], Taken());
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite,
            File.GetUnixFileMode(Path.Combine(Run.ArtifactsFolder, "empty")));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.Combine(Run.ArtifactsFolder, "a/b")));
    }

    [Fact]
    public async Task Nothing_left_is_nothing_taken()
    {
        Assert.Equal(0, (await TakeAsync()).Files);
        Assert.False(Directory.Exists(Run.ArtifactsFolder));
        Directory.Delete(Run.ArtifactsInside);
        Assert.Equal(0, (await TakeAsync()).Files);
    }

    [Fact]
    public async Task A_secret_is_taken_out_wherever_reads_cut_it()
    {
        // The copy reads in pieces of 256 KiB and a byte.
        for (var shift = 0; shift <= Secret.Length + 1; shift++)
        {
            var before = new string('x', (256 * 1024) + 1 - shift);
            Write($"{shift:00}", Encoding.UTF8.GetBytes(before + Secret + "yy"));
        }

        await TakeAsync();

        foreach (var file in Taken())
        {
            var text = await File.ReadAllTextAsync(Path.Combine(Run.ArtifactsFolder, file), Ending);
            Assert.EndsWith("xxx***yy", text, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, text, StringComparison.Ordinal);
        }

        Assert.Equal(Secret.Length + 2, Taken().Count);
    }

    [Fact]
    public async Task A_secret_is_taken_out_of_names_and_of_two_that_are_then_the_same_one_is_taken()
    {
        Write($"a-{Secret}", "one"u8);
        Write("a-***", "two"u8);
        Write($"{Secret}/b", "three"u8);

        var taken = await TakeAsync();

        Assert.Equal(["***/b", "a-***"], Taken());
        Assert.Contains("its name held a secret", Assert.Single(taken.LeftOut), StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, taken.LeftOut[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_are_left_out_and_so_is_what_is_behind_them()
    {
        Write("real", "x"u8);
        Directory.CreateDirectory(Path.Combine(folder, "outside"));
        await File.WriteAllTextAsync(Path.Combine(folder, "outside", "precious"), "p", Ending);
        File.CreateSymbolicLink(Path.Combine(Run.ArtifactsInside, "to-file"), Path.Combine(folder, "outside/precious"));
        File.CreateSymbolicLink(Path.Combine(Run.ArtifactsInside, "to-folder"), Path.Combine(folder, "outside"));

        var taken = await TakeAsync();

        Assert.Equal(["real"], Taken());
        Assert.Equal(
            ["The artefact to-file was left out: it is a link.", "The artefact to-folder was left out: it is a link."],
            taken.LeftOut);
    }

    [Fact]
    public async Task A_link_in_the_place_of_the_folder_leads_nowhere()
    {
        Directory.Delete(Run.ArtifactsInside);
        Directory.CreateDirectory(Path.Combine(folder, "outside"));
        await File.WriteAllTextAsync(Path.Combine(folder, "outside", "precious"), "p", Ending);
        Directory.CreateSymbolicLink(Run.ArtifactsInside, Path.Combine(folder, "outside"));

        Assert.Equal(0, (await TakeAsync()).Files);
        Assert.False(Directory.Exists(Run.ArtifactsFolder));
    }

    [Fact]
    public async Task Only_so_much_is_taken_and_what_is_smaller_still_is()
    {
        Write("a", new byte[60]);
        Write("b", new byte[60]);
        Write("c", new byte[40]);
        Write("d", []);

        var taken = await TakeAsync(most: 100);

        Assert.Equal((3, 100L), (taken.Files, taken.Bytes));
        Assert.Equal(["a", "c", "d"], Taken());
        Assert.Contains("at most 100 bytes together", Assert.Single(taken.LeftOut), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_so_many_are_taken_and_looked_at()
    {
        for (var i = 0; i < ArtefactHarvest.MostFiles + 30; i++)
        {
            Write($"{i:0000}", "x"u8);
        }

        var taken = await TakeAsync();

        Assert.Equal(ArtefactHarvest.MostFiles, taken.Files);
        Assert.Equal("0999", Taken()[^1]);
        Assert.Equal(21, taken.LeftOut.Count);
        Assert.Equal("10 more artefacts were left out.", taken.LeftOut[^1]);
    }

    [Fact]
    public async Task What_is_too_deep_is_left_out()
    {
        Write(string.Join('/', Enumerable.Range(1, 16)), "x"u8);
        Write($"d/{string.Join('/', Enumerable.Range(1, 16))}", "x"u8);

        var taken = await TakeAsync();

        Assert.Equal([string.Join('/', Enumerable.Range(1, 16))], Taken());
        Assert.Contains("folders deep", Assert.Single(taken.LeftOut), StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_kill_in_the_middle_all_is_done_again()
    {
        Write("a", "new"u8);
        Directory.CreateDirectory(Path.Combine(folder, "artifacts.new"));
        await File.WriteAllTextAsync(Path.Combine(folder, "artifacts.new", "a"), "ha", Ending);
        Directory.CreateDirectory(Run.ArtifactsFolder);
        await File.WriteAllTextAsync(Path.Combine(Run.ArtifactsFolder, "old"), "old", Ending);

        Assert.Equal(1, (await TakeAsync()).Files);
        Assert.Equal(1, (await TakeAsync()).Files);

        Assert.Equal(["a"], Taken());
        Assert.False(Directory.Exists(Path.Combine(folder, "artifacts.new")));
    }

    [Fact]
    public async Task When_the_time_is_over_the_rest_is_left_out()
    {
        Write("a", "x"u8);
        using var over = new CancellationTokenSource();
        await over.CancelAsync();

        var taken = await ArtefactHarvest.TakeAsync(Run, Redactor.None, Much, over.Token);

        Assert.Equal(0, taken.Files);
        Assert.Contains("the time for it was over", Assert.Single(taken.LeftOut), StringComparison.Ordinal);
    }

    private Task<ArtefactRecord> TakeAsync(long most = Much) =>
        ArtefactHarvest.TakeAsync(Run, new Redactor([Secret]), most, Ending);

    private List<string> Taken() =>
    [
        .. Directory.EnumerateFiles(Run.ArtifactsFolder, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Run.ArtifactsFolder, path)).Order(StringComparer.Ordinal),
    ];

    private void Write(string name, ReadOnlySpan<byte> content)
    {
        var path = Path.Combine(Run.ArtifactsInside, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
    }
}
