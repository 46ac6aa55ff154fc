using Berth.Engine;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class ConversationsTests : IDisposable
{
    private const string Session = "5c6f2a1e-0000-4000-8000-000000000000";
    private const string Secret = "correct-horse-battery";

    private readonly string folder = Directory.CreateTempSubdirectory("berth-conversation-").FullName;

    private RunDirectory Run => new(folder);

    private string Place =>
        Directory.CreateDirectory(Path.Combine(Run.Home, ".claude", "projects", "-workspace")).FullName;

    private string SessionFile => Path.Combine(Place, Session + ".jsonl");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task It_is_kept_line_by_line_without_secrets_for_its_owner_alone()
    {
        await File.WriteAllTextAsync(
            SessionFile,
            $"{{\"a\":\"{Secret}\"}}\n{{\"b\":1}}\n{{\"torn\":\"{Secret}",
            TestContext.Current.CancellationToken);

        await KeepAsync();

        Assert.Equal("{\"a\":\"***\"}\n{\"b\":1}\n{\"torn\":\"***\n", await KeptAsync());
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Conversations.Of(Run)!));
    }

    [Fact]
    public async Task It_is_kept_once()
    {
        await File.WriteAllTextAsync(SessionFile, "first\n", TestContext.Current.CancellationToken);
        await KeepAsync();
        await File.WriteAllTextAsync(SessionFile, "second\n", TestContext.Current.CancellationToken);
        await KeepAsync();

        Assert.Equal("first\n", await KeptAsync());
    }

    [Fact]
    public async Task Long_lines_come_whole_over_the_borders_of_reads()
    {
        var line = new string('x', 300_000) + Secret + new string('y', 300_000);
        await File.WriteAllTextAsync(SessionFile, $"{line}\n{line}\n", TestContext.Current.CancellationToken);

        await KeepAsync();

        var redacted = line.Replace(Secret, "***", StringComparison.Ordinal);
        Assert.Equal($"{redacted}\n{redacted}\n", await KeptAsync());
    }

    [Fact]
    public async Task A_link_a_folder_and_nothing_at_all_are_not_kept()
    {
        await KeepAsync();
        Assert.Null(Conversations.Of(Run));

        var elsewhere = Path.Combine(folder, "elsewhere");
        await File.WriteAllTextAsync(elsewhere, "of the host\n", TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(SessionFile, elsewhere);
        await KeepAsync();
        Assert.Null(Conversations.Of(Run));

        File.Delete(SessionFile);
        Directory.CreateDirectory(SessionFile);
        await KeepAsync();
        Assert.Null(Conversations.Of(Run));

        Directory.Delete(SessionFile);
        Directory.Delete(Place);
        Directory.CreateDirectory(Path.Combine(folder, "other"));
        await File.WriteAllTextAsync(
            Path.Combine(folder, "other", Session + ".jsonl"), "of the host\n", TestContext.Current.CancellationToken);
        Directory.CreateSymbolicLink(
            Path.Combine(Run.Home, ".claude", "projects", "link"), Path.Combine(folder, "other"));
        await KeepAsync();
        Assert.Null(Conversations.Of(Run));
    }

    [Fact]
    public async Task A_line_without_an_end_is_given_up_and_nothing_is_left_of_it()
    {
        await File.WriteAllTextAsync(
            SessionFile, new string('x', (16 * 1024 * 1024) + 70_000), TestContext.Current.CancellationToken);

        await KeepAsync();

        Assert.Null(Conversations.Of(Run));
        Assert.Empty(Directory.GetFiles(folder, "conversation*"));
    }

    [Fact]
    public async Task After_thirty_days_it_is_expired()
    {
        await File.WriteAllTextAsync(SessionFile, "a\n", TestContext.Current.CancellationToken);
        await KeepAsync();
        var file = Conversations.Of(Run)!;
        var kept = new DateTimeOffset(File.GetLastWriteTimeUtc(file));

        Assert.Empty(Artefacts.ExpiredOf(Run, kept.AddDays(29), TimeSpan.FromDays(30)));
        Assert.Equal([file], Artefacts.ExpiredOf(Run, kept.AddDays(31), TimeSpan.FromDays(30)));
    }

    private Task KeepAsync() => Conversations.KeepAsync(Run, Session, new Redactor([Secret]));

    private Task<string> KeptAsync() =>
        File.ReadAllTextAsync(Conversations.Of(Run)!, TestContext.Current.CancellationToken);
}
