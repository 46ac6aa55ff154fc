using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>The small files of the run directory, as the supervisor reads and writes them.</summary>
internal static class RunFiles
{
    internal static SupervisorSpec ReadSpec(RunDirectory directory)
    {
        var spec = Read(directory.SpecFile, ProtocolJson.Default.SupervisorSpec);
        if (spec.Version != SupervisorSpec.CurrentVersion
            || spec is not { Limits: not null, Stop: not null, Agent.Argv.Count: > 0 })
        {
            throw new FailureException(
                "spec_not_understood",
                $"{directory.SpecFile} has version {spec.Version}, or lacks its limits, stop plan or command; "
                + $"this supervisor reads version {SupervisorSpec.CurrentVersion}.",
                "Use the supervisor that came with this berth.", Fault.Operator);
        }

        return spec;
    }

    /// <summary>One run is one agent, once: what died in the middle is lost, and is not begun again here.</summary>
    internal static void RefuseSecondStart(RunDirectory directory)
    {
        if (File.Exists(directory.ExitFile))
        {
            throw new FailureException(
                "run_already_ended", $"The run in {directory.Root} was to be supervised, and has ended already.",
                "Nothing is to be done: exit.json says how it ended.", Fault.Berth);
        }

        if (File.Exists(directory.HandleFile))
        {
            throw new FailureException(
                "run_already_started",
                $"The run in {directory.Root} was to be supervised, and its first supervisor has died.",
                "The run is lost. Start a new one.", Fault.Berth);
        }
    }

    /// <summary>Reads the secrets and unlinks their file, which may be missing.</summary>
    internal static RunSecrets TakeSecrets(RunDirectory directory)
    {
        if (!File.Exists(directory.SecretsFile))
        {
            return new RunSecrets();
        }

        try
        {
            return Read(directory.SecretsFile, ProtocolJson.Default.RunSecrets);
        }
        finally
        {
            File.Delete(directory.SecretsFile);
        }
    }

    internal static void WriteHandle(RunDirectory directory, SupervisorSpec spec, DateTimeOffset startedAt)
    {
        var handle = new ExecutionHandle(spec.RunId, ProcessIdentity.Of(Environment.ProcessId)!, startedAt);
        AtomicFile.Write(directory.HandleFile,
            JsonSerializer.SerializeToUtf8Bytes(handle, ProtocolJson.Default.ExecutionHandle));
    }

    private static T Read<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type) ?? throw new JsonException("It is null.");
        }
        catch (Exception unreadable) when (unreadable is IOException or JsonException or UnauthorizedAccessException)
        {
            // Not the message of a JSON error in the secrets: it may quote them.
            var why = unreadable is JsonException { LineNumber: { } line } ? $"line {line + 1} is not as it should be"
                : unreadable.GetType().Name;
            throw new FailureException(
                "run_file_unreadable", $"{path} was to be read: {why}.",
                "Start the run again.", Fault.Berth);
        }
    }
}
