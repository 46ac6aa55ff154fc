using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Conversation;

/// <summary>What a process that a permitted call has left behind can do to the real CLI, which waits for people's
/// decisions.</summary>
public sealed class ApprovalAttackTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task F50_A_process_of_the_agents_cannot_answer_in_anybodys_place(string mode)
    {
        await using var home = mode is "docker" ? await DockerHome.CreateAsync() : await BerthHome.CreateAsync(Cancel);
        await OutcomeTests.WorkflowAsync(
            home, "careful", """["Bash(sh attack.sh)"]""", ("workflow.json", """{"permissions": "ask"}"""));
        await File.WriteAllTextAsync(
            Path.Combine(home.Repository, "attack.sh"),
            """
            # Looks for the CLI among all processes, and tries each way to its memory and its streams.
            found=0
            for process in /proc/[0-9]*
            do
              tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q '^/opt/claude/' || continue
              found=1
              for f in mem environ maps fd/0 fd/1 fd/2
              do (exec 3< $process/$f) 2>/dev/null && head -c 1 $process/$f >/dev/null 2>&1 && echo "reads $f"
              done
              for f in mem fd/0 fd/1 fd/2; do (exec 3>> $process/$f) 2>/dev/null && echo "writes $f"; done
              perl -e 'my $p = syscall(434, $ARGV[0], 0); print "takes a stream\n" if syscall(438, $p, 0, 0) >= 0;
                print "traces\n" if syscall(101, 16, $ARGV[0], 0, 0) == 0;' ${process#/proc/}
            done
            echo "found=$found"
            """,
            Cancel);
        await home.CommitAsync("Attack", Cancel);
        var command = await home.BerthAsync(
            Cancel,
            "run", "careful", BerthHome.Prompt("bash sh attack.sh\n---\ntext It says {{last}}"), "--mode", mode,
            "--json");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal("It says found=1", command.Json.GetProperty("result").GetString()?.Trim());
    }
}
