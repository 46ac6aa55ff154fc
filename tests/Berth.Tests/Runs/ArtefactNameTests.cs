using System.Text;
using Berth.Engine;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class ArtefactNameTests
{
    [Theory]
    [InlineData("report.txt")]
    [InlineData("a/b/c")]
    [InlineData("...")]
    [InlineData(".hidden")]
    [InlineData("-rf")]
    [InlineData("%2e%2e/%2fetc")]
    [InlineData("über die Länge.txt")]
    [InlineData("a\\..\\b")]
    public void What_a_file_may_be_called_is_a_name(string name) => Assert.True(ArtefactName.IsPath(name));

    [Theory]
    [InlineData("")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("a/../b")]
    [InlineData("a/./b")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData("a\0b")]
    [InlineData("two\nlines")]
    [InlineData("\u001b[2J")]
    [InlineData("lone\ud800")]
    [InlineData("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17")]
    public void What_leads_elsewhere_or_cannot_be_shown_is_none(string name) => Assert.False(ArtefactName.IsPath(name));

    [Fact]
    public void A_part_has_at_most_255_bytes()
    {
        Assert.True(ArtefactName.IsPath(new string('x', 255)));
        Assert.False(ArtefactName.IsPath(new string('x', 256)));
        Assert.False(ArtefactName.IsPath(new string('ü', 128)));
    }

    [Fact]
    public void Whatever_the_bytes_of_a_part_are_it_is_a_name_or_nothing() => Check.QuickThrowOnFailure(Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(),
        bytes => ArtefactName.PartOf(bytes) is not { } part
            || (ArtefactName.IsPath(part) && Encoding.UTF8.GetBytes(part).SequenceEqual(bytes))));

    [Fact]
    public void A_name_that_is_a_path_stays_in_its_folder() => Check.QuickThrowOnFailure(Prop.ForAll(
        Gen.Elements("..", ".", "a", "", "/", "\0", "b c", "..a").ListOf().Select(parts => string.Join('/', parts))
            .ToArbitrary(),
        path => !ArtefactName.IsPath(path)
            || Path.GetFullPath(path, "/srv/it").StartsWith("/srv/it/", StringComparison.Ordinal)));
}
