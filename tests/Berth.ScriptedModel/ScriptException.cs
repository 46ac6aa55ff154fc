namespace Berth.ScriptedModel;

/// <summary>A script that cannot be played, with the line and what was expected there.</summary>
internal sealed class ScriptException(int line, string expected) : Exception($"line {line} of the script: {expected}");
