using Berth.Engine.Claude;
using Xunit;

namespace Berth.Tests.Claude;

public sealed class ClaudeBinaryTests : IDisposable
{
    private const string InPackage = "node_modules/@anthropic-ai/claude-code-linux-x64/claude";
    private readonly string folder = Directory.CreateTempSubdirectory("berth-claude-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_named_path_is_returned_there_or_not()
    {
        var named = Path.Combine(folder, "no-such");

        Assert.Equal(named, ClaudeBinary.Find(named, folder, folder));
        Assert.Equal(Make("mine"), ClaudeBinary.Find(Path.Combine(folder, "mine"), folder, folder));
    }

    [Fact]
    public void The_tools_of_a_clone_are_found_from_any_folder_below_it()
    {
        var binary = Make($"tools/claude/{InPackage}");
        var below = Directory.CreateDirectory(Path.Combine(folder, "artifacts", "berth")).FullName;

        Assert.Equal(binary, ClaudeBinary.Find(null, below, "/nonexistent"));
    }

    [Fact]
    public void A_launcher_of_npm_stands_for_the_native_binary_of_its_package()
    {
        var binary = Make(InPackage);
        var launcher = Make("node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs");
        var link = Path.Combine(folder, "claude");
        File.CreateSymbolicLink(link, launcher);

        Assert.Equal(binary, ClaudeBinary.Find(link, folder, folder));
    }

    [Fact]
    public void The_home_is_looked_at_after_the_program()
    {
        var home = Make($"home/tools/claude/{InPackage}");

        Assert.Equal(home, ClaudeBinary.Find(null, "/nonexistent", Path.Combine(folder, "home")));
    }

    private string Make(string path)
    {
        var file = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "binary");
        return file;
    }
}
