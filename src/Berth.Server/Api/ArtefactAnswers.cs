using System.Net.Mime;
using Berth.Engine;
using Berth.Engine.Runs;
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
    public static async Task WriteAsync(BerthEngine engine, HttpContext context, RunView run)
    {
        var name = NameOf(context);
        await using var file = engine.Artefacts.Open(run.Id, name);
        var response = context.Response;
        response.Headers.XContentTypeOptions = "nosniff";
        var shortName = Path.GetFileName(name);
        if (file is not null && name is not ArtefactName.Transcript)
        {
            await TypedResults.Stream(
                file, MediaTypeNames.Application.Octet, shortName, enableRangeProcessing: true).ExecuteAsync(context);
            return;
        }

        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(shortName);
        response.Headers.ContentDisposition = disposition.ToString();
        response.ContentType = MediaTypeNames.Application.Octet;
        if (file is null)
        {
            await engine.Artefacts.WritePatchAsync(run.Id, response.Body, context.RequestAborted);
        }
        else
        {
            await WriteAsync(file, context);
        }
    }

    // The transcript of a run at work grows meanwhile: what was there at first is what was promised.
    private static async Task WriteAsync(FileStream file, HttpContext context)
    {
        var left = file.Length;
        context.Response.ContentLength = left;
        var piece = new byte[PieceBytes];
        while (left > 0)
        {
            var most = piece.AsMemory(0, (int)Math.Min(left, piece.Length));
            var count = await file.ReadAsync(most, context.RequestAborted);
            if (count == 0)
            {
                context.Abort();
                return;
            }

            await context.Response.Body.WriteAsync(piece.AsMemory(0, count), context.RequestAborted);
            left -= count;
        }
    }
}
