using Berth.Tests.Server;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Each operation of the document, asked wrongly: the right status, problem details, and nothing
/// changed.</summary>
public sealed class ApiRefusalTests
{
    private static readonly string[] Tricks =
    [
        "..", "../..", "../../../../etc/passwd", "//etc/passwd", "a\0b", "\\..\\..", "..%2f..%2fetc%2fpasswd", "%2e%2e",
        "%2e%2e%2f%2e%2e", "%2fetc%2fpasswd", "a%00b", "..%5c..", "%252e%252e", "x'%20or%201=1", "a%0d%0ab", "%ff",
    ];

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_a_good_token_of_its_role_no_operation_does_anything()
    {
        await using var asked = await AskedServer.StartAsync(Soon);
        foreach (var operation in ApiCalls.Document.Operations.Where(each => each.Role is not null))
        {
            await asked.RefusesAsync(new(operation, 401, "token_missing") { Token = string.Empty });
            await asked.RefusesAsync(new(operation, 401, "token_invalid") { Token = asked.Server.Token[..^1] + "!" });
            await asked.RefusesAsync(new(operation, 401, "token_missing")
            {
                Token = string.Empty, Query = $"?token={asked.Server.Token}&access_token={asked.Server.Token}",
            });
            if (operation.Role is not "viewer")
            {
                var lower = operation.Role is "admin" ? asked.Operator : asked.Viewer;
                await asked.RefusesAsync(new(operation, 403, "role_too_low") { Token = lower });
            }
        }

        asked.AssertNothingChanged();
    }

    [Fact]
    public async Task What_is_no_request_is_refused_by_each_operation_that_takes_one()
    {
        await using var asked = await AskedServer.StartAsync(Soon);
        foreach (var operation in ApiCalls.Document.Operations.Where(each => each.TakesBody))
        {
            foreach (var body in new[]
            {
                string.Empty, "{\"message\":", "[]", "{}", "{\"message\":\"\\ud800\"}", "{\"a\":1,\"a\":2}", "\0",
            })
            {
                await asked.RefusesAsync(new(operation, 400, "request_invalid") { Body = body });
            }

            await asked.RefusesAsync(new(operation, 413, "body_too_large")
            {
                Body = new string(' ', 33 * 1024 * 1024),
            });
            await asked.RefusesAsync(new(operation, 415, "media_type_not_json") { Body = "<x/>", Type = "text/xml" });
            var schema = ApiDocument.NameOf(operation.Definition.GetProperty("requestBody").GetProperty("content")
                .GetProperty("application/json").GetProperty("schema"))!;
            if (ApiCalls.Document.Schemas.GetProperty(schema).TryGetProperty("additionalProperties", out _))
            {
                var more = asked.Calls.BodyOf(operation)!.Insert(1, "\"nosuch\":1,");
                await asked.RefusesAsync(new(operation, 400, "request_invalid") { Body = more });
            }
        }

        asked.AssertNothingChanged();
    }

    [Fact]
    public async Task No_address_leads_out_of_its_place()
    {
        await using var asked = await AskedServer.StartAsync(Soon);
        foreach (var operation in ApiCalls.Document.Operations.Where(
            each => each.Path.Contains('{', StringComparison.Ordinal)))
        {
            foreach (var trick in Tricks)
            {
                await asked.RefusesRawAsync(operation, trick);
            }
        }

        asked.AssertNothingChanged();
    }

    [Fact]
    public async Task Whatever_is_sent_to_ask_for_a_run_the_answer_is_a_refusal_in_words()
    {
        await using var asked = await AskedServer.StartAsync(Soon);
        var create = ApiCalls.Document.Operations.Single(each => each.Id is "createRun");

        // Their repository is nowhere, so that none is a run by chance.
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(150), Prop.ForAll(
            RunBodies.All.ToArbitrary(), bytes => asked.RefusesAsync(create, bytes).GetAwaiter().GetResult()));

        asked.AssertNothingChanged();
    }
}
