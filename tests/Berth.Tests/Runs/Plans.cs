using Berth.Engine.Runs;

namespace Berth.Tests.Runs;

/// <summary>Plans for tests that need one and do not care which.</summary>
internal static class Plans
{
    public static RunPlan Any() => new()
    {
        Workflow = "implement",
        WorkflowFolder = "/workflows/implement",
        Mode = "local",
        ModeReason = "a test",
        Repository = "/repository",
        Branch = "berth/implement/abc",
        SessionId = "00000000-0000-0000-0000-000000000001",
        AllowedTools = ["Read"],
        Timeout = TimeSpan.FromMinutes(5),
        Title = "Do it",
        ClaudeBinary = "/opt/claude/claude",
        Upstream = new Uri("http://127.0.0.1:1"),
    };
}
