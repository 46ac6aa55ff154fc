using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Executors;
using Berth.Engine.Gateway;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth doctor</c>: what is installed, what is missing, and what to type to mend it.</summary>
internal static class DoctorCommand
{
    private const int WordWidth = 9;
    private const long LeastFreeBytes = 1024L * 1024 * 1024;

    public static Command Create(Surroundings surroundings)
    {
        var settings = BerthCommand.Flag(
            "--settings", "Show all settings too: what is possible, and what holds by default.");
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "doctor",
            "Checks what is installed, and says what to type where something is missing. "
                + "Exit code 1 if no run is possible here.",
            "berth doctor",
            "berth doctor --settings",
            "berth doctor --json | jq '.checks[] | select(.ok | not)'")
        {
            settings,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            var report = await ExamineAsync(surroundings, Settings.Bind(surroundings), cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(report, CommandJson.Readable.DoctorReport));
                return report.Ok ? ExitCodes.Succeeded : ExitCodes.Failed;
            }

            var screen = surroundings.Screen();
            Show(report, screen);
            if (parsed.GetValue(settings))
            {
                ShowSettings(screen);
            }

            return report.Ok ? ExitCodes.Succeeded : ExitCodes.Failed;
        }));
        return command;
    }

    private static async Task<DoctorReport> ExamineAsync(
        Surroundings surroundings, BerthOptions options, CancellationToken cancel)
    {
        List<ProbeCheck> checks = [Home(options)];
        ExecutorCapabilities? capabilities = null;
        if (checks[0].Ok)
        {
            var engine = Opened.Engine(surroundings, options);
            var probes = await engine.Places.ProbeAsync(cancel);
            IReadOnlyList<ExecutorProbe> allowed =
                [.. probes.Where(probe => probe.Mode is not "local" || !options.LocalMode.IsOff)];
            allowed = await engine.Places.TryProtectionsAsync(allowed, cancel);
            checks.AddRange(Merged(allowed));
            checks.Add(DoctorModes.Check(options, allowed, [.. engine.Workflows.List().Select(found => found.Name)]));
            if (await new InstructionProbe(options, surroundings.Time).CheckAsync(cancel) is { } instructions)
            {
                checks.Add(instructions);
            }

            checks.Add(WorkflowsOf(engine, options));
            checks.AddRange(WarmOf(engine.Places.WaitingContainers, options.Warm));
            capabilities = allowed[0].Capabilities;
        }

        checks.Add(Credential(options.Gateway));
        var isOk = checks.TrueForAll(check => check.Ok || !check.Required);
        return new DoctorReport(isOk, options.Home, [.. checks.Select(DoctorCheck.Of)], capabilities);
    }

    // One mode that works is enough; what another one lacks is worth knowing. What both have looked at is said once.
    private static IEnumerable<ProbeCheck> Merged(IReadOnlyList<ExecutorProbe> probes)
    {
        var anyWorks = probes.Any(probe => probe.Ok);
        return probes.SelectMany(probe => probe.Checks.Select(check =>
                check with { Required = check.Required && !anyWorks && probe == probes[0] }))
            .DistinctBy(check => (check.Name, check.Ok, check.Code));
    }

    private static ProbeCheck Home(BerthOptions options)
    {
        try
        {
            Directory.CreateDirectory(
                options.Home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var trial = Path.Combine(options.Home, $".doctor-{Environment.ProcessId}");
            File.WriteAllBytes(trial, [1]);
            File.Delete(trial);
            var free = new DriveInfo(options.Home).AvailableFreeSpace;
            return new ProbeCheck(
                "home",
                free >= LeastFreeBytes,
                $"{options.Home}, {Amounts.Bytes(free)} free",
                "Free some space, or set BERTH_HOME to another disk.")
            {
                Required = false,
            };
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException)
        {
            return new ProbeCheck(
                "home",
                Ok: false,
                $"{options.Home} cannot be written: {unusable.Message}",
                "Set BERTH_HOME to a folder of yours.")
            {
                Code = "home_unusable",
            };
        }
    }

    private static ProbeCheck WorkflowsOf(BerthEngine engine, BerthOptions options)
    {
        var found = engine.Workflows.List();
        var invalid = found.Where(workflow => !workflow.Valid).Select(workflow => workflow.Name).ToList();
        var detail = found.Count == 0
            ? $"none in {string.Join(", ", options.WorkflowFolders)}"
            : $"{found.Count} found{(invalid.Count > 0 ? $", not valid: {string.Join(", ", invalid)}" : string.Empty)}";
        var isOk = found.Count > 0 && invalid.Count == 0;
        return new ProbeCheck("workflows", isOk, detail, "berth workflows shows what is wrong.")
        {
            Required = false,
        };
    }

    // Nothing is said of what is not used here.
    private static IEnumerable<ProbeCheck> WarmOf(int waiting, int most)
    {
        if (waiting > 0 || most > 0)
        {
            yield return new ProbeCheck(
                "warm containers", Ok: true, $"{Amounts.Of(waiting, "container")} waiting, of {most} at most");
        }
    }

    private static ProbeCheck Credential(GatewayOptions gateway)
    {
        var names = new[]
        {
            gateway.ApiKey is null ? null : "ANTHROPIC_API_KEY",
            gateway.AuthToken is null ? null : "ANTHROPIC_AUTH_TOKEN",
            gateway.OAuthToken is null ? null : "CLAUDE_CODE_OAUTH_TOKEN",
        };
        var detail = gateway.HasCredential
            ? $"{string.Join(", ", names.OfType<string>())} for {gateway.Upstream.Host}"
            : "none";
        return new ProbeCheck(
            "credential",
            gateway.HasCredential || gateway.Upstream != GatewayOptions.PublicApi,
            detail,
            "export ANTHROPIC_API_KEY=…; berth demo needs none")
        {
            Required = false,
        };
    }

    private static void Show(DoctorReport report, IScreen screen)
    {
        var width = report.Checks.Max(check => check.Name.Length) + 2;
        foreach (var check in report.Checks)
        {
            var (word, tone) = check switch
            {
                { Ok: true } => ("ok", Tone.Good),
                { Required: true } => ("missing", Tone.Bad),
                { Code: "cli_wrong_version" } => ("note", Tone.Warning),
                _ => ("absent", Tone.Warning),
            };
            var name = new Part(check.Name.PadRight(width));
            screen.Write(new Line(new Part(word.PadRight(WordWidth), tone), name, new Part(check.Detail, Tone.Faint)));
            if (!check.Ok && check.Mend.Length > 0)
            {
                screen.Write(Line.Of(new string(' ', WordWidth) + check.Mend, Tone.Strong));
            }
        }

        screen.Write(Line.Empty);
        screen.Write(report.Ok
            ? Line.Of("Runs are possible here.", Tone.Good)
            : Line.Of("No run is possible here until what is missing is there.", Tone.Bad));
    }

    private static void ShowSettings(IScreen screen)
    {
        screen.Write(Line.Empty);
        foreach (var setting in SettingsTable.All)
        {
            var key = setting.Key is null ? string.Empty : $", \"{setting.Key}\" in berth.json";
            screen.Write(new Line(new Part(setting.Variable, Tone.Strong), new Part(key, Tone.Faint)));
            screen.Write(Line.Of($"  {setting.Description}"));
            screen.Write(Line.Of($"  {setting.Unit}: {setting.Range}; default: {setting.Default}", Tone.Faint));
        }
    }
}

/// <summary>What <c>berth doctor --json</c> prints.</summary>
internal sealed record DoctorReport(
    bool Ok,
    string Home,
    IReadOnlyList<DoctorCheck> Checks,
    ExecutorCapabilities? Capabilities);

/// <summary>One thing that was looked at.</summary>
internal sealed record DoctorCheck(string Name, bool Ok, bool Required, string Detail, string Mend, string Code)
{
    /// <summary>Makes it of what an executor or this command found.</summary>
    public static DoctorCheck Of(ProbeCheck check) => new(
        check.Name,
        check.Ok,
        check.Required,
        check.Detail,
        check.Ok ? string.Empty : check.Mend,
        check.Ok ? string.Empty : check.Code);
}
