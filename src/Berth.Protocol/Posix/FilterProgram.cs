using System.Buffers;
using System.Buffers.Binary;

namespace Berth.Protocol.Posix;

/// <summary>Writes a seccomp filter: instructions of the classic packet filter over
/// <c>struct seccomp_data</c>.</summary>
/// <remarks>What is always allowed, the kernel remembers by number, so the length of the list costs almost nothing. A
/// call of another architecture is as it is on a kernel that lacks that one.</remarks>
internal sealed class FilterProgram
{
    private const ushort Load = 0x20;
    private const ushort IfEqual = 0x15;
    private const ushort IfAtLeast = 0x35;
    private const ushort IfAnyBit = 0x45;
    private const ushort Return = 0x06;
    private const uint Allow = 0x7fff_0000;
    private const uint Error = 0x0005_0000;
    private const uint NumberAt = 0;
    private const uint ArchitectureAt = 4;
    private const uint ArgumentsAt = 16;
    private const uint X64 = 0xc000_003e;
    private const uint Arm64 = 0xc000_00b7;
    private const int NoSuchCall = 38;
    private const int InstructionBytes = 8;

    private readonly ArrayBufferWriter<byte> code = new(2048);

    internal FilterProgram(bool isArm)
    {
        // Numbers mean other calls elsewhere: i386 has its own, and x32 is the same architecture with high numbers,
        // which RefuseFrom is for.
        Write(Load, 0, 0, ArchitectureAt);
        Write(IfEqual, 1, 0, isArm ? Arm64 : X64);
        Write(Return, 0, 0, Error | NoSuchCall);
        Write(Load, 0, 0, NumberAt);
    }

    /// <summary>All calls from a number on are refused.</summary>
    internal void RefuseFrom(int number, int error)
    {
        Write(IfAtLeast, 0, 1, (uint)number);
        Write(Return, 0, 0, Error | (uint)error);
    }

    /// <summary>A call is refused, always or under a condition.</summary>
    internal void Refuse(int number, int error, FilterTest? test)
    {
        if (test is null)
        {
            Write(IfEqual, 0, 1, (uint)number);
            Write(Return, 0, 0, Error | (uint)error);
            return;
        }

        // Each test leads to one of two ends: after the tests stands the end where none applied, then the other.
        var values = test.Values;
        Write(IfEqual, 0, (byte)(values.Count + 3), (uint)number);
        Write(Load, 0, 0, ArgumentsAt + (8 * (uint)test.Argument));
        for (var at = 0; at < values.Count; at++)
        {
            var toLast = (byte)(values.Count - at);
            Write(test.Kind == FilterTestKind.AnyBit ? IfAnyBit : IfEqual, toLast, 0, values[at]);
        }

        var (otherwise, applied) = test.Kind == FilterTestKind.NoneOf
            ? (Error | (uint)error, Allow)
            : (Allow, Error | (uint)error);
        Write(Return, 0, 0, otherwise);
        Write(Return, 0, 0, applied);
    }

    /// <summary>Everything else is allowed.</summary>
    internal byte[] Finish()
    {
        Write(Return, 0, 0, Allow);
        return code.WrittenSpan.ToArray();
    }

    private void Write(ushort operation, byte ifTrue, byte ifFalse, uint value)
    {
        Span<byte> instruction = stackalloc byte[InstructionBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(instruction, operation);
        instruction[2] = ifTrue;
        instruction[3] = ifFalse;
        BinaryPrimitives.WriteUInt32LittleEndian(instruction[4..], value);
        code.Write(instruction);
    }
}
