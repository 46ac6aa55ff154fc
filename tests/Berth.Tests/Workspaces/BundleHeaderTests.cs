using System.Text;
using Berth.Engine.Git;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Workspaces;

/// <summary>The head of a bundle is bytes of an agent's.</summary>
public sealed class BundleHeaderTests
{
    private const string Branch = "berth/test/run0001";
    private const int Rounds = 20_000;
    private static readonly string Id = new('a', 40);

    private static readonly string[] Pieces =
    [
        "# v2 git bundle\n", "# v3 git bundle\n", "@object-format=sha256\n", "@filter=blob:none\n", $"-{Id} subject\n",
        $"{Id} HEAD\n", $"{Id} refs/heads/{Branch}\n", $"{Id} refs/berth/out/heads/x\n",
        $"{Id} refs/berth/out/tags/v\n",
        $"{Id} refs/berth/out/heads/../../../heads/main\n", $"{Id} refs/berth/out/\n", $"{Id} refs/heads/main\n", "\n",
        "\0", "\u00ff", " ", "PACK", Id, "refs/berth/out/leftovers/leftovers", "\r\n",
    ];

    [Fact]
    public void F74_Names_are_taken_only_as_capture_gives_them()
    {
        var header = Read($"# v2 git bundle\n-{Id} base\n{Id} HEAD\n{Id} refs/berth/out/heads/stash\n"
            + $"{Id} refs/berth/out/leftovers/leftovers\n\nPACK");
        Assert.Equal(Id, header!.Tip);
        Assert.Equal(["heads/stash", "leftovers/leftovers"], header.Refs.Select(one => $"{one.Kind}/{one.Name}"));
        Assert.Null(Read($"# v2 git bundle\n{Id} HEAD\n{Id} refs/berth/out/heads/a/b\n\n"));
        Assert.Null(Read($"# v2 git bundle\n{Id} HEAD\n{Id} refs/berth/out/remotes/a\n\n"));
        Assert.Null(Read($"# v2 git bundle\n{Id} HEAD\n{Id} refs/berth/out/heads/-a\n\n"));
        Assert.Null(Read($"# v2 git bundle\n{Id} HEAD\n{Id} refs/berth/out/heads/a.lock\n\n"));
        Assert.Null(Read($"# v2 git bundle\n{Id} HEAD\n"
            + string.Concat(Enumerable.Range(0, 101).Select(at => $"{Id} refs/berth/out/heads/n{at}\n")) + "\n"));
        Assert.Null(Read($"# v2 git bundle\n{Id} refs/heads/main\n\n"));
    }

    [Fact]
    public void F74_Whatever_a_head_says_no_name_is_one_that_could_do_harm()
    {
        var random = new Random(20261129);
        for (var round = 0; round < Rounds; round++)
        {
            var text = new StringBuilder(random.Next(3) == 0 ? string.Empty : "# v2 git bundle\n");
            for (var piece = random.Next(12); piece > 0; piece--)
            {
                text.Append(Pieces[random.Next(Pieces.Length)]);
            }

            var bytes = Encoding.Latin1.GetBytes(text.ToString());
            for (var flips = random.Next(3); flips > 0 && bytes.Length > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var header = BundleHeader.Read(bytes, Branch, out var problem);
            Assert.True(header is null == problem is not null, $"round {round}");
            Assert.True(header is null || header.Length <= bytes.Length, $"round {round}");
            Assert.All(header?.Refs ?? [], one =>
            {
                Assert.Contains(one.Kind, WorkRefs.Kinds);
                Assert.Null(BranchName.Problem($"{Branch}-{one.Name}"));
                Assert.True(one.Id.Length is 40 or 64 && one.Id.All(char.IsAsciiHexDigitLower), $"round {round}");
            });
        }
    }

    [Theory]
    [InlineData("feature/x y", "feature-x-y")]
    [InlineData("..", "ref")]
    [InlineData("a..b", "a.b")]
    [InlineData("-x.lock", "ref")]
    [InlineData("\u00e9t\u00e9", "t")]
    public void F74_A_name_of_the_agents_becomes_a_plain_one(string name, string plain) =>
        Assert.Equal(plain, WorkRefs.Plain(name));

    private static BundleHeader? Read(string text) =>
        BundleHeader.Read(Encoding.UTF8.GetBytes(text), Branch, out _);
}
