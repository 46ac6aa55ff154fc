using Berth.Engine.Workspaces;
using Xunit;

namespace Berth.Tests.Workspaces;

public sealed class ChangedFilesTests
{
    [Fact]
    public void Both_halves_are_joined_and_renames_and_binaries_are_told_apart()
    {
        const string Raw =
            ":100644 100644 a b M\0tab\tname\0:000000 100644 0 b A\0new\nline\0:100644 000000 a 0 D\0gone\0"
            + ":100644 100644 a b R090\0old\0moved\0:100644 120000 a b T\0link\0";
        const string Counts = "1\t2\ttab\tname\0-\t-\tnew\nline\00\t9\tgone\03\t4\t\0old\0moved\01\t1\tlink\0";

        var files = ChangedFiles.Read(Raw + Counts);

        Assert.Equal(
            [
                new ChangedFile("tab\tname", 1, 2, "modified"),
                new ChangedFile("new\nline", null, null, "added"),
                new ChangedFile("gone", 0, 9, "deleted"),
                new ChangedFile("moved", 3, 4, "renamed", "old"),
                new ChangedFile("link", 1, 1, "type_changed"),
            ],
            files);
        Assert.Empty(ChangedFiles.Read(string.Empty));
    }
}
