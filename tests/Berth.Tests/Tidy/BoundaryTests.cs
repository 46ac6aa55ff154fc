using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Berth.Tests.Tidy;

/// <summary>
/// What only one part of the product may do: start processes, hold SQL, know the time, catch everything.
/// </summary>
public sealed partial class BoundaryTests
{
    private static readonly string[] MayStartProcesses =
        ["src/Berth.Engine/Processes/", "src/Berth.Supervisor/", "src/Berth.Protocol/Posix/"];

    private static readonly string[] MayHoldSql = ["src/Berth.Engine/Storage/"];

    // The places that compose the product and hand the one clock to all others.
    private static readonly string[] MayNameTheClock =
        ["src/Berth.Engine/BerthEngine.cs", "src/Berth.Supervisor/Program.cs", "src/Berth/Program.cs"];

    private static readonly HashSet<string> ClockNames = new(
        [
            "Delay", "Frequency", "GetElapsedTime", "GetTimestamp", "Now", "Sleep", "StartNew", "System", "TickCount",
            "TickCount64", "Today", "UtcNow",
        ],
        StringComparer.Ordinal);

    // The supervisor waits on the thread that started the agent, which must stay that thread; the provider has no such
    // wait.
    private static readonly string[] MaySleep = ["src/Berth.Supervisor/", "src/Berth.Protocol/"];

    // The four boundaries: what is a surprise anywhere else ends here, as a failure of one run, request, command or
    // turn of a loop.
    private static readonly Dictionary<string, string> MayCatchAll = new(StringComparer.Ordinal)
    {
        ["src/Berth.Supervisor/Program.cs"] = "run",
        ["src/Berth.Engine/ClaudeCodeAgent.cs"] = "run",
        ["src/Berth.Engine/Gateway/ModelGateway.cs"] = "request",
        ["src/Berth/Program.cs"] = "command",
        ["src/Berth.Supervisor/OutputPump.cs"] = "background loop",
        ["src/Berth.Server/BerthServer.cs"] = "request",
        ["src/Berth.Server/Dispatch/Dispatcher.cs"] = "background loop",
        ["src/Berth.Server/Dispatch/Retention.cs"] = "background loop",
        ["src/Berth.Server/Webhooks/WebhookSender.cs"] = "background loop",
    };

    [Fact]
    public void Only_Processes_and_the_supervisor_start_processes() =>
        SourceTree.Holds(ProcessStarts(SourceModel.Product));

    [Fact]
    public void Only_stores_hold_SQL() =>
        SourceTree.Holds(Sql(SourceModel.Product));

    [Fact]
    public void There_is_no_clock_but_the_time_provider() =>
        SourceTree.Holds(Clocks(SourceModel.Product));

    [Fact]
    public void Everything_is_caught_at_the_four_boundaries_only() =>
        SourceTree.Holds(CatchAlls(SourceModel.Product));

    [Fact]
    public void A_process_started_elsewhere_is_found()
    {
        const string Code = """
            using System.Diagnostics;
            static class A
            {
                static void M()
                {
                    Process.Start("git");
                    _ = new ProcessStartInfo();
                    _ = Process.GetCurrentProcess();
                }
            }
            """;

        Assert.Equal(2, ProcessStarts(SourceModel.Of(("src/Berth.Engine/Git/A.cs", Code))).Count());
        Assert.Empty(ProcessStarts(SourceModel.Of(("src/Berth.Engine/Processes/A.cs", Code))));
    }

    [Fact]
    public void SQL_elsewhere_is_found()
    {
        const string Code = """"
            static class A { const string B = """
                select id
                from runs
                """, C = "insert into runs", D = "Select one from the list above", E = "update runs set x = 1"; }
            """";

        Assert.Equal(3, Sql(SourceModel.Of(("src/Berth.Engine/Runs/A.cs", Code))).Count());
        Assert.Empty(Sql(SourceModel.Of(("src/Berth.Engine/Runs/RunStore.cs", Code))));
    }

    [Fact]
    public void Another_clock_is_found()
    {
        const string Code = """
            static class A
            {
                static async Task M(TimeProvider time, CancellationToken end)
                {
                    _ = DateTime.UtcNow; _ = DateTimeOffset.Now; _ = Environment.TickCount64; Thread.Sleep(1);
                    _ = System.Diagnostics.Stopwatch.StartNew();
                    await Task.Delay(1, end); await Task.Delay(TimeSpan.Zero, end);
                    _ = new CancellationTokenSource(TimeSpan.Zero); _ = TimeProvider.System;
                    await Task.Delay(TimeSpan.Zero, time, end);
                    _ = new CancellationTokenSource(TimeSpan.Zero, time);
                    _ = new CancellationTokenSource(); await Task.CompletedTask.WaitAsync(end);
                    _ = time.GetUtcNow(); _ = DateTimeOffset.UnixEpoch;
                }
            }
            """;

        Assert.Equal(9, Clocks(SourceModel.Of(("src/Berth/A.cs", Code))).Count());
        Assert.Equal(8, Clocks(SourceModel.Of(("src/Berth/Program.cs", Code))).Count());
    }

    [Fact]
    public void Catching_everything_elsewhere_is_found()
    {
        const string Code = """
            static class A
            {
                static void M()
                {
                    try { } catch (Exception) { }
                    try { } catch { }
                    try { } catch (Exception e) when (e is IOException) { }
                    try { } catch { M(); throw; }
                    try { } catch (IOException) { }
                }
            }
            """;

        Assert.Equal(2, CatchAlls(SourceModel.Of(("src/Berth/A.cs", Code))).Count());
        Assert.Empty(CatchAlls(SourceModel.Of(("src/Berth/Program.cs", Code))));
    }

    private static IEnumerable<string> ProcessStarts(SourceModel model) =>
        from node in Nodes<ExpressionSyntax>(model, MayStartProcesses)
        where node is BaseObjectCreationExpressionSyntax
            || (node is InvocationExpressionSyntax && LastName(node) is "Start")
        let symbol = model.Meaning(node)
        let type = symbol?.ContainingType?.ToDisplayString()
        where type is "System.Diagnostics.ProcessStartInfo"
            || (type is "System.Diagnostics.Process" && symbol!.Name is "Start" or ".ctor")
            || (type is "Berth.Protocol.Posix.ChildProcess" && symbol!.Name is "Start")
        select $"{SourceModel.Place(node)}: starts a process ({type})";

    private static IEnumerable<string> Sql(SourceModel model) =>
        from node in Nodes<ExpressionSyntax>(model, MayHoldSql)
        where node.IsKind(SyntaxKind.StringLiteralExpression) || node.IsKind(SyntaxKind.InterpolatedStringExpression)
        where !Path.GetFileNameWithoutExtension(node.SyntaxTree.FilePath).EndsWith("Store", StringComparison.Ordinal)
        where SqlStatement.IsMatch(node.ToString())
        select $"{SourceModel.Place(node)}: holds SQL";

    private static IEnumerable<string> Clocks(SourceModel model) =>
        from node in Nodes<ExpressionSyntax>(model, [])
        where node is BaseObjectCreationExpressionSyntax || ClockNames.Contains(LastName(node))
        let symbol = model.Meaning(node)
        where node is not MemberAccessExpressionSyntax || symbol is IPropertySymbol
        where node is not IdentifierNameSyntax
        let type = symbol?.ContainingType?.ToDisplayString()
        where IsClock(type, symbol!, node.SyntaxTree.FilePath)
        select $"{SourceModel.Place(node)}: {type}.{symbol!.Name} is a clock of its own";

    // Asking the compiler is slow, so it is asked only of what has a name that matters.
    private static string LastName(ExpressionSyntax node) => node switch
    {
        InvocationExpressionSyntax call => LastName(call.Expression),
        MemberAccessExpressionSyntax access => access.Name.Identifier.Text,
        IdentifierNameSyntax { Parent: InvocationExpressionSyntax } name => name.Identifier.Text,
        _ => string.Empty,
    };

    private static bool IsClock(string? type, ISymbol symbol, string file) => type switch
    {
        "System.DateTime" or "System.DateTimeOffset" => symbol.Name is "Now" or "UtcNow" or "Today",
        "System.Diagnostics.Stopwatch" => true,
        "System.Environment" => symbol.Name is "TickCount" or "TickCount64",
        "System.Threading.Thread" => symbol.Name is "Sleep" && !StartsWithAny(file, MaySleep),
        "System.TimeProvider" => symbol.Name is "System" && !MayNameTheClock.Contains(file, StringComparer.Ordinal),
        "System.Threading.Tasks.Task" when symbol is IMethodSymbol { Name: "Delay" } delay => !TakesClock(delay),
        "System.Threading.CancellationTokenSource" or "System.Threading.PeriodicTimer" =>
            symbol is IMethodSymbol { Name: ".ctor", Parameters.Length: > 0 } made && !TakesClock(made),
        "System.Threading.Timer" => true,
        _ => false,
    };

    private static bool TakesClock(IMethodSymbol method) =>
        method.Parameters.Any(parameter => parameter.Type.Name is "TimeProvider");

    private static IEnumerable<string> CatchAlls(SourceModel model) =>
        from node in Nodes<CatchClauseSyntax>(model, [.. MayCatchAll.Keys])
        where node.Filter is null
        where node.Declaration is null || node.Declaration.Type.ToString() is "Exception" or "System.Exception"
        where node.Block.Statements.LastOrDefault() is not ThrowStatementSyntax { Expression: null }
        select $"{SourceModel.Place(node)}: catches everything";

    private static bool StartsWithAny(string file, string[] parts) =>
        Array.Exists(parts, part => file.StartsWith(part, StringComparison.Ordinal));

    private static IEnumerable<T> Nodes<T>(SourceModel model, string[] except)
        where T : SyntaxNode => model.Trees
        .Where(tree => !StartsWithAny(tree.FilePath, except))
        .SelectMany(tree => tree.GetRoot(TestContext.Current.CancellationToken).DescendantNodes().OfType<T>());

    [GeneratedRegex(
        @"\b(select\s[^.]*\sfrom\s+\w+(\s+(where|order|join|limit|group)\b|\s*[""$;])"
        + @"|insert\s+(or\s+\w+\s+)?into\s|update\s+\w+\s+set\s|delete\s+from\s"
        + @"|create\s+(table|index|trigger)\s|alter\s+table\s|pragma\s+\w+)",
        RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.Singleline,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex SqlStatement { get; }
}
