using System.CommandLine;

namespace Berth.Commands;

/// <summary>A command that shows by examples how it is used.</summary>
internal sealed class BerthCommand(string name, string description, params IReadOnlyList<string> examples)
    : Command(name, description)
{
    /// <summary>What people can type.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;

    /// <summary>An option that takes no value.</summary>
    /// <param name="name">The option.</param>
    /// <param name="description">What it does.</param>
    /// <param name="letter">Its short form.</param>
    public static Option<bool> Flag(string name, string description, params string[] letter) => new(name, letter)
    {
        Description = description,
        Arity = ArgumentArity.Zero,
    };

    /// <summary>The option of every command that prints a result.</summary>
    public static Option<bool> JsonFlag(string description = "Print the result as JSON.") =>
        Flag(CommandLine.Json, description);

    /// <summary>The argument that names a run.</summary>
    public static Argument<string> Run() => new("RUN")
    {
        Description = "The run's id, a unique beginning of it, or its short form from berth ps.",
    };

    /// <summary>An option that may be given several times, and each time has one value.</summary>
    public static Option<string[]> Many(string name, string helpName, string description, params string[] letter) =>
        new(name, letter) { Description = description, HelpName = helpName, Arity = ArgumentArity.OneOrMore };

    /// <summary>An option whose text is read by a function; what that cannot read is refused.</summary>
    /// <param name="name">The option.</param>
    /// <param name="helpName">What stands for the value in the help.</param>
    /// <param name="expected">What the value must be, to end the sentence "must be …".</param>
    /// <param name="read">Reads the text; null where it is not possible.</param>
    /// <param name="letter">Its short form.</param>
    public static Option<T?> Option<T>(
        string name, string helpName, string expected, Func<string, T?> read, params string[] letter)
    {
        var option = new Option<T?>(name, letter) { HelpName = helpName, Arity = ArgumentArity.ExactlyOne };
        option.CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (read(text) is { } value)
            {
                return value;
            }

            result.AddError($"{name} must be {expected}; \"{text}\" is not.");
            return default;
        };
        return option;
    }
}
