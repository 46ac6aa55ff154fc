using System.CommandLine;

namespace Berth.Commands;

/// <summary>Commands that belong together, as help and man pages list them.</summary>
/// <param name="Name">What they are for.</param>
/// <param name="Commands">The commands, the most used first.</param>
internal sealed record CommandGroup(string Name, IReadOnlyList<Command> Commands)
{
    /// <summary>All commands in their groups.</summary>
    public static IReadOnlyList<CommandGroup> All(Surroundings surroundings) =>
    [
        new("Run",
        [
            RunCommand.Create(surroundings),
            PsCommand.Create(surroundings),
            ShowCommand.Create(surroundings),
            LogsCommand.Create(surroundings),
            CancelCommand.Create(surroundings),
        ]),
        new("Talk",
        [
            AttachCommand.Create(surroundings),
            SendCommand.Create(surroundings),
            InterruptCommand.Create(surroundings),
            DecisionCommand.Approve(surroundings),
            DecisionCommand.Deny(surroundings),
        ]),
        new("Results",
        [
            DiffCommand.Create(surroundings),
            ArtifactsCommand.Create(surroundings),
            DeliverCommand.Create(surroundings),
            CleanupCommand.Create(surroundings),
        ]),
        new("Server",
        [
            ServeCommand.Create(surroundings),
            DrainCommand.Create(surroundings),
            TokenCommand.Create(surroundings),
            BudgetCommand.Create(surroundings),
        ]),
        new("Setup",
        [
            DemoCommand.Create(surroundings),
            DoctorCommand.Create(surroundings),
            WorkflowsCommand.Create(surroundings),
            ImageCommand.Create(surroundings),
            CompletionCommand.Create(surroundings),
            ManCommand.Create(surroundings),
        ]),
    ];
}
