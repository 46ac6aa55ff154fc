using Berth;
using Berth.Commands;

var surroundings = Surroundings.OfThisProcess(TimeProvider.System);

// The server's log goes there too, and must not end with the first line that finds no room.
Console.SetError(surroundings.Streams.Error);
try
{
    return await CommandLine.RunAsync(surroundings, args);
}
catch (Exception defect)
{
    return FailureReport.ShowDefect(surroundings, defect, CommandLine.IsJson(args));
}
