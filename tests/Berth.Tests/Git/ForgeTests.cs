using Berth.Engine.Forges;
using Berth.Engine.Git;
using Xunit;

namespace Berth.Tests.Git;

public sealed class ForgeTests
{
    [Theory]
    [InlineData("https://github.com/me/shop.git", null, "https://api.github.com/", "me/shop", false)]
    [InlineData("git@github.com:me/shop.git", null, "https://api.github.com/", "me/shop", false)]
    [InlineData("https://gitlab.com/group/sub/shop", null, "https://gitlab.com/api/v4/", "group/sub/shop", true)]
    [InlineData("ssh://git@h.example:2222/me/shop.git/", "https://h.example/api/v3", "https://h.example/api/v3/",
        "me/shop", false)]
    [InlineData("https://h.example/me/shop", "https://h.example/api/v4/", "https://h.example/api/v4/", "me/shop", true)]
    public void A_remote_names_its_service(string remote, string? api, string found, string repository, bool isGitLab)
    {
        var credential = new GitCredential("me", "token", null, null) { Api = api is null ? null : new Uri(api) };

        var forge = Forge.Of(remote, credential)!;

        Assert.Equal((found, repository), (forge.Api.AbsoluteUri, forge.Repository));
        Assert.Equal(isGitLab ? ForgeKind.GitLab : ForgeKind.GitHub, forge.Kind);
    }

    [Fact]
    public void Without_a_token_or_an_address_there_is_none()
    {
        Assert.Null(Forge.Of("https://github.com/me/shop", null));
        Assert.Null(Forge.Of("git@github.com:me/shop", new GitCredential("me", null, "/key", null)));
        Assert.Null(Forge.Of("https://h.example/me/shop", new GitCredential("me", "token", null, null)));
        Assert.Null(Forge.Of("/srv/shop", new GitCredential("me", "token", null, null)));
    }
}
