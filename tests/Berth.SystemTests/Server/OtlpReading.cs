using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Berth.SystemTests.Server;

/// <summary>A span as it came over OTLP.</summary>
internal sealed record OtlpSpan(
    string TraceId, string Id, string Parent, string Name, bool IsError, IReadOnlyDictionary<string, string> Attributes)
{
    public required ulong From { get; init; }

    public required ulong To { get; init; }
}

/// <summary>A point of a metric as it came over OTLP; of a histogram the value is the number of values.</summary>
internal sealed record OtlpPoint(
    string Metric, string Unit, double Value, IReadOnlyDictionary<string, string> Attributes);

/// <summary>Reads what OTLP sends as protocol buffers: just the fields that tests look at.</summary>
/// <remarks>The numbers are those of the .proto files of opentelemetry-proto 1.x.</remarks>
internal static class OtlpReading
{
    private static readonly Dictionary<string, string> None = new(StringComparer.Ordinal);

    /// <summary>The spans of a body sent to /v1/traces.</summary>
    public static IEnumerable<OtlpSpan> Spans(ReadOnlyMemory<byte> body) =>
        from resource in Messages(body, 1)
        from scope in Messages(resource, 2)
        from span in Messages(scope, 2)
        select new OtlpSpan(
            Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5),
            Messages(span, 15).Any(status => Number(status, 3) == 2), Attributes(span, 9))
        {
            From = Number(span, 7),
            To = Number(span, 8),
        };

    /// <summary>The points of a body sent to /v1/metrics.</summary>
    public static IEnumerable<OtlpPoint> Points(ReadOnlyMemory<byte> body) =>
        from resource in Messages(body, 1)
        from scope in Messages(resource, 2)
        from metric in Messages(scope, 2)
        from point in Messages(metric, 5).Concat(Messages(metric, 7)).SelectMany(data => Messages(data, 1))
            .Select(point => (Value: Value(point), Attributes: Attributes(point, 7)))
            .Concat(Messages(metric, 9).SelectMany(data => Messages(data, 1))
                .Select(point => (Value: (double)Number(point, 4), Attributes: Attributes(point, 9))))
        select new OtlpPoint(Text(metric, 1), Text(metric, 3), point.Value, point.Attributes);

    /// <summary>What a body says of who sent it.</summary>
    public static IReadOnlyDictionary<string, string> Resource(ReadOnlyMemory<byte> body) =>
        Messages(body, 1).SelectMany(resource => Messages(resource, 1)).Select(resource => Attributes(resource, 1))
            .FirstOrDefault() ?? None;

    private static Dictionary<string, string> Attributes(ReadOnlyMemory<byte> message, int field) =>
        Messages(message, field).ToDictionary(
            pair => Text(pair, 1), pair => Messages(pair, 2).Select(AnyValue).First(), StringComparer.Ordinal);

    private static string AnyValue(ReadOnlyMemory<byte> value) => Fields(value).First() switch
    {
        (1, _, var text) => Encoding.UTF8.GetString(text.Span),
        (4, var bits, _) => BitConverter.UInt64BitsToDouble(bits).ToString(CultureInfo.InvariantCulture),
        (_, var number, _) => number.ToString(CultureInfo.InvariantCulture),
    };

    private static double Value(ReadOnlyMemory<byte> point) => Fields(point).Where(field => field.Number is 4 or 6)
        .Select(field => field.Number is 4 ? BitConverter.UInt64BitsToDouble(field.Value) : (long)field.Value)
        .FirstOrDefault();

    private static string Hex(ReadOnlyMemory<byte> message, int field) =>
        Messages(message, field).Select(bytes => Convert.ToHexStringLower(bytes.Span)).FirstOrDefault(string.Empty);

    private static string Text(ReadOnlyMemory<byte> message, int field) =>
        Messages(message, field).Select(bytes => Encoding.UTF8.GetString(bytes.Span)).FirstOrDefault(string.Empty);

    private static ulong Number(ReadOnlyMemory<byte> message, int field) =>
        Fields(message).FirstOrDefault(found => found.Number == field).Value;

    private static IEnumerable<ReadOnlyMemory<byte>> Messages(ReadOnlyMemory<byte> message, int field) =>
        Fields(message).Where(found => found.Number == field).Select(found => found.Bytes);

    private static IEnumerable<(int Number, ulong Value, ReadOnlyMemory<byte> Bytes)> Fields(ReadOnlyMemory<byte> rest)
    {
        while (!rest.IsEmpty)
        {
            var tag = Varint(ref rest);
            var number = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    yield return (number, Varint(ref rest), default);
                    break;
                case 1:
                    yield return (number, BinaryPrimitives.ReadUInt64LittleEndian(rest.Span), default);
                    rest = rest[8..];
                    break;
                case 2:
                    var length = (int)Varint(ref rest);
                    yield return (number, 0, rest[..length]);
                    rest = rest[length..];
                    break;
                case 5:
                    yield return (number, BinaryPrimitives.ReadUInt32LittleEndian(rest.Span), default);
                    rest = rest[4..];
                    break;
                default:
                    throw new InvalidDataException($"no wire type: {tag & 7}");
            }
        }
    }

    private static ulong Varint(ref ReadOnlyMemory<byte> rest)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = rest.Span[0];
            rest = rest[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
    }
}
