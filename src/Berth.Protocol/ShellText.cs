namespace Berth.Protocol;

/// <summary>Text as it is typed into a shell: for commands that people are shown. Nothing is ever run
/// from it.</summary>
public static class ShellText
{
    /// <summary>One word of a command, in quotes where a shell would otherwise read more or less than it
    /// says.</summary>
    public static string Quoted(string word) => word.Length > 0 && word.All(IsPlain)
        ? word
        : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static bool IsPlain(char letter) =>
        char.IsAsciiLetterOrDigit(letter) || "/._-+:@%,=".Contains(letter, StringComparison.Ordinal);
}
