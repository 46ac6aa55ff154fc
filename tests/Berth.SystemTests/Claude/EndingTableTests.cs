using System.Text;
using Berth.Engine.Claude;
using Xunit;

namespace Berth.SystemTests.Claude;

/// <summary>Holds the tables of ends against the lists of words in the pinned CLI itself: what a new version brings
/// fails here first, by name.</summary>
public sealed class EndingTableTests
{
    private static readonly Lazy<byte[]?> Binary = new(() =>
        RealClaude.Find() is { } claude ? File.ReadAllBytes(claude) : null);

    // Each list of the binary that holds all of a row's words is the row's; a list of another feature that shares one
    // of them is not.
    private static readonly (string Name, IReadOnlyDictionary<string, ClaudeEnding?> Table, string[] Anchors)[] Rows =
    [
        ("terminal_reason", EndingTable.TerminalReasons, ["rapid_refill_breaker", "aborted_streaming"]),
        ("terminal_reason, set by hosts", EndingTable.TerminalReasons, ["turn_setup_failed", "budget_exhausted"]),
        ("api_error", EndingTable.ErrorKinds, ["autocompact_thrashing", "empty_completion"]),
        ("error", EndingTable.MessageErrors, ["cloud_credential_error", "verification_required"]),
        ("startup_failure_reason", EndingTable.StartupReasons, ["org_pin_mismatch", "bypass_root"]),
        ("subtype", EndingTable.Subtypes, ["error_max_turns", "error_during_execution"]),
        ("stop_reason", EndingTable.StopReasons, ["pause_turn", "end_turn", "refusal"]),
    ];

    public static IEnumerable<TheoryDataRow<string>> Names => Rows.Select(row => new TheoryDataRow<string>(row.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void F80_Each_word_for_an_end_that_the_cli_has_is_in_the_table(string name)
    {
        Assert.SkipWhen(Binary.Value is null, "There is no Claude CLI: run npm ci in tools/claude.");
        var (_, table, anchors) = Rows.Single(row => string.Equals(row.Name, name, StringComparison.Ordinal));

        var words = ListsWith(Binary.Value, anchors).SelectMany(list => list).Distinct(StringComparer.Ordinal).ToList();

        Assert.True(words.Count > 0, $"The CLI has no list with {string.Join(" and ", anchors)} any more.");
        Assert.DoesNotContain(words, word => table.Misses(word));
    }

    private static IEnumerable<string[]> ListsWith(byte[] binary, string[] anchors)
    {
        var anchor = Encoding.ASCII.GetBytes($"\"{anchors[0]}\"");
        for (var at = binary.AsSpan().IndexOf(anchor); at >= 0;)
        {
            var start = at;
            while (start > 0 && IsOfList(binary[start]))
            {
                start--;
            }

            var end = at + anchor.Length;
            while (end < binary.Length && IsOfList(binary[end]))
            {
                end++;
            }

            var words = Encoding.ASCII.GetString(binary, start + 1, end - start - 1)
                .Split(',').Select(word => word.Trim('"')).ToArray();
            if (binary[start] == '[' && binary[end] == ']' && anchors.All(word => words.Contains(word)))
            {
                yield return words;
            }

            var next = binary.AsSpan(end).IndexOf(anchor);
            at = next < 0 ? -1 : end + next;
        }
    }

    private static bool IsOfList(byte letter) =>
        char.IsAsciiLetterOrDigit((char)letter) || letter is (byte)'_' or (byte)'"' or (byte)',' or (byte)'-';
}
