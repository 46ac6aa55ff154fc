using System.Text.Json;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth;

/// <summary>Reads <c>berth.json</c>: one object, its keys those of <see cref="SettingsTable"/>.</summary>
internal static class SettingsFile
{
    private const int MaxBytes = 1024 * 1024;

    // Somebody will try these; they deserve a better answer than "unknown".
    private static readonly string[] CredentialKeys =
        ["apiKey", "authToken", "oauthToken", "anthropicApiKey", "token", "key"];

    private static readonly JsonDocumentOptions Reading = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowDuplicateProperties = false,
    };

    /// <summary>What the file sets; nothing where there is no file.</summary>
    /// <param name="file">The file's path.</param>
    /// <param name="mustExist">Whether somebody named it, so that it is missed when it is not there.</param>
    /// <exception cref="FailureException"><c>settings_file_invalid</c>, <c>setting_unknown</c> or
    /// <c>setting_invalid</c>.</exception>
    public static IReadOnlyDictionary<Setting, SettingValue> Read(string file, bool mustExist)
    {
        if (!mustExist && !File.Exists(file))
        {
            return new Dictionary<Setting, SettingValue>();
        }

        using var document = Parse(file);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw Invalid(file, "it must hold one JSON object");
        }

        var folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        return document.RootElement.EnumerateObject()
            .Where(member => member.Name is not "$schema")
            .Select(member => (Setting: Find(file, member.Name), Member: member))
            .ToDictionary(found => found.Setting, found => Value(file, found.Setting, found.Member, folder));
    }

    private static JsonDocument Parse(string file)
    {
        try
        {
            FileMask.RefuseWritableByOthers(file, "the settings");
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return stream.CanSeek && stream.Length > MaxBytes
                ? throw Invalid(file, "it is larger than 1 MiB")
                : JsonDocument.Parse(stream, Reading);
        }
        catch (JsonException bad)
        {
            var place = bad.LineNumber is { } line
                ? $"line {line + 1}, byte {bad.BytePositionInLine + 1}: "
                : string.Empty;
            throw Invalid(file, place + FirstSentence(bad.Message), bad);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw Invalid(file, unreadable.Message, unreadable);
        }
    }

    // The message goes on with the place, which is said already.
    private static string FirstSentence(string message)
    {
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).TrimEnd('.');
    }

    private static Setting Find(string file, string key)
    {
        var all = SettingsTable.All;
        if (all.FirstOrDefault(setting => string.Equals(setting.Key, key, StringComparison.Ordinal)) is { } found)
        {
            return found;
        }

        var variable = all.FirstOrDefault(setting => string.Equals(setting.Variable, key, StringComparison.Ordinal));
        var isCredential = variable is { Secret: true }
            || CredentialKeys.Contains(key, StringComparer.OrdinalIgnoreCase);
        var keys = all.Select(setting => setting.Key).OfType<string>().ToList();
        var hint = (isCredential, variable) switch
        {
            (true, _) => "Credentials are read from the environment only: "
                + "ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN.",
            (_, { Key: { } name }) => $"Write \"{name}\".",
            (_, { }) => $"{key} can only be set in the environment.",
            _ => $"The keys are {string.Join(", ", keys)}.",
        };
        throw new FailureException(
            "setting_unknown",
            $"There is no setting \"{key}\" ({file}).{NearestName.Question(key, keys)}",
            hint,
            Fault.Operator);
    }

    private static SettingValue Value(string file, Setting setting, JsonProperty member, string folder)
    {
        var isList = setting.Separator is not null;
        return member.Value.ValueKind switch
        {
            JsonValueKind.Array when isList && member.Value.EnumerateArray().All(IsText) =>
                new SettingValue([.. member.Value.EnumerateArray().Select(item => item.GetString()!)], folder),
            JsonValueKind.String when !isList => new SettingValue([member.Value.GetString()!], folder),
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False when !isList =>
                new SettingValue([member.Value.GetRawText()], folder),
            _ => throw Settings.Invalid(setting, member.Value.GetRawText(), $"\"{member.Name}\" in {file}"),
        };
    }

    private static bool IsText(JsonElement item) => item.ValueKind == JsonValueKind.String;

    private static FailureException Invalid(string file, string problem, Exception? inner = null) => new(
        "settings_file_invalid",
        $"The settings in {file} cannot be read: {problem}.",
        "Mend the file, or take it away: every setting has a default.",
        Fault.Operator,
        inner);
}
