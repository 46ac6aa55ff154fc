using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Berth.Tests.Tidy;

/// <summary>What the documents say is there.</summary>
public sealed partial class DocumentTests
{
    private const string Troubleshooting = "docs/TROUBLESHOOTING.md";

    [Fact]
    public void Every_link_and_anchor_leads_somewhere() =>
        SourceTree.Holds(SourceTree.Files(".", "*.md").SelectMany(file => BadLinks(file, SourceTree.Read(file))));

    [Fact]
    public void Every_error_code_has_its_place_in_the_troubleshooting_guide()
    {
        Assert.SkipUnless(Exists(Troubleshooting), "The guide is not written yet.");
        SourceTree.Holds(Missing(Codes(SourceModel.Product), SourceTree.Read(Troubleshooting)));
    }

    [Fact]
    public void There_is_a_changelog_with_something_in_it()
    {
        Assert.SkipUnless(Exists("CHANGELOG.md"), "The changelog is not written yet.");
        Assert.Contains("\n- ", SourceTree.Read("CHANGELOG.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_and_option_in_a_document_exists() =>
        SourceTree.Holds(SourceTree.Files(".", "*.md")
            .SelectMany(file => BadCommands(file, SourceTree.Read(file), WordsOf(SourceModel.Product))));

    [Fact]
    public void No_file_holds_a_path_of_the_machine_that_made_it() =>
        SourceTree.Holds(SourceTree.Files(".")
            .Where(file => !file.Contains("/Tidy/", StringComparison.Ordinal))
            .SelectMany(file => MachinePaths(file, SourceTree.Read(file))));

    [Fact]
    public void A_link_that_leads_nowhere_is_found()
    {
        const string Text = """
            # One & two: `three`
            ## One
            ## One
            [a](#one--two-three) [b](#one-1) [c](LICENSE) [d](/LICENSE "title") [e](https://example.org/x) [f](src/)
            [g](#four) [h](no-such-file.md) [i](<LICENSE>) ![j](none.png) [k](README.md#no-such-anchor-anywhere)
            `[l](not-a-link)`
            ```
            [m](not-a-link)
            ```
            """;

        Assert.Equal(
            ["#four", "no-such-file.md", "none.png", "README.md#no-such-anchor-anywhere"],
            BadLinks("A.md", Text).Select(text => text[(text.LastIndexOf(' ') + 1)..]),
            StringComparer.Ordinal);
    }

    [Fact]
    public void A_code_that_the_guide_leaves_out_is_found()
    {
        const string Source = """
            static class A
            {
                const string Named = "by_name";
                static void M()
                {
                    throw new FailureException("by_exception", "m", "h", Fault.User);
                    Failure one = new("by_target", "m", "h", Fault.User);
                    Make(Named, Fault.Berth);
                    Make(flag ? "by_one" : "by_other", Fault.Berth);
                    var (code, fault) = flag ? ("by_tuple", Fault.Nobody) : ("by_other_tuple", Fault.Berth);
                    _ = new Check { Code = flag ? "by_property" : "", Name = "not_code" };
                    _ = "not_a_code";
                }
            }
            """;
        var codes = Codes(SourceModel.Of(("src/Berth/A.cs", Source)));

        Assert.Equal(
            ["by_exception", "by_name", "by_one", "by_other", "by_other_tuple", "by_property", "by_target", "by_tuple"],
            codes,
            StringComparer.Ordinal);
        Assert.Equal(
            ["by_target"],
            Missing(
                codes,
                "`by_exception` `by_name` `by_one` `by_other` `by_other_tuple` `by_property` `by_tuple` by_target"),
            StringComparer.Ordinal);
    }

    [Fact]
    public void A_command_that_does_not_exist_is_found()
    {
        const string Text = """
            berth nothing outside of a block
            ```sh
            $ ./berth run fix "mend --that" --repo . | less --raw
            berth rnu fix
            BERTH_HOME=/tmp/x berth logs RUN --folow   # as it goes on
            berth WORKFLOW --help
            echo berth is here
            ```
            """;

        Assert.Equal(
            ["A.md: berth knows no rnu", "A.md: berth knows no --folow"],
            BadCommands("A.md", Text, new(["run", "logs", "--repo"], StringComparer.Ordinal)),
            StringComparer.Ordinal);
    }

    [Fact]
    public void A_path_of_a_machine_is_found()
    {
        Assert.NotEmpty(MachinePaths("a", "see /home/alexandra/berth/x"));
        Assert.NotEmpty(MachinePaths("a", "see /home/builder/berth/x"));
        Assert.NotEmpty(MachinePaths("a", $"see {SourceTree.Root}/x"));
        Assert.Empty(MachinePaths("a", "/home/agent/.claude /home/you/x /root /workspace/work/x https://a.org/x"));
    }

    private static bool Exists(string file) => File.Exists(Path.Combine(SourceTree.Root, file));

    /// <summary>
    /// In blocks of code, the lines that call the program: its command, and its options up to a pipe or a comment.
    /// </summary>
    private static IEnumerable<string> BadCommands(string file, string text, HashSet<string> known) =>
        from block in Fenced.Matches(text)
        from call in Call.Matches(block.Value)
        let words = Quoted.Replace(call.Groups["words"].Value, string.Empty)
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .TakeWhile(word => word is not ("|" or "#" or "&&" or "||" or ";" or ">"))
            .Select(word => word.Split('=')[0])
        from word in words.Where((word, index) => index == 0 ? Command.IsMatch(word) : Option.IsMatch(word))
        where !known.Contains(word) && word is not ("--help" or "--version")
        select $"{file}: berth knows no {word}";

    private static HashSet<string> WordsOf(SourceModel model) => model.Trees
        .Where(tree => tree.FilePath.StartsWith("src/Berth/", StringComparison.Ordinal))
        .SelectMany(tree => tree.GetRoot(TestContext.Current.CancellationToken).DescendantTokens())
        .Where(token => token.IsKind(SyntaxKind.StringLiteralToken))
        .Select(token => token.ValueText)
        .ToHashSet(StringComparer.Ordinal);

    private static IEnumerable<string> Missing(IEnumerable<string> codes, string guide) =>
        codes.Where(code => !guide.Contains($"`{code}`", StringComparison.Ordinal));

    /// <summary>
    /// A code is a word given together with whose fault it is, or given to a property of that name; as it stands or
    /// by the name of a constant.
    /// </summary>
    private static IReadOnlyList<string> Codes(SourceModel model)
    {
        var nodes = model.Trees
            .SelectMany(tree => tree.GetRoot(TestContext.Current.CancellationToken).DescendantNodes())
            .ToList();
        var constants = nodes.OfType<VariableDeclaratorSyntax>()
            .Where(variable => variable.Initializer?.Value is LiteralExpressionSyntax { Token.Value: string })
            .ToLookup(
                variable => variable.Identifier.Text,
                variable => ((LiteralExpressionSyntax)variable.Initializer!.Value).Token.ValueText,
                StringComparer.Ordinal);
        var words =
            from list in nodes
            from value in CodeHolders(list)
            from part in value.DescendantNodesAndSelf(IsPlain)
            from word in part switch
            {
                LiteralExpressionSyntax { Token.Value: string text } => [text],
                IdentifierNameSyntax name => constants[name.Identifier.Text],
                _ => [],
            }
            where Code.IsMatch(word)
            select word;
        return [.. words.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<ExpressionSyntax> CodeHolders(SyntaxNode node)
    {
        var arguments = node switch
        {
            ArgumentListSyntax call => call.Arguments,
            TupleExpressionSyntax tuple => tuple.Arguments,
            _ => default,
        };
        if (arguments.Any(argument => NamesFault(argument.Expression)))
        {
            return arguments.Select(argument => argument.Expression);
        }

        return node is AssignmentExpressionSyntax { Left: IdentifierNameSyntax { Identifier.Text: "Code" } } given
            ? [given.Right]
            : [];
    }

    private static bool IsPlain(SyntaxNode node) =>
        node is not InvocationExpressionSyntax and not LambdaExpressionSyntax;

    private static bool NamesFault(ExpressionSyntax expression) =>
        expression.DescendantNodesAndSelf().OfType<MemberAccessExpressionSyntax>()
            .Any(access => access.Expression is IdentifierNameSyntax { Identifier.Text: "Fault" });

    private static IEnumerable<string> BadLinks(string file, string text) =>
        from match in Link.Matches(WithoutCode(text))
        let target = match.Groups["target"].Value
        where !target.Contains("://", StringComparison.Ordinal)
        where !target.StartsWith("mailto:", StringComparison.Ordinal)
        where !Leads(file, text, target)
        select $"{file}: nothing is at {target}";

    private static bool Leads(string file, string text, string target)
    {
        var parts = target.Split('#', 2);
        var path = parts[0].StartsWith('/')
            ? Path.Combine(SourceTree.Root, parts[0][1..])
            : Path.Combine(SourceTree.Root, Path.GetDirectoryName(file)!, Uri.UnescapeDataString(parts[0]));
        if (parts[0].Length > 0 && !Path.Exists(path))
        {
            return false;
        }

        return parts.Length == 1 || Anchors(parts[0].Length == 0 ? text : File.ReadAllText(path)).Contains(parts[1]);
    }

    /// <summary>
    /// The anchors of headings, as GitHub makes them: lower case, spaces to dashes, a number for one that comes again.
    /// </summary>
    private static HashSet<string> Anchors(string text)
    {
        var anchors = new HashSet<string>(StringComparer.Ordinal);
        foreach (Match heading in Heading.Matches(Fenced.Replace(text, string.Empty)))
        {
            var title = Link.Replace(heading.Groups["title"].Value, match => match.Groups["text"].Value);
            var anchor = string.Concat(title.Trim().ToLowerInvariant()
                .Where(letter => char.IsLetterOrDigit(letter) || letter is ' ' or '-' or '_')
                .Select(letter => letter == ' ' ? '-' : letter));
            var number = 0;
            while (!anchors.Add(number == 0 ? anchor : FormattableString.Invariant($"{anchor}-{number}")))
            {
                number++;
            }
        }

        return anchors;
    }

    private static string WithoutCode(string text) => Inline.Replace(Fenced.Replace(text, string.Empty), string.Empty);

    private static IEnumerable<string> MachinePaths(string file, string text) =>
        MachinePath.Matches(text).Select(match => match.Value)
            .Concat(text.Contains($"{SourceTree.Root}/", StringComparison.Ordinal) ? [SourceTree.Root] : [])
            .Select(path => $"{file}: {path}");

    [GeneratedRegex(@"^[a-z][a-z0-9]*(_[a-z0-9]+)+$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Code { get; }

    [GeneratedRegex(
        @"\[(?<text>[^\]\n]*)\]\(<?(?<target>[^)\s>]+)>?(\s+""[^""]*"")?\)",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Link { get; }

    [GeneratedRegex(
        @"^\s*(\$ )?(\w+=\S+ )*(\./)?berth (?<words>.*)$",
        RegexOptions.Multiline | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Call { get; }

    [GeneratedRegex(@"""[^""\n]*""|'[^'\n]*'", RegexOptions.None, 1000)]
    private static partial Regex Quoted { get; }

    [GeneratedRegex("^[a-z]+$", RegexOptions.None, 1000)]
    private static partial Regex Command { get; }

    [GeneratedRegex("^--[a-z]", RegexOptions.None, 1000)]
    private static partial Regex Option { get; }

    [GeneratedRegex(@"^#{1,6}\s+(?<title>.*?)\s*#*$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Heading { get; }

    [GeneratedRegex(
        @"^\s*(?<fence>```+|~~~+).*?^\s*\k<fence>\s*$",
        RegexOptions.Multiline | RegexOptions.Singleline,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Fenced { get; }

    [GeneratedRegex("`[^`\n]*`", RegexOptions.None, 1000)]
    private static partial Regex Inline { get; }

    [GeneratedRegex(
        @"(?<![\w./-])(/Users/\w|/root/\.?\w+/\w|/home/(?!agent\b|you\b|user\b|me\b|alice\b)\w+/)\S*",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex MachinePath { get; }
}
