using Berth;
using Berth.Commands;

var surroundings = Surroundings.OfThisProcess(TimeProvider.System);
try
{
    return await CommandLine.RunAsync(surroundings, args);
}
catch (Exception defect)
{
    return FailureReport.ShowDefect(surroundings, defect, CommandLine.IsJson(args));
}
