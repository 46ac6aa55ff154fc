using System.Text;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Workspaces;

public sealed class OutgoingScanTests
{
    private const string Secret = "s3cret-of-the-run";
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private const string Log =
        "\0c" + Commit + "\nAgent\na@example.org\nAgent\na@example.org\nA message\n\n+++ b/not-a-file\n\0d\n\n"
        + "diff --git a/old.txt b/old.txt\nindex 1..2 100644\n--- a/old.txt\n+++ b/old.txt\n"
        + "@@ -3 +3,2 @@\n-was " + Secret + "\n+++ is " + Secret + "\n+ok\n"
        + "@@ -9,0 +11 @@ " + "context\n+late\n\\ No newline at end of file\n"
        + "diff --git a/new.txt b/new.txt\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n"
        + "@@ -0,0 +1,3 @@\n+one\n+two\n+three " + Secret + "\n";

    [Fact]
    public void What_is_added_is_told_by_file_and_line_and_what_is_taken_away_is_not() =>
        Assert.Equal(["old.txt:3 (commit 0123456789)", "new.txt:3 (commit 0123456789)"], Find(Log));

    [Theory]
    [InlineData("A message", "the message or people of commit 0123456789")]
    [InlineData("a@example.org", "the message or people of commit 0123456789")]
    [InlineData("a/new.txt", "the name of a file of commit 0123456789")]
    [InlineData("+late", "old.txt:11 (commit 0123456789)")]
    public void Messages_people_and_names_are_looked_through_too(string where, string place) =>
        Assert.Contains(place, Find(Log.Replace(where, where + Secret, StringComparison.Ordinal)));

    [Fact]
    public void A_name_that_is_a_secret_is_not_told()
    {
        var finds = Find(Log.Replace("b/new.txt", $"b/{Secret}", StringComparison.Ordinal));

        Assert.Contains("***:3 (commit 0123456789)", finds);
        Assert.DoesNotContain(finds, find => find.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public void In_a_line_of_megabytes_a_secret_is_found_wherever_it_stands()
    {
        for (var before = (1 << 20) - 40; before < (1 << 20) + 40; before += 5)
        {
            var log = Log.Replace(
                "+late", $"+{new string('x', before)}{Secret}{new string('y', 1 << 21)}", StringComparison.Ordinal);

            Assert.Contains("old.txt:11 (commit 0123456789)", Find(log));
        }
    }

    [Fact]
    public void Only_so_many_places_are_told() => Assert.Equal(20, Find(
        Log + "@@ -0,0 +1,50 @@\n" + string.Concat(Enumerable.Repeat($"+{Secret}\n", 50))).Count);

    [Fact]
    public void However_it_comes_in_pieces_the_same_is_found()
    {
        var all = Encoding.UTF8.GetBytes(Log);
        var pieces = Gen.Choose(0, all.Length).ListOf(5).ToArbitrary();
        Check.QuickThrowOnFailure(Prop.ForAll(pieces, cuts =>
        {
            using var scan = new OutgoingScan(Redactor.OfValues([Secret]));
            var from = 0;
            foreach (var cut in cuts.Order().Append(all.Length))
            {
                scan.Write(all.AsSpan(from, cut - from));
                from = cut;
            }

            return scan.Finds.Count == 2;
        }));
    }

    private static IReadOnlyList<string> Find(string log)
    {
        using var scan = new OutgoingScan(Redactor.OfValues([Secret]));
        scan.Write(Encoding.UTF8.GetBytes(log));
        return scan.Finds;
    }
}
