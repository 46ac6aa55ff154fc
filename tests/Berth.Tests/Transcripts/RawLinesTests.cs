using System.Text;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Tests.Terminal;
using Xunit;

namespace Berth.Tests.Transcripts;

public sealed class RawLinesTests
{
    [Fact]
    public async Task Lines_are_printed_as_the_CLI_printed_them()
    {
        var folder = new RunDirectory(Directory.CreateTempSubdirectory("berth-raw-").FullName);
        Directory.CreateDirectory(folder.SpillFolder);
        var cancel = TestContext.Current.CancellationToken;
        await File.WriteAllTextAsync(Path.Combine(folder.SpillFolder, "9.part"), "EF\"}", cancel);
        using var output = new MemoryStream();
        var lines = new RawLines(folder, output);

        foreach (var entry in (IEnumerable<JournalEntry>)
        [
            TrialRun.Entry(0, "stdout", """{"type": "a",  "é":1.50}"""),
            TrialRun.Entry(0, "stderr", "\"not this\""),
            TrialRun.Entry(0, "stdout", "\"no JSON\""),
            TrialRun.Entry(0, "stdout", "\"{\\\"b\\\":\\\"A\"", more: true),
            TrialRun.Entry(0, "berth", """{"type":"idle"}"""),
            TrialRun.Entry(0, "stdout", "\"BCD\"", spill: "../9.part"),
        ])
        {
            await lines.WriteAsync(entry, cancel);
        }

        Assert.Equal(
            "{\"type\": \"a\",  \"é\":1.50}\nno JSON\n{\"b\":\"ABCDEF\"}\n",
            Encoding.UTF8.GetString(output.ToArray()));
        Directory.Delete(folder.Root, recursive: true);
    }
}
