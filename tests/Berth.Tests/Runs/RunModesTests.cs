using Berth.Engine;
using Berth.Engine.Gateway;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Runs;

/// <summary>Who outranks whom where a run's mode is decided.</summary>
public sealed class RunModesTests
{
    private static readonly string Id = RunId.New(TimeProvider.System);

    // request, workflow, setting, flag -> mode, asked by
    [Theory]
    [InlineData("local", "docker", "docker", "on", "local", "--mode")]
    [InlineData("docker", "local", "local", "100%", "docker", "--mode")]
    [InlineData("auto", "local", "local", "100%", "auto", "--mode")]
    [InlineData(null, "local", "docker", "on", "local", "the workflow")]
    [InlineData(null, "docker", "local", "100%", "docker", "the workflow")]
    [InlineData(null, null, "local", "on", "local", "CLAUDE_CODE_MODE")]
    [InlineData(null, null, "docker", "review", "docker", "CLAUDE_CODE_MODE")]
    [InlineData(null, null, null, "100%", "local", "the roll-out of LocalMode (100 %)")]
    [InlineData(null, null, null, "review", "local", "the roll-out of LocalMode (workflow review)")]
    [InlineData(null, null, null, "0%, test", "docker", "the default")]
    [InlineData(null, null, null, "on", "docker", "the default")]
    [InlineData(null, null, null, "off", "docker", "the default")]
    public async Task The_first_that_says_something_decides(
        string? request, string? workflow, string? setting, string flag, string mode, string askedBy)
    {
        var wish = await RunModes.WishAsync(
            Options(setting, flag), Request(request), Named("review", workflow), Id);

        Assert.Equal((mode, askedBy), (wish.Mode, wish.AskedBy));
        Assert.Equal(askedBy is "the default", wish.IsDefault);
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    [InlineData("auto")]
    public async Task That_the_flag_is_off_is_known_whoever_asks(string asked)
    {
        var off = await RunModes.WishAsync(Options(null, "off"), Request(asked), Named("review", null), Id);
        var on = await RunModes.WishAsync(Options(null, "on"), Request(asked), Named("review", null), Id);

        Assert.True(off.LocalIsOff);
        Assert.False(on.LocalIsOff);
    }

    [Fact]
    public async Task Who_names_an_image_is_not_taken_by_a_roll_out()
    {
        var options = Options(null, "100%");
        var plain = Named("review", null);
        var asked = await RunModes.WishAsync(options, Request(null) with { Image = "debian" }, plain, Id);
        var written = await RunModes.WishAsync(
            options, Request(null), plain with { Settings = new WorkflowSettings { Image = "debian" } }, Id);

        Assert.Equal(("docker", "docker"), (asked.Mode, written.Mode));
    }

    [Theory]
    [InlineData("cloud")]
    [InlineData("")]
    [InlineData("Local")]
    public async Task A_mode_that_there_is_not_is_refused_with_who_asked(string mode)
    {
        var thrown = await Assert.ThrowsAsync<FailureException>(
            () => RunModes.WishAsync(Options("docker", "on"), Request(mode), Named("review", null), Id));

        Assert.Equal("mode_unknown", thrown.Failure.Code);
        Assert.StartsWith($"--mode says '{mode}'", thrown.Failure.Message, StringComparison.Ordinal);
    }

    private static RunRequest Request(string? mode) => new()
    {
        Workflow = "review",
        Message = "Look.",
        CurrentDirectory = "/",
        Mode = mode,
    };

    private static Workflow Named(string name, string? mode) => new()
    {
        Name = name,
        Folder = "/workflows/" + name,
        Description = "",
        SystemPrompt = "",
        AllowedTools = [],
        Settings = new WorkflowSettings { Mode = mode },
    };

    private static BerthOptions Options(string? mode, string flag) => new()
    {
        Home = "/h",
        WorkflowFolders = [],
        ProgramFolder = "/p",
        SupervisorPath = "/s",
        HostCommand = ["/b"],
        Environment = new Dictionary<string, string>(StringComparer.Ordinal),
        Gateway = new GatewayOptions(),
        Mode = mode,
        LocalMode = LocalModeFlag.Parse(flag)!,
    };
}
