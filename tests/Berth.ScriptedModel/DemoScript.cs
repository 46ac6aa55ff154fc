namespace Berth.ScriptedModel;

/// <summary>The script behind <c>berth demo</c>: a small repair in the repository that README.md describes.</summary>
internal static class DemoScript
{
    /// <summary>The script.</summary>
    public const string Text = """"
        thinking The README says what greet.sh should do. I read both before I change anything.
        text I'll start with the README and the program.
        tool Read {"file_path": "{{cwd}}/README.md"}
        tool Read {"file_path": "{{cwd}}/greet.sh"}
        usage in=5200 out=140
        ---
        wait 300ms
        text The README promises "Hello, world!" without a name. Let me see what really happens.
        tool Bash {"command": "sh greet.sh; sh greet.sh Ada", "description": "Try the program with and without a name"}
        usage in=700 out=90 cache-read=5200
        ---
        wait 300ms
        thinking "Hello, !" is the bug: an empty $1 has no default.
        text There is the bug: without a name it says "Hello, !". A default for the first argument mends it.
        tool Edit {"file_path": "{{cwd}}/greet.sh", "old_string": "$1", "new_string": "${1:-world}"}
        usage in=400 out=160 cache-read=5900
        ---
        wait 300ms
        text A small test keeps it that way.
        tool Write {"file_path": "{{cwd}}/greet_test.sh", "content": <<END}
        #!/bin/sh
        # Checks what README.md promises of greet.sh.
        set -eu
        cd "$(dirname "$0")"

        check() {
            if [ "$1" != "$2" ]; then
                echo "FAIL: expected '$2', got '$1'" >&2
                exit 1
            fi
        }

        check "$(sh greet.sh)" 'Hello, world!'
        check "$(sh greet.sh Ada)" 'Hello, Ada!'
        echo 'all good'
        END
        usage in=300 out=260 cache-read=6300
        ---
        wait 300ms
        tool Bash {"command": "sh greet_test.sh", "description": "Run the new test"}
        usage in=350 out=60 cache-read=6600
        ---
        wait 300ms
        text <<END
        `greet.sh` now greets the world when it is given no name, as README.md says.

        - **The bug:** without an argument `$1` was empty, so it printed "Hello, !".
        - **The repair:** the name now defaults to `world`.
        - **The test:** `greet_test.sh` checks both cases; it passes.
        END
        usage in=250 out=110 cache-read=6950
        """";
}
