using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Budgets;

/// <summary>Reads a JSON file of the operator's, bounded, and tells where something in it is wrong.</summary>
internal static class OperatorFile
{
    private const int MostBytes = 256 * 1024;

    /// <summary>Reads it; null where it holds nothing but <c>null</c>.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="type">What it holds.</param>
    /// <param name="invalid">Makes the failure for a place and what is wrong there.</param>
    /// <param name="unreadable">Makes the failure of one that cannot be read.</param>
    public static T? Read<T>(
        string file,
        JsonTypeInfo<T> type,
        Func<string, string, Exception?, FailureException> invalid,
        Func<Exception, FailureException> unreadable)
    {
        try
        {
            FileMask.RefuseWritableByOthers(file, "the file");
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return stream.CanSeek && stream.Length > MostBytes
                ? throw invalid(file, Text($"expected at most {MostBytes} bytes, found more"), null)
                : JsonSerializer.Deserialize(stream, type);
        }
        catch (JsonException bad)
        {
            var end = bad.Message.IndexOf(" Path:", StringComparison.Ordinal);
            var said = (end < 0 ? bad.Message : bad.Message[..end]).TrimEnd('.');
            throw invalid(Text($"{file}:{(bad.LineNumber ?? 0) + 1}"), $"{said}, at {bad.Path ?? "$"}", bad);
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
        {
            throw unreadable(closed);
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
