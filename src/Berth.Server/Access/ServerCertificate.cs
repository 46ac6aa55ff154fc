using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Berth.Engine;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Access;

/// <summary>The certificate that a server shows at https addresses, read anew when its files change.</summary>
/// <remarks>
/// Whoever renews it writes one file after the other, so for a moment they do not fit. What was read last is shown
/// until they do.
/// </remarks>
internal sealed partial class ServerCertificate
{
    private const int MostBytes = 1024 * 1024;
    private const string FilesExpected = "They are PEM files, the key without a password; the certificate comes first.";

    private const UnixFileMode Others =
        UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute | UnixFileMode.GroupWrite;

    private readonly string certificate;
    private readonly string key;
    private readonly Lock gate = new();
    private string stamp;
    private SslStreamCertificateContext shown;

    private ServerCertificate(string certificate, string key)
    {
        (this.certificate, this.key) = (certificate, key);
        (stamp, shown) = (Stamp(), Load());
    }

    /// <summary>Reads it; null where a server has no https address.</summary>
    /// <exception cref="FailureException"><c>tls_missing</c>, <c>tls_unreadable</c>, <c>tls_key_exposed</c>,
    /// <c>tls_invalid</c>.</exception>
    public static ServerCertificate? Read(ServerOptions options)
    {
        if (options.Urls.FirstOrDefault(url => url.Scheme is "https") is not { } url)
        {
            return null;
        }

        return options is { TlsCertificate: { } certificate, TlsKey: { } key }
            ? new ServerCertificate(certificate, key)
            : throw new FailureException(
                "tls_missing",
                $"The server is to listen at {url}, and has no certificate to show there.",
                "Set BERTH_TLS_CERT and BERTH_TLS_KEY, or listen at http:// behind a proxy.",
                Fault.Operator);
    }

    /// <summary>Has every https address show it.</summary>
    public void Configure(KestrelServerOptions kestrel)
    {
        var log = kestrel.ApplicationServices.GetRequiredService<ILogger<ServerCertificate>>();
        kestrel.ConfigureHttpsDefaults(https =>
        {
            https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;

            // Asked for, so that it looks for no other; what is shown, with all that vouches for it, comes after.
            https.ServerCertificateSelector = (_, _) => Shown(log).TargetCertificate;
            https.OnAuthenticate = (_, tls) =>
            {
                tls.ServerCertificateSelectionCallback = null;
                tls.ServerCertificateContext = Shown(log);
            };
        });
    }

    private SslStreamCertificateContext Shown(ILogger log)
    {
        lock (gate)
        {
            var now = Stamp();
            if (!string.Equals(now, stamp, StringComparison.Ordinal))
            {
                stamp = now;
                try
                {
                    shown = Load();
                    LogRead(log, certificate);
                }
                catch (FailureException failed)
                {
                    LogKept(log, failed.Failure.Message);
                }
            }

            return shown;
        }
    }

    private SslStreamCertificateContext Load()
    {
        var text = TextOf(certificate, isSecret: false);
        var secret = TextOf(key, isSecret: true);
        try
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(text);
            var own = X509Certificate2.CreateFromPem(text, secret);

            // Offline: to start, a server asks nobody.
            return SslStreamCertificateContext.Create(own, [.. chain.Skip(1)], offline: true);
        }
        catch (Exception wrong) when (wrong is CryptographicException or ArgumentException)
        {
            throw new FailureException(
                "tls_invalid",
                $"{certificate} and {key} are no certificate and its key: {wrong.Message}",
                FilesExpected,
                Fault.Operator,
                wrong);
        }
    }

    private static string TextOf(string path, bool isSecret)
    {
        try
        {
            using var file = File.OpenHandle(path);
            if (isSecret && (File.GetUnixFileMode(file) & Others) != UnixFileMode.None)
            {
                throw new FailureException(
                    "tls_key_exposed",
                    $"Others can read or write the server's key {path}.",
                    $"chmod 600 {ShellText.Quoted(path)}, and have a new one made where others may have read it.",
                    Fault.Operator);
            }

            var bytes = new byte[Math.Min(RandomAccess.GetLength(file), MostBytes)];
            var count = RandomAccess.Read(file, bytes, 0);
            return Encoding.UTF8.GetString(bytes, 0, count);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "tls_unreadable",
                $"The server's {(isSecret ? "key" : "certificate")} cannot be read: {wrong.Message}",
                FilesExpected,
                Fault.Operator,
                wrong);
        }
    }

    // What the paths lead to at this moment: those who renew write into the file, or lead a link elsewhere.
    private string Stamp() => StampOf(certificate) + StampOf(key);

    private static string StampOf(string path)
    {
        try
        {
            var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            var file = new FileInfo(target);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{FileIdentity.Of(target)} {file.LastWriteTimeUtc.Ticks} {(file.Exists ? file.Length : -1)};");
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            return ";";
        }
    }

    [LoggerMessage(20, LogLevel.Information, "the certificate {File} was read anew")]
    private static partial void LogRead(ILogger log, string file);

    [LoggerMessage(21, LogLevel.Error, "the certificate that was read before is still shown: {Why}")]
    private static partial void LogKept(ILogger log, string why);
}
