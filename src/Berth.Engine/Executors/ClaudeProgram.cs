using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>Looks at the CLI's file before it is started, so that what is wrong with it is said by name and not by an
/// exit code.</summary>
internal static class ClaudeProgram
{
    internal const string Install = "Install it with `npm ci` in tools/claude, or name another one with BERTH_CLAUDE.";

    // An ELF header is 64 bytes; a script's first line names its interpreter.
    private const int HeaderBytes = 64;
    private const ushort MachineX64 = 62;
    private const ushort MachineArm64 = 183;

    /// <summary>The program itself, where the path is a link, as npm makes them, or leads through links.</summary>
    internal static string Resolve(string path)
    {
        try
        {
            return path.Length == 0 ? path : RealPath.Of(path) ?? path;
        }
        catch (IOException)
        {
            // Not there, or links in a circle: said by Inspect.
            return path;
        }
    }

    /// <summary>Whether an interpreter reads it.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static bool IsScript(string path)
    {
        var header = new byte[2];
        using var file = File.OpenRead(path);
        return file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length
            && header.AsSpan().SequenceEqual("#!"u8);
    }

    /// <summary>What is wrong with it, or null where it looks as if it could be started.</summary>
    internal static Failure? Inspect(string path)
    {
        if (path.Length == 0)
        {
            return Wrong("cli_not_found", "No Claude Code CLI was found.");
        }

        if (!File.Exists(path))
        {
            return Directory.Exists(path)
                ? Wrong("cli_not_executable", $"The Claude Code CLI {path} is a folder.")
                : Wrong("cli_not_found", $"The Claude Code CLI {path} is not there.");
        }

        if (!ProgramSearch.IsProgram(path))
        {
            return Wrong(
                "cli_not_executable", $"The Claude Code CLI {path} is not executable.",
                    $"Type: chmod +x {ShellText.Quoted(path)}");
        }

        var header = new byte[HeaderBytes];
        int read;
        try
        {
            using var file = File.OpenRead(path);
            read = file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return Wrong("cli_not_executable", $"The Claude Code CLI {path} cannot be read: {refused.Message}");
        }

        return InspectHeader(path, header.AsSpan(0, read));
    }

    private static Failure? InspectHeader(string path, ReadOnlySpan<byte> header)
    {
        if (header.StartsWith("#!"u8))
        {
            return null;
        }

        if (header.Length < HeaderBytes || !header.StartsWith("\u007fELF"u8))
        {
            return Wrong("cli_wrong_architecture", $"The Claude Code CLI {path} is not a Linux program.");
        }

        var machine = BinaryPrimitives.ReadUInt16LittleEndian(header[18..]);
        var expected = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? MachineArm64 : MachineX64;
        return machine == expected
            ? null
            : Wrong(
                "cli_wrong_architecture",
                $"The Claude Code CLI {path} is for {Name(machine)}, this machine is {Name(expected)}.");
    }

    private static string Name(ushort machine) => machine switch
    {
        MachineX64 => "x86-64",
        MachineArm64 => "arm64",
        _ => $"another processor ({machine})",
    };

    private static Failure Wrong(string code, string message, string? hint = null) =>
        new(code, message, hint ?? Install, Fault.Operator);
}
