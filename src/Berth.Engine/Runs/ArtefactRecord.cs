namespace Berth.Engine.Runs;

/// <summary>What was taken over of the agent's artefacts.</summary>
/// <param name="Files">How many files.</param>
/// <param name="Bytes">How much they held together.</param>
/// <param name="LeftOut">What was not taken, and why: sentences for people.</param>
internal sealed record ArtefactRecord(int Files, long Bytes, IReadOnlyList<string> LeftOut);

/// <summary>One artefact of a run.</summary>
/// <param name="Name">By which it is asked for; the agent's own files begin with <c>files/</c>.</param>
/// <param name="Bytes">Its size; null for one that is made when it is asked for.</param>
/// <param name="ModifiedAt">When it was last written; null likewise.</param>
internal sealed record Artefact(string Name, long? Bytes, DateTimeOffset? ModifiedAt);
