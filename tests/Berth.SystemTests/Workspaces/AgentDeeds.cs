using System.Globalization;
using System.Text;

namespace Berth.SystemTests.Workspaces;

/// <summary>A random sequence of what an agent may do to its repository, as a shell script. All that it writes holds a
/// word of its own, by which it is found again.</summary>
internal sealed class AgentDeeds(int seed)
{
    private const int MinDeeds = 3;
    private const int MaxDeeds = 12;

    // Git's own answers to what cannot be done are part of the sequence.
    private const string Begin = """
        exec 2> /dev/null > /dev/null
        cd "$WORKSPACE"
        export GIT_EDITOR=true GIT_MERGE_AUTOEDIT=no

        """;

    private readonly Random random = new(seed);
    private int words;

    /// <summary>What every word begins with.</summary>
    internal string Mark { get; } = string.Create(CultureInfo.InvariantCulture, $"berthword{seed}x");

    /// <summary>The script.</summary>
    internal string Script()
    {
        var script = new StringBuilder(Begin);
        var count = random.Next(MinDeeds, MaxDeeds + 1);
        for (var deed = 0; deed < count; deed++)
        {
            // In a shell of its own each begins where the last one did, whatever became of that.
            script.Append("( ").Append(Next()).Append(" )\n");
        }

        return script.Append("true\n").ToString();
    }

    private string Word() => string.Create(CultureInfo.InvariantCulture, $"{Mark}{++words}end");

    private string Name(string letter) =>
        string.Create(CultureInfo.InvariantCulture, $"{letter}{random.Next(4)}");

    private string Write() => random.Next(9) switch
    {
        0 or 1 or 2 => $"mkdir -p {Name("d")}; echo {Word()} >> {Name("d")}/{Name("f")}; echo {Word()} >> {Name("f")}",
        3 or 4 => $"echo {Word()} >> kept.txt",
        5 => $"printf '{Word()}' > \"$(printf 'line\\nbreak {Name("n")}')\"",
        6 => $"printf '{Word()}' > \"$(printf 'odd\\377{Name("n")}')\"; echo {Word()} > \"-q'\\\"{Name("n")}\"",
        7 => $"ln -s {Word()} {Name("link")}",
        _ => $"touch -r kept.txt .git/stamp; sed -i s/kept/{Word()}/ kept.txt; "
            + "touch -r .git/stamp kept.txt; rm .git/stamp",
    };

    private string Next() => random.Next(34) switch
    {
        < 8 => Write(),
        8 or 9 => "git add -A",
        10 or 11 => $"{Write()}; git add -A; git commit -qm {Word()}",
        12 => Pick("git stash -q", "git stash -q -u", "git stash pop -q", "git stash drop -q", "git stash apply -q"),
        13 => $"git checkout -q -b {Name("b")}; {Write()}; git add -A; git commit -qm {Word()}",
        14 => Pick($"git checkout -q {Name("b")}", "git checkout -q -", "git checkout -q --detach",
            "git checkout -q HEAD~1", $"git checkout -q --orphan {Name("o")}"),
        15 => Pick("git reset -q --hard HEAD~1", "git reset -q --soft HEAD~1", "git reset -q", "git reset -q --hard"),
        16 => $"{Write()}; git commit -qa --amend -m {Word()}",
        17 => Pick($"git tag {Name("v")}", $"git tag -a -m {Word()} {Name("a")}", $"git notes add -f -m {Word()}",
            $"git update-ref refs/custom/{Name("r")} HEAD", $"git branch -q -D {Name("b")}", "git tag -d a0"),
        18 => $"git worktree add -q {Pick("-b w1", "--detach")} {Name("wt")}; cd {Name("wt")} && echo {Word()} > mine; "
            + Pick("true", $"git add mine; git commit -qm {Word()}"),
        19 => $"git init -q {Name("inner")}; cd {Name("inner")} && echo {Word()} > mine; "
            + Pick("true", $"git add mine; git commit -qm {Word()}", "git add mine; cd ..; git add -A"),
        20 => $"echo {Word()} > party/{Name("f")}",
        21 => $"git checkout -q -b {Name("m")}; echo {Word()} >> kept.txt; git commit -qam {Word()}; "
            + $"git checkout -q -; echo {Word()} >> kept.txt; git commit -qam {Word()}; "
            + $"git {Pick("merge -q", "rebase -q", "cherry-pick")} {Name("m")}",
        22 => Pick("git sparse-checkout set --no-cone kept.txt", "git sparse-checkout set d0",
            "git sparse-checkout disable"),
        23 => $"git update-index {Pick("--skip-worktree", "--assume-unchanged")} kept.txt; "
            + $"echo {Word()} >> kept.txt",
        24 => $"mkdir -p {Name("shut")}; echo {Word()} > {Name("shut")}/f; chmod 000 {Name("shut")}",
        25 => $"echo {Word()} > shut-file; chmod 000 shut-file",
        26 => $"mkdir -p .git/{Name("x")}; echo {Word()} > .git/{Name("x")}/own; "
            + $"echo {Word()} > .git/hooks-{Name("h")}",
        27 => Pick("rm -f kept.txt", "git rm -qf kept.txt", "git rm -q --cached kept.txt",
            $"git mv kept.txt {Name("k")}", $"rm -rf {Name("d")}", "git clean -qfd"),
        28 => Pick("git gc -q", "git repack -adq", "git pack-refs --all", "git gc -q --prune=now",
            "git reflog expire --expire=now --all; git gc -q --prune=now"),
        29 => $"echo {Word()} | git hash-object -w --stdin; git commit-tree -m {Word()} HEAD^{{tree}}",
        30 => $"echo hidden > .git/info/exclude; echo {Word()} > hidden",
        31 => $"mkdir -p {Name("sub")}/.git; echo {Word()} > {Name("sub")}/.git/own",
        32 => $"p=$(printf 'n%.0s' $(seq 240)); for i in $(seq {random.Next(10, 20)}); do mkdir -p $p; cd $p; done; "
            + $"echo {Word()} > deep",
        _ => $"touch .git/index.lock; {Write()}; mkfifo {Name("pipe")}",
    };

    private string Pick(params string[] choices) => choices[random.Next(choices.Length)];
}
