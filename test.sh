#!/usr/bin/env bash
# Sets up all that the tests need, builds, runs every test with coverage, and ends with the one line "N passed, M failed".
#
#   ./test.sh                       everything; less than 90 % line coverage of src is a failure
#   ./test.sh --filter NAME         further words go to `dotnet test`; coverage is then only shown
#
# With CI=true a skipped test is a failure. What the tests said in full is in artifacts/test-results.
set -euo pipefail
cd "$(dirname -- "$0")"

least=90
unit_limit=15m
system_limit=50m
needed=(setsid:util-linux setpriv:util-linux python3:python3-minimal curl:curl chromium:chromium sqlite3:sqlite3 sshd:openssh-server node:nodejs npm:npm)

root=$PWD
results=$root/artifacts/test-results
hook=$root/artifacts/bin/Berth.CoverageHook/release/Berth.CoverageHook.dll
projects=(Berth.Tests Berth.SystemTests)
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 MSBUILDDISABLENODEREUSE=1
unset CLAUDE_CODE_MODE CLAUDE_LOCAL_WORKSPACE CLAUDE_LOCAL_CLEANUP CLAUDE_LOCAL_GIT_CACHE CLAUDE_CODE_TIMEOUT \
    CLAUDE_CODE_MAX_CONCURRENT ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL CLAUDE_CODE_OAUTH_TOKEN BERTH_HOME

say() { printf '%s\n' "== $1"; }

# The programs that tests start from their own folder add to the coverage through a start-up hook; see tests/coverage.
hook_configs() { # on | off
    local file
    for file in artifacts/bin/{Berth.Tests,Berth.SystemTests}/release/{berth,berth-supervisor}.runtimeconfig.json; do
        if [ -f "$file" ]; then
            sed -i '/"STARTUP_HOOKS"/d' "$file"
            if [ "$1" = on ]; then sed -i "s#\"configProperties\": {#&\n      \"STARTUP_HOOKS\": \"$hook\",#" "$file"; fi
        fi
    done
}

# When a process was started, in ticks since the machine was.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# What a test has left running is stopped, each by its id, and named: it is a defect of that test. What ran before is not ours.
stop_leftovers() {
    local file pid begun
    for file in /proc/[0-9]*/cmdline; do
        pid=${file//[^0-9]/}
        begun=$(started "$pid") || continue # it has ended since
        if [ "${begun:-0}" -gt "$(started $$)" ] && tr '\0' ' ' 2>/dev/null <"$file" | grep -qF "$root/artifacts/bin/"; then
            say "left running, stopped now: $pid $(tr '\0' ' ' 2>/dev/null <"$file" | cut -c 1-200)"
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
}

on_exit() {
    hook_configs off
    stop_leftovers
    ./scripts/test_docker.sh stop || true
    ./scripts/test_postgres.sh stop || true
}

attribute() { sed -n "s/.*<Counters.* $2=\"\([0-9]*\)\".*/\1/p" "$1"; }

passed=0 failed=0 skipped=0
run_project() { # project, time limit, further arguments
    local project=$1 limit=$2 trx="$results/$1.trx" code=0
    shift 2
    say "$project (at most $limit)"
    timeout --kill-after=30 "$limit" dotnet test "tests/$project" -c Release --no-build --nologo \
        --settings tests/coverage.runsettings --collect 'XPlat Code Coverage' --results-directory "$results/$project" \
        --logger "trx;LogFileName=$trx" --logger 'console;verbosity=minimal' \
        --blame-hang --blame-hang-timeout 10m --blame-hang-dump-type none "$@" </dev/null || code=$?
    if [ ! -f "$trx" ]; then
        say "$project gave no results (exit code $code)"
        failed=$((failed + 1))
        return
    fi
    local total executed good
    total=$(attribute "$trx" total) executed=$(attribute "$trx" executed) good=$(attribute "$trx" passed)
    passed=$((passed + good)) failed=$((failed + executed - good)) skipped=$((skipped + total - executed))
    if [ "$code" != 0 ] && [ "$executed" = "$good" ]; then
        say "$project did not come to its end (exit code $code)"
        failed=$((failed + 1))
    fi
}

say 'Setting up'
rm -rf -- "$results" artifacts/bin/Berth.CoverageHook/release/*.lock
mkdir -p "$results"
./scripts/install_tools.sh "${needed[@]}"

say 'Building'
dotnet build Berth.slnx -c Release -v quiet --nologo --disable-build-servers </dev/null
dotnet build tests/coverage -c Release -v quiet --nologo --disable-build-servers </dev/null
./berth --version </dev/null >/dev/null

trap on_exit EXIT
hook_configs on
say 'Docker for the tests'
if docker_host=$(./scripts/test_docker.sh start); then export DOCKER_HOST=$docker_host; fi
say 'PostgreSQL for the tests'
if postgres=$(./scripts/test_postgres.sh start); then export TEST_POSTGRES=$postgres; fi
run_project Berth.Tests "$unit_limit" "$@"
run_project Berth.SystemTests "$system_limit" "$@"

verdict=0
say 'Coverage, the files with the most lines uncovered first'
mapfile -t reports < <(for project in "${projects[@]}"; do ls "$results/$project"/*/coverage.cobertura.xml 2>/dev/null; done)
awk -v least="$least" -f tests/coverage/merge.awk "${reports[@]:-/dev/null}" >"$results/coverage.txt" || verdict=1
head -n 20 "$results/coverage.txt" | grep -v '^Line' || true
grep -e '^Line' -e '^There' "$results/coverage.txt"
if [ $# -gt 0 ]; then
    verdict=0
elif [ "$verdict" != 0 ]; then
    say "Coverage is below $least %: that is a failure"
fi

if [ "$skipped" -gt 0 ] && [ "${CI:-}" = true ]; then
    say 'Skipped, which is a failure where CI=true:'
    grep -ho 'testName="[^"]*"[^>]*outcome="NotExecuted"' "$results"/*.trx | sed 's/testName="\([^"]*\)".*/   \1/'
    verdict=1
fi
if [ "$failed" -gt 0 ]; then verdict=1; fi

line="$passed passed, $failed failed"
if [ "$skipped" -gt 0 ]; then line="$line, $skipped skipped"; fi
on_exit
trap - EXIT
echo "$line"
exit "$verdict"
