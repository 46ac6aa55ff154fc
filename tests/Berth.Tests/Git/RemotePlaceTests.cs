using Berth.Engine.Git;
using Xunit;

namespace Berth.Tests.Git;

public sealed class RemotePlaceTests
{
    [Theory]
    [InlineData("https://github.com/me/shop.git", "https", "github.com")]
    [InlineData("https://GitHub.com:443/me/shop.git", "https", "github.com")]
    [InlineData("https://git.example.org:8443/shop", "https", "git.example.org:8443")]
    [InlineData("https://x-access-token@github.com", "https", "github.com")]
    [InlineData("http://127.0.0.1:8080/shop.git", "http", "127.0.0.1:8080")]
    [InlineData("ssh://git@git.example.org/shop.git", "ssh", "git.example.org")]
    [InlineData("ssh://git@git.example.org:22/shop.git", "ssh", "git.example.org")]
    [InlineData("ssh://git.example.org:2222/shop.git", "ssh", "git.example.org:2222")]
    [InlineData("git@github.com:me/shop.git", "ssh", "github.com")]
    [InlineData("github.com:me/shop@2.git", "ssh", "github.com")]
    [InlineData("me@[::1]:shop.git", "ssh", "[::1]")]
    public void A_location_names_a_place(string location, string scheme, string name)
    {
        var place = RemotePlace.Of(location)!;
        Assert.Equal((scheme, name), (place.Scheme, place.Name));
    }

    [Theory]
    [InlineData("/srv/shop.git")]
    [InlineData("./a:b")]
    [InlineData("file:///srv/shop.git")]
    [InlineData(":shop")]
    [InlineData("")]
    public void What_is_on_this_machine_or_nowhere_is_none(string location) =>
        Assert.Null(RemotePlace.Of(location));
}
