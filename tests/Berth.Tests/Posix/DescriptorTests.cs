using Berth.Protocol.Posix;
using Xunit;

namespace Berth.Tests.Posix;

public sealed class DescriptorTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-descriptor-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("nothing", true)]
    [InlineData("nothing/below", true)]
    [InlineData("file/below", true)]
    [InlineData("dangling", true)]
    [InlineData("circle", false)]
    [InlineData("file", false)]
    [InlineData("link", false)]
    [InlineData("", false)]
    public void What_is_missing_is_told_from_what_cannot_be_seen(string name, bool missing)
    {
        File.WriteAllText(Path.Combine(folder, "file"), "text");
        File.CreateSymbolicLink(Path.Combine(folder, "link"), "file");
        File.CreateSymbolicLink(Path.Combine(folder, "dangling"), "nothing");
        File.CreateSymbolicLink(Path.Combine(folder, "circle"), "circle");

        Assert.Equal(missing, Descriptor.IsMissing(Path.Combine(folder, name)));
    }

    [Fact]
    public void A_file_is_opened_where_it_is_there()
    {
        var path = Path.Combine(folder, "file");
        Assert.Null(Descriptor.TryOpen(path));
        File.WriteAllText(path, "text");

        using var file = Descriptor.TryOpen(path);

        var buffer = new byte[16];
        Assert.Equal(4, Descriptor.Read(file!, buffer));
        Assert.Equal("text"u8, buffer.AsSpan(0, 4));
    }
}
