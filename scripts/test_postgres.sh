#!/usr/bin/env bash
# Gives the system tests a PostgreSQL of their own, which touches none that the machine has: its own data and its own socket, no port.
# It keeps nothing: what is written is not flushed to the disk, and the next start begins anew.
#
#   scripts/test_postgres.sh start    installs what is missing, starts the server, and prints a connection string
#   scripts/test_postgres.sh stop     ends the server that start has started for this clone
#
# A TEST_POSTGRES that is set already is used as it is: its user must be allowed to make databases. Exit code 5 where it cannot be done.
set -euo pipefail
cd "$(dirname -- "$0")/.."

# Debian has the server's programs in a folder of each version, off the path.
for folder in /usr/lib/postgresql/*/bin; do PATH=$folder:$PATH; done

# PostgreSQL does not run as root, so its place is not in the clone, which may be where nobody else can go.
place=/tmp/berth-test-postgres-$(printf '%s' "$PWD" | cksum | cut -d ' ' -f 1)
patience=60

say() { printf '%s\n' "$1" >&2; }

fail() {
    say "No PostgreSQL for the tests: $1"
    exit 5
}

# As whoever may run it: root becomes the user of Debian's package, which must not see root's folders either.
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$place" "$@")
    else
        "$@"
    fi
}

# The id of our server while it runs: a file that was left behind may name another process.
server() {
    local pid
    pid=$(head -n 1 "$place/data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ] &&
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$place" && echo "$pid"
}

install() {
    command -v initdb >/dev/null && return 0
    # Without this the package makes and starts a server of its own.
    if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    ./scripts/install_tools.sh initdb:postgresql setpriv:util-linux >&2 || fail 'its package could not be installed'
    for folder in /usr/lib/postgresql/*/bin; do PATH=$folder:$PATH; done
}

start() {
    if [ -n "${TEST_POSTGRES:-}" ]; then
        echo "$TEST_POSTGRES"
        return 0
    fi
    install
    if ! server >/dev/null; then
        rm -rf -- "$place"
        mkdir -m 0700 "$place"
        if [ "$(id -u)" = 0 ]; then chown postgres: "$place"; fi
        as_owner initdb --pgdata "$place/data" --username berth --auth trust --encoding UTF8 --locale C --no-sync \
            >"/tmp/${place##*/}.log" 2>&1 || fail "initdb failed; what it said is in /tmp/${place##*/}.log"
        as_owner setsid postgres -D "$place/data" -c listen_addresses= -c "unix_socket_directories=$place" -c fsync=off \
            -c synchronous_commit=off -c full_page_writes=off -c max_connections=400 \
            >>"/tmp/${place##*/}.log" 2>&1 </dev/null &
        local second
        for second in $(seq $((patience * 5))); do
            if as_owner pg_isready -q -h "$place" -U berth; then break; fi
            sleep 0.2
        done
        as_owner pg_isready -q -h "$place" -U berth || fail "it did not start; what it said is in /tmp/${place##*/}.log"
    fi
    echo "Host=$place;Username=berth;Database=postgres"
}

stop() {
    local pid second
    pid=$(server) || return 0
    kill -INT "$pid" 2>/dev/null || true
    for second in $(seq 150); do
        if ! kill -0 "$pid" 2>/dev/null; then break; fi
        sleep 0.2
    done
    kill -QUIT "$pid" 2>/dev/null || true
    rm -rf -- "$place" "/tmp/${place##*/}.log"
}

case ${1:-} in
start) start ;;
stop) stop ;;
*)
    say 'scripts/test_postgres.sh start, or stop'
    exit 2
    ;;
esac
