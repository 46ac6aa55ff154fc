#!/bin/sh
# Sets everything up and shows what Berth does: installs what is missing, builds, and runs `berth demo`, in which the real Claude Code CLI
# works in a sandbox on a sample repository. No key and no network are needed for the demo itself. Asks nothing.
set -eu
cd "$(dirname -- "$0")"

if ! said=$(dotnet --version 2>&1 </dev/null); then
    printf '%s\n' "$said" "Berth is built with the .NET SDK 10, and 'dotnet --version' fails here: install it from https://dot.net/download" >&2
    exit 5
fi

./scripts/install_tools.sh

if [ ! -e artifacts/berth/berth ]; then echo 'Building Berth (two or three minutes, the first time)' >&2; fi
exec ./berth demo "$@"
