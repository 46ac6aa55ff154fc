using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

/// <summary>
/// Runs at the start of each process of ours that a test starts (test.sh names it in their runtimeconfig.json), and
/// adds what that process has covered to the file of hits when it ends.
/// </summary>
/// <remarks>
/// The instrumented assemblies would do so themselves, under a named mutex. But a named mutex holds within one session,
/// and the supervisor and the host each begin a session of their own: of 200 such processes that ended in groups of 20,
/// 92 crashed in their exit handler, and the tests saw a wrong exit code. So the trackers are told to write nothing,
/// and this writes instead, under a file lock.
/// </remarks>
[SuppressMessage("Design", "CA1050", Justification = "The runtime looks for this very name, in no namespace.")]
[SuppressMessage("Design", "MA0047", Justification = "The runtime looks for this very name, in no namespace.")]
internal static class StartupHook
{
    private const string TrackerNamespace = "Coverlet.Core.Instrumentation.Tracker";
    private const BindingFlags Fields = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
    private static readonly string Here = typeof(StartupHook).Assembly.Location;
    private static readonly string[] Ours =
        ["Berth.Protocol", "Berth.Engine", "Berth.Server", "berth", "berth-supervisor"];

    /// <summary>
    /// Called by the runtime before Main, and so ahead of the trackers, whose handlers then come after this one.
    /// </summary>
    public static void Initialize() => AppDomain.CurrentDomain.ProcessExit += (_, _) => WriteHits();

    private static void WriteHits()
    {
        foreach (var assembly in AppDomain.CurrentDomain.GetAssemblies())
        {
            if (Ours.Contains(assembly.GetName().Name, StringComparer.Ordinal) && TrackerOf(assembly) is { } tracker)
            {
                tracker.GetField("FlushHitFile", Fields)!.SetValue(obj: null, value: false);
                var file = (string)tracker.GetField("HitsFilePath", Fields)!.GetValue(obj: null)!;
                TryAddTo(file, (int[])tracker.GetField("HitsArray", Fields)!.GetValue(obj: null)!);
            }
        }
    }

    private static Type? TrackerOf(Assembly assembly)
    {
        var tracker = Array.Find(
            assembly.GetTypes(),
            type => string.Equals(type.Namespace, TrackerNamespace, StringComparison.Ordinal));
        if (tracker is not null)
        {
            RuntimeHelpers.RunClassConstructor(tracker.TypeHandle);
        }

        return tracker;
    }

    private static void TryAddTo(string path, int[] hits)
    {
        try
        {
            AddTo(path, hits);
        }
        catch (UnauthorizedAccessException)
        {
            // A process that has become another user's for its files: what it covered is not counted.
        }
    }

    // The file is a count and as many numbers of hits, each of 32 bits.
    private static void AddTo(string path, int[] hits)
    {
        using var theLock = Lock(Path.Combine(Path.GetDirectoryName(Here)!, Path.GetFileName(path) + ".lock"));
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        var bytes = new byte[sizeof(int) * (hits.Length + 1)];
        if (file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            Array.Clear(bytes);
            BinaryPrimitives.WriteInt32LittleEndian(bytes, hits.Length);
        }

        var counts = MemoryMarshal.Cast<byte, int>(bytes.AsSpan())[1..];
        for (var index = 0; index < hits.Length; index++)
        {
            counts[index] |= hits[index];
        }

        file.Position = 0;
        file.Write(bytes);
    }

    // Fifty processes may end at once on two processors. None may take the time of the one that has the lock.
    private static FileStream Lock(string path)
    {
        var until = TimeProvider.System.GetTimestamp() + (60 * TimeProvider.System.TimestampFrequency);
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (TimeProvider.System.GetTimestamp() < until)
            {
                Thread.Sleep(20);
            }
        }
    }
}
