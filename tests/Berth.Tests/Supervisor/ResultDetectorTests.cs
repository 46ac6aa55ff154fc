using System.Text;
using Berth.Supervisor;
using Xunit;

namespace Berth.Tests.Supervisor;

public sealed class ResultDetectorTests
{
    [Theory]
    [InlineData("""{"type":"result"}""", true)]
    [InlineData("""  { "result":"a \"type\":\"no\" \\", "b":[{"type":"y"}], "type" : "result"}""", true)]
    [InlineData("""{"type":"assistant","x":{"type":"result"}}""", false)]
    [InlineData("""{"x":{"type":"result"},"type":"user"}""", false)]
    [InlineData("""{"x":"type","y":"result"}""", false)]
    [InlineData("""{"a":["type","result"],"b":"result"}""", false)]
    [InlineData("""{"type":["result"]}""", false)]
    [InlineData("""{"type":null,"t":"result"}""", false)]
    [InlineData("""{"type":"result_more"}""", false)]
    [InlineData("""{"typewriter":"result"}""", false)]
    [InlineData("""{"result":"type"}""", false)]
    [InlineData("""[{"type":"result"}]""", false)]
    [InlineData("\"result\"", false)]
    [InlineData("text {\"type\":\"result\"}", false)]
    public void Only_the_events_own_type_counts(string line, bool expected)
    {
        var bytes = Encoding.UTF8.GetBytes(line);
        Assert.Equal(expected, ResultDetector.Test(bytes));
        for (var size = 1; size < 6; size++)
        {
            var detector = new ResultDetector();
            foreach (var chunk in bytes.Chunk(size))
            {
                detector.Feed(chunk);
            }

            Assert.Equal(expected, detector.IsResult == true);
        }
    }
}
