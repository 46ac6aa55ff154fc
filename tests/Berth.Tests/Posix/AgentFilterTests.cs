using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.Tests.Posix;

/// <summary>The filter, read as the kernel reads it: for both processors, whichever this one is.</summary>
public sealed class AgentFilterTests
{
    private const uint X64 = 0xc000_003e;
    private const uint Arm64 = 0xc000_00b7;
    private const int Allowed = 0;
    private const int NotPermitted = 1;
    private const int NoSuchCall = 38;
    private const int NoSuchFamily = 97;

    [Theory]
    [InlineData(Architecture.X64)]
    [InlineData(Architecture.Arm64)]
    public void F46_Each_entry_of_the_list_is_refused_and_its_neighbours_are_not(Architecture architecture)
    {
        var isArm = architecture == Architecture.Arm64;
        var always = AgentFilter.Rules.Where(rule => rule.Test is null)
            .SelectMany(rule => rule.Calls.Select(call => (Number: isArm ? call.Arm64 : call.X64, rule.Error)))
            .Where(call => call.Number != FilterCall.None)
            .ToDictionary(call => call.Number, call => call.Error);
        var tested = AgentFilter.Rules.Where(rule => rule.Test is not null)
            .SelectMany(rule => rule.Calls.Select(call => isArm ? call.Arm64 : call.X64)).ToHashSet();

        for (var number = 0; number < 470; number++)
        {
            if (!tested.Contains(number))
            {
                Assert.Equal(
                    (number, always.GetValueOrDefault(number, Allowed)), (number, Answer(architecture, number)));
            }
        }

        Assert.All(AgentFilter.Rules, rule => Assert.NotEmpty(rule.Reason));
    }

    [Theory]
    [InlineData(Architecture.X64, 56, 272, 41)]
    [InlineData(Architecture.Arm64, 220, 97, 198)]
    public void F46_Threads_processes_and_usual_sockets_are_allowed(
        Architecture architecture, int clone, int unshare, int socket)
    {
        const uint Thread = 0x3d0f00;
        const uint Fork = 0x1200011;
        const uint Spawn = 0x4111;

        Assert.All(
            new[] { Thread, Fork, Spawn },
            flags => Assert.Equal(Allowed, Answer(architecture, clone, flags)));
        Assert.Equal(NotPermitted, Answer(architecture, clone, 0x1000_0011));
        Assert.Equal(Allowed, Answer(architecture, unshare, 0x600));
        Assert.Equal(NotPermitted, Answer(architecture, unshare, 0x4000_0000));
        Assert.All(
            new ulong[] { 1, 2, 10, 16 }, family => Assert.Equal(Allowed, Answer(architecture, socket, family)));
        Assert.All(
            new ulong[] { 0, 3, 9, 11, 15, 17, 21, 29, 30, 31, 38, 40, 44, uint.MaxValue },
            family => Assert.Equal(NoSuchFamily, Answer(architecture, socket, family)));
    }

    [Fact]
    public void F46_Other_kinds_of_numbers_and_calls_from_the_future_do_not_exist()
    {
        const uint I386 = 0x4000_0003;
        const uint Arm = 0x4000_0028;

        Assert.Equal(NoSuchCall, Run(AgentFilter.ProgramFor(Architecture.X64), I386, 1, 0));
        Assert.Equal(NoSuchCall, Run(AgentFilter.ProgramFor(Architecture.X64), Arm64, 1, 0));
        Assert.Equal(NoSuchCall, Run(AgentFilter.ProgramFor(Architecture.Arm64), Arm, 1, 0));
        Assert.Equal(NoSuchCall, Run(AgentFilter.ProgramFor(Architecture.Arm64), X64, 1, 0));
        Assert.Equal(NoSuchCall, Answer(Architecture.X64, 0x4000_0027));
        Assert.Equal(NoSuchCall, Answer(Architecture.X64, -1));
        Assert.Equal(NoSuchCall, Answer(Architecture.Arm64, 470));
    }

    private static int Answer(Architecture architecture, int number, ulong argument = 0) => Run(
        AgentFilter.ProgramFor(architecture), architecture == Architecture.Arm64 ? Arm64 : X64, number, argument);

    // The instructions of the classic packet filter that the program uses; any other is a mistake.
    private static int Run(ReadOnlySpan<byte> program, uint architecture, int number, ulong argument)
    {
        Span<byte> data = stackalloc byte[64];
        data.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(data, number);
        BinaryPrimitives.WriteUInt32LittleEndian(data[4..], architecture);
        for (var at = 16; at < data.Length; at += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data[at..], argument);
        }

        uint value = 0;
        for (var at = 0; ; at++)
        {
            var instruction = program.Slice(at * 8, 8);
            var operand = BinaryPrimitives.ReadUInt32LittleEndian(instruction[4..]);
            bool? jump = null;
            switch (BinaryPrimitives.ReadUInt16LittleEndian(instruction))
            {
                case 0x20:
                    value = BinaryPrimitives.ReadUInt32LittleEndian(data[(int)operand..]);
                    break;
                case 0x15:
                    jump = value == operand;
                    break;
                case 0x35:
                    jump = value >= operand;
                    break;
                case 0x45:
                    jump = (value & operand) != 0;
                    break;
                case 0x06:
                    return operand == 0x7fff_0000 ? Allowed : (int)(operand & 0xffff);
                default:
                    throw new InvalidOperationException("An instruction that the filter has no use for.");
            }

            at += jump switch { true => instruction[2], false => instruction[3], null => 0 };
        }
    }
}
