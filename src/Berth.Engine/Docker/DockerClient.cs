using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Berth.Protocol;

namespace Berth.Engine.Docker;

/// <summary>The calls of the Docker Engine HTTP API that Berth needs. Each has a bound on its time and on the size of
/// its answer.</summary>
/// <remarks>
/// A daemon that is down, hung or too old is a <see cref="FailureException"/> with a code of its own; so is a refusal
/// that a caller does not expect. What a caller can expect, a container that is not there for example, is a value.
/// Paths are made of ids, and of names that are escaped: nothing of a run's can become another request.
/// </remarks>
internal sealed class DockerClient : IDisposable
{
    // Docker 19.03, and Podman 3: with mounts, tmpfs and process limits as they are used here.
    private static readonly Version Least = new(1, 40);

    // The newest that was read about; a daemon that speaks a newer one speaks this too, unless it says otherwise.
    private static readonly Version Newest = new(1, 47);

    // Questions are answered in milliseconds. With this, a hung daemon is an error well before 10 s.
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(4);

    // Starting and removing touch disks and cgroups; a loaded machine takes seconds.
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    // Packages are fetched over whatever network there is.
    private static readonly TimeSpan BuildLimit = TimeSpan.FromMinutes(30);

    // A daemon answers this in some 50 ms, and what it says only changes with its settings.
    private static readonly TimeSpan InfoAge = TimeSpan.FromMinutes(1);

    private readonly DockerTransport transport;
    private readonly TimeProvider time;
    private DockerVersion? version;
    private Tuple<DockerInfo, long>? info;

    /// <summary>Speaks to a daemon; nothing is sent yet.</summary>
    public DockerClient(DockerEndpoint endpoint, TimeProvider time)
    {
        transport = new DockerTransport(endpoint, time);
        this.time = time;
    }

    /// <summary>Where the daemon is.</summary>
    public DockerEndpoint Endpoint => transport.Endpoint;

    /// <summary>What the daemon is; asked once.</summary>
    /// <exception cref="FailureException">It cannot be used.</exception>
    public async Task<DockerVersion> VersionAsync(CancellationToken cancel) =>
        version ??= await NegotiateAsync(cancel);

    /// <summary>What the daemon can do, as it was within the last minute.</summary>
    public async Task<DockerInfo> InfoAsync(CancellationToken cancel)
    {
        if (info is var (known, at) && time.GetElapsedTime(at) < InfoAge)
        {
            return known;
        }

        var found = await ReadAsync(HttpMethod.Get, "info", DockerJson.Default.DockerInfo, cancel) ?? new DockerInfo();
        info = Tuple.Create(found, time.GetTimestamp());
        return found;
    }

    /// <summary>An image by its name, or null where the daemon has none of that name.</summary>
    public Task<ImageDetails?> FindImageAsync(string name, CancellationToken cancel) =>
        ReadAsync(
            HttpMethod.Get, $"images/{Escaped(name)}/json", DockerJson.Default.ImageDetails, cancel, Absent);

    /// <summary>Makes a container.</summary>
    /// <returns>Its id, or null where there is one of that name.</returns>
    public async Task<string?> CreateAsync(string name, ContainerOrder order, CancellationToken cancel)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(order, DockerJson.Default.ContainerOrder);
        var request = await RequestAsync(HttpMethod.Post, $"containers/create?name={Escaped(name)}", cancel);
        var answer = await transport.AskAsync(request with { Body = body, Limit = Long }, cancel);
        return answer.Status == HttpStatusCode.Conflict
            ? null
            : Parse(request, Expected(request, answer), DockerJson.Default.ContainerCreated).Id;
    }

    /// <summary>Starts a container that was made; one that runs stays as it is.</summary>
    /// <returns>Null, or why the daemon could not start it.</returns>
    public async Task<string?> StartAsync(string id, CancellationToken cancel)
    {
        var request = await RequestAsync(HttpMethod.Post, $"containers/{Escaped(id)}/start", cancel);
        var answer = await transport.AskAsync(request with { Limit = Long }, cancel);
        return (int)answer.Status is 204 or 304 ? null : Message(answer);
    }

    /// <summary>A container by id or name, or null.</summary>
    public Task<ContainerDetails?> FindAsync(string id, CancellationToken cancel) =>
        ReadAsync(
            HttpMethod.Get, $"containers/{Escaped(id)}/json", DockerJson.Default.ContainerDetails, cancel, Absent);

    /// <summary>Kills all of a container. One that is not there or not running is as good as killed.</summary>
    public async Task KillAsync(string id, CancellationToken cancel)
    {
        var request = await RequestAsync(HttpMethod.Post, $"containers/{Escaped(id)}/kill?signal=KILL", cancel);
        var answer = await transport.AskAsync(request with { Limit = Long }, cancel);
        _ = Expected(request, answer, Absent, HttpStatusCode.Conflict);
    }

    /// <summary>Stops all processes of a running container where they are.</summary>
    public async Task PauseAsync(string id, CancellationToken cancel)
    {
        var request = await RequestAsync(HttpMethod.Post, $"containers/{Escaped(id)}/pause", cancel);
        var answer = await transport.AskAsync(request with { Limit = Long }, cancel);
        _ = Expected(request, answer);
    }

    /// <summary>Gives a container another name.</summary>
    /// <returns>Whether it has it; false where another container has that name, or this one is not there.</returns>
    public async Task<bool> RenameAsync(string id, string name, CancellationToken cancel)
    {
        var path = $"containers/{Escaped(id)}/rename?name={Escaped(name)}";
        var request = await RequestAsync(HttpMethod.Post, path, cancel);
        var answer = await transport.AskAsync(request with { Limit = Long }, cancel);
        return (int)Expected(request, answer, Absent, HttpStatusCode.Conflict).Status is >= 200 and < 300;
    }

    /// <summary>Lets a paused container go on. One that is not paused stays as it is.</summary>
    public async Task UnpauseAsync(string id, CancellationToken cancel)
    {
        var request = await RequestAsync(HttpMethod.Post, $"containers/{Escaped(id)}/unpause", cancel);
        var answer = await transport.AskAsync(request with { Limit = Long }, cancel);
        _ = Expected(request, answer, Absent, HttpStatusCode.Conflict, HttpStatusCode.InternalServerError);
    }

    /// <summary>Kills a container and removes it with its anonymous volumes.</summary>
    /// <returns>Whether it is gone; false while another removal is at work on it.</returns>
    public async Task<bool> RemoveAsync(string id, CancellationToken cancel)
    {
        var request = await RequestAsync(HttpMethod.Delete, $"containers/{Escaped(id)}?force=1&v=1", cancel);
        var answer = await transport.AskAsync(request with { Limit = Long }, cancel);
        return Expected(request, answer, Absent, HttpStatusCode.Conflict).Status != HttpStatusCode.Conflict;
    }

    /// <summary>All containers, running or not, that have a label.</summary>
    public async Task<IReadOnlyList<ContainerListing>> ListAsync(string label, CancellationToken cancel)
    {
        var filters = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal) { ["label"] = [label] };
        var text = JsonSerializer.Serialize(filters, DockerJson.Default.DictionaryStringIReadOnlyListString);
        return await ReadAsync(
            HttpMethod.Get,
            $"containers/json?all=1&filters={Uri.EscapeDataString(text)}",
            DockerJson.Default.IReadOnlyListContainerListing,
            cancel) ?? [];
    }

    /// <summary>Whether a container that was made, running or not, has a file.</summary>
    public async Task<bool> HasFileAsync(string id, string path, CancellationToken cancel)
    {
        var where = $"containers/{Escaped(id)}/archive?path={Uri.EscapeDataString(path)}";
        var request = await RequestAsync(HttpMethod.Head, where, cancel);
        var answer = await transport.AskAsync(request, cancel);
        return Expected(request, answer, Absent).Status == HttpStatusCode.OK;
    }

    /// <summary>Builds an image of a context that holds its recipe as <c>Dockerfile</c>.</summary>
    /// <param name="build">What to build.</param>
    /// <param name="context">Writes the context, a tar archive, as it is sent.</param>
    /// <param name="progress">Takes the daemon's words, line by line.</param>
    /// <param name="cancel">Gives it up, and with it the daemon does.</param>
    /// <returns>Null, or why it could not be built.</returns>
    public async Task<string?> BuildAsync(
        ImageBuild build, Func<Stream, CancellationToken, Task> context, Action<string> progress,
        CancellationToken cancel)
    {
        var arguments = JsonSerializer.Serialize(build.Arguments, DockerJson.Default.IReadOnlyDictionaryStringString);
        var request = await RequestAsync(
            HttpMethod.Post,
            $"build?t={Escaped(build.Tag)}&networkmode={Escaped(build.Network)}&rm=1&forcerm=1"
            + $"&buildargs={Uri.EscapeDataString(arguments)}",
            cancel);
        string? error = null;
        await transport.StreamAsync(request with { Limit = BuildLimit }, context, Tell, cancel);
        return error;

        void Tell(string line)
        {
            var said = Progress(line);
            error = said.Error ?? said.Message ?? error;
            if ((said.Stream ?? said.Status)?.TrimEnd() is { Length: > 0 } words)
            {
                progress(words);
            }
        }
    }

    private static BuildProgress Progress(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, DockerJson.Default.BuildProgress) ?? new BuildProgress();
        }
        catch (JsonException)
        {
            return new BuildProgress { Stream = line };
        }
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => transport.Dispose();

    private const HttpStatusCode Absent = HttpStatusCode.NotFound;

    private static string Escaped(string name) => Uri.EscapeDataString(name);

    private async Task<DockerVersion> NegotiateAsync(CancellationToken cancel)
    {
        var request = new DockerRequest(HttpMethod.Get, "version", Short);
        var answer = await transport.AskAsync(request, cancel);
        var found = Parse(request, Expected(request, answer), DockerJson.Default.DockerVersion);
        if (!Version.TryParse(found.ApiVersion, out var spoken))
        {
            throw DockerFailures.NotUnderstood(Endpoint, request.ToString());
        }

        if (spoken < Least)
        {
            throw DockerFailures.TooOld(Endpoint, found.ApiVersion, Least.ToString());
        }

        var least = Version.TryParse(found.MinApiVersion, out var theirs) ? theirs : Least;
        var used = spoken < Newest ? spoken : least > Newest ? least : Newest;
        return found with { ApiVersion = used.ToString() };
    }

    private async Task<DockerRequest> RequestAsync(HttpMethod method, string path, CancellationToken cancel) =>
        new(method, $"v{(await VersionAsync(cancel)).ApiVersion}/{path}", Short);

    private async Task<T?> ReadAsync<T>(
        HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancel, HttpStatusCode? absent = null)
        where T : class
    {
        var request = await RequestAsync(method, path, cancel);
        var answer = await transport.AskAsync(request, cancel);
        return answer.Status == absent ? null : Parse(request, Expected(request, answer), type);
    }

    private DockerAnswer Expected(DockerRequest request, DockerAnswer answer, params HttpStatusCode[] also) =>
        (int)answer.Status is >= 200 and < 300 || also.Contains(answer.Status)
            ? answer
            : throw DockerFailures.Refused(Endpoint, request.ToString(), (int)answer.Status, Message(answer));

    private T Parse<T>(DockerRequest request, DockerAnswer answer, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(answer.Body.Span, type)
                ?? throw DockerFailures.NotUnderstood(Endpoint, request.ToString());
        }
        catch (JsonException notJson)
        {
            throw DockerFailures.NotUnderstood(Endpoint, request.ToString(), notJson);
        }
    }

    private static string Message(DockerAnswer answer)
    {
        try
        {
            return JsonSerializer.Deserialize(answer.Body.Span, DockerJson.Default.DockerRefusal)?.Message
                ?? NoReason(answer);
        }
        catch (JsonException)
        {
            return NoReason(answer);
        }
    }

    private static string NoReason(DockerAnswer answer) =>
        string.Create(CultureInfo.InvariantCulture, $"status {(int)answer.Status}, no reason given");
}
