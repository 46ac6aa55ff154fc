using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Bench;

/// <summary>How fast secrets are looked for, in what an agent writes.</summary>
internal static class RedactorSpeed
{
    private const int Secrets = 100;
    private const int Megabytes = 64;
    private const int Rounds = 7;

    // 200 MB in a second.
    private const double MaxForMegabyte = 5;

    /// <summary>Measures it.</summary>
    public static void Measure(ReportTable table)
    {
        var values = Enumerable.Range(0, Secrets).Select(_ => Convert.ToBase64String(
            RandomNumberGenerator.GetBytes(30))).ToList();
        var redactor = new Redactor(values);
        foreach (var count in new[] { 2, Secrets })
        {
            var making = Enumerable.Range(0, Rounds).Select(_ => Making(values.Take(count))).ToList();
            table.Tell($"making it for {count} secrets, median", ReportTable.Median(making), "ms");
        }

        foreach (var (what, line) in new[]
        {
            ("lines of a transcript (code in JSON)", Transcript()),
            ("base64", Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(3000)))),
        })
        {
            var times = Times(line, piece => _ = redactor.RedactLine(piece, Scratch));
            var copying = Times(line, piece => piece.CopyTo(Copy));
            table.AtMost($"{what}: 1 MB, median", ReportTable.Median(times), MaxForMegabyte, "ms");
            table.Tell($"{what}: 1 MB, the slowest of {Rounds} rounds", times.Max(), "ms");
            table.Tell($"{what}: 1 MB only copied, median", ReportTable.Median(copying), "ms");
        }
    }

    private static ArrayBufferWriter<byte> Scratch { get; } = new();

    private static byte[] Copy { get; } = new byte[64 * 1024];

    private static double Making(IEnumerable<string> values)
    {
        var began = Stopwatch.GetTimestamp();
        _ = new Redactor(values);
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }

    private static List<double> Times(byte[] line, Action<byte[]> take)
    {
        var times = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            var done = 0L;
            for (; done < Megabytes * 1_000_000L; done += line.Length)
            {
                take(line);
            }

            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds * 1_000_000 / done);
        }

        return times;
    }

    private static byte[] Transcript()
    {
        var code = string.Concat(Enumerable.Range(0, 60).Select(i => string.Create(
            CultureInfo.InvariantCulture,
            $"    public int Value{i}(string name) => name.Length > {i} ? \"{i * 7919}\".Length : table[{i}];\n")));
        return JsonSerializer.SerializeToUtf8Bytes(new { type = "assistant", message = new { content = code } });
    }
}
