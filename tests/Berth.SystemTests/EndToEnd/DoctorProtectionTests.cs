using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary><c>berth doctor</c> tries the protections of each mode from inside.</summary>
public sealed class DoctorProtectionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local", "")]
    [InlineData("docker", "docker ")]
    public async Task F46_F47_F50_F56_The_doctor_tries_each_protection_and_all_of_them_hold(string mode, string prefix)
    {
        await using var home = mode is "docker" ? await DockerHome.CreateAsync() : await BerthHome.CreateAsync(Cancel);

        // What tries them runs in the sandbox, where the supervisor of the tests does not find what measures coverage.
        home.Set("BERTH_SUPERVISOR", SystemTestEnvironment.PublishedSupervisor);
        var doctor = await home.BerthAsync(Cancel, "doctor", "--json");

        var checks = doctor.Json.GetProperty("checks").EnumerateArray().ToDictionary(
            check => check.GetProperty("name").GetString()!, StringComparer.Ordinal);
        Assert.All(
            ProtectionLine.Names,
            name => Assert.True(
                checks.TryGetValue(prefix + name, out var check) && check.GetProperty("ok").GetBoolean(),
                doctor.Output));
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(home.Home, "runs"), "doctor*"));
    }
}
