using System.Text;
using System.Text.Json;
using Berth.Server.Api;
using FsCheck;
using FsCheck.Fluent;

namespace Berth.Tests.Server;

/// <summary>What somebody might send to ask for a run: what is nearly right, what is only JSON, and what is
/// neither.</summary>
internal static class RunBodies
{
    private static readonly string[] Words =
    [
        "", "implement", "nosuch", "../x", "a\\u0000b", "\\ud800", "\\uD83D\\uDE00", "docker", "none", "-x", "ext::sh",
        "file:///etc", "/etc", "https://ada:pw@git.example.com/x.git", "9".PadLeft(300, '9'), "\\u202e", "{}",
        "'; drop table runs",
    ];

    private static readonly string[] Leaves =
    [
        "null", "true", "false", "0", "-1", "1", "1.5", "1e400", "-1e-400", "99999999999999999999", "3.0", "[]", "{}",
        "101",
    ];

    /// <summary>A body that is valid but for its repository, which is nowhere.</summary>
    private static readonly Dictionary<string, string> Valid = new(StringComparer.Ordinal)
    {
        ["workflow"] = "\"implement\"",
        ["message"] = "\"Do it.\"",
        ["repository"] = "\"/nowhere/at/all\"",
        ["ref"] = "\"main\"",
        ["directory"] = "\"services/shop\"",
        ["continueFrom"] = "\"7k3m9xq2\"",
        ["maxTurns"] = "5",
        ["maxTokens"] = "200000",
        ["maxBudgetUsd"] = "1.25",
        ["timeoutSeconds"] = "60",
        ["env"] = """{"TOKEN": "abcdefgh"}""",
        ["push"] = "false",
        ["pullRequest"] = "false",
        ["keep"] = "true",
        ["labels"] = """{"team": "shop"}""",
        ["idempotencyKey"] = "\"order-66\"",
        ["priority"] = "-3",
    };

    /// <summary>The bodies.</summary>
    public static Gen<byte[]> All { get; } = Gen.Frequency(
        (4, Mutated().Select(Encoding.UTF8.GetBytes)),
        (3, Fields().Select(Encoding.UTF8.GetBytes)),
        (2, Torn()),
        (1, Value(4).Select(Encoding.UTF8.GetBytes)),
        (1, ArbMap.Default.GeneratorFor<byte[]>()));

    private static Gen<string> Text() => Gen.Frequency(
        (3, Gen.Elements(Words).Select(word => $"\"{word}\"")),
        (1, ArbMap.Default.GeneratorFor<string>().Select(text => JsonSerializer.Serialize(text ?? string.Empty))));

    private static Gen<string> Value(int depth)
    {
        var leaf = Gen.OneOf(Gen.Elements(Leaves), Text());
        if (depth == 0)
        {
            return leaf;
        }

        var inner = Value(depth - 1);
        var members =
            from length in Gen.Choose(0, 3)
            from names in Gen.OneOf(
                Gen.Elements(RunOrders.Fields).Select(name => $"\"{name}\""), Text()).ArrayOf(length)
            from values in inner.ArrayOf(length)
            select $"{{{string.Join(",", names.Zip(values, (name, value) => $"{name}:{value}"))}}}";
        return Gen.OneOf(leaf, members, inner.ArrayOf(3).Select(all => $"[{string.Join(",", all)}]"));
    }

    // Our fields, each once, with whatever values.
    private static Gen<string> Fields() =>
        from names in Gen.SubListOf(RunOrders.Fields)
        from values in Value(2).ArrayOf(names.Count)
        select $"{{{string.Join(",", names.Zip(values, (name, value) => $"\"{name}\":{value}"))}}}";

    // A valid one in which one field is something else, is gone, or comes twice.
    private static Gen<string> Mutated() =>
        from name in Gen.OneOf(Gen.Elements(RunOrders.Fields), Gen.Constant("mesage"))
        from value in Value(2)
        from kind in Gen.Choose(0, 9)
        let others = Valid.Where(pair => !string.Equals(pair.Key, name, StringComparison.Ordinal) || kind == 0)
            .Select(pair => $"\"{pair.Key}\":{pair.Value}")
        let all = kind == 1 ? others : others.Append($"\"{name}\":{value}")
        select $"{{{string.Join(",", all)}}}";

    // The bytes of one, cut somewhere or with one of them changed.
    private static Gen<byte[]> Torn() =>
        from text in Mutated()
        let bytes = Encoding.UTF8.GetBytes(text)
        from at in Gen.Choose(0, bytes.Length - 1)
        from value in Gen.Choose(-1, 255)
        select value < 0 ? bytes[..at] : [.. bytes[..at], (byte)value, .. bytes[(at + 1)..]];
}
