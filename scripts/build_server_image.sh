#!/bin/sh
# build_server_image.sh [NAME]: makes the image of a server (docker/Dockerfile.server) from this clone. NAME is berth-server by default.
#
# BASE is what it is made from, debian:bookworm-slim by default; NETWORK=host is for a daemon whose builds have no network of their own.
# DOCKER_HOST names the daemon, as for the docker program, which this needs. The image's id is printed.
set -eu
cd "$(dirname -- "$0")/.."

name=${1:-berth-server}
./berth --version >/dev/null </dev/null
claude=$(find tools/claude/node_modules/@anthropic-ai/claude-code-linux-* -maxdepth 1 -name claude 2>/dev/null | head -n 1)
if [ -z "$claude" ]; then
    echo 'There is no Claude Code CLI in tools/claude; type ./scripts/install_tools.sh' >&2
    exit 5
fi

# The context is linked together, not copied, where the disk allows it: the CLI alone has 370 MB.
context=$(mktemp -d artifacts/server-image.XXXXXX)
trap 'rm -rf -- "$context"' EXIT
mkdir "$context/claude"
cp -aL --link artifacts/berth "$context/berth" 2>/dev/null || { rm -rf -- "$context/berth" && cp -aL artifacts/berth "$context/berth"; }
ln "$claude" "$context/claude/claude" 2>/dev/null || cp "$claude" "$context/claude/claude"
rm -rf -- "$context/berth/scripted-model" "$context"/berth/*.pdb "$context"/berth/*.xml "$context"/berth/supervisor/*.pdb \
    "$context"/berth/supervisor/*.xml
chmod -R go+rX "$context"
docker build --quiet --tag "$name" --network "${NETWORK:-default}" --build-arg "BASE=${BASE:-debian:bookworm-slim}" \
    --file docker/Dockerfile.server "$context"
