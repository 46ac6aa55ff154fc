#!/bin/sh
# local_runner.sh WORKFLOW [MESSAGE] [OPTION...]: runs a workflow locally; for shells and cron.
#
# A thin front of `berth run --mode local`: it checks what is needed, says the mode, and becomes that command, so signals and exit codes are
# the command's own. MESSAGE is the prompt; `-`, or none with input piped in, reads standard input. Options are those of `berth run`.
# The environment's settings count: CLAUDE_LOCAL_WORKSPACE, CLAUDE_LOCAL_CLEANUP, CLAUDE_LOCAL_GIT_CACHE, CLAUDE_CODE_TIMEOUT,
# CLAUDE_CODE_MAX_CONCURRENT, and the model's key (ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN).
# Exit codes: 0 succeeded, 1 failed, 2 bad usage, 3 a limit, 4 timed out, 5 something is missing here, 6 lost, 130 cancelled.
set -eu

say() { printf 'local_runner: %s\n' "$1" >&2; }

case ${1:-} in
'' | -h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    if [ $# -gt 0 ]; then exit 0; else exit 2; fi
    ;;
-*)
    say "expected the name of a workflow first, found $1"
    exit 2
    ;;
esac

# The program is the clone's that this script stands in, or an installed one.
here=$(dirname -- "$(readlink -f -- "$0")")
if [ -x "$here/../berth" ]; then
    berth=$here/../berth
elif ! berth=$(command -v berth); then
    say 'there is no berth beside this script nor on the PATH'
    exit 5
fi

# Every run needs git. Whether it needs bubblewrap, only `berth run` knows, for a workflow may ask for no sandbox; it refuses with the
# package to install, before anything is made.
if ! command -v git >/dev/null; then
    say 'git is missing; type: apt-get install git'
    exit 5
fi

if [ -n "${CLAUDE_CODE_MODE:-}" ] && [ "$CLAUDE_CODE_MODE" != local ]; then
    say "CLAUDE_CODE_MODE is $CLAUDE_CODE_MODE; this script runs locally all the same"
fi
say "running $1 in local mode"
exec "$berth" run --mode local "$@"
