using Berth;
using Berth.Commands;

return await CommandLine.RunAsync(Surroundings.OfThisProcess(), args);
