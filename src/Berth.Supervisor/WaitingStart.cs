using System.Buffers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Supervisor;

/// <summary>What a supervisor does that was started before there is anything to supervise.</summary>
internal static class WaitingStart
{
    private const int StandardInput = 0;

    /// <summary>Gets ready and waits, leaving no trace, until a byte comes on standard input.</summary>
    /// <returns>Whether to begin; false where whoever started us has gone without a word.</returns>
    internal static bool IsToBegin()
    {
        GetReady();
        using var input = new SafeFileHandle(StandardInput, ownsHandle: false);
        return Descriptor.Read(input, stackalloc byte[1]) > 0;
    }

    // The runtime makes code ready when it is first used, and reading orders is most of what a start uses: 30 ms that
    // somebody would wait for later, and nobody does now.
    private static void GetReady()
    {
        var now = DateTimeOffset.UnixEpoch;
        var none = new Dictionary<string, string>(StringComparer.Ordinal) { [""] = "" };
        var spec = new SupervisorSpec
        {
            RunId = "",
            Facts = none,
            Agent = new AgentStep { Argv = [""], Environment = none },
            Capture = new CaptureStep
            {
                Prefix = [""],
                Environment = none,
                Git = "",
                Workspace = "",
                Bundle = "",
                Message = "",
                AuthorName = "",
                AuthorEmail = "",
            },
        };
        _ = Again(spec, ProtocolJson.Default.SupervisorSpec);
        _ = Again(new RunSecrets { Environment = none, Redact = [""] }, ProtocolJson.Default.RunSecrets);
        var self = ProcessIdentity.Of(Environment.ProcessId)!;
        _ = Again(new ExecutionHandle("", self, now), ProtocolJson.Default.ExecutionHandle);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var signal = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static context => context.Cancel = true);
        using var writer = new Utf8JsonWriter(new ArrayBufferWriter<byte>());
        writer.WriteStartObject();
        writer.WriteString("at"u8, now);
        writer.WriteEndObject();
    }

    private static T? Again<T>(T value, JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(value, type), type);
}
