using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Git;

public sealed class GitResultTests
{
    [Theory]
    [InlineData("fatal: could not read Username for 'https://example.org': terminal prompts disabled",
        "repository_authentication_failed")]
    [InlineData("git@example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.",
        "repository_authentication_failed")]
    [InlineData("fatal: unable to access 'https://x/': The requested URL returned error: 403",
        "repository_authentication_failed")]
    [InlineData("Host key verification failed.\nfatal: Could not read from remote repository.",
        "repository_not_trusted")]
    [InlineData("fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none",
        "repository_not_trusted")]
    [InlineData("fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate",
        "repository_not_trusted")]
    [InlineData("fatal: unable to access 'https://x/': Could not resolve host: x", "repository_unreachable")]
    [InlineData("fatal: repository 'https://example.org/x/' not found", "repository_not_found")]
    [InlineData("fatal: couldn't find remote ref nope", "ref_not_found")]
    [InlineData("fatal: write error: No space left on device", "disk_full")]
    [InlineData("error: object file a is empty\nfatal: loose object a is corrupt", "repository_corrupt")]
    [InlineData("fatal: something new", "git_failed")]
    public void What_git_says_becomes_a_code(string said, string code)
    {
        var source = new RepositorySource(RepositoryKind.Url, "https://example.org/x", "https://example.org/x");

        var failure = GitFailures.OfSource(source, "Fetching", Result(said)).Failure;

        Assert.Equal(code, failure.Code);
        Assert.NotEmpty(failure.Hint);
    }

    [Fact]
    public void Credentials_that_git_repeats_are_taken_out_and_the_text_is_bounded()
    {
        var excerpt = Result(
            $"hint: no\nfatal: unable to access 'https://user:sesame@example.org/x' {new string('y', 5_000)}").Excerpt;

        Assert.StartsWith("fatal: unable to access 'https://example.org/x'", excerpt, StringComparison.Ordinal);
        Assert.True(excerpt.Length < 600);
        Assert.Equal("exit code 128", Result(string.Empty).Excerpt);
    }

    [Fact]
    public void What_ssh_says_of_a_server_that_it_does_not_know_is_told() =>
        Assert.Contains(
            "Host key verification failed.",
            Result("Host key verification failed.\nfatal: Could not read from remote repository.").Excerpt,
            StringComparison.Ordinal);

    [Fact]
    public async Task A_missing_git_is_named_with_the_package_to_install()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = "/nonexistent" };
        var options = new GitOptions { ConfigFolder = "/nonexistent", Environment = environment };
        var git = new GitProgram(options, new ProcessRunner(TimeProvider.System));

        var failure = await Assert.ThrowsAsync<FailureException>(
            () => git.VersionAsync(TestContext.Current.CancellationToken));

        Assert.Equal(("git_missing", Fault.Operator), (failure.Failure.Code, failure.Failure.Fault));
    }

    private static GitResult Result(string said) =>
        GitResult.Of(new ProcessResult { End = ProcessEnd.Exited, ExitCode = 128, Error = said });
}
