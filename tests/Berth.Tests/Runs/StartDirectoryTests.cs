using Berth.Engine;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class StartDirectoryTests
{
    [Theory]
    [InlineData(".", "")]
    [InlineData("./", "")]
    [InlineData("services/shop", "services/shop")]
    [InlineData("./services//shop/", "services/shop")]
    [InlineData("a/./b", "a/b")]
    [InlineData("-dash", "-dash")]
    [InlineData("..a/b..", "..a/b..")]
    public void F82_A_folder_is_read_as_it_is_seen_from_the_top(string text, string path) =>
        Assert.Equal(path, StartDirectory.Read(text, source: null));

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/../..")]
    [InlineData("a/..")]
    [InlineData("/etc")]
    [InlineData("/")]
    [InlineData("a\0b")]
    [InlineData("a\nb")]
    [InlineData(".git/hooks")]
    [InlineData("a/.GIT")]
    public void F82_What_leads_out_or_is_gits_own_is_refused(string text)
    {
        var refused = Assert.Throws<FailureException>(() => StartDirectory.Read(text, source: null)).Failure;

        Assert.Equal(("directory_invalid", Fault.User), (refused.Code, refused.Fault));
    }
}
