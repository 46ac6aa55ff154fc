using System.Text.Json.Serialization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Docker;

/// <summary>What a host knows of a run's container: <c>container.json</c>, written when it was started.</summary>
/// <param name="ContainerId">Its id.</param>
/// <param name="Image">The id of its image.</param>
/// <param name="Supervisor">Its init, as this host numbers it. The supervisor's own handle has the number
/// inside.</param>
internal sealed record ContainerRecord(string ContainerId, string Image, ProcessIdentity Supervisor)
{
    private const string FileName = "container.json";

    /// <summary>The init of a container that ended before anybody saw it: no process ever has this number.</summary>
    internal static ProcessIdentity Nobody { get; } = new(0, 0, ProcessIdentity.CurrentBootId);

    /// <summary>The record of a run, or null.</summary>
    internal static ContainerRecord? Of(RunDirectory run) =>
        ExecutionRecords.Read(PathIn(run), ContainerJson.Default.ContainerRecord);

    /// <summary>Writes it.</summary>
    internal void Write(RunDirectory run) =>
        ExecutionRecords.Write(PathIn(run), this, ContainerJson.Default.ContainerRecord);

    /// <summary>The handle of an execution that has begun, or null.</summary>
    internal static ExecutionHandle? Handle(RunDirectory run) =>
        ExecutionRecords.Handle(run) is { } begun && Of(run) is { } container
            ? begun with { Supervisor = container.Supervisor, ContainerId = container.ContainerId }
            : null;

    /// <summary>Takes it back.</summary>
    internal static void Delete(RunDirectory run) => File.Delete(PathIn(run));

    private static string PathIn(RunDirectory run) => Path.Combine(run.Root, FileName);
}

/// <summary>How it is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ContainerRecord))]
internal sealed partial class ContainerJson : JsonSerializerContext;
