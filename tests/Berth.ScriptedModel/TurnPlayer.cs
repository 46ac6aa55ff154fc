using Microsoft.AspNetCore.Http;

namespace Berth.ScriptedModel;

/// <summary>Plays one turn as the answer to one request.</summary>
internal sealed class TurnPlayer(HttpContext http, Conversation conversation, Turn turn, ModelRequest request)
{
    private const int FloodPiece = 16 * 1024;

    private int tools;

    /// <summary>Plays the turn. The request is told how that ended.</summary>
    /// <param name="idPrefix">What the ids of this answer begin with; the same turn has the same ids.</param>
    /// <param name="cancellation">The client has gone, or the server stops.</param>
    public async Task PlayAsync(string idPrefix, CancellationToken cancellation)
    {
        var head = new AnswerHead($"msg_{idPrefix}", turn.Model ?? conversation.Model, turn.Usage);
        http.Response.Headers["request-id"] = $"req_{idPrefix}";
        IAnswer answer = conversation.Stream
            ? new StreamedAnswer(http.Response, head)
            : new WholeAnswer(http.Response, head);
        foreach (var step in turn.Steps)
        {
            if (step.Times is { } times && request.Attempt > times)
            {
                continue;
            }

            if (!await PlayAsync(step, answer, idPrefix, cancellation))
            {
                return;
            }
        }

        var byTools = tools > 0 ? "tool_use" : "end_turn";
        await answer.FinishAsync(turn.StopReason ?? byTools, cancellation);
        request.Status = StatusCodes.Status200OK;
        request.Usage = turn.Usage;
    }

    /// <summary>Plays a step.</summary>
    /// <returns>Whether the answer goes on.</returns>
    private async Task<bool> PlayAsync(Step step, IAnswer answer, string idPrefix, CancellationToken cancellation)
    {
        switch (step)
        {
            case StartStep:
                await answer.BeginAsync(cancellation);
                return true;
            case TextStep text:
                string[] whole = [Fill(text.Text, asJson: false)];
                await answer.TextAsync(whole, text.Thinking, cancellation);
                return true;
            case FloodStep flood:
                await answer.TextAsync(Pieces(flood), thinking: false, cancellation);
                return true;
            case ToolStep tool:
                var id = $"toolu_{idPrefix}{MessageJson.Number(tools++)}";
                await answer.ToolAsync(id, tool.Name, Fill(tool.Input, asJson: true), cancellation);
                return true;
            case RawStep raw:
                await answer.RawAsync(raw.Text, cancellation);
                return true;
            case WaitStep wait:
                await Task.Delay(wait.Time, cancellation);
                return true;
            case PingStep pings:
                for (var i = 0; pings.Count is null || i < pings.Count; i++)
                {
                    await answer.PingAsync(cancellation);
                    await Task.Delay(pings.Every, cancellation);
                }

                return true;
            default:
                await BreakAsync(step, answer, cancellation);
                return false;
        }
    }

    private async Task BreakAsync(Step step, IAnswer answer, CancellationToken cancellation)
    {
        switch (step)
        {
            case HangStep:
                await Task.Delay(Timeout.Infinite, cancellation);
                break;
            case CutStep:
                request.End = "cut";
                http.Abort();
                break;
            case ErrorStep error when answer is StreamedAnswer { Begun: true } streamed:
                request.Status = StatusCodes.Status200OK;
                request.End = "error";
                await streamed.ErrorAsync(error, cancellation);
                break;
            case ErrorStep error:
                request.End = "error";
                foreach (var (name, value) in error.Headers)
                {
                    http.Response.Headers[name] = value;
                }

                var json = MessageJson.Error(error.Type, error.Message).ToJsonString();
                await SendAsync(error.Status, "application/json", json, cancellation);
                break;
            case BodyStep body:
                request.End = "error";
                await SendAsync(body.Status, body.ContentType, body.Body, cancellation);
                break;
            default:
                throw new InvalidOperationException($"No way to play {step}.");
        }
    }

    private async Task SendAsync(int status, string contentType, string body, CancellationToken cancellation)
    {
        request.Status = status;
        if (http.Response.HasStarted)
        {
            http.Abort();
            return;
        }

        http.Response.StatusCode = status;
        http.Response.ContentType = contentType;
        await http.Response.WriteAsync(body, cancellation);
    }

    private string Fill(string text, bool asJson) => conversation.Fill(text, (request.Turn ?? 1) - 1, asJson);

    private static IEnumerable<string> Pieces(FloodStep flood)
    {
        const string Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
        var piece = new char[FloodPiece];
        for (long at = 0; at < flood.Bytes; at += FloodPiece)
        {
            var length = (int)Math.Min(FloodPiece, flood.Bytes - at);
            for (var i = 0; i < length; i++)
            {
                var place = at + i;
                var ends = flood.Width > 0 && place % (flood.Width + 1) == flood.Width;
                piece[i] = ends ? '\n' : Alphabet[(int)(place % Alphabet.Length)];
            }

            yield return new string(piece, 0, length);
        }
    }
}
