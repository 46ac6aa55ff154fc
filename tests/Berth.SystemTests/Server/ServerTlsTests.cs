using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>A server's https addresses, over real sockets.</summary>
public sealed class ServerTlsTests : IDisposable
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TestAuthority authority = new();
    private readonly string folder = Directory.CreateTempSubdirectory("berth-tls-").FullName;

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    private string Certificate => Path.Combine(folder, "server.pem");

    private string Key => Path.Combine(folder, "server.key");

    public void Dispose()
    {
        authority.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task It_shows_its_certificate_with_who_vouches_for_it_and_a_new_one_when_it_is_there()
    {
        var first = Write();
        await using var server = await StartAsync();
        var old = await ShownAsync(server, SslProtocols.Tls12);
        var (status, _) = await AskAsync(server, "/healthz");
        var next = authority.Make();

        // One file after the other, as whoever renews them does: between the two the old one is shown.
        await File.WriteAllTextAsync(Certificate, next.Certificate, Soon);
        var between = await ShownAsync(server, SslProtocols.Tls13);
        await File.WriteAllTextAsync(Key, next.Key, Soon);
        var after = await ShownAsync(server, SslProtocols.Tls13);

        Assert.Equal(200, status);
        Assert.Equal((first, first, next.Serial), (old, between, after));
    }

    [Fact]
    public async Task Commands_ask_it_where_the_system_trusts_who_vouches_for_it()
    {
        Write();
        await using var server = await StartAsync();
        var root = Path.Combine(folder, "root.pem");
        await File.WriteAllTextAsync(root, authority.Root.ExportCertificatePem(), Soon);
        server.Home.Set("BERTH_TOKEN", server.Token);
        var url = server.Urls[1].AbsoluteUri;

        server.Home.Set("SSL_CERT_FILE", root);
        var trusted = await server.Home.BerthAsync(Soon, "ps", "--server", url, "--json");
        server.Home.Set("SSL_CERT_FILE", null);
        var strange = await server.Home.BerthAsync(Soon, "ps", "--server", url, "--json");
        server.Home.Set("BERTH_TOKEN", null);

        Assert.True(trusted.ExitCode == 0, trusted.Error);
        Assert.Equal("[]", trusted.Output.Trim());
        Assert.Equal(5, strange.ExitCode);
        Assert.Contains("server_unreachable", strange.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_shown_is_refused_at_the_start_with_its_reason()
    {
        await using var home = await BerthHome.CreateAsync(Soon);
        Assert.Equal("tls_missing", await RefusedAsync(home));
        home.Set("BERTH_TLS_CERT", Certificate);
        Assert.Equal("tls_missing", await RefusedAsync(home));
        home.Set("BERTH_TLS_KEY", Key);
        Assert.Equal("tls_unreadable", await RefusedAsync(home));
        Write();
        File.SetUnixFileMode(Key, Private | UnixFileMode.OtherRead);
        Assert.Equal("tls_key_exposed", await RefusedAsync(home));
        File.SetUnixFileMode(Key, Private);
        await File.WriteAllTextAsync(Key, authority.Make().Key, Soon);
        Assert.Equal("tls_invalid", await RefusedAsync(home));
        await File.WriteAllTextAsync(Certificate, "no certificate", Soon);
        Assert.Equal("tls_invalid", await RefusedAsync(home));
    }

    private string Write()
    {
        var made = authority.Make();
        File.WriteAllText(Certificate, made.Certificate);
        File.WriteAllText(Key, made.Key);
        File.SetUnixFileMode(Key, Private);
        return made.Serial;
    }

    private Task<ServerHome> StartAsync() => ServerHome.StartAsync(
        Soon, [("BERTH_TLS_CERT", Certificate), ("BERTH_TLS_KEY", Key)], "--urls", "https://127.0.0.1:0");

    private static async Task<string> RefusedAsync(BerthHome home)
    {
        var refused = await home.BerthAsync(Soon, "serve", "--urls", "https://127.0.0.1:0");
        Assert.Equal(1, refused.ExitCode);
        return refused.Error.Split('(', ')').First(word => word.StartsWith("tls_", StringComparison.Ordinal));
    }

    // The serial number of what it shows to somebody who knows the root only.
    private async Task<string> ShownAsync(ServerHome server, SslProtocols protocol)
    {
        var url = server.Urls[1];
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port, Soon);
        await using var tls = new SslStream(client.GetStream());
        await tls.AuthenticateAsClientAsync(Options(url.Host, protocol), Soon);
        Assert.Equal(protocol, tls.SslProtocol);
        using var shown = new X509Certificate2(tls.RemoteCertificate!);
        return shown.SerialNumber;
    }

    private async Task<(int Status, string Body)> AskAsync(ServerHome server, string path)
    {
        using var http = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = Options(server.Urls[1].Host, SslProtocols.Tls12 | SslProtocols.Tls13),
        });
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", server.Token);
        using var response = await http.GetAsync(new Uri(server.Urls[1], path), Soon);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Soon));
    }

    private SslClientAuthenticationOptions Options(string host, SslProtocols protocol)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.Add(authority.Root);
        return new SslClientAuthenticationOptions
        {
            TargetHost = host, EnabledSslProtocols = protocol, CertificateChainPolicy = policy,
        };
    }
}
