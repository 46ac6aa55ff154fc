using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Berth.Protocol;

/// <summary>Finds many byte strings in one pass over a text, whatever the text is.</summary>
/// <remarks>
/// The automaton of Aho and Corasick (Communications of the ACM 18(6), 1975), and a filter before it: it is entered
/// only where the next four bytes begin a pattern, and left when it is at less. Where it is entered moves forward only,
/// so that no text makes it slow.
/// </remarks>
internal sealed class SecretAutomaton
{
    private const int Gram = 4;
    private const int FilterBits = 18;
    private const int FirstNodes = 256;

    private readonly int[] fromRoot = new int[256];
    private readonly ulong[] filter = new ulong[(1 << FilterBits) / 64];
    private readonly Dictionary<int, TokenShape> shapes = [];
    private Node[] nodes = new Node[FirstNodes];
    private int count = 1;

    /// <summary>Makes one.</summary>
    /// <param name="patterns">At least four bytes each.</param>
    /// <param name="tokens">What begins like a token and goes on as one.</param>
    public SecretAutomaton(IEnumerable<byte[]> patterns, IReadOnlyList<TokenShape> tokens)
    {
        foreach (var pattern in patterns)
        {
            var node = Add(pattern);
            nodes[node].Match = pattern.Length;
            Longest = Math.Max(Longest, pattern.Length);
        }

        foreach (var token in tokens)
        {
            var node = Add(token.Prefix);
            nodes[node].Shape = node;
            shapes[node] = token;
        }

        Link();
    }

    /// <summary>The length of the longest pattern, in bytes.</summary>
    public int Longest { get; }

    /// <summary>Finds all places.</summary>
    /// <param name="text">The text.</param>
    /// <param name="held">How many bytes at the text's end may begin what only the bytes after them decide.</param>
    /// <returns>Null for none. In order; what overlaps or touches is one.</returns>
    public List<(int Start, int End)>? Find(ReadOnlySpan<byte> text, out int held)
    {
        List<(int Start, int End)>? found = null;
        var unfinished = text.Length;
        var state = 0;
        for (var at = Enter(text, 0, ref state); ; at++)
        {
            ref readonly var node = ref nodes[state];
            if (node.Match > 0)
            {
                Add(found ??= [], at - node.Match, at);
            }

            if (node.Shape > 0 && shapes[node.Shape].Match(text, at) is var (start, end, isWhole))
            {
                unfinished = end == text.Length ? Math.Min(unfinished, start) : unfinished;
                if (isWhole)
                {
                    Add(found ??= [], start, end);
                }
            }

            if (at >= text.Length)
            {
                held = Math.Max(node.Depth, text.Length - unfinished);
                return found;
            }

            state = Step(state, text[at]);
            if (nodes[state].Depth < Gram)
            {
                at = Enter(text, at + 1 - nodes[state].Depth, ref state) - 1;
            }
        }
    }

    private static void Add(List<(int Start, int End)> found, int start, int end)
    {
        while (found.Count > 0 && found[^1].End >= start)
        {
            (start, end) = (Math.Min(start, found[^1].Start), Math.Max(end, found[^1].End));
            found.RemoveAt(found.Count - 1);
        }

        found.Add((start, end));
    }

    // Where the first four bytes of a pattern are at an end, and the state there; or the end of the text.
    private int Enter(ReadOnlySpan<byte> text, int at, ref int state)
    {
        var bits = filter;
        for (; at <= text.Length - Gram; at++)
        {
            var hash = Hash(text[at..]);
            if ((bits[hash >> 6] & (1UL << (int)(hash & 63))) == 0)
            {
                continue;
            }

            var third = Child(Child(fromRoot[text[at]], text[at + 1]), text[at + 2]);
            if (Child(third, text[at + 3]) is not 0 and var entered)
            {
                state = entered;
                return at + Gram;
            }
        }

        state = 0;
        foreach (var last in text[Math.Min(at, text.Length)..])
        {
            state = Step(state, last);
        }

        return text.Length;
    }

    private static uint Hash(ReadOnlySpan<byte> text) =>
        (BinaryPrimitives.ReadUInt32LittleEndian(text) * 2654435761u) >> (32 - FilterBits);

    private int Step(int state, byte next)
    {
        for (; state != 0; state = nodes[state].Fail)
        {
            if (Child(state, next) is not 0 and var child)
            {
                return child;
            }
        }

        return fromRoot[next];
    }

    private int Child(int state, byte label)
    {
        var child = nodes[state].Child;
        while (child != 0 && nodes[child].Label != label)
        {
            child = nodes[child].Sibling;
        }

        return child;
    }

    private int Add(byte[] pattern)
    {
        var hash = Hash(pattern);
        filter[hash >> 6] |= 1UL << (int)(hash & 63);
        var state = 0;
        foreach (var label in pattern)
        {
            var next = state == 0 ? fromRoot[label] : Child(state, label);
            state = next != 0 ? next : NewChild(state, label);
        }

        return state;
    }

    // The children of the root are in a table, and not children of node 0: it has none.
    private int NewChild(int parent, byte label)
    {
        if (count == nodes.Length)
        {
            Array.Resize(ref nodes, count * 2);
        }

        var made = count++;
        nodes[made] = new Node { Label = label, Depth = nodes[parent].Depth + 1 };
        if (parent == 0)
        {
            fromRoot[label] = made;
        }
        else
        {
            nodes[made].Sibling = nodes[parent].Child;
            nodes[parent].Child = made;
        }

        return made;
    }

    // Breadth first: the links of what is shorter are there when they are needed.
    private void Link()
    {
        var open = new Queue<int>(fromRoot.Where(node => node != 0));
        while (open.TryDequeue(out var parent))
        {
            for (var child = nodes[parent].Child; child != 0; child = nodes[child].Sibling)
            {
                ref var node = ref nodes[child];
                node.Fail = Step(nodes[parent].Fail, node.Label);
                node.Match = Math.Max(node.Match, nodes[node.Fail].Match);
                node.Shape = node.Shape > 0 ? node.Shape : nodes[node.Fail].Shape;
                open.Enqueue(child);
            }
        }
    }

    /// <summary>A beginning of patterns.</summary>
    [StructLayout(LayoutKind.Auto)]
    private struct Node
    {
        /// <summary>Its last byte.</summary>
        public byte Label;

        /// <summary>Its length.</summary>
        public int Depth;

        /// <summary>The next one that differs in the last byte only.</summary>
        public int Sibling;

        /// <summary>The first of those that are one byte longer.</summary>
        public int Child;

        /// <summary>Its longest end that is a beginning too.</summary>
        public int Fail;

        /// <summary>The length of the longest pattern that it ends with, or 0.</summary>
        public int Match;

        /// <summary>The node of the shape that it ends with, or 0.</summary>
        public int Shape;
    }
}
