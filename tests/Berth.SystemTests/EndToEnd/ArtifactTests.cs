using System.Text.Json;
using Berth.Engine;
using Berth.Protocol;
using Berth.SystemTests.Executors;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What an agent leaves in $BERTH_ARTIFACTS, typed and downloaded as a user does.</summary>
public sealed class ArtifactTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_the_agent_leaves_is_listed_and_downloaded_with_what_the_run_has_itself()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "bash mkdir $BERTH_ARTIFACTS/deep && printf '\\0\\1\\377' > $BERTH_ARTIFACTS/deep/raw.bin "
                + "&& echo report > $BERTH_ARTIFACTS/report.txt && echo x > x\n---\ntext Done.",
            Cancel);
        var id = run.GetProperty("id").GetString()!;

        var list = (await home.BerthAsync(Cancel, "artifacts", id, "--json")).Json;
        var table = await home.BerthAsync(Cancel, "artifacts", id);
        var shown = await home.BerthAsync(Cancel, "artifacts", id, "files/report.txt");
        var patch = await home.BerthAsync(Cancel, "artifacts", id, "changes.patch");
        var all = await home.BerthAsync(Cancel, "artifacts", id, "--all", "--output", "../left");
        var again = await home.BerthAsync(Cancel, "artifacts", id, "--all", "--output", "../left");
        var forced = await home.BerthAsync(Cancel, "artifacts", id, "--all", "--output", "../left", "--force");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal(
            ["conversation.jsonl", "transcript.ndjson", "changes.patch", "files/deep/raw.bin", "files/report.txt"],
            list.EnumerateArray().Select(each => each.GetProperty("name").GetString()));
        Assert.Equal(3, list[3].GetProperty("bytes").GetInt64());
        Assert.Equal(JsonValueKind.Null, list[2].GetProperty("bytes").ValueKind);
        Assert.Contains("files/report.txt", table.Output, StringComparison.Ordinal);
        Assert.Equal("report\n", shown.Output);
        Assert.Contains("Subject: [PATCH]", patch.Output, StringComparison.Ordinal);
        Assert.True(all.ExitCode == 0, all.Error);
        Assert.Equal(
            [0, 1, 255], await File.ReadAllBytesAsync(Path.Combine(home.Folder, "left/files/deep/raw.bin"), Cancel));
        Assert.Equal(
            await File.ReadAllTextAsync(home.RunFile(id, "events.ndjson"), Cancel),
            await File.ReadAllTextAsync(Path.Combine(home.Folder, "left/transcript.ndjson"), Cancel));
        Assert.Equal(2, again.ExitCode);
        Assert.Contains("file_exists", again.Error, StringComparison.Ordinal);
        Assert.Equal(0, forced.ExitCode);
        Assert.False(Directory.Exists(home.RunFile(id, "artifacts-inside")));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite,
            File.GetUnixFileMode(home.RunFile(id, "artifacts/report.txt")));
    }

    [Fact]
    public async Task Links_pipes_secrets_too_many_and_too_much_are_left_out_and_said()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("BERTH_ARTIFACTS_BYTES", "1M");
        var (command, run) = await home.RunAsync(
            """
            bash cd $BERTH_ARTIFACTS && ln -s /etc/passwd link && mkfifo pipe && echo "it is $API_PASSWORD" > told && mkdir -p deep/$(seq -s / 20) && echo far > deep/$(seq -s / 20)/far && truncate -s 2M big && touch "$(printf 'new\nline')" "$API_PASSWORD.txt" && mkdir zmany && cd zmany && touch $(seq 2000)
            ---
            text Done.
            """,
            Cancel, "--env", "API_PASSWORD=correct-horse-battery");
        var id = run.GetProperty("id").GetString()!;

        var list = (await home.BerthAsync(Cancel, "artifacts", id, "--json")).Json.EnumerateArray()
            .Select(each => each.GetProperty("name").GetString()!).ToList();
        var files = list.Where(name => name.StartsWith("files/", StringComparison.Ordinal)).ToList();
        var told = await home.BerthAsync(Cancel, "artifacts", id, "files/told");
        var warnings = run.GetProperty("warnings").EnumerateArray().Select(each => each.GetString()!).ToList();

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal(1000, files.Count);
        Assert.Equal("it is ***\n", told.Output);
        Assert.Contains("files/***.txt", files, StringComparer.Ordinal);
        Assert.DoesNotContain(files, name => name.Contains("link", StringComparison.Ordinal)
            || name.Contains("pipe", StringComparison.Ordinal) || name.Contains("big", StringComparison.Ordinal)
            || name.Contains('\n', StringComparison.Ordinal) || name.EndsWith("far", StringComparison.Ordinal));
        Assert.DoesNotContain(list, name => name.Contains("correct-horse", StringComparison.Ordinal));
        Assert.Contains(warnings, text => text.Contains("link was left out: it is a link", StringComparison.Ordinal));
        Assert.Contains(warnings, text => text.Contains("more artefacts were left out", StringComparison.Ordinal));
        Assert.DoesNotContain("correct-horse", string.Concat(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_had_is_refused_by_its_code()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync("text Done.", Cancel);
        var id = run.GetProperty("id").GetString()!;
        foreach (var name in new[]
        {
            "files/nosuch", "files/../events.ndjson", "files//etc/passwd", "../../berth.db", "/etc/passwd",
            "events.ndjson", "changes.patch", "files/", "files", "host.lock",
        })
        {
            var refused = await home.BerthAsync(Cancel, "artifacts", id, name);
            Assert.Equal((2, string.Empty), (refused.ExitCode, refused.Output));
            Assert.Contains("artifact_not_found", refused.Error, StringComparison.Ordinal);
        }

        var there = await home.BerthAsync(
            Cancel, "artifacts", id, "transcript.ndjson", "--output", Path.Combine(home.Repository, "README.md"));
        var nowhere = await home.BerthAsync(Cancel, "artifacts", id, "transcript.ndjson", "--output", "no/such/folder");
        var usage = await home.BerthAsync(Cancel, "artifacts", id, "--all");
        Assert.Contains("file_exists", there.Error, StringComparison.Ordinal);
        Assert.Contains("file_unwritable", nowhere.Error, StringComparison.Ordinal);
        Assert.Equal(2, usage.ExitCode);
    }

    [Fact]
    public async Task In_Docker_it_is_the_same()
    {
        await using var home = await DockerHome.CreateAsync();
        var (command, run) = await home.RunAsync(
            "bash mkdir $BERTH_ARTIFACTS/deep && echo report > $BERTH_ARTIFACTS/deep/report.txt\n---\ntext Done.",
            Cancel, "--mode", "docker");

        Assert.True(command.ExitCode == 0, command.Error);
        var id = run.GetProperty("id").GetString()!;
        var shown = await home.BerthAsync(Cancel, "artifacts", id, "files/deep/report.txt");
        Assert.Equal("report\n", shown.Output);
        Assert.False(Directory.Exists(home.RunFile(id, "artifacts-inside")));
    }

    [Fact]
    public async Task A_disk_without_room_leaves_out_what_does_not_fit_and_nothing_half_made()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "A small disk can only be mounted by root.");
        var mount = Directory.CreateTempSubdirectory("berth-small-disk-").FullName;
        await ExecutorStage.ToolAsync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=0700", "berth-test", mount]);
        try
        {
            var run = new RunDirectory(mount);
            Directory.CreateDirectory(run.ArtifactsInside);
            await File.WriteAllBytesAsync(Path.Combine(run.ArtifactsInside, "big"), new byte[150_000], Cancel);
            await File.WriteAllBytesAsync(Path.Combine(run.ArtifactsInside, "small"), new byte[1000], Cancel);

            var taken = await ArtefactHarvest.TakeAsync(run, Redactor.None, long.MaxValue, Cancel);

            Assert.Equal((1, 1000L), (taken.Files, taken.Bytes));
            Assert.Contains("No space left", Assert.Single(taken.LeftOut), StringComparison.Ordinal);
            Assert.Equal(
                [Path.Combine(run.ArtifactsFolder, "small")], Directory.GetFileSystemEntries(run.ArtifactsFolder));
            Assert.Equal(2, Directory.GetFileSystemEntries(mount).Length);
        }
        finally
        {
            await ExecutorStage.ToolAsync("umount", ["--lazy", mount]);
            Directory.Delete(mount);
        }
    }

    [Fact]
    public async Task Without_a_sandbox_the_folder_is_the_hosts_and_a_link_in_its_place_leads_nowhere()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, written) = await home.RunAsync(
            "bash echo here > $BERTH_ARTIFACTS/a\n---\ntext Done.", Cancel, "--sandbox", "none");
        var (_, linked) = await home.RunAsync(
            "bash rmdir $BERTH_ARTIFACTS && ln -s /etc $BERTH_ARTIFACTS\n---\ntext Done.", Cancel, "--sandbox", "none");

        var shown = await home.BerthAsync(Cancel, "artifacts", written.GetProperty("id").GetString()!, "files/a");
        var list = await home.BerthAsync(Cancel, "artifacts", linked.GetProperty("id").GetString()!);
        Assert.Equal("here\n", shown.Output);
        Assert.DoesNotContain("files/", list.Output, StringComparison.Ordinal);
    }
}
