using System.Text;
using Berth.Engine.Processes;

namespace Berth.Terminal;

/// <summary>The pager that a person wants, chosen as git chooses it.</summary>
/// <remarks>
/// GIT_PAGER, core.pager, PAGER, less; the first that is set counts, and an empty one or <c>cat</c> means none. Git
/// hands the text to a shell. Berth starts no shell: it takes the text apart into words, with quotes and with
/// NAME=VALUE in front, and says so where the text is more than that.
/// </remarks>
/// <param name="Program">The program's path.</param>
/// <param name="Arguments">Its arguments.</param>
/// <param name="Environment">Its environment.</param>
internal sealed record PagerChoice(
    string Program, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment)
{
    private const string Usual = "less";

    // What a shell gives a meaning of its own to, where it is not quoted.
    private const string ShellSigns = "|&;<>()$`*?[]#!{}\n";

    /// <summary>Chooses.</summary>
    /// <param name="environment">The user's environment.</param>
    /// <param name="configured">Git's core.pager, where it is set.</param>
    /// <returns>The pager, or null for none; and what the user should be told, or null.</returns>
    public static (PagerChoice? Pager, string? Note) Of(
        IReadOnlyDictionary<string, string> environment, string? configured)
    {
        var wanted = environment.GetValueOrDefault("GIT_PAGER") ?? configured
            ?? environment.GetValueOrDefault("PAGER");
        if (wanted is null)
        {
            // On a terminal that cannot move its cursor less only asks for patience.
            return environment.GetValueOrDefault("TERM") is null or "" or "dumb"
                ? (null, null)
                : (Made([Usual], environment), null);
        }

        return Words(wanted) switch
        {
            null => (Made([Usual], environment),
                $"the pager \"{wanted}\" needs a shell, which Berth does not start; {Usual} is used"),
            [] or ["cat"] => (null, null),
            var words => Made(words, environment) is { } pager
                ? (pager, null)
                : (null, $"the pager \"{wanted}\" was not found"),
        };
    }

    /// <summary>Takes a command apart as a shell does; null where it needs one.</summary>
    public static IReadOnlyList<string>? Words(string text)
    {
        var words = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            if (text[at] is ' ' or '\t')
            {
                at++;
            }
            else if (Word(text, ref at) is { } word)
            {
                words.Add(word);
            }
            else
            {
                return null;
            }
        }

        return words;
    }

    // Up to the next space that is not quoted; null where a shell would do more with it.
    private static string? Word(string text, ref int at)
    {
        if (text[at] is '~')
        {
            return null;
        }

        var word = new StringBuilder();
        while (at < text.Length && text[at] is not (' ' or '\t'))
        {
            var letter = text[at++];
            if (letter is '\'' or '"')
            {
                var end = Quoted(text, at, letter, word);
                if (end < 0)
                {
                    return null;
                }

                at = end;
            }
            else if (letter is '\\' && at < text.Length)
            {
                word.Append(text[at++]);
            }
            else if (ShellSigns.Contains(letter, StringComparison.Ordinal))
            {
                return null;
            }
            else
            {
                word.Append(letter);
            }
        }

        return word.ToString();
    }

    // Returns where the quotes are closed, or -1 where they are not, or hold what a shell would put something in for.
    private static int Quoted(string text, int at, char quote, StringBuilder word)
    {
        while (at < text.Length)
        {
            var letter = text[at++];
            if (letter == quote)
            {
                return at;
            }

            if (quote is '"' && letter is ('$' or '`'))
            {
                return -1;
            }

            word.Append(quote is '"' && letter is '\\' && at < text.Length && text[at] is ('"' or '\\' or '$' or '`')
                ? text[at++]
                : letter);
        }

        return -1;
    }

    private static PagerChoice? Made(IReadOnlyList<string> words, IReadOnlyDictionary<string, string> environment)
    {
        var theirs = new Dictionary<string, string>(environment, StringComparer.Ordinal);

        // As git sets them where nobody has: quit where all fits, colours, and leave it on the screen.
        theirs.TryAdd("LESS", "FRX");
        theirs.TryAdd("LV", "-c");
        var settings = words.TakeWhile(word => word.IndexOf('=', StringComparison.Ordinal) is > 0 and var end
            && word[..end].All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_')).ToList();
        foreach (var setting in settings)
        {
            var end = setting.IndexOf('=', StringComparison.Ordinal);
            theirs[setting[..end]] = setting[(end + 1)..];
        }

        return words.Skip(settings.Count).ToList() is [var name, .. var arguments]
            && ProgramPath.Find(name, environment.GetValueOrDefault("PATH") ?? string.Empty) is { } program
                ? new PagerChoice(program, arguments, theirs)
                : null;
    }
}
