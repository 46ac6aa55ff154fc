#!/bin/sh
# Installs what Berth needs and this machine lacks: bubblewrap, git and a C compiler (its build is linked by it) from the system's packages,
# and the Claude Code CLI at exactly the version that tools/claude/package.json pins. Says what it does, asks nothing, and does nothing where all is there.
# Further Debian packages may be named as PROGRAM:PACKAGE. Exit code 5 where something is missing that it cannot install.
set -eu
cd "$(dirname -- "$0")/.."

say() { printf '%s\n' "$1" >&2; }

# Root installs; others do so through sudo, which may ask for a password only where somebody can answer.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        return 1
    elif [ -t 0 ] && [ -t 2 ]; then
        sudo "$@"
    else
        sudo -n "$@" </dev/null
    fi
}

install_packages() {
    say "Installing: $*"
    if ! command -v apt-get >/dev/null; then
        say "There is no apt-get here. Install these with your system's package manager, then run this again: $*"
        exit 5
    fi
    log=$(mktemp)
    if ! { as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f -- "$log"
        say "apt-get could not install them. Type: sudo apt-get install $*"
        exit 5
    fi
    rm -f -- "$log"
}

packages=
for pair in bwrap:bubblewrap git:git flock:util-linux "$@"; do
    command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done

# The build takes clang where it is there, else gcc; the supervisor is linked with the static C library.
links() {
    for compiler in clang gcc; do
        if command -v "$compiler" >/dev/null; then
            made=$(mktemp)
            echo 'int main(void) { return 0; }' | "$compiler" -x c -static-pie -o "$made" - 2>/dev/null && linked=0 || linked=1
            rm -f -- "$made"
            return "$linked"
        fi
    done
    return 1
}
links || packages="$packages gcc libc6-dev"

claude_version() {
    for claude in tools/claude/node_modules/@anthropic-ai/claude-code-linux-*/claude; do
        if [ -x "$claude" ]; then timeout 20 "$claude" --version 2>/dev/null | cut -d ' ' -f 1; fi
    done
}

pinned=$(sed -n 's/.*"@anthropic-ai\/claude-code": *"\([^"]*\)".*/\1/p' tools/claude/package.json)
present=$(claude_version)
if [ "$present" != "$pinned" ] && ! command -v npm >/dev/null; then packages="$packages npm"; fi

# shellcheck disable=SC2086 # the names are words of ours
if [ -n "$packages" ]; then install_packages $packages; fi

if [ "$present" != "$pinned" ]; then
    say "Installing: Claude Code CLI $pinned${present:+ in the place of $present} (about 370 MB, in tools/claude)"
    # The lock file names the version and its platform package, whatever Node this is; the CLI itself needs none, nor any install script.
    log=$(mktemp)
    if ! (cd tools/claude && npm ci --ignore-scripts --include=optional --engine-strict=false --no-audit --no-fund \
        --loglevel=error --update-notifier=false) >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        rm -f -- "$log"
        say "npm could not install it. Is its registry in reach? Type: cd tools/claude && npm ci --ignore-scripts"
        exit 5
    fi
    rm -f -- "$log"
    present=$(claude_version)
    if [ "$present" != "$pinned" ]; then
        say "tools/claude should hold version $pinned of the CLI but has '$present'. Remove tools/claude/node_modules and run this again."
        exit 5
    fi
fi
