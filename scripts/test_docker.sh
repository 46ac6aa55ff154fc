#!/usr/bin/env bash
# Gives the system tests a Docker of their own, which touches none that the machine has: its own data, its own socket, no bridge and
# no firewall rules. Needs root, a Debian and its package mirror; no registry of images is asked.
#
#   scripts/test_docker.sh start    installs what is missing, starts the daemon, makes the images, and prints DOCKER_HOST's value
#   scripts/test_docker.sh stop     ends the daemon that start has started for this clone, and what still runs under it
#
# The images: debian:bookworm-slim, which has no git, and berth-test-run:1, which has. They stay for the next time in
# artifacts/test-docker, and what they are made from in $XDG_CACHE_HOME/berth-tests. A DOCKER_HOST that is set already is used as it
# is where it has the images. Exit code 5 where it cannot be done.
set -euo pipefail
cd "$(dirname -- "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

place=$PWD/artifacts/test-docker
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/berth-tests
log=$place/dockerd.log
bare=debian:bookworm-slim
run=berth-test-run:1
patience=60

# A socket's path may have 107 bytes, so it is not in the clone, which may be anywhere.
name=/tmp/berth-test-docker-$(printf '%s' "$place" | cksum | cut -d ' ' -f 1)
socket=$name.sock
pidfile=$name.pid

say() { printf '%s\n' "$1" >&2; }

fail() {
    say "No Docker for the tests: $1"
    exit 5
}

docker() { command docker --host "${DOCKER_HOST:-unix://$socket}" "$@"; }

has_images() { docker image inspect "$bare" "$run" >/dev/null 2>&1; }

# The id of our daemon while it runs: a file that was left behind may name another process.
daemon() {
    local pid
    pid=$(cat "$pidfile" 2>/dev/null) && [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$place" &&
        echo "$pid"
}

run_daemon() { # further arguments
    mkdir -p "$place"
    setsid dockerd --data-root "$place/data" --exec-root "$name.exec" --host "unix://$socket" --pidfile "$pidfile" \
        --bridge none --iptables=false --ip6tables=false --log-level warn "$@" >>"$log" 2>&1 </dev/null &
    local child=$! second
    for second in $(seq $((patience * 5))); do
        if docker version >/dev/null 2>&1; then return 0; fi
        if ! kill -0 "$child" 2>/dev/null; then return 1; fi
        sleep 0.2
    done
    kill "$child" 2>/dev/null || true
    return 1
}

mirror() {
    local found
    found=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
    echo "${found:-http://deb.debian.org/debian}"
}

# One tree with git; from a copy of it git is taken out again, which needs no network.
make_trees() {
    local work
    if [ -f "$cache/run.tar" ] && [ -f "$cache/bare.tar" ]; then return 0; fi
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX")
    if ! debootstrap --variant=minbase --include=git,ca-certificates bookworm "$work/run" "$(mirror)" >"$work/log" 2>&1; then
        tail -n 15 "$work/log" >&2
        rm -rf -- "$work"
        fail 'debootstrap could not make a Debian'
    fi
    rm -rf -- "$work"/run/var/cache/apt/archives/*.deb "$work"/run/var/lib/apt/lists/*
    cp -a "$work/run" "$work/bare"
    chroot "$work/bare" dpkg --purge git git-man >"$work/log" 2>&1 || fail 'git could not be taken out of a Debian'
    for tree in run bare; do
        tar -C "$work/$tree" -c . >"$work/$tree.tar"
        mv "$work/$tree.tar" "$cache/$tree.tar"
    done
    rm -rf -- "$work"
}

make_images() {
    if has_images; then return 0; fi
    say 'Making the images of the tests (about a minute, once)'
    make_trees
    docker import "$cache/bare.tar" "$bare" >/dev/null
    docker import "$cache/run.tar" "$run" >/dev/null
    docker image inspect "$run" >/dev/null
}

start() {
    if [ -n "${DOCKER_HOST:-}" ]; then
        if has_images; then
            echo "$DOCKER_HOST"
            return 0
        fi
        say "The daemon at $DOCKER_HOST lacks the images $bare and $run; another one is started."
        unset DOCKER_HOST
    fi
    [ "$(id -u)" = 0 ] || fail 'starting one takes root'
    ./scripts/install_tools.sh dockerd:docker.io docker:docker.io debootstrap:debootstrap iptables:iptables >&2 ||
        fail 'its packages could not be installed'
    if ! daemon >/dev/null; then
        rm -f -- "$socket" "$pidfile"
        mkdir -p "$place"
        : >"$log"
        # Where the disk is itself an overlay, only the plainest storage works.
        run_daemon || run_daemon --storage-driver vfs || {
            tail -n 20 "$log" >&2
            fail "dockerd did not start; all that it said is in $log"
        }
    fi
    make_images
    echo "unix://$socket"
}

stop() {
    local pid second left
    pid=$(daemon) || return 0
    left=$(DOCKER_HOST= docker ps --all --quiet 2>/dev/null) || true
    if [ -n "$left" ]; then
        say "left in the tests' Docker, removed now: $(DOCKER_HOST= docker ps --all --format '{{.Names}}' | tr '\n' ' ')"
        # shellcheck disable=SC2086 # these are ids
        DOCKER_HOST= docker rm --force $left >/dev/null 2>&1 || true
    fi
    kill "$pid" 2>/dev/null || true
    for second in $(seq 150); do
        if ! kill -0 "$pid" 2>/dev/null; then break; fi
        sleep 0.2
    done
    kill -KILL "$pid" 2>/dev/null || true
    rm -rf -- "$socket" "$pidfile" "$name.exec" || true
}

case ${1:-} in
start) start ;;
stop) stop ;;
*)
    say 'scripts/test_docker.sh start, or stop'
    exit 2
    ;;
esac
