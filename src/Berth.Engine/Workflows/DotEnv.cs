using System.Text;
using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>Reads <c>.env</c>: the environment that a workflow gives to its runs.</summary>
/// <remarks>
/// One <c>NAME=VALUE</c> a line, with <c>export</c> in front or not; blank lines and lines that begin with <c>#</c> do
/// not count. A value without quotes goes to the end of the line or to a <c>#</c> after a space, less the spaces around
/// it. A value in single quotes is taken as it stands. In double quotes <c>\n \r \t \" \\ \$</c> stand for what they do
/// in most languages, and any other backslash for itself. Quoted values may go over several lines. Nothing is expanded
/// and nothing is run: <c>$X</c> is two characters.
/// </remarks>
internal sealed class DotEnv
{
    /// <summary>The most variables.</summary>
    public const int Most = 500;

    private readonly WorkflowText source;
    private readonly string text;
    private readonly OrderedDictionary<string, string> variables = new(StringComparer.Ordinal);
    private int at;

    private DotEnv(WorkflowText source)
    {
        this.source = source;
        text = source.Content;
    }

    /// <summary>Reads the variables, in their order.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>, with the line and column.</exception>
    public static IReadOnlyDictionary<string, string> Read(WorkflowText source)
    {
        var reader = new DotEnv(source);
        while (reader.SkipToNext())
        {
            reader.ReadVariable();
        }

        return reader.variables;
    }

    /// <summary>Writes variables so that <see cref="Read"/> gives them back.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>: a name is none, and would be read as something
    /// else.</exception>
    public static string Write(IReadOnlyDictionary<string, string> variables)
    {
        var written = new StringBuilder();
        foreach (var (name, value) in variables)
        {
            if (!EnvironmentName.IsName(name))
            {
                throw WorkflowText.Invalid(WorkflowCatalog.EnvironmentFile, $"expected {EnvironmentName.Expected}");
            }

            var quoted = value.Replace("\\", "\\\\", StringComparison.Ordinal)
                .Replace("\"", "\\\"", StringComparison.Ordinal);
            _ = written.Append(name).Append("=\"").Append(quoted).Append("\"\n");
        }

        return written.ToString();
    }

    private bool SkipToNext()
    {
        while (at < text.Length && (char.IsWhiteSpace(text[at]) || text[at] == '#'))
        {
            if (text[at] == '#')
            {
                SkipLine();
            }
            else
            {
                at++;
            }
        }

        return at < text.Length;
    }

    private void ReadVariable()
    {
        var start = at;
        var name = ReadName();
        var export = string.Equals(name, "export", StringComparison.Ordinal) && SkipBlanks() > 0;
        if (export && Here is not ('=' or '\n' or '\0'))
        {
            start = at;
            name = ReadName();
        }

        _ = SkipBlanks();
        if (!EnvironmentName.IsName(name) || Here != '=')
        {
            throw source.Refuse(start, $"expected NAME=VALUE, with {EnvironmentName.Expected}");
        }

        if (EnvironmentName.WhyRefused(name) is { } why)
        {
            throw source.Refuse(start, $"expected a variable that a workflow may set; {why}");
        }

        at++;
        var value = ReadValue();
        if (!variables.TryAdd(name, value))
        {
            throw source.Refuse(start, $"expected each variable once, found {name} again");
        }

        if (variables.Count > Most)
        {
            throw source.Refuse(start, "expected at most 500 variables, found more");
        }
    }

    // A NUL never stands in the text, so it can stand for its end.
    private char Here => at < text.Length ? text[at] : '\0';

    private string ReadName()
    {
        var start = at;
        while (Here is not ('=' or '\0') && !char.IsWhiteSpace(Here))
        {
            at++;
        }

        return text[start..at];
    }

    private string ReadValue()
    {
        _ = SkipBlanks();
        return Here is '"' or '\'' ? ReadQuoted(Here) : ReadPlain();
    }

    private string ReadPlain()
    {
        var start = at;
        while (Here is not ('\n' or '\0') && !(Here == '#' && (at == start || IsBlank(text[at - 1]))))
        {
            at++;
        }

        var value = text[start..at].Trim();
        SkipLine();
        return value;
    }

    private string ReadQuoted(char quote)
    {
        var start = at++;
        var value = new StringBuilder();
        while (Here != quote)
        {
            if (at == text.Length)
            {
                throw source.Refuse(start, $"expected a closing {quote} for the one that stands here");
            }

            _ = value.Append(quote == '"' && Here == '\\' ? ReadEscape() : text[at++].ToString());
        }

        at++;
        _ = SkipBlanks();
        if (Here is not ('\n' or '\0' or '#'))
        {
            throw source.Refuse(at, "expected the end of the line or a # after the closing quote");
        }

        SkipLine();
        return value.ToString();
    }

    private string ReadEscape()
    {
        at++;
        var escaped = Here switch
        {
            'n' => "\n",
            'r' => "\r",
            't' => "\t",
            '"' => "\"",
            '\\' => "\\",
            '$' => "$",
            _ => null,
        };
        at += escaped is null ? 0 : 1;
        return escaped ?? "\\";
    }

    private int SkipBlanks()
    {
        var start = at;
        while (IsBlank(Here))
        {
            at++;
        }

        return at - start;
    }

    private void SkipLine()
    {
        while (Here is not ('\n' or '\0'))
        {
            at++;
        }
    }

    private static bool IsBlank(char letter) => letter is ' ' or '\t' or '\r';
}
