using Berth;
using Berth.Commands;
using Berth.Protocol.Posix;

FileMask.MakePrivate();
var surroundings = Surroundings.OfThisProcess(TimeProvider.System);
try
{
    return await CommandLine.RunAsync(surroundings, args);
}
catch (Exception defect)
{
    return FailureReport.ShowDefect(surroundings, defect, CommandLine.IsJson(args));
}
