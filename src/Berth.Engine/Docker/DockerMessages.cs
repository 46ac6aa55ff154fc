using System.Text.Json.Serialization;

namespace Berth.Engine.Docker;

/// <summary>What the daemon is and speaks.</summary>
internal sealed record DockerVersion
{
    public string Version { get; init; } = "";

    public string ApiVersion { get; init; } = "";

    [JsonPropertyName("MinAPIVersion")]
    public string? MinApiVersion { get; init; }

    public string Os { get; init; } = "";

    public string Arch { get; init; } = "";
}

/// <summary>What the daemon can limit and how it isolates.</summary>
internal sealed record DockerInfo
{
    public bool MemoryLimit { get; init; }

    public bool PidsLimit { get; init; }

    public bool CpuCfsQuota { get; init; }

    public IReadOnlyList<string>? SecurityOptions { get; init; }

    public string? CgroupVersion { get; init; }

    public bool LiveRestoreEnabled { get; init; }
}

/// <summary>An image.</summary>
internal sealed record ImageDetails
{
    public string Id { get; init; } = "";

    public string Architecture { get; init; } = "";

    public string Os { get; init; } = "";

    public long Size { get; init; }

    public ImageConfig? Config { get; init; }
}

/// <summary>What an image says of the containers made from it.</summary>
internal sealed record ImageConfig
{
    public IReadOnlyList<string>? Env { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>A container to be made.</summary>
internal sealed record ContainerOrder
{
    public required string Image { get; init; }

    public required IReadOnlyList<string> Entrypoint { get; init; }

    public required IReadOnlyList<string> Cmd { get; init; }

    public required IReadOnlyList<string> Env { get; init; }

    public required string User { get; init; }

    public string WorkingDir { get; init; } = "/";

    public string Hostname { get; init; } = "berth";

    public bool NetworkDisabled { get; init; } = true;

    public int StopTimeout { get; init; }

    public ContainerHealthCheck Healthcheck { get; init; } = new();

    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public required ContainerHostConfig HostConfig { get; init; }
}

/// <summary>No health check, whatever the image says.</summary>
internal sealed record ContainerHealthCheck
{
    public IReadOnlyList<string> Test { get; init; } = ["NONE"];
}

/// <summary>What a container may do and use. Everything that is not here has Docker's own default.</summary>
internal sealed record ContainerHostConfig
{
    public string NetworkMode { get; init; } = "none";

    public bool ReadonlyRootfs { get; init; } = true;

    public IReadOnlyList<string> CapDrop { get; init; } = ["ALL"];

    public required IReadOnlyList<string> CapAdd { get; init; }

    public IReadOnlyList<string> SecurityOpt { get; init; } = ["no-new-privileges"];

    public required IReadOnlyDictionary<string, string> Tmpfs { get; init; }

    public required IReadOnlyList<ContainerMount> Mounts { get; init; }

    public long ShmSize { get; init; }

    public long? Memory { get; init; }

    public long? MemorySwap { get; init; }

    public long? PidsLimit { get; init; }

    public long? NanoCpus { get; init; }

    public bool Init { get; init; }

    public bool AutoRemove { get; init; }

    public string IpcMode { get; init; } = "private";

    public ContainerRestartPolicy RestartPolicy { get; init; } = new("no");

    public ContainerLogConfig LogConfig { get; init; } = new("none");
}

/// <summary>Whether the daemon starts it again.</summary>
internal sealed record ContainerRestartPolicy(string Name);

/// <summary>What keeps its output.</summary>
internal sealed record ContainerLogConfig(string Type);

/// <summary>A host path inside a container.</summary>
internal sealed record ContainerMount(string Source, string Target, bool ReadOnly)
{
    public string Type { get; init; } = "bind";
}

/// <summary>A container as the daemon knows it.</summary>
internal sealed record ContainerDetails
{
    public string Id { get; init; } = "";

    public string Name { get; init; } = "";

    public string Image { get; init; } = "";

    public ContainerStatus State { get; init; } = new();

    public ContainerDetailsConfig Config { get; init; } = new();
}

/// <summary>The part of a container's configuration that is read back.</summary>
internal sealed record ContainerDetailsConfig
{
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>Where a container stands.</summary>
internal sealed record ContainerStatus
{
    /// <summary>created, running, paused, restarting, removing, exited, dead.</summary>
    public string Status { get; init; } = "";

    public bool Running { get; init; }

    public bool Paused { get; init; }

    [JsonPropertyName("OOMKilled")]
    public bool OutOfMemory { get; init; }

    public int Pid { get; init; }

    public int ExitCode { get; init; }

    public string? Error { get; init; }
}

/// <summary>A container in a list.</summary>
internal sealed record ContainerListing
{
    public string Id { get; init; } = "";

    /// <summary>Each with a slash in front.</summary>
    public IReadOnlyList<string>? Names { get; init; }

    public string State { get; init; } = "";

    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>What making a container answers.</summary>
internal sealed record ContainerCreated(string Id);

/// <summary>What a refusal says.</summary>
internal sealed record DockerRefusal
{
    [JsonPropertyName("message")]
    public string? Message { get; init; }
}

/// <summary>An image to be built.</summary>
/// <param name="Tag">Its name.</param>
/// <param name="Network">The network of its steps.</param>
/// <param name="Arguments">The values of the recipe's arguments.</param>
internal sealed record ImageBuild(string Tag, string Network, IReadOnlyDictionary<string, string> Arguments);

/// <summary>One step of building an image, as the daemon tells it.</summary>
internal sealed record BuildProgress
{
    [JsonPropertyName("stream")]
    public string? Stream { get; init; }

    [JsonPropertyName("status")]
    public string? Status { get; init; }

    [JsonPropertyName("error")]
    public string? Error { get; init; }

    /// <summary>Where the whole request is refused.</summary>
    [JsonPropertyName("message")]
    public string? Message { get; init; }
}

/// <summary>How these are written: Docker's names are ours.</summary>
[JsonSourceGenerationOptions(
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, AllowDuplicateProperties = true)]
[JsonSerializable(typeof(DockerVersion))]
[JsonSerializable(typeof(DockerInfo))]
[JsonSerializable(typeof(ImageDetails))]
[JsonSerializable(typeof(ContainerOrder))]
[JsonSerializable(typeof(ContainerCreated))]
[JsonSerializable(typeof(ContainerDetails))]
[JsonSerializable(typeof(IReadOnlyList<ContainerListing>))]
[JsonSerializable(typeof(DockerRefusal))]
[JsonSerializable(typeof(BuildProgress))]
[JsonSerializable(typeof(Dictionary<string, IReadOnlyList<string>>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
internal sealed partial class DockerJson : JsonSerializerContext;
