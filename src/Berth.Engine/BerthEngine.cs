namespace Berth.Engine;

/// <summary>Composition: the only file that names every folder.</summary>
internal static class BerthEngine;
