#!/bin/sh
# Installs what Toolgate is tested against: official SDKs, the MCP conformance suite, public MCP
# servers and agent frameworks. From PyPI and npm, into target/peers, pinned; a second run with
# unchanged pins takes no time. About 1 GB and two minutes the first time.
#
#   tests/peers/install.sh            print what was done
#   tests/peers/install.sh --check    install nothing; fail unless everything is there
set -eu

here=$(cd "$(dirname "$0")" && pwd)
peers=${TOOLGATE_PEERS:-$here/../../target/peers}
mkdir -p "$peers"
peers=$(cd "$peers" && pwd)
started=$(date +%s)

stamp() { cat "$@" | cksum; }
fresh() { [ -f "$peers/$1.stamp" ] && [ "$(cat "$peers/$1.stamp")" = "$2" ]; }

python_env() {
    want=$(stamp "$here/requirements-$1.txt")
    if fresh "$1" "$want"; then return 0; fi
    if [ "${check:-}" ]; then echo "tests/peers: $1 is not installed" >&2; return 1; fi
    rm -rf "${peers:?}/$1"
    # PyPI and compiled wheels only: nothing of theirs is built here.
    python3 -m venv "$peers/$1" &&
        "$peers/$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            -r "$here/requirements-$1.txt" || return 1
    echo "$want" >"$peers/$1.stamp"
}

node_modules() {
    want=$(stamp "$here/package.json" "$here/package-lock.json")
    if ! fresh js "$want"; then
        if [ "${check:-}" ]; then echo "tests/peers: js is not installed" >&2; return 1; fi
        mkdir -p "$peers/js"
        cp "$here/package.json" "$here/package-lock.json" "$peers/js/"
        (cd "$peers/js" && npm ci --no-audit --no-fund --loglevel error) >"$peers/js.log" 2>&1 ||
            { cat "$peers/js.log" >&2; return 1; }
        echo "$want" >"$peers/js.stamp"
    fi
    # Node looks for packages above the script that imports them.
    ln -sfn "$peers/js/node_modules" "$here/node_modules"
}

check=
if [ "${1:-}" = --check ]; then check=1; fi
# On a fresh Debian: Python's venv is a package of its own, and npm brings the node it starts with.
missing=
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3 python3-venv"
command -v npm >/dev/null || missing="$missing npm"
if [ "$missing" ]; then
    if [ "$check" ]; then echo "tests/peers: missing:$missing" >&2; exit 1; fi
    echo "tests/peers: installing$missing with apt-get"
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    # shellcheck disable=SC2086
    { $sudo apt-get update -q && $sudo apt-get install -q -y --no-install-recommends $missing; } >/dev/null || {
        echo "tests/peers: could not install$missing; install them and try again" >&2
        exit 1
    }
fi

node_modules & js=$!
python_env sdk2 & sdk2=$!
failed=
python_env sdk1 || failed="$failed sdk1 (PyPI)"
wait $sdk2 || failed="$failed sdk2 (PyPI)"
wait $js || failed="$failed js (npm)"
if [ "$failed" ]; then
    echo "tests/peers: could not install:$failed. Is this machine offline? The peers come from PyPI and npm." >&2
    exit 1
fi
took=$(($(date +%s) - started))
if [ $took -gt 2 ]; then
    echo "tests/peers: installed in $took s, $(du -sh "$peers" | cut -f1) in target/peers"
fi
