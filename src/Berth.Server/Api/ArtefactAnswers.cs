using System.Net.Mime;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Compatibility;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Berth.Server.Api;

/// <summary>Answers with a run's artefacts. What they hold is the agent's: a browser is told to save it and to make
/// nothing of it.</summary>
internal static class ArtefactAnswers
{
    /// <summary>The part of the address that names one.</summary>
    public const string Parameter = "artifact";

    private const int PieceBytes = 64 * 1024;

    /// <summary>The name that was asked for.</summary>
    public static string NameOf(HttpContext context) =>
        RawPath.After(context, "/artifacts/") ?? (string)context.GetRouteValue(Parameter)!;

    /// <summary>Answers with the list.</summary>
    public static Task ListAsync(BerthEngine engine, HttpContext context, RunView run) => Answer.JsonAsync(
        context, engine.Artefacts.List(run.Id), ApiJson.Readable.IReadOnlyListArtefact);

    /// <summary>Answers with one of them, or with a part of it where a part is asked for.</summary>
    /// <remarks>What was taken over had no secret in it that was known then. Where one is known by now the whole is
    /// redacted as it goes, and its length is not known before.</remarks>
    public static async Task WriteAsync(BerthEngine engine, HttpContext context, RunView run)
    {
        var name = NameOf(context);
        await using var file = engine.Artefacts.Open(run.Id, name);
        var response = context.Response;
        response.Headers.XContentTypeOptions = "nosniff";
        var shortName = Path.GetFileName(name);
        var redactor = engine.Shown.RedactorOf(run.Id, run.Workflow);
        var isPlain = file is not null
            && !await HoldsSecretAsync(file, file.Length, redactor, context.RequestAborted);
        if (isPlain && name is not ArtefactName.Transcript)
        {
            await TypedResults.Stream(
                file!, MediaTypeNames.Application.Octet, shortName, enableRangeProcessing: true).ExecuteAsync(context);
            return;
        }

        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(shortName);
        response.Headers.ContentDisposition = disposition.ToString();
        response.ContentType = MediaTypeNames.Application.Octet;
        if (isPlain)
        {
            // The transcript of a run at work grows meanwhile: what was there at first is what is promised.
            response.ContentLength = file!.Length;
            await CopyAsync(file, file.Length, response.Body, context.RequestAborted);
            return;
        }

        await using var redacted = new RedactedStream(response.Body, redactor);
        await (file is null
            ? engine.Artefacts.WritePatchAsync(run.Id, redacted, context.RequestAborted)
            : CopyAsync(file, file.Length, redacted, context.RequestAborted));
        await redacted.FlushAsync(context.RequestAborted);
    }

    // What is redacted has another length.
    private static async Task<bool> HoldsSecretAsync(
        FileStream file, long length, Redactor redactor, CancellationToken cancel)
    {
        using var count = new TailStream(1);
        await using (var redacted = new RedactedStream(count, redactor))
        {
            await CopyAsync(file, length, redacted, cancel);
            await redacted.FlushAsync(cancel);
        }

        file.Position = 0;
        return count.Length != length;
    }

    private static async Task CopyAsync(FileStream file, long length, Stream output, CancellationToken cancel)
    {
        var piece = new byte[PieceBytes];
        for (var left = length; left > 0;)
        {
            var count = await file.ReadAsync(piece.AsMemory(0, (int)Math.Min(left, piece.Length)), cancel);
            if (count == 0)
            {
                throw new IOException("The file became shorter while it was sent.");
            }

            await output.WriteAsync(piece.AsMemory(0, count), cancel);
            left -= count;
        }
    }
}
