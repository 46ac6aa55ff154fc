using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>The keyring of the session that a supervisor was started in: it and the agent have another one, also where
/// no filter keeps the agent from asking.</summary>
public sealed class KeyringTests : IDisposable
{
    // keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, create = 0)
    private static readonly string Ask = string.Create(
        CultureInfo.InvariantCulture,
        $"print 'keyring=', syscall({(IsArm ? 219 : 250)}, 0, -3, 0), \"\\n\"");

    private readonly SupervisedFixture fixture = new();

    private static bool IsArm => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task F46_A_supervisor_leaves_the_keyring_of_the_callers_session()
    {
        using var here = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/usr/bin/perl",
            Arguments = ["-e", Ask],
            Environment = fixture.AgentEnvironment(),
            Output = ChildStdio.Socket,
        });
        await here.Exit.WaitAsync(Eventually.Bound, TestContext.Current.CancellationToken);
        var buffer = new byte[100];
        var own = Encoding.UTF8.GetString(buffer, 0, Descriptor.Read(here.Output!, buffer)).Trim();
        fixture.Start("/usr/bin/perl", "-e", Ask);
        await fixture.EndAsync();

        var theirs = fixture.Entries().Select(entry => entry.Data.ToString())
            .Single(line => line.StartsWith("keyring=", StringComparison.Ordinal));
        Assert.StartsWith("keyring=", own, StringComparison.Ordinal);
        Assert.NotEqual(own, theirs);
        Assert.NotEqual("keyring=-1", theirs);
    }
}
