namespace Berth.Engine.Git;

/// <summary>How a difference is written.</summary>
internal enum DiffForm
{
    /// <summary>As <c>git apply</c> takes it.</summary>
    Patch,

    /// <summary>A table of files and lines.</summary>
    Stat,

    /// <summary>The commits, as <c>git am</c> takes them.</summary>
    Mails,
}

/// <summary>What of a run's changes is written.</summary>
/// <param name="Form">How.</param>
/// <param name="File">One file's part only, by its path in the repository; not with <see
/// cref="DiffForm.Mails"/>.</param>
internal sealed record DiffOrder(DiffForm Form, string? File = null);
