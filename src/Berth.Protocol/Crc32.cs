namespace Berth.Protocol;

/// <summary>CRC-32 as IEEE 802.3 has it, eight bytes a step. .NET has it only in a package.</summary>
public static class Crc32
{
    private const int Steps = 8;
    private static readonly uint[] Table = MakeTable();

    /// <summary>Goes on with a checksum; begin with 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        var table = Table;
        crc = ~crc;
        while (bytes.Length >= Steps)
        {
            var low = crc ^ BitConverter.ToUInt32(bytes);
            var high = BitConverter.ToUInt32(bytes[4..]);
            crc = table[(7 * 256) + (low & 0xff)] ^ table[(6 * 256) + ((low >> 8) & 0xff)]
                ^ table[(5 * 256) + ((low >> 16) & 0xff)] ^ table[(4 * 256) + (low >> 24)]
                ^ table[(3 * 256) + (high & 0xff)] ^ table[(2 * 256) + ((high >> 8) & 0xff)]
                ^ table[256 + ((high >> 16) & 0xff)] ^ table[high >> 24];
            bytes = bytes[Steps..];
        }

        foreach (var one in bytes)
        {
            crc = (crc >> 8) ^ table[(crc ^ one) & 0xff];
        }

        return ~crc;
    }

    private static uint[] MakeTable()
    {
        const uint Polynomial = 0xEDB88320;
        var table = new uint[Steps * 256];
        for (uint value = 0; value < 256; value++)
        {
            var crc = value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ Polynomial : crc >> 1;
            }

            table[value] = crc;
        }

        for (var i = 256; i < table.Length; i++)
        {
            table[i] = (table[i - 256] >> 8) ^ table[table[i - 256] & 0xff];
        }

        return table;
    }
}
