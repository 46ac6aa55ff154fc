using System.Reflection;
using System.Runtime.CompilerServices;

namespace Berth.Tests;

/// <summary>How much memory an object keeps alive: what the garbage collector tells depends on other tests.</summary>
internal static class Retained
{
    private const int Header = 24;

    /// <summary>The bytes of all that can be reached from an object by its fields.</summary>
    /// <param name="root">The object.</param>
    /// <param name="besides">Objects that are not looked into: from a database one comes to what all tests
    /// share.</param>
    public static long BytesOf(object root, params object[] besides)
    {
        var seen = new HashSet<object>(besides, ReferenceEqualityComparer.Instance);
        var open = new Stack<object>([root]);
        var bytes = 0L;
        while (open.TryPop(out var one))
        {
            if ((one.GetType().IsValueType || seen.Add(one))
                && one is not (Type or MemberInfo or Thread or Pointer or TimeProvider) && !IsShared(one))
            {
                bytes += SizeOf(one);
                foreach (var inner in PartsOf(one))
                {
                    open.Push(inner);
                }
            }
        }

        return bytes;
    }

    // From what waits one comes to the timers and waits of other tests.
    private static bool IsShared(object one) => one is Task or CancellationTokenSource or ITimer or Delegate;

    private static long SizeOf(object one) => one switch
    {
        string text => Header + (2L * text.Length),
        Array array => Header + ((long)array.Length * ElementBytes(array.GetType().GetElementType()!)),
        _ => Header,
    };

    // Of structs the parts are counted one by one.
    private static int ElementBytes(Type element) => element.IsPrimitive
        ? (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(element).Invoke(null, null)!
        : nint.Size;

    private static IEnumerable<object> PartsOf(object one)
    {
        if (one is string || one.GetType().IsPrimitive)
        {
            return [];
        }

        if (one is Array array)
        {
            return array.GetType().GetElementType()!.IsPrimitive ? [] : array.Cast<object?>().OfType<object>();
        }

        return FieldsOf(one.GetType()).Select(field => field.GetValue(one)).OfType<object>();
    }

    private static IEnumerable<FieldInfo> FieldsOf(Type type)
    {
        for (var at = type; at is not null; at = at.BaseType)
        {
            foreach (var field in at.GetFields(
                BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (!field.FieldType.IsPrimitive && !field.FieldType.IsPointer && !field.FieldType.IsByRefLike)
                {
                    yield return field;
                }
            }
        }
    }
}
