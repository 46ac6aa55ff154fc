using Berth.SystemTests.EndToEnd;
using Berth.SystemTests.Server;
using Xunit;

namespace Berth.SystemTests.Clients;

/// <summary>Clients made from docs/openapi.json do a whole round with a real server.</summary>
public sealed class GeneratedClientTests
{
    private const string First =
        "bash mkdir -p $BERTH_ARTIFACTS/a && echo left > $BERTH_ARTIFACTS/a/b.txt && echo x > hello.txt\n---\n"
        + "text Done.";

    private const string Second = "bash touch started; sleep 600\n---\ntext Done.";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F62_A_client_of_openapi_typescript_does_the_whole_round()
    {
        var folder = await ClientTools.NodeAsync("typescript", Soon);
        var modules = Path.Combine(folder, "..", "node_modules");
        await ClientTools.RunAsync(
            "node", folder, null, Soon, Path.Combine(modules, "openapi-typescript", "bin", "cli.js"),
            ClientTools.Document, "-o", "berth.d.ts");
        await ClientTools.RunAsync(
            "node", folder, null, Soon, Path.Combine(modules, "typescript", "bin", "tsc"), "-p", ".");

        await RoundAsync("node", folder, "out/round.js");
    }

    [Fact]
    public async Task F62_A_client_of_Kiota_does_the_whole_round()
    {
        var folder = await ClientTools.DotnetAsync("kiota", Soon);
        await ClientTools.RunAsync(
            "dotnet", folder, Offline, Soon, "kiota", "generate", "--language", "CSharp", "--openapi",
            ClientTools.Document, "--output", "Client", "--class-name", "BerthClient", "--namespace-name",
            "Berth.Kiota", "--exclude-backward-compatible", "--clean-output", "--clear-cache");
        await ClientTools.RunAsync("dotnet", folder, Offline, Soon, Build);

        await RoundAsync("dotnet", folder, "out/kiota-round.dll");
    }

    // With NSwag's own choice of JSON library: the other one ignores how a word of an enumeration is written.
    [Fact]
    public async Task F62_A_client_of_NSwag_does_the_whole_round()
    {
        var folder = await ClientTools.DotnetAsync("nswag", Soon);
        await ClientTools.RunAsync(
            "dotnet", folder, Offline, Soon, "nswag", "openapi2csclient", $"/input:{ClientTools.Document}",
            "/output:Client.cs", "/namespace:Berth.NSwag", "/classname:BerthClient", "/jsonLibrary:NewtonsoftJson",
            "/requiredPropertiesMustBeDefined:false",
            "/generateOptionalPropertiesAsNullable:true");
        await ClientTools.RunAsync("dotnet", folder, Offline, Soon, Build);

        await RoundAsync("dotnet", folder, "out/nswag-round.dll");
    }

    private static string[] Build =>
        ["build", "-c", "Release", "-v", "quiet", "--nologo", "--disable-build-servers", "-o", "out"];

    private static ProgramInput Offline => new(new(StringComparer.Ordinal)
    {
        ["KIOTA_OFFLINE_ENABLED"] = "true",
        ["KIOTA_TUTORIAL_ENABLED"] = "false",
        ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
        ["MSBUILDDISABLENODEREUSE"] = "1",
    });

    private static async Task RoundAsync(string program, string folder, string file)
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var input = new ProgramInput(new(StringComparer.Ordinal)
        {
            ["BERTH_URL"] = server.Url.GetLeftPart(UriPartial.Authority),
            ["BERTH_TOKEN"] = server.Token,
            ["BERTH_REPOSITORY"] = server.Home.Repository,
            ["BERTH_FIRST"] = BerthHome.Prompt(First),
            ["BERTH_SECOND"] = BerthHome.Prompt(Second),
        });

        Assert.Equal("round", (await ClientTools.RunAsync(program, folder, input, Soon, file)).Trim());
    }
}
