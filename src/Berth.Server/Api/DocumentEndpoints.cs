using System.IO.Compression;
using System.Reflection;
using Berth.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Swashbuckle.AspNetCore.SwaggerUI;

namespace Berth.Server.Api;

/// <summary>What the API is, for programs and for people: docs/openapi.json, and a page that shows it.</summary>
/// <remarks>
/// Neither needs a token: both say only what the public documents say. The page loads nothing from elsewhere, keeps no
/// token, and runs no script but the three files that it names.
/// </remarks>
internal static class DocumentEndpoints
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private const string Page = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
          <meta charset="utf-8">
          <title>Berth: the API</title>
          <link rel="icon" type="image/png" href="/swagger/favicon-32x32.png">
          <link rel="stylesheet" href="/swagger/swagger-ui.css">
        </head>
        <body>
          <div id="swagger-ui"></div>
          <script src="/swagger/swagger-ui-bundle.js"></script>
          <script src="/swagger/start.js"></script>
        </body>
        </html>
        """;

    private const string Start = """
        SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
        """;

    private const string Script = "text/javascript; charset=utf-8";
    private const string Folder = "Swashbuckle.AspNetCore.SwaggerUI.node_modules.swagger_ui_dist.";

    // The files of the package that the page names, and their types. They lie there compressed.
    private static readonly Dictionary<string, string> Files = new(StringComparer.Ordinal)
    {
        ["swagger-ui.css"] = "text/css; charset=utf-8",
        ["swagger-ui-bundle.js"] = Script,
        ["favicon-32x32.png"] = "image/png",
    };

    /// <summary>Adds them.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/openapi.json", context => CopyAsync(
            context, typeof(DocumentEndpoints).Assembly, "openapi.json", "application/json"));
        routes.MapGet("/swagger", PageAsync);
        routes.MapGet("/swagger/{file}", FileAsync);
    }

    private static Task PageAsync(HttpContext context)
    {
        context.Response.Headers.ContentSecurityPolicy = Policy;
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        return TextAsync(context, Page, "text/html; charset=utf-8");
    }

    private static Task FileAsync(HttpContext context)
    {
        var file = (string)context.GetRouteValue("file")!;
        if (file is "start.js")
        {
            return TextAsync(context, Start, Script);
        }

        if (!Files.TryGetValue(file, out var type))
        {
            throw new FailureException(
                "not_found", "The page has no file of that name.", "It is at /swagger.", Fault.User);
        }

        return CopyAsync(context, typeof(SwaggerUIOptions).Assembly, Folder + file, type, isCompressed: true);
    }

    private static Task TextAsync(HttpContext context, string text, string type)
    {
        context.Response.ContentType = type;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    private static async Task CopyAsync(
        HttpContext context, Assembly assembly, string name, string type, bool isCompressed = false)
    {
        await using var held = assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The program was built without {name}.");
        context.Response.ContentType = type;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (!isCompressed)
        {
            await held.CopyToAsync(context.Response.Body, context.RequestAborted);
            return;
        }

        context.Response.Headers.Vary = "Accept-Encoding";
        if (Negotiation.TakesEncoding(context.Request, "gzip"))
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await held.CopyToAsync(context.Response.Body, context.RequestAborted);
            return;
        }

        await using var open = new GZipStream(held, CompressionMode.Decompress);
        await open.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
