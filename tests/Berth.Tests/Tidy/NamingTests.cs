using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Berth.Tests.Tidy;

/// <summary>Nothing is a home for things that have not been named, and nothing is open that need not be.</summary>
public sealed class NamingTests
{
    private static readonly HashSet<string> NoFolders = new(
        ["Utils", "Helpers", "Common", "Extensions", "Models", "Interfaces", "Services", "Managers", "Configuration"],
        StringComparer.OrdinalIgnoreCase);

    private static readonly string[] NoEndings =
        ["Util", "Utils", "Utility", "Helper", "Helpers", "Common", "Manager", "Managers"];

    [Fact]
    public void No_folder_is_a_home_for_what_has_no_name() =>
        SourceTree.Holds(SourceTree.Files("src").Concat(SourceTree.Files("tests")).Where(HasBadFolder));

    [Fact]
    public void No_type_is_a_helper_or_manager() =>
        SourceTree.Holds(BadNames(SourceModel.Product));

    [Fact]
    public void Everything_outside_the_protocol_is_internal() =>
        SourceTree.Holds(PublicTypes(SourceModel.Product));

    [Fact]
    public void Every_class_that_nothing_derives_from_is_sealed() =>
        SourceTree.Holds(OpenClasses(SourceModel.Product));

    [Fact]
    public void What_is_badly_named_or_too_open_is_found()
    {
        var model = SourceModel.Of(
            ("src/Berth.Engine/Runs/A.cs", """
                public sealed class A { public sealed class InsideIsAsOpenAsItsHome; }
                internal class B;
                internal class C;
                internal sealed class D : C;
                internal abstract class E;
                internal static class PathHelper;
                internal record F(int One);
                internal record struct G(int One);
                """),
            ("src/Berth.Protocol/H.cs", "public sealed class H;"));

        Assert.Equal(["A"], PublicTypes(model).Select(Last), StringComparer.Ordinal);
        Assert.Equal(["B", "F"], OpenClasses(model).Select(Last), StringComparer.Ordinal);
        Assert.Equal(["PathHelper"], BadNames(model).Select(Last), StringComparer.Ordinal);
        Assert.True(HasBadFolder("src/Berth.Engine/Helpers/A.cs"));
        Assert.False(HasBadFolder("src/Berth.Engine/Runs/Helpers.cs"));
    }

    private static bool HasBadFolder(string file) => file.Split('/')[..^1].Any(NoFolders.Contains);

    private static IEnumerable<string> BadNames(SourceModel model) =>
        from type in Types(model)
        where Array.Exists(NoEndings, ending => type.Identifier.Text.EndsWith(ending, StringComparison.Ordinal))
        select $"{SourceModel.Place(type)}: {type.Identifier.Text}";

    private static IEnumerable<string> PublicTypes(SourceModel model) =>
        from type in Types(model)
        where !type.SyntaxTree.FilePath.StartsWith("src/Berth.Protocol/", StringComparison.Ordinal)
        where type.Parent is not BaseTypeDeclarationSyntax && type.Modifiers.Any(SyntaxKind.PublicKeyword)
        select $"{SourceModel.Place(type)}: {type.Identifier.Text}";

    private static IEnumerable<string> OpenClasses(SourceModel model)
    {
        var all = Types(model).Select(model.Declared).OfType<INamedTypeSymbol>()
            .Where(type => type.TypeKind == TypeKind.Class)
            .Distinct<INamedTypeSymbol>(SymbolEqualityComparer.Default)
            .ToList();
        var bases = all.Select(type => type.BaseType?.OriginalDefinition).ToHashSet(SymbolEqualityComparer.Default);
        return from type in all
               where type is { IsSealed: false, IsStatic: false, IsAbstract: false } && !bases.Contains(type)
               select $"{SourceModel.Place(type.DeclaringSyntaxReferences[0].GetSyntax())}: {type.Name}";
    }

    private static IEnumerable<BaseTypeDeclarationSyntax> Types(SourceModel model) => model.Trees
        .SelectMany(tree => tree.GetRoot(TestContext.Current.CancellationToken).DescendantNodes())
        .OfType<BaseTypeDeclarationSyntax>();

    private static string Last(string place) => place[(place.LastIndexOf(' ') + 1)..];
}
