namespace Berth.Protocol;

/// <summary>Whose fault a failure is: who has to act so that it does not happen again.</summary>
public enum Fault
{
    /// <summary>Nobody's: a limit that was asked for, a cancel, a power cut.</summary>
    Nobody,

    /// <summary>The user's: the request, the workflow, the repository or the prompt.</summary>
    User,

    /// <summary>The operator's: something on the machine is missing, full or badly set.</summary>
    Operator,

    /// <summary>The model's service: it refused, was overloaded or was not there.</summary>
    Model,

    /// <summary>Claude's: the CLI or the agent did not do what it should.</summary>
    Agent,

    /// <summary>Ours: a defect in Berth.</summary>
    Berth,
}

/// <summary>An expected failure, as a value: what was attempted, what came back, and what to do next.</summary>
/// <param name="Code">A stable code in snake_case, for example <c>ref_not_found</c>; listed in
/// docs/TROUBLESHOOTING.md.</param>
/// <param name="Message">One sentence: what was attempted, on what, and what came back. Never a secret.</param>
/// <param name="Hint">What to do next, or empty where there is nothing to do.</param>
/// <param name="Fault">Who has to act.</param>
public sealed record Failure(string Code, string Message, string Hint, Fault Fault);

/// <summary>Ends a run or a command with a <see cref="Protocol.Failure"/>; caught at the four boundaries
/// only.</summary>
public sealed class FailureException(Failure failure, Exception? inner = null) : Exception(failure.Message, inner)
{
    /// <summary>What happened, for people and for programs.</summary>
    public Failure Failure { get; } = failure;

    /// <summary>Makes the exception from the parts of its failure.</summary>
    public FailureException(string code, string message, string hint, Fault fault, Exception? inner = null)
        : this(new Failure(code, message, hint, fault), inner)
    {
    }
}
