using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Berth.Engine.Processes;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Delivery;

/// <summary>A real sshd on loopback, for this user, with keys made for one test.</summary>
internal sealed class SshServer : IAsyncDisposable
{
    private const string Program = "/usr/sbin/sshd";
    private readonly string folder;
    private readonly ChildProcess process;

    private SshServer(string folder, int port, ChildProcess process)
    {
        (this.folder, this.process) = (folder, process);
        Port = port;
    }

    public int Port { get; }

    /// <summary>How the place is called in the file of credentials.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>The key that it lets in.</summary>
    public string UserKey => Path.Combine(folder, "user");

    /// <summary>A key that it does not know.</summary>
    public string OtherKey => Path.Combine(folder, "other");

    /// <summary>A file with its own key.</summary>
    public string KnownHosts => Path.Combine(folder, "known");

    /// <summary>A file with a key that is not its own.</summary>
    public string OtherKnownHosts => Path.Combine(folder, "unknown");

    public string Url(string path) =>
        string.Create(CultureInfo.InvariantCulture, $"ssh://{Environment.UserName}@127.0.0.1:{Port}{path}");

    public static async Task<SshServer> StartAsync(string parent, CancellationToken cancel)
    {
        Assert.True(File.Exists(Program), "These tests need sshd: apt-get install openssh-server");
        var place = Directory.CreateDirectory(Path.Combine(parent, "sshd")).FullName;
        foreach (var key in new[] { "host", "user", "other" })
        {
            await RunAsync(
                "/usr/bin/ssh-keygen", cancel, "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(place, key));
        }

        var port = FreePort();
        var host = string.Create(CultureInfo.InvariantCulture, $"[127.0.0.1]:{port} ");
        var files = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["authorized"] = await File.ReadAllTextAsync(Path.Combine(place, "user.pub"), cancel),
            ["known"] = host + await File.ReadAllTextAsync(Path.Combine(place, "host.pub"), cancel),
            ["unknown"] = host + await File.ReadAllTextAsync(Path.Combine(place, "other.pub"), cancel),
            ["config"] = string.Create(CultureInfo.InvariantCulture, $"Port {port}\n")
                + $"ListenAddress 127.0.0.1\nHostKey {place}/host\nPidFile none\nStrictModes no\n"
                + $"AuthorizedKeysFile {place}/authorized\nPasswordAuthentication no\nUsePAM no\n"
                + "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
        };
        foreach (var (name, text) in files)
        {
            var file = Path.Combine(place, name);
            await File.WriteAllTextAsync(file, text, cancel);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        // As root it wants a folder of its own, which its package makes at each start of the machine.
        if (Environment.UserName is "root")
        {
            Directory.CreateDirectory("/run/sshd", (UnixFileMode)0x1ED);
        }

        var server = new SshServer(place, port, ChildProcess.Start(new ChildProcessStart
        {
            FileName = Program,
            Arguments = ["-D", "-e", "-f", Path.Combine(place, "config")],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = "/usr/bin:/bin" },
            WorkingDirectory = "/",
            Input = ChildStdio.Null,
            Output = ChildStdio.Null,
            Error = ChildStdio.Null,
        }));
        await Eventually.TrueAsync(() => Accepts(port), "sshd listens");
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        process.Signal(15);
        await process.Exit.WaitAsync(Eventually.Bound);
        process.Dispose();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static bool Accepts(int port)
    {
        try
        {
            using var client = new TcpClient();
            client.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task RunAsync(string program, CancellationToken cancel, params string[] arguments)
    {
        var result = await new ProcessRunner(TimeProvider.System).RunAsync(
            new ProcessRequest
            {
                FileName = program,
                Arguments = arguments,
                Environment = new Dictionary<string, string>(StringComparer.Ordinal),
                Timeout = TimeSpan.FromMinutes(1),
            },
            cancel);
        Assert.True(result.Succeeded, result.Error);
    }
}
