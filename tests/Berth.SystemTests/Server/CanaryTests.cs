using System.Net;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Twenty secrets of every form go into a run of a server's, whose agent prints, encodes, splits, commits and
/// misnames with them. Then every byte that is left is searched. FAULTS D 37 and E 39.</summary>
public sealed class CanaryTests
{
    private const string Key =
        "-----BEGIN PRIVATE KEY-----\nMIIcanaryMultiLineKey0123456789abcdef\nQqVbcanarySecondLine98765\n"
        + "-----END PRIVATE KEY-----";

    // In a file of the workflow's.
    private static readonly Dictionary<string, string> OfWorkflow = new(StringComparer.Ordinal)
    {
        ["S1"] = "canary-plain-7f3a91",
        ["S2"] = "canary with blanks 55c1",
        ["S3"] = Key,
        ["S4"] = "canary\"quote'and\\slash9d",
        ["S5"] = "canary&url=?/#%+value 1e",
        ["S6"] = "canary-ümläut-ключ-4c",
        ["S7"] = "c4n4ry",
        ["S8"] = "8273645190287364",
        ["S9"] = "{\"canary\":\"json 3e\"}",
        ["S10"] = "Q2FuYXJ5QmFzZTY0VGV4dA==",
    };

    // Sent with the request: nobody knows them after the run.
    private static readonly Dictionary<string, string> OfRequest = new(StringComparer.Ordinal)
    {
        ["R1"] = "passing-plain-0b6d42",
        ["R2"] = "passing\ttab\tand more 77",
        ["R3"] = "passing-first-line-5\npassing-second-line-6\n",
        ["R4"] = "  passing-with-blanks-around-2a  ",
        ["R5"] = "passing$HOME`id`$(id)-8f",
        ["R6"] = "passing-" + new string('z', 300),
        ["R7"] = "ghp_passing0123456789abcdefghijABCDEF",
        ["R8"] = "passing:password@host.example",
    };

    private const string GitToken = "git-token-canary-61d0e7";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    private static IReadOnlyList<string> All { get; } =
        [.. OfWorkflow.Values, .. OfRequest.Values, GitToken, BerthHome.DummyKey];

    [Fact]
    public async Task Nothing_of_twenty_secrets_is_left_but_where_the_user_put_it()
    {
        Assert.Equal(20, All.Count);
        await using var server = await ServerHome.PrepareAsync(Soon);
        await PutAsync(server.Home);
        await server.StartAgainAsync(Soon);
        var run = await server.SubmitAsync(
            Script(), Soon,
            new(StringComparer.Ordinal) { ["workflow"] = "careless", ["env"] = OfRequest });
        var id = run.GetProperty("id").GetString()!;
        await server.Home.WaitForFileAsync(id, "started");
        var shown = new List<(string Where, string Text)> { ("command lines", CommandLines()) };
        shown.Add(("events at work", await TextAsync(server, $"/api/v1/runs/{id}/events?follow=false")));
        server.Home.LetGo(id);
        var ended = await server.FinalAsync(id, Soon);

        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        Assert.NotEmpty(ended.GetProperty("secretsInChanges").EnumerateArray());
        foreach (var address in new[] { "", "/events?follow=false", "/log", "/diff", "/diff?stat=true", "/patch" })
        {
            shown.Add((address, await TextAsync(server, $"/api/v1/runs/{id}{address}")));
        }

        shown.Add(("list", await TextAsync(server, "/api/v1/runs")));
        foreach (var words in new[] { "show", "logs" })
        {
            var command = await server.Home.BerthAsync(Soon, words, id);
            shown.Add((words, command.Output + command.Error));
        }

        server.Signal(15);
        await server.EndAsync(Soon);
        shown.Add(("the server's log", server.Log));
        var files = Directory.EnumerateFiles(server.Home.Home, "*", SearchOption.AllDirectories)
            .Where(file => !IsTheUsers(file))
            .Select(file => (Where: file, Bytes: File.ReadAllBytes(file)));
        var found =
            from place in files.Concat(shown.Select(text => (text.Where, Bytes: Encoding.UTF8.GetBytes(text.Text))))
            from form in Forms()
            where place.Bytes.AsSpan().IndexOf(form.Bytes) >= 0
            select $"{form.Name} in {place.Where}";
        Assert.Empty(found);

        // What the search can find at all: the agent did print them, and everything was kept.
        Assert.Contains("***", shown[1].Text, StringComparison.Ordinal);
        Assert.Contains(files, file => file.Where.EndsWith("conversation.jsonl", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Changes_with_a_passing_secret_are_shown_to_an_admin_who_asks_for_it_and_to_nobody_else()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("BERTH_RUNS_SHARED", "true")]);
        var run = await server.SubmitAsync(
            "bash printf '%s\\n' first \"$R1\" > leak.txt\n---\ntext Done.", Soon,
            new(StringComparer.Ordinal) { ["env"] = OfRequest });
        var id = run.GetProperty("id").GetString()!;
        var ended = await server.FinalAsync(id, Soon);
        var (status, refusal) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/diff", Soon);
        var asked = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/patch?allowSecrets=true", Soon);
        var made = await server.Home.BerthAsync(
            Soon, "token", "create", "--name", "viewer", "--role", "viewer", "--json");
        var viewer = await server.AskAsync(
            HttpMethod.Get, $"/api/v1/runs/{id}/diff?allowSecrets=true", Soon,
            token: made.Json.GetProperty("token").GetString()!);

        var place = Assert.Single(ended.GetProperty("secretsInChanges").EnumerateArray()).GetString();
        Assert.StartsWith("leak.txt:2 (commit ", place, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("changes_hold_secrets", refusal, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, asked.Status);
        Assert.Contains(OfRequest["R1"], asked.Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, viewer.Status);
    }

    [Fact]
    public async Task Changes_with_a_secret_that_is_known_are_shown_without_it()
    {
        await using var server = await ServerHome.PrepareAsync(Soon);
        await PutAsync(server.Home);
        await server.StartAgainAsync(Soon);
        var run = await server.SubmitAsync(
            "bash printf '%s\\n' first \"$S1\" > leak.txt\n---\ntext Done.", Soon,
            new(StringComparer.Ordinal) { ["workflow"] = "careless" });
        var id = run.GetProperty("id").GetString()!;
        await server.FinalAsync(id, Soon);
        var diff = await TextAsync(server, $"/api/v1/runs/{id}/diff");

        Assert.Contains("+first\n+***\n", diff, StringComparison.Ordinal);
        Assert.Contains(
            OfWorkflow["S1"], (await server.Home.BerthAsync(Soon, "diff", id)).Output, StringComparison.Ordinal);
    }

    // What the user writes down is there before.
    private static async Task PutAsync(BerthHome home)
    {
        var folder = Path.Combine(home.Home, "workflows", "careless");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "prompt.md"), "# Is careless\n", Soon);
        await File.WriteAllTextAsync(Path.Combine(folder, "allowed_tools.json"), "[\"Bash\"]", Soon);
        await File.WriteAllTextAsync(
            Path.Combine(folder, ".env"),
            string.Concat(OfWorkflow.Select(each => $"{each.Key}={Quoted(each.Value)}\n")),
            Soon);
        var credentials = Path.Combine(home.Home, "git-credentials.json");
        await File.WriteAllTextAsync(
            credentials, JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["git.example.com"] = new { token = GitToken },
            }),
            Soon);
        File.SetUnixFileMode(credentials, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static string Quoted(string value) => "\"" + value.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal).Replace("$", "\\$", StringComparison.Ordinal) + "\"";

    private static bool IsTheUsers(string file) =>
        file.EndsWith("/careless/.env", StringComparison.Ordinal)
        || file.EndsWith("/git-credentials.json", StringComparison.Ordinal);

    private static string Script()
    {
        var names = OfWorkflow.Keys.Concat(OfRequest.Keys).ToList();
        string[] steps =
        [
            "env",
            Each(names, "printf '%s\\n' \"${NAME}\"; printf '%s' \"${NAME}\" >&2"),
            Each(names, "printf '%s' \"${NAME}\" | base64 -w0; echo; printf '%s\\n' \"${NAME}\" | base64 -w0; echo"),
            Each(names, "printf 'ab%s' \"${NAME}\" | base64 -w0; echo; printf 'x%s' \"${NAME}\" | base64 -w0; echo"),
            Each(names, "printf '%s' \"${NAME}\" | od -An -v -tx1 | tr -d ' \\n'; echo"),
            Each(names, "v=\"${NAME}\"; printf '%s' \"${v:0:4}\"; sleep 0.05; printf '%s\\n' \"${v:4}\""),
            Each(names, "printf '%q\\n' \"${NAME}\""),
            Each(names, "cat \"/nonexistent/${NAME}\" 2>&1 | tail -c 500; git checkout \"${NAME}\" 2>&1 | tail -c 500"),
            Each(names, "printf '%s\\n' \"${NAME}\" >> leaks.txt"),
            "git add -A; git commit -qm \"$S1 $R1\"; git commit -q --allow-empty -m \"$S7 $R7\"; "
                + "echo \"$S1\" > \"file-$S1\"; echo x > \"file-$R1\"; git branch \"$S1\"; git branch \"$R1\"; "
                + "git add -A; git commit -qm names",
            "touch started; while [ ! -e go ]; do sleep 0.1; done; rm started go",
        ];
        return string.Join("\n---\n", steps.Select(step => "bash " + step)) + "\n---\ntext Done.";
    }

    private static string Each(IEnumerable<string> names, string command) =>
        string.Join("; ", names.Select(name => command.Replace("${NAME}", "$" + name, StringComparison.Ordinal)));

    private static async Task<string> TextAsync(ServerHome server, string address) =>
        (await server.AskAsync(HttpMethod.Get, address, Soon)).Body;

    private static string CommandLines() => string.Concat(
        from folder in Directory.EnumerateDirectories("/proc")
        where char.IsAsciiDigit(Path.GetFileName(folder)[0])
        select LineOf(Path.Combine(folder, "cmdline")));

    private static string LineOf(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            // It has ended meanwhile.
            return string.Empty;
        }
    }

    private static IReadOnlyList<(string Name, byte[] Bytes)> Forms() =>
    [
        .. from secret in All
           from form in FormsOf(secret)
           where form.Text.Length >= 6
           select ($"{form.Name} of {secret.Trim()[..6]}…", Encoding.UTF8.GetBytes(form.Text)),
    ];

    private static IEnumerable<(string Name, string Text)> FormsOf(string secret)
    {
        var bytes = Encoding.UTF8.GetBytes(secret);
        yield return ("raw", secret.Trim());
        foreach (var line in secret.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!line.StartsWith("-----", StringComparison.Ordinal))
            {
                yield return ("line", line.Trim());
            }
        }

        yield return ("JSON", JsonSerializer.Serialize(secret)[1..^1]);
        yield return ("URL", Uri.EscapeDataString(secret));
        yield return ("hex", Convert.ToHexStringLower(bytes));
        yield return ("HEX", Convert.ToHexString(bytes));
        yield return ("base64", Convert.ToBase64String(bytes)[..(bytes.Length / 3 * 4)]);
    }
}
