using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>Reads the records of an execution. Each was written whole by rename, so it is there or it is not.</summary>
internal static class ExecutionRecords
{
    // A supervisor says nothing unless it broke; then the last lines tell why.
    private const int LogBytes = 4 * 1024;

    internal static ExecutionHandle? Handle(RunDirectory run) =>
        Read(run.HandleFile, ProtocolJson.Default.ExecutionHandle);

    internal static ExitRecord? Exit(RunDirectory run) => Read(run.ExitFile, ProtocolJson.Default.ExitRecord);

    internal static SupervisorSpec? Spec(RunDirectory run) => Read(run.SpecFile, ProtocolJson.Default.SupervisorSpec);

    /// <summary>Writes the supervisor's orders.</summary>
    /// <exception cref="FailureException"><c>run_record_not_written</c>; nothing was started.</exception>
    internal static void WriteSpec(RunDirectory run, SupervisorSpec spec) =>
        Write(run.SpecFile, spec, ProtocolJson.Default.SupervisorSpec);

    /// <summary>Writes a record whole.</summary>
    /// <exception cref="FailureException"><c>run_record_not_written</c>.</exception>
    internal static void Write<T>(string file, T record, JsonTypeInfo<T> type)
    {
        try
        {
            AtomicFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(record, type));
        }
        catch (IOException failed)
        {
            throw new FailureException(
                "run_record_not_written",
                $"The record {file} could not be written: {failed.Message}",
                "Make room on the disk and try again; nothing was started.",
                Fault.Operator,
                failed);
        }
    }

    /// <summary>The end of what the supervisor itself had to say, for a message to people.</summary>
    internal static string LastWords(RunDirectory run)
    {
        try
        {
            using var file = File.OpenRead(run.SupervisorLog);
            file.Position = Math.Max(0, file.Length - LogBytes);
            using var reader = new StreamReader(file);
            var text = reader.ReadToEnd().Trim();
            return text.Length == 0 ? "It said nothing." : $"It said: {text}";
        }
        catch (IOException)
        {
            return "It left no log.";
        }
    }

    /// <summary>Reads a record, or null where there is none.</summary>
    /// <exception cref="FailureException"><c>run_record_damaged</c>.</exception>
    internal static T? Read<T>(string file, JsonTypeInfo<T> type)
        where T : class
    {
        // Records are waited for by looking again and again.
        if (Descriptor.IsMissing(file))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(file), type);
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException damaged)
        {
            throw new FailureException(
                "run_record_damaged",
                $"The record {file} cannot be read: {damaged.Message}",
                "The disk or a hand has changed it. Remove the run with `berth cleanup`.",
                Fault.Operator,
                damaged);
        }
    }
}
