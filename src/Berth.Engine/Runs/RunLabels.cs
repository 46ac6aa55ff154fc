using Berth.Protocol;

namespace Berth.Engine.Runs;

/// <summary>The labels of a run: names and values by which it is found again.</summary>
internal static class RunLabels
{
    /// <summary>What a label must be.</summary>
    public static readonly string Expected =
        $"at most {RunTicket.MostLabels} labels, names of letters, digits and . _ - /, names and values of at most "
            + $"{RunTicket.LongestText} characters";

    /// <summary>The labels, where they can be some.</summary>
    /// <exception cref="FailureException"><c>label_invalid</c>.</exception>
    public static Dictionary<string, string> Checked(Dictionary<string, string> labels) =>
        labels.Count <= RunTicket.MostLabels && labels.All(label => IsLabel(label.Key, label.Value))
            ? labels
            : throw new FailureException(
                "label_invalid", $"The labels are not valid: expected {Expected}.",
                "Use labels such as team=shop, in JSON {\"team\": \"shop\"}.", Fault.User);

    /// <summary>Reads <c>NAME=VALUE</c>; null where it is none.</summary>
    public static KeyValuePair<string, string>? Read(string text)
    {
        var sign = text.IndexOf('=', StringComparison.Ordinal);
        return sign > 0 && IsLabel(text[..sign], text[(sign + 1)..])
            ? KeyValuePair.Create(text[..sign], text[(sign + 1)..])
            : null;
    }

    private static bool IsLabel(string name, string value) =>
        name.Length is > 0 and <= RunTicket.LongestText && value.Length <= RunTicket.LongestText
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '/')
        && !value.Any(char.IsControl);
}
