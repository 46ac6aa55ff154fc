using System.Globalization;
using System.Net;
using System.Text.Json;
using Berth.Engine.Processes;
using Berth.SystemTests.EndToEnd;
using Berth.SystemTests.Executors;
using Microsoft.Data.Sqlite;
using Xunit;
using Xunit.Sdk;

namespace Berth.SystemTests.Server;

/// <summary>A server whose database is locked, full, damaged, read-only or of a newer version.</summary>
public sealed class DatabaseFaultTests
{
    private const string Waits = $"bash {HomeRuns.WaitForGo}; echo hello > hello.txt\n---\ntext Done.";

    // A statement waits 30 s for a lock before it gives up.
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task E43_locked_for_a_while_it_refuses_by_name_and_the_run_goes_on_under_its_supervisor()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var id = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;
        await StartedAsync(server.Home, id);

        JsonElement refused;
        await using (var holder = await HoldAsync(server.Home))
        {
            var submitting = server.AskAsync(
                HttpMethod.Post, "/api/v1/runs", Soon, server.Body("text Done."));
            server.Home.LetGo(id);
            await Eventually.TrueAsync(
                () => File.Exists(server.Home.RunFile(id, "exit.json")), "the agent ends", Bound);
            var shown = await server.ShowAsync(id, Soon);
            refused = Problem(HttpStatusCode.ServiceUnavailable, await submitting);
            await Eventually.TrueAsync(
                () => !LockFile.IsHeld(server.Home.RunFile(id, "host.lock")), "the host lets go of the run", Bound);
            Assert.Equal("running", shown.GetProperty("state").GetString());
        }

        var run = await server.FinalAsync(id, Soon);
        var events = await server.EventsAsync(id, after: 0, Soon);
        var next = await server.FinalAsync(
            (await server.SubmitAsync("text Done.", Soon)).GetProperty("id").GetString()!, Soon);
        server.Signal(15);
        await server.EndAsync(Soon);
        var log = await server.LogAsync();

        Assert.Equal("database_busy", refused.GetProperty("code").GetString());
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("done", run.GetProperty("cleanup").GetProperty("state").GetString());
        Assert.Equal(
            Enumerable.Range(1, events.Count).Select(seq => (long)seq),
            events.Select(entry => entry.GetProperty("seq").GetInt64()));
        Assert.Equal("succeeded", next.GetProperty("state").GetString());
        Assert.Contains($"run {id} is its supervisor's alone", log, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", log, StringComparison.Ordinal);
        Assert.InRange(
            log.Split('\n').Count(line => line.Contains("database", StringComparison.Ordinal)), 1, 20);
    }

    [Fact]
    public async Task E43_full_it_refuses_by_name_and_works_on_when_there_is_room()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can make a small disk.");
        await using var home = new SmallHome(await BerthHome.CreateAsync(Soon));
        await home.MountAsync();
        var server = await ServerHome.StartOnAsync(home.Home, Soon);
        try
        {
            var id = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;
            await StartedAsync(home.Home, id);
            home.Fill();

            var refused = Problem(
                HttpStatusCode.ServiceUnavailable,
                await server.AskAsync(HttpMethod.Post, "/api/v1/runs", Soon, server.Body("text Done.")));
            var shown = await server.ShowAsync(id, Soon);
            home.Empty();
            home.Home.LetGo(id);
            var run = await server.FinalAsync(id, Soon);

            Assert.Equal("disk_low", refused.GetProperty("code").GetString());
            Assert.Equal("running", shown.GetProperty("state").GetString());
            Assert.Equal("succeeded", run.GetProperty("state").GetString());
        }
        finally
        {
            server.Signal(15);
            await server.EndAsync(CancellationToken.None);
        }
    }

    [Theory]
    [InlineData("no database", "database_corrupt")]
    [InlineData("torn", "database_corrupt")]
    [InlineData("newer", "database_newer")]
    public async Task E43_one_that_cannot_be_used_is_refused_at_the_start_and_left_as_it_is(string how, string code)
    {
        await using var home = await BerthHome.CreateAsync(Soon);
        var file = Path.Combine(home.Home, "berth.db");
        await home.BerthAsync(Soon, "token", "create", "--name", "ada", "--role", "viewer");
        await SpoilAsync(file, how);
        var before = await File.ReadAllBytesAsync(file, Soon);

        var refused = await home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"({code})", refused.Error, StringComparison.Ordinal);
        Assert.Empty(refused.Output);
        Assert.Equal(before, await File.ReadAllBytesAsync(file, Soon));
        Assert.False(Directory.Exists(Path.Combine(home.Home, "runs")));
        File.Delete(file);
    }

    [Fact]
    public async Task E43_locked_at_the_start_it_is_refused_by_name()
    {
        await using var home = await BerthHome.CreateAsync(Soon);
        await home.BerthAsync(Soon, "token", "create", "--name", "ada", "--role", "viewer");
        CommandResult refused;
        await using (await HoldAsync(home))
        {
            refused = await home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");
        }

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("(database_busy)", refused.Error, StringComparison.Ordinal);
        Assert.Empty(refused.Output);
    }

    [Fact]
    public async Task E43_read_only_at_the_start_it_is_refused_by_name()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can make a file that it may not write.");
        await using var home = new SmallHome(await BerthHome.CreateAsync(Soon));
        await home.MountAsync();
        await home.Home.BerthAsync(Soon, "token", "create", "--name", "ada", "--role", "viewer");
        await SmallHome.ToolAsync("mount", "-o", "remount,ro", home.Home.Home);

        var refused = await home.Home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");

        Assert.Equal(1, refused.ExitCode);
        Assert.Matches("database_(read_only|unusable)", refused.Error);
        Assert.Empty(refused.Output);
    }

    private static Task StartedAsync(BerthHome home, string id) => Eventually.TrueAsync(
        () => File.Exists(home.RunFile(id, Path.Combine("workspace", "started"))), "the agent works", Bound);

    private static JsonElement Problem(HttpStatusCode expected, (HttpStatusCode Status, string Body) answer)
    {
        Assert.True(answer.Status == expected, $"{answer.Status}: {answer.Body}");
        return JsonDocument.Parse(answer.Body).RootElement.Clone();
    }

    private static async Task<SqliteConnection> HoldAsync(BerthHome home)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(home.Home, "berth.db")};Pooling=False");
        await connection.OpenAsync(Soon);
        await using var begin = connection.CreateCommand();
        begin.CommandText = "begin immediate";
        await begin.ExecuteNonQueryAsync(Soon);
        return connection;
    }

    private static async Task SpoilAsync(string file, string how)
    {
        if (how is "newer")
        {
            await using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
            await connection.OpenAsync(Soon);
            await using var change = connection.CreateCommand();
            change.CommandText = "pragma user_version = 999";
            await change.ExecuteNonQueryAsync(Soon);
            return;
        }

        var bytes = await File.ReadAllBytesAsync(file, Soon);
        bytes.AsSpan(how is "torn" ? 100 : 0).Fill((byte)'x');
        await File.WriteAllBytesAsync(file, bytes, Soon);
    }

    /// <summary>A home on a disk of its own, which holds little.</summary>
    private sealed class SmallHome(BerthHome home) : IAsyncDisposable
    {
        private const int Bytes = 48 * 1024 * 1024;
        private bool isMounted;

        public BerthHome Home => home;

        private string Filling => Path.Combine(home.Home, "filling");

        public async Task MountAsync()
        {
            Directory.CreateDirectory(home.Home);
            var size = string.Create(CultureInfo.InvariantCulture, $"size={Bytes},mode=0700");
            await ToolAsync("mount", "-t", "tmpfs", "-o", size, "berth-test", home.Home);
            isMounted = true;
            home.Set("BERTH_MIN_DISK", "1M");
            home.Set("BERTH_DISK_STOP", "0");
        }

        public void Fill()
        {
            try
            {
                using var file = File.Create(Filling, bufferSize: 1);
                var block = new byte[4096];
                for (var written = 0; written < Bytes; written += block.Length)
                {
                    file.Write(block);
                }
            }
            catch (IOException)
            {
                // Now it is full.
            }
        }

        public void Empty() => File.Delete(Filling);

        public static Task ToolAsync(string program, params string[] arguments) =>
            ExecutorStage.ToolAsync(program, arguments);

        public async ValueTask DisposeAsync()
        {
            if (isMounted)
            {
                // What still has it open has a moment to end.
                await Eventually.TrueAsync(
                    async () =>
                    {
                        try
                        {
                            await ToolAsync("umount", home.Home);
                            return true;
                        }
                        catch (XunitException)
                        {
                            return false;
                        }
                    },
                    "the small disk is let go");
            }

            await home.DisposeAsync();
        }
    }
}
