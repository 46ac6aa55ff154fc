using System.Text.Json;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.SystemTests.Workspaces;
using Xunit;

namespace Berth.SystemTests.Delivery;

/// <summary>Pushes against real git servers, without an agent: who is told what, and what a remote may
/// answer.</summary>
public sealed class RemotePushTests
{
    private const string Token = "t0ken-of-the-tests-0123456789";

    private static CancellationToken Soon => GitPlayground.Soon;

    [Fact]
    public async Task A_branch_is_pushed_with_the_token_of_its_host_and_pushing_again_is_the_same()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync(Token);
        var (run, work) = await place.WorkAsync(server);
        place.WriteCredentials(server.Name, new { token = Token });
        var dead = place.Write("config/ask-dead.sock", string.Empty);
        File.SetLastWriteTimeUtc(dead, DateTime.UtcNow.AddDays(-1));

        var pushed = await place.PushAsync(run, work);
        var again = await place.PushAsync(run, work);

        Assert.Equal((PushState.Pushed, run.Branch, work.HeadCommit), (pushed.State, pushed.Branch, pushed.Commit));
        Assert.Equal(pushed, again);
        Assert.Equal(work.HeadCommit, await place.RemoteAsync("rev-parse", $"refs/heads/{run.Branch}"));
        Assert.Empty(Directory.GetFiles(place.Git.At("config"), "*.sock"));
    }

    [Fact]
    public async Task D36_A_remote_that_is_down_is_asked_a_few_times_and_then_named()
    {
        await using var place = new Place();
        var server = await place.ServeAsync(Token);
        var (run, work) = await place.WorkAsync(server);
        place.WriteCredentials(server.Name, new { token = Token });
        await server.DisposeAsync();

        var failed = await place.PushAsync(run, work);
        await using var back = await GitHttpServer.StartAsync(place.Remotes, Soon, Token, port: server.Port);
        var pushed = await place.PushAsync(run, work, failed);

        Assert.Equal((PushState.Failed, "push_unreachable", 3), (failed.State, failed.Error?.Code, failed.Attempts));
        Assert.Contains("berth deliver", failed.Error!.Hint, StringComparison.Ordinal);
        Assert.Equal((PushState.Pushed, 4), (pushed.State, pushed.Attempts));
        Assert.Null(pushed.Error);
    }

    [Fact]
    public async Task D36_A_remote_that_refuses_is_asked_once_and_its_reason_is_told()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync(Token);
        var (run, work) = await place.WorkAsync(server);
        place.WriteCredentials(server.Name, new { token = Token });
        var hook = Path.Combine(place.Remote, "hooks", "pre-receive");
        await File.WriteAllTextAsync(hook, "#!/bin/sh\necho 'branches are closed today' >&2\nexit 1\n", Soon);
        File.SetUnixFileMode(hook, (UnixFileMode)0x1ED);

        var refused = await place.PushAsync(run, work);

        Assert.Equal((PushState.Failed, "push_refused", 1), (refused.State, refused.Error?.Code, refused.Attempts));
        Assert.Contains("branches are closed today", refused.Error!.Message, StringComparison.Ordinal);
        Assert.Contains("pre-receive hook declined", refused.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task D36_A_branch_that_is_there_with_other_work_is_left_alone()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync();
        var (run, work) = await place.WorkAsync(server);
        await place.RemoteAsync("branch", run.Branch, "main");
        await place.RemoteAsync("branch", $"{run.Branch}-2", "main");

        var pushed = await place.PushAsync(run, work);

        Assert.Equal((PushState.Pushed, $"{run.Branch}-3"), (pushed.State, pushed.Branch));
        var main = await place.RemoteAsync("rev-parse", "main");
        Assert.Equal(main, await place.RemoteAsync("rev-parse", run.Branch));
        Assert.Equal(main, await place.RemoteAsync("rev-parse", $"{run.Branch}-2"));
    }

    [Fact]
    public async Task A_branch_whose_parent_is_a_branch_there_gets_a_name_without_a_slash()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync();
        var (run, work) = await place.WorkAsync(server);
        await place.RemoteAsync("branch", "berth", "main");

        var pushed = await place.PushAsync(run, work);

        Assert.Equal((PushState.Pushed, run.Branch.Replace('/', '-')), (pushed.State, pushed.Branch));
    }

    [Fact]
    public async Task D37_A_wrong_token_is_told_to_nobody()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync(Token);
        var (run, work) = await place.WorkAsync(server);
        const string Wrong = "wr0ng-token-0123456789";
        place.WriteCredentials(server.Name, new { token = Wrong });

        var failed = await place.PushAsync(run, work);

        Assert.Equal((PushState.Failed, "push_authentication_failed"), (failed.State, failed.Error?.Code));
        Assert.DoesNotContain(Wrong, failed.Error!.Message, StringComparison.Ordinal);
        Assert.Contains(server.Asked, asked => asked.Authorization is not null);
    }

    [Fact]
    public async Task D37_A_redirect_to_another_host_gets_no_credential()
    {
        await using var place = new Place();
        await using var other = await place.ServeAsync(Token);
        await using var server = await place.ServeAsync(redirectTo: other.Url(string.Empty).TrimEnd('/'));
        var (run, work) = await place.WorkAsync(server);
        place.WriteCredentials(server.Name, new { token = Token });

        var failed = await place.PushAsync(run, work);

        Assert.Equal(PushState.Failed, failed.State);
        Assert.NotEmpty(other.Asked);
        Assert.All(other.Asked, asked => Assert.Null(asked.Authorization));
    }

    [Fact]
    public async Task A_host_with_another_name_or_port_gets_no_credential()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync(Token);
        var (run, work) = await place.WorkAsync(server);
        place.WriteCredentials("127.0.0.1", new { token = Token });

        var failed = await place.PushAsync(run, work);

        Assert.Equal("push_authentication_failed", failed.Error?.Code);
        Assert.All(server.Asked, asked => Assert.Null(asked.Authorization));
    }

    [Fact]
    public async Task D33_Nothing_of_the_users_git_configuration_and_of_his_hooks_runs()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync(Token);
        var (run, work) = await place.WorkAsync(server);
        var marker = place.Git.At("ran");
        var hooks = Directory.CreateDirectory(place.Git.At("hooks")).FullName;
        foreach (var hook in new[] { "pre-push", "reference-transaction" })
        {
            await File.WriteAllTextAsync(Path.Combine(hooks, hook), $"#!/bin/sh\ntouch '{marker}'\n", Soon);
            File.SetUnixFileMode(Path.Combine(hooks, hook), (UnixFileMode)0x1ED);
        }

        await File.WriteAllTextAsync(
            Path.Combine(place.Git.Home, ".gitconfig"),
            $"[core]\n\thooksPath = {hooks}\n\taskPass = touch {marker}\n[credential]\n\thelper = !touch {marker}\n"
            + "[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = http://127.0.0.1\n[push]\n\tgpgSign = true\n",
            Soon);
        await File.WriteAllTextAsync(
            Path.Combine(place.Git.Home, ".netrc"), "machine 127.0.0.1 login me password mine\n", Soon);

        var failed = await place.PushAsync(run, work);
        place.WriteCredentials(server.Name, new { token = Token });
        var pushed = await place.PushAsync(run, work);

        Assert.Equal("push_authentication_failed", failed.Error?.Code);
        Assert.Equal(PushState.Pushed, pushed.State);
        Assert.False(File.Exists(marker));
        Assert.DoesNotContain(
            server.Asked, asked => asked.Authorization?.Contains("bWluZQ", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task A_private_repository_is_fetched_with_the_same_token()
    {
        await using var place = new Place();
        await using var server = await place.ServeAsync(Token);
        place.WriteCredentials(server.Name, new { tokenFile = place.Write("token", Token + "\n"), user = "oauth2" });

        var (run, _) = await place.WorkAsync(server, isPrivate: true);

        Assert.NotNull(run.BaseCommit);
        Assert.DoesNotContain(
            Directory.GetFiles(place.Git.MirrorsFolder, "config", SearchOption.AllDirectories),
            file => File.ReadAllText(file).Contains(Token, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_key_reaches_a_server_by_ssh_and_an_unknown_server_is_not_spoken_to()
    {
        await using var place = new Place();
        await place.MakeRemoteAsync();
        await using var server = await SshServer.StartAsync(place.Git.Root, Soon);
        var (run, work) = await place.WorkAsync(place.Remote);
        var remote = server.Url(place.Remote);
        place.WriteCredentials(server.Name, new { sshKey = server.UserKey, knownHosts = server.OtherKnownHosts });

        var unknown = await place.PushAsync(run, work, remote: remote);
        place.WriteCredentials(server.Name, new { sshKey = server.UserKey, knownHosts = server.KnownHosts });
        var pushed = await place.PushAsync(run, work, remote: remote);
        place.WriteCredentials(server.Name, new { sshKey = server.OtherKey, knownHosts = server.KnownHosts });
        var stranger = await place.PushAsync(run, work, remote: remote);

        Assert.Equal("push_untrusted", unknown.Error?.Code);
        Assert.Null(pushed.Error);
        Assert.Equal(PushState.Pushed, pushed.State);
        Assert.Equal("push_authentication_failed", stranger.Error?.Code);
    }

    [Fact]
    public async Task A_secret_in_what_would_be_sent_is_named_by_its_place_and_nothing_is_sent()
    {
        const string Secret = "hunter2-is-a-secret";
        await using var place = new Place();
        await using var server = await place.ServeAsync();
        var (run, work) = await place.WorkAsync(server, ("notes.txt", $"one\ntwo {Secret}\n"));

        var blocked = await place.PushAsync(run, work, secrets: Redactor.OfValues([Secret]));

        Assert.Equal((PushState.Blocked, "push_blocked_by_secret"), (blocked.State, blocked.Error?.Code));
        Assert.Contains("notes.txt:2 (commit ", blocked.Error!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, blocked.Error.Message, StringComparison.Ordinal);
        Assert.Equal("main", await place.RemoteAsync("branch", "--format=%(refname:short)"));
    }

    /// <summary>A playground with a remote and a file of credentials.</summary>
    private sealed class Place : IAsyncDisposable
    {
        private string? url;

        public GitPlayground Git { get; } = new(SystemTestEnvironment.Supervisor);

        public string Remotes => Git.At("remotes");

        public string Remote => Path.Combine(Remotes, "shop.git");

        public string Write(string name, string text)
        {
            var file = Git.At(name);
            File.WriteAllText(file, text);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return file;
        }

        public void WriteCredentials(string host, object entry) => Write(
            GitPlayground.CredentialsName,
            JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal) { [host] = entry }));

        public async Task MakeRemoteAsync()
        {
            if (Directory.Exists(Remote))
            {
                return;
            }

            var repository = await Git.RepositoryAsync("seed");
            Directory.CreateDirectory(Remotes);
            await Git.GitAsync(Git.Root, "clone", "--quiet", "--bare", repository, Remote);
            await Git.GitAsync(Remote, "config", "http.receivepack", "true");
        }

        public async Task<GitHttpServer> ServeAsync(string? token = null, string? redirectTo = null)
        {
            await MakeRemoteAsync();
            return await GitHttpServer.StartAsync(Remotes, Soon, token, redirectTo);
        }

        /// <summary>A run's work on the remote: taken from its files, unless it is to be asked for them.</summary>
        public Task<(RunWorkspace Run, CollectedWork Work)> WorkAsync(
            GitHttpServer server, (string Name, string Text)? file = null, bool isPrivate = false)
        {
            url = server.Url("shop.git");
            return WorkAsync(isPrivate ? url : Remote, file);
        }

        public async Task<(RunWorkspace Run, CollectedWork Work)> WorkAsync(
            string source, (string Name, string Text)? file = null)
        {
            var workspaces = Git.Workspaces();
            var prepared = await workspaces.PrepareAsync(Git.Request(source), Soon);
            var (name, text) = file ?? ("new.txt", "new\n");
            await File.WriteAllTextAsync(Path.Combine(prepared.Path, name), text, Soon);
            await Git.CommitAsync(prepared.Path, "Work");
            await Git.BundleAsync(prepared.Run);
            return (prepared.Run, (await workspaces.CollectAsync(prepared.Run, Soon))!);
        }

        public Task<PushRecord> PushAsync(
            RunWorkspace run, CollectedWork work, PushRecord? earlier = null, Redactor? secrets = null,
            string? remote = null) => Git.Workspaces().PushAsync(
            run,
            work,
            earlier ?? new() { State = PushState.Failed, Remote = remote ?? url!, Branch = run.Branch },
            secrets,
            Soon);

        public Task<string> RemoteAsync(params string[] arguments) => Git.GitAsync(Remote, arguments);

        public ValueTask DisposeAsync() => Git.DisposeAsync();
    }
}
