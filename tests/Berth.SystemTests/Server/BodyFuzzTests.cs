using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Whatever is sent as a body, to each address that takes one, is answered in words and breaks
/// nothing.</summary>
public sealed class BodyFuzzTests
{
    private const int Tries = 120;

    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "1e400", "99999999999999999999", "\"\"", "\"../x\"", "\"a\\u0000b\"", "\"\\ud800\"",
        "\"\\u202e\\ud83d\\ude00\"", "[]", "{}", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", "{\"\":{\"\":[]}}",
        "{\"a\\u0000\":\"b\"}", "\"-x\"", "\"allow\"", "\"ext::sh -c x\"", "\"http://169.254.169.254/x.git\"",
        "{\"A\":1}",
    ];

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whatever_is_sent_to_any_address_is_answered_in_words()
    {
        await using var asked = await AskedServer.StartAsync(Soon);
        foreach (var operation in ApiCalls.Document.Operations.Where(each => each.TakesBody))
        {
            for (var at = 0; at < Tries; at++)
            {
                await asked.AnswersAsync(operation, Mutated(asked.Calls.BodyOf(operation)!));
            }
        }

        // It works as before.
        foreach (var operation in ApiCalls.Document.Operations.Where(each => each.Id is "listRuns" or "listWorkflows"))
        {
            using var request = asked.Calls.Request(operation, asked.Server.Token);
            using var http = new HttpClient();
            using var answer = await http.SendAsync(request, Soon);
            Assert.Equal(200, (int)answer.StatusCode);
        }
    }

    // Runs are asked for on a repository that is nowhere, so that none begins by chance.
    private static byte[] Mutated(string good)
    {
        var body = JsonNode.Parse(good)!.AsObject();
        foreach (var name in new[] { "repository", "repository_url" })
        {
            if (body.ContainsKey(name))
            {
                body[name] = "/nowhere/at/all";
            }
        }

        var fields = body.Select(pair => pair.Key).ToList();
        var text = body.ToJsonString();
        if (RandomNumberGenerator.GetInt32(4) > 0)
        {
            var field = fields[RandomNumberGenerator.GetInt32(fields.Count)];
            var value = Values[RandomNumberGenerator.GetInt32(Values.Length)];
            var rest = string.Concat(body.Where(pair => !string.Equals(pair.Key, field, StringComparison.Ordinal))
                .Select(pair => $",{JsonSerializer.Serialize(pair.Key)}:{pair.Value?.ToJsonString() ?? "null"}"));
            text = $"{{{JsonSerializer.Serialize(field)}:{value}{rest}}}";
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        switch (RandomNumberGenerator.GetInt32(5))
        {
            case 0:
                return bytes[..RandomNumberGenerator.GetInt32(bytes.Length)];
            case 1:
                bytes[RandomNumberGenerator.GetInt32(bytes.Length)] = (byte)RandomNumberGenerator.GetInt32(256);
                return bytes;
            default:
                return bytes;
        }
    }
}
