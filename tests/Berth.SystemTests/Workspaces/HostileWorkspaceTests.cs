using System.Text;
using Berth.Engine.Git;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>FAULTS D 33: nothing that an agent leaves in its workspace runs on the host.</summary>
public sealed class HostileWorkspaceTests
{
    private static CancellationToken Soon => GitPlayground.Soon;

    [Theory]
    [InlineData("config")]
    [InlineData("git folder replaced by a file")]
    [InlineData("git folder replaced by a link")]
    [InlineData("alternates elsewhere")]
    public async Task Nothing_that_the_agent_left_in_the_workspace_runs_on_the_host(string trap)
    {
        await using var place = new GitPlayground();
        var canary = place.At("canary");
        var repository = await place.RepositoryAsync();
        await File.WriteAllTextAsync(Path.Combine(repository, ".gitattributes"), "* filter=evil diff=evil\n", Soon);
        await place.CommitAsync(repository, "Attributes");
        await File.WriteAllTextAsync(Path.Combine(place.Home, ".gitconfig"), Evil(canary), Soon);
        var workspaces = place.Workspaces();
        var prepared = await workspaces.PrepareAsync(place.Request(repository), Soon);
        Assert.False(File.Exists(canary));
        File.Delete(Path.Combine(place.Home, ".gitconfig"));
        await File.WriteAllTextAsync(Path.Combine(prepared.Path, "new.txt"), "new\n", Soon);
        await place.CommitAsync(prepared.Path, "Work");
        await place.BundleAsync(prepared.Run);
        await SetAsync(place, prepared.Path, trap, Evil(canary));

        var work = await workspaces.CollectAsync(prepared.Run, Soon);
        await workspaces.DeliverAsync(prepared.Run, work!, Soon);
        await workspaces.DiffAsync(prepared.Run, work!.HeadCommit, new DiffOrder(DiffForm.Stat), Stream.Null, Soon);
        await workspaces.DiffAsync(prepared.Run, work.HeadCommit, new DiffOrder(DiffForm.Patch), Stream.Null, Soon);
        await workspaces.PrepareAsync(place.Request(repository), Soon);
        await workspaces.ReleaseAsync(prepared.Run, Soon);

        Assert.False(File.Exists(canary));
    }

    [Fact]
    public async Task Hooks_of_the_users_repository_do_not_run_either()
    {
        await using var place = new GitPlayground();
        var canary = place.At("canary");
        var repository = await place.RepositoryAsync();
        foreach (var hook in new[] { "reference-transaction", "post-checkout", "post-index-change", "pre-auto-gc" })
        {
            await WriteProgramAsync(Path.Combine(repository, ".git", "hooks", hook), canary);
        }

        var workspaces = place.Workspaces();
        var request = place.Request(repository);
        await workspaces.InspectAsync(request.Source, null, request.Branch, countChanges: true, Soon);
        var run = await place.RunAsync(workspaces, request);
        var work = await workspaces.CollectAsync(run, Soon);
        await workspaces.DeliverAsync(run, work!, Soon);

        Assert.False(File.Exists(canary));
    }

    [Theory]
    [InlineData("link", "symbolic link")]
    [InlineData("pipe", "regular file")]
    [InlineData("folder", "regular file")]
    [InlineData("empty", "regular file")]
    [InlineData("noise", "no git bundle")]
    [InlineData("filter", "leaves objects out")]
    [InlineData("no ref", "neither HEAD")]
    [InlineData("big", "bytes and may have")]
    [InlineData("cut", "")]
    [InlineData("other history", "")]
    public async Task A_bundle_that_is_not_what_it_should_be_is_refused(string kind, string why)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces(options => options with { MaxBundleBytes = kind is "big" ? 100 : 1_000_000 });
        var run = await place.RunAsync(workspaces, place.Request(repository));
        await SpoilAsync(place, run, kind);

        var failure = (await Assert.ThrowsAsync<FailureException>(() => workspaces.CollectAsync(run, Soon))).Failure;

        Assert.Equal(("bundle_refused", Fault.Agent), (failure.Code, failure.Fault));
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
        Assert.Empty(await place.GitAsync(run.Mirror, "fsck", "--no-dangling"));
    }

    [Fact]
    public async Task A_tree_that_would_write_into_a_git_folder_is_refused()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository));
        var make = "blob=$(echo x | git hash-object -w --stdin); "
            + "inner=$(printf '100644 blob %s\\tconfig\\n' $blob | git mktree); "
            + "tree=$(printf '040000 tree %s\\t.GIT\\n' $inner | git mktree); "
            + "git update-ref HEAD $(git commit-tree -p HEAD -m evil $tree)";
        await place.GitAsync(run.RunDirectory.Workspace, "-c", $"alias.evil=!{make}", "evil");
        await place.BundleAsync(run);

        var failure = (await Assert.ThrowsAsync<FailureException>(() => workspaces.CollectAsync(run, Soon))).Failure;

        Assert.Equal("bundle_refused", failure.Code);
    }

    private static string Evil(string canary) => $"""
        [core]
        	fsmonitor = touch {canary}
        	sshCommand = touch {canary}
        	pager = touch {canary}
        	hooksPath = /tmp
        	alternateRefsCommand = touch {canary}
        [filter "evil"]
        	clean = touch {canary}; cat
        	smudge = touch {canary}; cat
        [diff "evil"]
        	textconv = touch {canary}; cat
        	command = touch {canary}
        [diff]
        	external = touch {canary}
        [uploadpack]
        	packObjectsHook = touch {canary}

        """;

    private static async Task SetAsync(GitPlayground place, string workspace, string trap, string evil)
    {
        var inside = Path.Combine(workspace, ".git");
        await File.AppendAllTextAsync(Path.Combine(inside, "config"), evil, Soon);
        if (trap is "alternates elsewhere")
        {
            await File.WriteAllTextAsync(
                Path.Combine(inside, "objects", "info", "alternates"), "/nowhere/objects\n", Soon);
        }
        else if (trap is not "config")
        {
            var away = place.At("moved.git");
            Directory.Move(inside, away);
            if (trap.EndsWith("file", StringComparison.Ordinal))
            {
                await File.WriteAllTextAsync(inside, $"gitdir: {away}\n", Soon);
            }
            else
            {
                File.CreateSymbolicLink(inside, away);
            }
        }
    }

    private static async Task SpoilAsync(GitPlayground place, RunWorkspace run, string kind)
    {
        var file = run.RunDirectory.BundleFile;
        var content = await File.ReadAllBytesAsync(file, Soon);
        File.Delete(file);
        switch (kind)
        {
            case "link":
                File.CreateSymbolicLink(file, "/etc/passwd");
                break;
            case "pipe":
                await place.GitAsync(place.Root, "-c", $"alias.pipe=!mkfifo {file}", "pipe");
                break;
            case "folder":
                Directory.CreateDirectory(file);
                break;
            case "other history":
                var other = await place.RepositoryAsync("other", files: 7);
                await place.CommitAsync(other, "Second");
                await place.GitAsync(other, "bundle", "create", "--quiet", file, "HEAD~1..HEAD", "HEAD");
                break;
            default:
                await File.WriteAllBytesAsync(file, Spoilt(kind, content), Soon);
                break;
        }
    }

    private static byte[] Spoilt(string kind, byte[] content) => kind switch
    {
        "empty" => [],
        "noise" => [.. Enumerable.Range(0, 5_000).Select(i => (byte)(i * 7))],
        "filter" => [.. Encoding.UTF8.GetBytes($"# v3 git bundle\n@filter=blob:none\n{new string('a', 40)} HEAD\n\n")],
        "no ref" =>
            [.. Encoding.UTF8.GetBytes($"# v2 git bundle\n{new string('a', 40)} refs/heads/other\n\n"), .. content],
        "cut" => content[..^30],
        _ => content,
    };

    private static async Task WriteProgramAsync(string path, string canary)
    {
        await File.WriteAllTextAsync(path, $"#!/bin/sh\ntouch {canary}\n", Soon);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
