using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Berth.Tests.Tidy;

/// <summary>C# files with what the compiler knows of them: which type a name means, which overload is called.</summary>
internal sealed class SourceModel
{
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly Lazy<SourceModel> OfProduct = new(() => new SourceModel(
        [.. SourceTree.Files("src", "*.cs").Select(file => (file, SourceTree.Read(file)))]));

    private static readonly Lazy<IReadOnlyList<MetadataReference>> Platform = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(file => !Path.GetFileName(file).StartsWith("berth", StringComparison.OrdinalIgnoreCase))
            .Select(file => MetadataReference.CreateFromFile(file))]);

    private readonly CSharpCompilation compilation;
    private readonly Dictionary<SyntaxTree, SemanticModel> models = [];

    private SourceModel(IReadOnlyList<(string File, string Text)> files)
    {
        Trees = [.. files.Select(file => CSharpSyntaxTree.ParseText(file.Text, path: file.File))];
        compilation = CSharpCompilation.Create(
            "tidy",
            [.. Trees, CSharpSyntaxTree.ParseText(ImplicitUsings)],
            Platform.Value,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, allowUnsafe: true));
    }

    /// <summary>All of src.</summary>
    public static SourceModel Product => OfProduct.Value;

    /// <summary>The files; their paths are from the root of the clone.</summary>
    public IReadOnlyList<SyntaxTree> Trees { get; }

    /// <summary>A model of a few files in memory, to show that a rule can be broken.</summary>
    public static SourceModel Of(params (string File, string Text)[] files) => new(files);

    /// <summary>What a name, call or creation means, or null where the compiler cannot say.</summary>
    public ISymbol? Meaning(SyntaxNode node)
    {
        var found = ModelOf(node).GetSymbolInfo(node);
        return found.Symbol ?? (found.CandidateSymbols is [var first, ..] ? first : null);
    }

    /// <summary>What a declaration declares.</summary>
    public ISymbol? Declared(SyntaxNode node) => ModelOf(node).GetDeclaredSymbol(node);

    // A model remembers what it has bound, and tests of several classes ask at once.
    private SemanticModel ModelOf(SyntaxNode node)
    {
        lock (models)
        {
            return models.TryGetValue(node.SyntaxTree, out var model)
                ? model
                : models[node.SyntaxTree] = compilation.GetSemanticModel(node.SyntaxTree);
        }
    }

    /// <summary>Where a node stands, as a compiler would say it.</summary>
    public static string Place(SyntaxNode node)
    {
        var line = node.GetLocation().GetLineSpan().StartLinePosition.Line + 1;
        return string.Create(CultureInfo.InvariantCulture, $"{node.SyntaxTree.FilePath}:{line}");
    }
}
