using System.Text.Json;
using Berth.Protocol;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>
/// Says what went wrong: to people on standard error, with <c>--json</c> to programs on standard output too.
/// </summary>
internal static class FailureReport
{
    /// <summary>Shows a failure.</summary>
    /// <returns>The exit code.</returns>
    public static int Show(Surroundings surroundings, Failure failure, bool json)
    {
        var screen = surroundings.Screen(onError: true);
        foreach (var line in Lines(failure))
        {
            screen.Write(line);
        }

        if (json)
        {
            var document = new FailureDocument(failure);
            surroundings.Print(JsonSerializer.Serialize(document, CommandJson.Readable.FailureDocument));
        }

        return ExitCodes.Of(failure);
    }

    /// <summary>Shows what nobody expected, with what helps to find its cause.</summary>
    /// <returns>The exit code.</returns>
    public static int ShowDefect(Surroundings surroundings, Exception defect, bool json)
    {
        var failure = new Failure(
            "internal_error",
            $"Berth itself failed: {defect.GetType().Name}: {defect.Message}",
            "This is a defect; please report it with the lines below.",
            Fault.Berth);
        var code = Show(surroundings, failure, json);
        surroundings.Streams.Error.WriteLine(defect.StackTrace);
        return code;
    }

    /// <summary>A failure as lines.</summary>
    public static IEnumerable<Line> Lines(Failure failure)
    {
        yield return new Line(
            new Part("error: ", Tone.Bad), new Part(failure.Message), new Part($" ({failure.Code})", Tone.Faint));
        if (failure.Hint.Length > 0)
        {
            yield return Line.Of("  " + failure.Hint);
        }
    }
}
