using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Workspaces;

/// <summary>FAULTS D 32 and 37: addresses that could run something, or that hold a token.</summary>
public sealed class RepositorySourceTests
{
    [Theory]
    [InlineData("https://Example.ORG/a/b.git/", "https://example.org/a/b.git")]
    [InlineData("HTTPS://example.org:443/a/b.git", "https://example.org/a/b.git")]
    [InlineData("https://example.org:8443/a", "https://example.org:8443/a")]
    [InlineData("http://127.0.0.1:8080/a.git", "http://127.0.0.1:8080/a.git")]
    [InlineData("http://[::1]:8080/a.git", "http://[::1]:8080/a.git")]
    [InlineData("ssh://git@Example.org:22/a/b", "ssh://git@example.org/a/b")]
    [InlineData("git@Example.org:a/b.git", "git@example.org:a/b.git")]
    [InlineData("example.org:a/b.git/", "example.org:a/b.git")]
    public void The_same_place_has_one_canonical_form(string text, string canonical)
    {
        var source = RepositorySource.Parse(text, "/");

        Assert.Equal((RepositoryKind.Url, canonical), (source.Kind, source.Canonical));
    }

    [Theory]
    [InlineData("", "repository_invalid")]
    [InlineData("-oProxyCommand=touch canary", "repository_invalid")]
    [InlineData("--upload-pack=touch canary", "repository_invalid")]
    [InlineData("a\nb", "repository_invalid")]
    [InlineData("https://example.org", "repository_invalid")]
    [InlineData("https://example.org/a b", "repository_invalid")]
    [InlineData("ext::sh -c touch% canary", "repository_url_refused")]
    [InlineData("fd::7", "repository_url_refused")]
    [InlineData("ssh://-oProxyCommand=canary/x", "repository_url_refused")]
    [InlineData("ssh://%2doProxyCommand=canary/x", "repository_url_refused")]
    [InlineData("-oProxyCommand=x@host:path", "repository_invalid")]
    [InlineData("host:-path", "repository_url_refused")]
    [InlineData("git://example.org/a", "repository_url_refused")]
    [InlineData("http://example.org/a", "repository_url_refused")]
    [InlineData("https://example.org/a?access_token=sesame", "repository_url_refused")]
    [InlineData("file://elsewhere/a", "repository_url_refused")]
    [InlineData("https://user:sesame@example.org/a", "credentials_in_url")]
    [InlineData("https://sesame@example.org/a", "credentials_in_url")]
    [InlineData("ssh://git:sesame@example.org/a", "credentials_in_url")]
    [InlineData("/no/such/folder", "repository_not_found")]
    [InlineData("/proc/self", "not_a_repository")]
    public void What_git_might_run_or_send_away_is_refused_and_secrets_are_not_repeated(string text, string code)
    {
        var failure = Assert.Throws<FailureException>(() => RepositorySource.Parse(text, "/")).Failure;

        Assert.Equal((code, Fault.User), (failure.Code, failure.Fault));
        Assert.DoesNotContain("sesame", failure.Message + failure.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_is_its_top_level_whichever_way_it_is_written()
    {
        var root = Directory.CreateTempSubdirectory("berth-source-");
        try
        {
            var top = root.CreateSubdirectory("re:po").FullName;
            Directory.CreateDirectory(Path.Combine(top, ".git", "objects"));
            Directory.CreateDirectory(Path.Combine(top, ".git", "refs"));
            Directory.CreateDirectory(Path.Combine(top, "a", "b"));
            File.WriteAllText(Path.Combine(top, ".git", "HEAD"), "ref: refs/heads/main\n");
            var link = Path.Combine(root.FullName, "link");
            File.CreateSymbolicLink(link, "re:po/a");

            foreach (var text in new[] { ".", "b", "./b/..", link, link + "/b", Path.Combine(top, ".git"), top + "/" })
            {
                var source = RepositorySource.Parse(text, Path.Combine(top, "a"));
                Assert.Equal(new RepositorySource(RepositoryKind.Path, top, $"file://{top}"), source);
            }

            var url = RepositorySource.Parse($"file://{link}", "/");
            Assert.Equal(new RepositorySource(RepositoryKind.Url, $"file://{top}", $"file://{top}"), url);
            Assert.Throws<FailureException>(() => RepositorySource.Parse(root.FullName, "/"));
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }
}
