using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Berth.Tests.Tidy;

public sealed class LimitsTests
{
    private const int MethodLines = 60;
    private const int FileLines = 400;
    private const int LineLength = 120;
    private const int Parameters = 6;
    private static readonly string[] Folders = ["src", "tests", "bench"];

    [Fact]
    public void Files_lines_methods_and_parameter_lists_keep_their_limits() =>
        SourceTree.Holds(Folders
            .SelectMany(folder => SourceTree.Files(folder, "*.cs"))
            .SelectMany(file => Broken(file, SourceTree.Read(file))));

    [Fact]
    public void What_is_over_a_limit_is_found()
    {
        var body = string.Concat(Enumerable.Repeat("        _ = 1;\n", MethodLines - 3));
        var fits = $"class A\n{{\n    void M()\n    {{\n{body}    }}\n}}\n";
        var over = fits.Replace("    void M()\n", "    void M(\n        int one)\n", StringComparison.Ordinal);

        const string seven = "int a, int b, int c, int d, int e, int f, int g";

        Assert.Empty(Broken("a.cs", fits));
        Assert.Equal(["a.cs:3: M has 61 lines"], Broken("a.cs", over), StringComparer.Ordinal);
        Assert.Equal(
            ["a.cs:1: A has 7 parameters", "a.cs:3: M has 7 parameters"],
            Broken("a.cs", $"record A({seven})\n{{\n    void M({seven}) {{ }}\n}}\n"),
            StringComparer.Ordinal);
        Assert.Equal(
            ["a.cs:2: the line has 121 characters"],
            Broken("a.cs", $"//\n// {new string('x', 118)}\n"),
            StringComparer.Ordinal);
        Assert.Empty(Broken("a.cs", $"class A {{ string B = \"\"\"\n{new string('x', 121)}\n\"\"\"; }}"));
        Assert.Equal(["a.cs: the file has 401 lines"], Broken("a.cs", new string('\n', 401)), StringComparer.Ordinal);
    }

    private static IEnumerable<string> Broken(string file, string text)
    {
        var lines = text.Split('\n');
        if (lines.Length - 1 > FileLines)
        {
            yield return Invariant($"{file}: the file has {lines.Length - 1} lines");
        }

        var root = CSharpSyntaxTree.ParseText(text, path: file).GetRoot(TestContext.Current.CancellationToken);
        var data = LinesOfData(root);
        foreach (var (index, line) in lines.Index())
        {
            if (line.Length > LineLength && !data.Contains(index))
            {
                yield return Invariant($"{file}:{index + 1}: the line has {line.Length} characters");
            }
        }

        var nodes = root.DescendantNodes().ToList();
        foreach (var node in nodes.Where(node => node is BaseMethodDeclarationSyntax or LocalFunctionStatementSyntax))
        {
            var (first, last) = LinesOf(node);
            if (last - first >= MethodLines)
            {
                yield return Invariant($"{file}:{first + 1}: {NameOf(node)} has {last - first + 1} lines");
            }
        }

        foreach (var list in nodes.OfType<ParameterListSyntax>().Where(list => list.Parameters.Count > Parameters))
        {
            var line = LinesOf(list.Parent!).First + 1;
            yield return Invariant($"{file}:{line}: {NameOf(list.Parent!)} has {list.Parameters.Count} parameters");
        }
    }

    // Within a raw string over several lines stands data, a script or a table, whose lines are not ours to break.
    private static HashSet<int> LinesOfData(SyntaxNode root) => root.DescendantNodes()
        .Where(node => node is LiteralExpressionSyntax or InterpolatedStringExpressionSyntax)
        .Select(node => node.GetLocation().GetLineSpan())
        .SelectMany(span => Enumerable.Range(
            span.StartLinePosition.Line + 1,
            Math.Max(0, span.EndLinePosition.Line - span.StartLinePosition.Line - 1)))
        .ToHashSet();

    // Attributes do not count: a test may have more rows of data than a method lines.
    private static (int First, int Last) LinesOf(SyntaxNode node)
    {
        var attributes = node.ChildNodes().OfType<AttributeListSyntax>().LastOrDefault();
        var first = attributes?.GetLastToken().GetNextToken() ?? node.GetFirstToken();
        return (LineOf(first.GetLocation()), node.GetLocation().GetLineSpan().EndLinePosition.Line);
    }

    private static int LineOf(Location location) => location.GetLineSpan().StartLinePosition.Line;

    private static string NameOf(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        LocalFunctionStatementSyntax function => function.Identifier.Text,
        ConstructorDeclarationSyntax constructor => constructor.Identifier.Text,
        BaseTypeDeclarationSyntax type => type.Identifier.Text,
        DelegateDeclarationSyntax type => type.Identifier.Text,
        _ => node.Kind().ToString(),
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
