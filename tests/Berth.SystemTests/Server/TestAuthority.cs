using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Berth.SystemTests.Server;

/// <summary>Somebody who vouches for certificates: a root, and one below it that signs.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly X509Certificate2 middle;
    private int made;

    public TestAuthority()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Root = Authority("CN=Root", rootKey).CreateSelfSigned(Now.AddDays(-1), Now.AddDays(30));
        using var middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var signed = Authority("CN=Middle", middleKey).Create(Root, Now.AddDays(-1), Now.AddDays(20), [1]);
        middle = signed.CopyWithPrivateKey(middleKey);
    }

    /// <summary>Whom clients trust.</summary>
    public X509Certificate2 Root { get; }

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    /// <summary>A certificate for the loopback with the one that vouches for it, and its key: both PEM.</summary>
    public (string Certificate, string Key, string Serial) Make()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=berth", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        using var own = request.Create(middle, Now.AddDays(-1), Now.AddDays(10), [2, (byte)++made]);
        var text = new StringBuilder(own.ExportCertificatePem()).Append('\n').Append(middle.ExportCertificatePem());
        return (text.ToString(), key.ExportPkcs8PrivateKeyPem(), own.SerialNumber);
    }

    public void Dispose()
    {
        Root.Dispose();
        middle.Dispose();
    }

    private static CertificateRequest Authority(string name, ECDsa key)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }
}
