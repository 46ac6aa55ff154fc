using Berth.Engine;
using Berth.Engine.Gateway;
using Berth.Protocol;
using Berth.Tests.Commands;
using Xunit;

namespace Berth.Tests;

public sealed class SettingsTests
{
    [Fact]
    public void Without_any_setting_the_defaults_hold()
    {
        using var trial = new TrialSurroundings();

        var options = Settings.Bind(trial.Given);

        Assert.Equal(trial.Home, options.Home);
        Assert.Null(options.RunsRoot);
        Assert.True(options.RemoveWorkspaces);
        Assert.True(options.UseMirror);
        Assert.Equal(TimeSpan.FromHours(2), options.Timeout);
        Assert.Equal(20, options.MaxConcurrent);
        Assert.Null(options.Mode);
        Assert.Same(LocalModeFlag.On, options.LocalMode);
        var program = trial.Given.ProgramFolder;
        Assert.Equal(
            [Path.Combine(program, "workflows"), Path.Combine(trial.Home, "workflows")],
            options.WorkflowFolders);
        Assert.Equal(Path.Combine(program, "supervisor", "berth-supervisor"), options.SupervisorPath);
        Assert.Equal(["/bin/false", "host"], options.HostCommand);
        Assert.Equal(GatewayOptions.PublicApi, options.Gateway.Upstream);
        Assert.False(options.Gateway.HasCredential);
    }

    [Fact]
    public void The_supervisor_of_a_build_is_found_beside_the_program()
    {
        using var trial = new TrialSurroundings();
        Directory.CreateDirectory(trial.Given.ProgramFolder);
        var beside = Path.Combine(trial.Given.ProgramFolder, "berth-supervisor");
        File.WriteAllText(beside, string.Empty);

        Assert.Equal(beside, Settings.Bind(trial.Given).SupervisorPath);
    }

    [Fact]
    public void The_environment_says_everything()
    {
        using var trial = new TrialSurroundings(
            ("CLAUDE_LOCAL_WORKSPACE", "/data/runs"),
            ("CLAUDE_LOCAL_CLEANUP", "false"),
            ("CLAUDE_LOCAL_GIT_CACHE", "0"),
            ("CLAUDE_CODE_TIMEOUT", "90"),
            ("CLAUDE_CODE_MAX_CONCURRENT", "3"),
            ("CLAUDE_CODE_MODE", "local"),
            ("BERTH_CLAUDE", "/opt/claude"),
            ("BERTH_SUPERVISOR", "/opt/berth-supervisor"),
            ("BERTH_WORKFLOWS", "/a:b"),
            ("BERTH_TRUSTED", "/repo, https://git.example.com/x.git"),
            ("BERTH_IDLE_REPORT", "5m"),
            ("BERTH_IDLE_STOP", "1h"),
            ("BERTH_MEMORY", "2G"),
            ("BERTH_PROCESSES", "64"),
            ("BERTH_ARTIFACTS_BYTES", "0"),
            ("BERTH_ARTIFACTS_LIFETIME", "7d"),
            ("BERTH_RETENTION_AGE", "3660d"),
            ("BERTH_RETENTION_BYTES", "20GB"),
            ("ANTHROPIC_API_KEY", "sk-made-up"),
            ("ANTHROPIC_AUTH_TOKEN", "token-made-up"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "oauth-made-up"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080/proxy"));

        var options = Settings.Bind(trial.Given);

        Assert.Equal("/data/runs", options.RunsRoot);
        Assert.False(options.RemoveWorkspaces);
        Assert.False(options.UseMirror);
        Assert.Equal(TimeSpan.FromSeconds(90), options.Timeout);
        Assert.Equal(3, options.MaxConcurrent);
        Assert.Equal("local", options.Mode);
        Assert.Equal("/opt/claude", options.ClaudeBinary);
        Assert.Equal("/opt/berth-supervisor", options.SupervisorPath);
        Assert.Equal(["/a", Path.Combine(trial.Folder, "b")], options.WorkflowFolders.Skip(2), StringComparer.Ordinal);
        Assert.Equal(["/repo", "https://git.example.com/x.git"], options.TrustedRepositories);
        Assert.Equal(TimeSpan.FromMinutes(5), options.IdleReport);
        Assert.Equal(TimeSpan.FromHours(1), options.IdleStop);
        Assert.Equal(2L * 1024 * 1024 * 1024, options.MemoryBytes);
        Assert.Equal(64, options.Processes);
        Assert.Equal(
            new RetentionOptions
            {
                ArtefactBytes = 0,
                ArtefactLifetime = TimeSpan.FromDays(7),
                Age = TimeSpan.FromDays(3660),
                Bytes = 20L * 1024 * 1024 * 1024,
            },
            options.Retention);
        Assert.Equal("sk-made-up", options.Gateway.ApiKey);
        Assert.Equal("token-made-up", options.Gateway.AuthToken);
        Assert.Equal("oauth-made-up", options.Gateway.OAuthToken);
        Assert.Equal(new Uri("http://127.0.0.1:8080/proxy"), options.Gateway.Upstream);
    }

    [Fact]
    public void The_file_says_what_the_environment_leaves_open()
    {
        using var trial = new TrialSurroundings(("CLAUDE_CODE_TIMEOUT", "60"));
        Write(trial, """
            {
              // people write remarks
              "workspace": "elsewhere",
              "cleanup": false,
              "localMode": "25%, review",
              "timeout": 120,
              "idleStop": "30m",
              "memory": 1073741824,
              "workflows": ["mine", "/theirs"],
              "trustedRepositories": ["https://git.example.com/x.git"],
              "baseUrl": "https://models.example.com",
            }
            """);

        var options = Settings.Bind(trial.Given);

        Assert.Equal(Path.Combine(trial.Home, "elsewhere"), options.RunsRoot);
        Assert.False(options.RemoveWorkspaces);
        Assert.Equal(TimeSpan.FromSeconds(60), options.Timeout);
        Assert.Equal("25 %, review", options.LocalMode.Text);
        Assert.Equal(TimeSpan.FromMinutes(30), options.IdleStop);
        Assert.Equal(1073741824, options.MemoryBytes);
        Assert.Equal(
            [Path.Combine(trial.Home, "mine"), "/theirs"], options.WorkflowFolders.Skip(2), StringComparer.Ordinal);
        Assert.Equal(["https://git.example.com/x.git"], options.TrustedRepositories);
        Assert.Equal(new Uri("https://models.example.com"), options.Gateway.Upstream);
    }

    [Fact]
    public void Another_file_can_be_named_and_must_then_be_there()
    {
        using var trial = new TrialSurroundings(("BERTH_CONFIG", "other.json"));

        Refused(trial, "settings_file_invalid", "other.json");
        File.WriteAllText(Path.Combine(trial.Folder, "other.json"), """{"maxConcurrent": 7}""");

        Assert.Equal(7, Settings.Bind(trial.Given).MaxConcurrent);
    }

    [Theory]
    [InlineData("CLAUDE_LOCAL_CLEANUP", "maybe", "true or false")]
    [InlineData("CLAUDE_LOCAL_GIT_CACHE", "2", "true or false")]
    [InlineData("CLAUDE_CODE_TIMEOUT", "0", "1 to 86400")]
    [InlineData("CLAUDE_CODE_TIMEOUT", "86401", "1 to 86400")]
    [InlineData("CLAUDE_CODE_TIMEOUT", "-5", "1 to 86400")]
    [InlineData("CLAUDE_CODE_TIMEOUT", "99999999999999999999", "1 to 86400")]
    [InlineData("CLAUDE_CODE_MAX_CONCURRENT", "0", "1 to 1000")]
    [InlineData("CLAUDE_CODE_MODE", "remote", "local, docker or auto")]
    [InlineData("BERTH_LOCAL_MODE", "maybe not", "on, off, or a percentage")]
    [InlineData("BERTH_LOCAL_MODE", "101%", "on, off, or a percentage")]
    [InlineData("BERTH_IDLE_REPORT", "soon", "1 to 86400")]
    [InlineData("BERTH_IDLE_STOP", "2d", "1 to 86400")]
    [InlineData("BERTH_MEMORY", "1M", "64M to 1024G")]
    [InlineData("BERTH_MEMORY", "99999999999999999G", "64M to 1024G")]
    [InlineData("BERTH_PROCESSES", "15", "16 to 100000")]
    [InlineData("BERTH_ARTIFACTS_BYTES", "1025G", "0 to 1024G")]
    [InlineData("BERTH_ARTIFACTS_LIFETIME", "59m", "1h to 3660d")]
    [InlineData("BERTH_ARTIFACTS_LIFETIME", "30", "1h to 3660d")]
    [InlineData("BERTH_RETENTION_AGE", "3661d", "1h to 3660d")]
    [InlineData("BERTH_RETENTION_BYTES", "1023K", "1M to 1024T")]
    [InlineData("ANTHROPIC_BASE_URL", "ftp://example.com", "http or https")]
    [InlineData("ANTHROPIC_BASE_URL", "https://user:pass@example.com", "http or https")]
    [InlineData("ANTHROPIC_BASE_URL", "example.com", "http or https")]
    [InlineData("ANTHROPIC_API_KEY", "two words", "printable")]
    public void A_value_that_is_not_possible_is_refused_by_name(string variable, string value, string expected)
    {
        using var trial = new TrialSurroundings((variable, value));

        var failure = Refused(trial, "setting_invalid", variable);

        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_credential_is_not_shown_when_it_is_refused()
    {
        using var trial = new TrialSurroundings(("ANTHROPIC_AUTH_TOKEN", "hunter2 hunter2"));

        var failure = Refused(trial, "setting_invalid", "ANTHROPIC_AUTH_TOKEN");

        Assert.DoesNotContain("hunter2", failure.Message + failure.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("BERTH_HOEM")]
    [InlineData("BERTH_")]
    [InlineData("CLAUDE_LOCAL_CLEAN")]
    public void An_unknown_variable_of_ours_is_refused_by_name(string variable)
    {
        using var trial = new TrialSurroundings((variable, string.Empty));

        Refused(trial, "setting_unknown", variable);
    }

    [Fact]
    public void The_variables_of_the_CLI_itself_are_its_own_matter()
    {
        using var trial = new TrialSurroundings(
            ("CLAUDE_CODE_ENTRYPOINT", "x"), ("CLAUDE_CONFIG_DIR", "x"), ("ANTHROPIC_MODEL", "x"));

        Settings.Bind(trial.Given);
    }

    [Fact]
    public void An_empty_variable_is_one_that_is_not_set()
    {
        using var trial = new TrialSurroundings(
            ("CLAUDE_CODE_TIMEOUT", string.Empty), ("ANTHROPIC_API_KEY", string.Empty));

        Assert.Equal(TimeSpan.FromHours(2), Settings.Bind(trial.Given).Timeout);
    }

    [Theory]
    [InlineData("""{"timeOut": 5}""", "setting_unknown", "timeOut")]
    [InlineData("""{"CLAUDE_CODE_TIMEOUT": 5}""", "setting_unknown", "Write \"timeout\".")]
    [InlineData("""{"BERTH_HOME": "/x"}""", "setting_unknown", "only be set in the environment")]
    [InlineData("""{"apiKey": "hunter2"}""", "setting_unknown", "environment only")]
    [InlineData("""{"ANTHROPIC_API_KEY": "hunter2"}""", "setting_unknown", "environment only")]
    [InlineData("""{"timeout": "never"}""", "setting_invalid", "\"timeout\"")]
    [InlineData("""{"timeout": 1.5}""", "setting_invalid", "\"timeout\"")]
    [InlineData("""{"localMode": 25}""", "setting_invalid", "\"localMode\"")]
    [InlineData("""{"timeout": [5]}""", "setting_invalid", "\"timeout\"")]
    [InlineData("""{"cleanup": null}""", "setting_invalid", "\"cleanup\"")]
    [InlineData("""{"workflows": "/a"}""", "setting_invalid", "\"workflows\"")]
    [InlineData("""{"workflows": [1]}""", "setting_invalid", "\"workflows\"")]
    [InlineData("[]", "settings_file_invalid", "one JSON object")]
    [InlineData("", "settings_file_invalid", "berth.json")]
    [InlineData("{\n  \"timeout\": 5,\n  oops\n}", "settings_file_invalid", "line 3")]
    [InlineData("""{"timeout": 5, "timeout": 6}""", "settings_file_invalid", "timeout")]
    public void A_bad_file_is_refused_by_what_is_wrong_in_it(string content, string code, string expected)
    {
        using var trial = new TrialSurroundings();
        Write(trial, content);

        var failure = Refused(trial, code, string.Empty);

        Assert.Contains(expected, failure.Message + failure.Hint, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", failure.Message + failure.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/data", "/data/berth")]
    [InlineData("relative", "/home/me/.local/share/berth")]
    [InlineData("", "/home/me/.local/share/berth")]
    public void The_home_is_in_the_user_s_data_folder(string data, string expected)
    {
        using var trial = new TrialSurroundings(
            ("BERTH_HOME", string.Empty), ("XDG_DATA_HOME", data), ("HOME", "/home/me"));

        Assert.Equal(expected, Settings.Bind(trial.Given).Home);
    }

    [Fact]
    public void Without_any_home_the_settings_are_refused()
    {
        using var trial = new TrialSurroundings(("BERTH_HOME", string.Empty), ("HOME", string.Empty));

        Refused(trial, "setting_invalid", "BERTH_HOME");
    }

    [Fact]
    public void The_table_is_complete_and_its_names_are_unique()
    {
        Assert.All(SettingsTable.All, setting => Assert.All(
            (IEnumerable<string>)[setting.Unit, setting.Range, setting.Default, setting.Description],
            text => Assert.False(string.IsNullOrWhiteSpace(text), setting.Variable)));
        var variables = SettingsTable.All.Select(setting => setting.Variable).ToList();
        Assert.Equal(variables.Count, variables.Distinct(StringComparer.Ordinal).Count());
        var keys = SettingsTable.All.Select(setting => setting.Key).OfType<string>().ToList();
        Assert.Equal(keys.Count, keys.Distinct(StringComparer.Ordinal).Count());
        Assert.All(SettingsTable.All.Where(setting => setting.Secret), setting => Assert.Null(setting.Key));
    }

    private static void Write(TrialSurroundings trial, string content)
    {
        Directory.CreateDirectory(trial.Home);
        File.WriteAllText(Path.Combine(trial.Home, "berth.json"), content);
    }

    private static Failure Refused(TrialSurroundings trial, string code, string name)
    {
        var refused = Assert.Throws<FailureException>(() => Settings.Bind(trial.Given));
        Assert.Equal(code, refused.Failure.Code);
        Assert.Contains(name, refused.Failure.Message, StringComparison.Ordinal);
        Assert.NotEmpty(refused.Failure.Hint);
        return refused.Failure;
    }
}
