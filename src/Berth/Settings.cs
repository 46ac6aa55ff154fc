using Berth.Engine;
using Berth.Engine.Gateway;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth;

/// <summary>Binds the settings once, from <c>berth.json</c> and the environment, which outranks it.</summary>
internal static class Settings
{
    /// <summary>Names another file than <c>$BERTH_HOME/berth.json</c>.</summary>
    public const string FileVariable = "BERTH_CONFIG";

    private const int MostShown = 80;

    private static readonly string[] OurPrefixes = ["BERTH_", "CLAUDE_LOCAL_"];

    /// <summary>The options that hold in these surroundings.</summary>
    /// <exception cref="FailureException"><c>setting_unknown</c>, <c>setting_invalid</c> or
    /// <c>settings_file_invalid</c>.</exception>
    public static BerthOptions Bind(Surroundings surroundings)
    {
        var variables = surroundings.Environment;
        RefuseUnknown(variables);
        var home = HomeOf(surroundings);
        var options = Defaults(surroundings, home);
        var named = Set(variables, FileVariable);
        var file = named is null
            ? Path.Combine(home, "berth.json")
            : Path.GetFullPath(named, surroundings.CurrentDirectory);
        var fromFile = SettingsFile.Read(file, mustExist: named is not null);
        foreach (var setting in SettingsTable.All)
        {
            if (Set(variables, setting.Variable) is { } text)
            {
                var words = setting.Separator is { } separator
                    ? text.Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                    : [text];
                options = setting.Bind(options, new SettingValue(words, surroundings.CurrentDirectory))
                    ?? throw Invalid(setting, text, $"{setting.Variable} in the environment");
            }
            else if (fromFile.TryGetValue(setting, out var value))
            {
                options = setting.Bind(options, value)
                    ?? throw Invalid(setting, string.Join(", ", value.Words), $"\"{setting.Key}\" in {file}");
            }
        }

        return options;
    }

    /// <summary>The failure for a value that is not possible.</summary>
    public static FailureException Invalid(Setting setting, string value, string place)
    {
        var cut = value.Length > MostShown ? value[..MostShown] + "…" : value;
        var shown = setting.Secret ? "a value that is not shown" : $"\"{cut}\"";
        return new FailureException(
            "setting_invalid",
            $"The setting {place} is {shown}; expected {setting.Range}.",
            $"{setting.Description} Unit: {setting.Unit}. Default: {setting.Default}.",
            Fault.Operator);
    }

    private static BerthOptions Defaults(Surroundings surroundings, string home) => new()
    {
        Home = home,
        ProgramFolder = surroundings.ProgramFolder,
        Environment = surroundings.Environment,
        WorkflowFolders = [Path.Combine(surroundings.ProgramFolder, "workflows"), Path.Combine(home, "workflows")],
        SupervisorPath = surroundings.BesideProgram("supervisor", "berth-supervisor"),
        HostCommand = [.. surroundings.ProgramCommand, "host"],
        Gateway = new GatewayOptions(),
    };

    private static string HomeOf(Surroundings surroundings)
    {
        var variables = surroundings.Environment;
        if (Set(variables, "BERTH_HOME") is { } named)
        {
            return Path.GetFullPath(named, surroundings.CurrentDirectory);
        }

        // The specification of these folders says that a relative path is to be ignored.
        if (Set(variables, "XDG_DATA_HOME") is { } data && Path.IsPathRooted(data))
        {
            return Path.Combine(data, "berth");
        }

        return Set(variables, "HOME") is { } user && Path.IsPathRooted(user)
            ? Path.Combine(user, ".local", "share", "berth")
            : throw new FailureException(
                "setting_invalid",
                "There is no folder for Berth's state: neither BERTH_HOME nor HOME is set to an absolute path.",
                "Set BERTH_HOME to a folder of its own.",
                Fault.Operator);
    }

    private static void RefuseUnknown(IReadOnlyDictionary<string, string> variables)
    {
        var unknown = variables.Keys.Order(StringComparer.Ordinal).FirstOrDefault(name =>
            Array.Exists(OurPrefixes, prefix => name.StartsWith(prefix, StringComparison.Ordinal))
            && name is not FileVariable
            && !SettingsTable.All.Any(setting => string.Equals(setting.Variable, name, StringComparison.Ordinal)));
        if (unknown is not null)
        {
            var prefix = Array.Find(OurPrefixes, prefix => unknown.StartsWith(prefix, StringComparison.Ordinal))!;
            var known = SettingsTable.All.Select(setting => setting.Variable).Append(FileVariable)
                .Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToList();
            throw new FailureException(
                "setting_unknown",
                $"There is no setting {unknown}, but the environment has it.{NearestName.Question(unknown, known)}",
                $"Unset it, or use one of {string.Join(", ", known)}.",
                Fault.Operator);
        }
    }

    // An empty variable is how shells and unit files say "not set".
    private static string? Set(IReadOnlyDictionary<string, string> variables, string name) =>
        variables.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
}
