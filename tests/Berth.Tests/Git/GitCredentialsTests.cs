using Berth.Engine.Git;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Git;

public sealed class GitCredentialsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-credentials-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_place_has_the_credential_of_its_host_and_port()
    {
        var credentials = Of("""
            {
              // Comments are possible.
              "GitHub.com": { "token": "one" },
              "git.example.org:8443": { "token": "two", "user": "oauth2" },
            }
            """);

        Assert.Equal(
            new GitCredential("x-access-token", "one", null, null),
            credentials.For(RemotePlace.Of("https://github.com/a")));
        Assert.Equal("oauth2", credentials.For(RemotePlace.Of("https://git.example.org:8443/a"))?.User);
        Assert.Null(credentials.For(RemotePlace.Of("https://git.example.org/a")));
        Assert.Null(credentials.For(null));
        Assert.Equal(["one", "two"], credentials.Secrets());
    }

    [Fact]
    public void A_token_in_a_file_is_read_when_it_is_wanted()
    {
        var token = Write("token", "first\n");
        var credentials = Of($$"""{ "h.example": { "tokenFile": "{{token}}" } }""");
        var place = RemotePlace.Of("https://h.example/a");

        Assert.Equal("first", credentials.For(place)?.Token);
        File.WriteAllText(token, "second");
        Assert.Equal("second", credentials.For(place)?.Token);
    }

    [Fact]
    public void Without_a_file_there_is_none()
    {
        Assert.Null(new GitCredentials(null).For(RemotePlace.Of("https://h.example/a")));
        Assert.Null(new GitCredentials(Path.Combine(folder, "none")).For(RemotePlace.Of("https://h.example/a")));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("""{ "h.example": { "tokn": "s3cret" } }""")]
    [InlineData("""{ "h.example": { } }""")]
    [InlineData("""{ "h.example": { "token": "" } }""")]
    [InlineData("""{ "h.example": { "token": "s3cret with spaces" } }""")]
    [InlineData("""{ "h.example": { "token": "s3cret\nInjected: header" } }""")]
    [InlineData("""{ "h.example": { "token": "s3cret", "api": "http://h.example/api/v4" } }""")]
    [InlineData("""{ "h.example": { "token": "s3cret", "api": "https://me:s3cret@h.example/api/v4" } }""")]
    [InlineData("""{ "h.example": { "tokenFile": "relative" } }""")]
    [InlineData("""{ "h.example": { "token": "s3cret", "user": "a\nb" } }""")]
    [InlineData("""{ "h.example": { "token": "s3cret" }, "H.example": { "token": "s3cret" } }""")]
    public void What_cannot_be_used_is_refused_and_not_repeated(string text)
    {
        var refused = Assert.Throws<FailureException>(() => Of(text).For(RemotePlace.Of("https://h.example/a")));

        Assert.Equal(("git_credentials_invalid", Fault.Operator), (refused.Failure.Code, refused.Failure.Fault));
        Assert.DoesNotContain("s3cret", refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_others_can_read_is_refused_also_where_it_is_only_named()
    {
        var key = Write("key", "a key");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        var credentials = Of($$"""{ "h.example": { "sshKey": "{{key}}" } }""");

        var refused = Assert.Throws<FailureException>(() => credentials.For(RemotePlace.Of("ssh://h.example/a")));

        Assert.Equal("git_credentials_exposed", refused.Failure.Code);
        Assert.Contains(key, refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_is_not_there_is_named()
    {
        var credentials = Of("""{ "h.example": { "sshKey": "/nowhere/key" } }""");

        var refused = Assert.Throws<FailureException>(() => credentials.For(RemotePlace.Of("ssh://h.example/a")));

        Assert.Equal("git_credentials_unreadable", refused.Failure.Code);
    }

    [Theory]
    [InlineData("Username for 'https://h.example': ", "me")]
    [InlineData("Password for 'https://me@h.example': ", "tok")]
    [InlineData("Password for 'https://me@h.example:8443': ", "")]
    [InlineData("Password for 'http://me@h.example': ", "")]
    [InlineData("Password for 'https://evil.example': ", "")]
    [InlineData("Password for 'https://h.example@evil.example': ", "")]
    [InlineData("Enter passphrase for key '/k': ", "")]
    [InlineData("", "")]
    public async Task Git_is_answered_for_the_very_place_only(string question, string answer)
    {
        await using var socket = new AskPassSocket(
            folder, RemotePlace.Of("https://h.example/a")!, new GitCredential("me", "tok", null, null));

        Assert.Equal(answer, socket.Answer(question));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(socket.Path));
    }

    private GitCredentials Of(string text) => new(Write("git-credentials.json", text));

    private string Write(string name, string text)
    {
        var file = Path.Combine(folder, name);
        File.WriteAllText(file, text);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return file;
    }
}
