using System.Text.RegularExpressions;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What people see on a terminal: script(1) gives the commands one.</summary>
public sealed partial class TerminalTests
{
    private const string Script = "/usr/bin/script";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F66_What_is_copied_from_a_terminal_is_a_patch()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("TERM", "xterm");
        var id = await ChangeAsync(
            home, "printf 'a\\tb  \\n%0300d\\n\\n-- x\\nw\\303\\244rts\\r\\n' 7 > f.txt; mkdir d; echo x > d/g");
        var piped = await home.BerthAsync(Cancel, "diff", id);
        var plain = await TypeAsync(home, "diff", id, "--no-pager", "--color", "never");
        var coloured = await TypeAsync(home, "diff", id, "--no-pager");

        Assert.Equal((0, piped.Output), (plain.ExitCode, plain.Output));
        Assert.Contains("\u001b[32m+a\tb  \u001b[m", coloured.Output, StringComparison.Ordinal);
        Assert.Equal(piped.Output, Colour.Replace(coloured.Output, string.Empty));
        var patch = Path.Combine(home.Folder, "copied.patch");
        await File.WriteAllTextAsync(patch, plain.Output, Cancel);
        await home.GitAsync(Cancel, "apply", "--check", patch);
    }

    [Fact]
    public async Task F66_An_escape_sequence_of_the_agents_does_not_reach_the_terminal_and_a_pipe_has_it_as_it_is()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("TERM", "xterm");
        var id = await ChangeAsync(home, "printf '\\033]0;owned\\007\\033[8mhidden\\n\\342\\200\\256abc\\n' > f.txt");
        var piped = await home.BerthAsync(Cancel, "diff", id);
        home.Set("GIT_PAGER", "cat -u");
        foreach (var way in (string[])["--no-pager", "--color=always"])
        {
            var shown = await TypeAsync(home, "diff", id, way);

            Assert.Contains("+^[]0;owned^G^[[8mhidden", shown.Output, StringComparison.Ordinal);
            Assert.Contains("+<U+202E>abc", shown.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("\u001b]", shown.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("\u001b[8m", shown.Output, StringComparison.Ordinal);
            Assert.Contains("is no patch then", Spaces.Replace(shown.Output, " "), StringComparison.Ordinal);
        }

        Assert.Contains("+\u001b]0;owned\u0007\u001b[8mhidden\n+\u202eabc\n", piped.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F66_The_pager_is_gits_and_what_a_repository_says_of_it_counts_for_nothing()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("TERM", "xterm");
        home.Set("PAGER", null);
        var id = await ChangeAsync(home, "echo x > f.txt");
        var pager = await PagerAsync(home);
        await home.GitAsync(Cancel, "config", "core.pager", $"{pager} repository");
        await File.WriteAllTextAsync(
            Path.Combine(home.Folder, "user", ".gitconfig"),
            $"[core]\n\tpager = {pager} configured 'two words'\n",
            Cancel);
        var configured = await TypeAsync(home, "diff", id);
        home.Set("GIT_PAGER", $"MARK=seen {pager} variable");
        var named = await TypeAsync(home, "diff", id);
        var stat = await TypeAsync(home, "diff", id, "--stat");
        var none = await TypeAsync(home, "diff", id, "--no-pager");

        Assert.Contains("<configured|two words|FRX|>", configured.Output, StringComparison.Ordinal);
        Assert.Contains("+x", configured.Output, StringComparison.Ordinal);
        Assert.Contains("<variable|FRX|seen>", named.Output, StringComparison.Ordinal);
        Assert.Contains("<variable|FRX|seen>", stat.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("<", none.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("<", (await home.BerthAsync(Cancel, "diff", id)).Output, StringComparison.Ordinal);
        Assert.All([configured, named, stat, none], each => Assert.Equal(0, each.ExitCode));
    }

    [Fact]
    public async Task F66_A_pager_that_quits_early_is_no_error_and_one_that_needs_a_shell_is_named()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("TERM", "xterm");
        var id = await ChangeAsync(home, "seq 1 200000 > f.txt");
        home.Set("GIT_PAGER", "head -n 1");
        var quit = await TypeAsync(home, "diff", id);
        using var piping = home.StartProgram(
            "/bin/bash", null, "-c", "\"$0\" diff \"$1\" | head -n 1; echo ${PIPESTATUS[0]}", home.Program, id);
        var piped = await piping.EndAsync(Cancel);
        home.Set("GIT_PAGER", $"touch {home.Folder}/owned | true");
        home.Set("LESS", "-E");
        var shell = await TypeAsync(home, "diff", id, "--stat");
        home.Set("GIT_PAGER", "no-such-pager");
        var missing = await TypeAsync(home, "diff", id, "--stat");

        Assert.Equal(0, quit.ExitCode);
        Assert.InRange(quit.Output.Length, 1, 1000);
        Assert.Equal(("diff --git a/f.txt b/f.txt\n141\n", string.Empty), (piped.Output, piped.Error));
        Assert.Contains("needs a shell", shell.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(home.Folder, "owned")));
        Assert.Contains("was not found", missing.Output, StringComparison.Ordinal);
        Assert.Contains("f.txt", missing.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F67_Progress_of_a_run_is_on_standard_error_and_its_outcome_on_standard_output()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var run = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("bash echo x > x.txt\n---\ntext All done."));

        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Contains("Bash", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Bash", run.Output, StringComparison.Ordinal);
        Assert.Contains("succeeded", run.Output, StringComparison.Ordinal);
        Assert.Contains("berth/implement/", run.Output, StringComparison.Ordinal);
    }

    private static async Task<string> ChangeAsync(BerthHome home, string command)
    {
        var (result, run) = await home.RunAsync($"bash {command}\n---\ntext Done.", Cancel);
        Assert.True(result.ExitCode == 0, result.Error);
        return run.GetProperty("id").GetString()!;
    }

    private static async Task<string> PagerAsync(BerthHome home)
    {
        var pager = Path.Combine(home.Folder, "pager");
        await File.WriteAllTextAsync(
            pager, "#!/bin/bash\nprintf '<'; printf '%s|' \"$@\" \"$LESS\"; printf '%s>\\n' \"$MARK\"; cat\n", Cancel);
        File.SetUnixFileMode(pager, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return pager;
    }

    // A terminal makes two characters of the end of a line; who copies has one.
    private static async Task<CommandResult> TypeAsync(BerthHome home, params string[] arguments)
    {
        var words = string.Join(' ', arguments.Prepend(home.Program).Select(word => $"'{word}'"));
        using var running = home.StartProgram(Script, null, "-q", "-e", "-c", words, "/dev/null");
        var result = await running.EndAsync(Cancel);
        return result with { Output = result.Output.Replace("\r\n", "\n", StringComparison.Ordinal) };
    }

    [GeneratedRegex("\u001b\\[[0-9]*m", RegexOptions.None, 1000)]
    private static partial Regex Colour { get; }

    [GeneratedRegex("\\s+", RegexOptions.None, 1000)]
    private static partial Regex Spaces { get; }
}
