#!/bin/sh
# Installs the backends that spans and metrics are proven on, into target/backends: Phoenix and MLflow
# from PyPI, pinned, and Prometheus from Debian's package, unpacked and not installed, so that no
# service of it is started. A second run with unchanged pins takes no time.
#
#   tests/backends/install.sh [phoenix] [prometheus] [mlflow]     default: phoenix prometheus
#
# Phoenix takes 0.8 GB and about a minute the first time, MLflow as much, Prometheus 0.1 GB.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
backends=${TOOLGATE_BACKENDS:-$here/../../target/backends}
mkdir -p "$backends"
backends=$(cd "$backends" && pwd)
started=$(date +%s)

say() { echo "tests/backends: $*" >&2; }

# One installation at a time: two test runs may share the folder.
exec 9>"$backends/lock"
if command -v flock >/dev/null; then flock 9; fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

apt_lists() {
    command -v apt-get >/dev/null || { say "there is no apt-get here; install $1 and try again"; return 1; }
    as_root apt-get update -q >/dev/null
}

python_env() {
    want=$(cksum <"$here/requirements-$1.txt")
    if [ -f "$backends/$1.stamp" ] && [ "$(cat "$backends/$1.stamp")" = "$want" ]; then return 0; fi
    # On a fresh Debian, Python's venv is a package of its own.
    python3 -c 'import ensurepip, venv' 2>/dev/null || {
        apt_lists python3-venv &&
            as_root apt-get install -q -y --no-install-recommends python3 python3-venv >/dev/null
    } || return 1
    rm -rf "${backends:?}/$1"
    # Compiled wheels only: nothing is built here. Most modules are never imported, so none is compiled.
    python3 -m venv "$backends/$1" &&
        "$backends/$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-compile \
            --only-binary :all: -r "$here/requirements-$1.txt" || return 1
    echo "$want" >"$backends/$1.stamp"
}

# target/backends/bin/{prometheus,promtool}: those of this machine, or unpacked ones.
prometheus_binaries() {
    if [ -x "$backends/bin/prometheus" ] && [ -x "$backends/bin/promtool" ]; then return 0; fi
    mkdir -p "$backends/bin"
    if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
        ln -sf "$(command -v prometheus)" "$(command -v promtool)" "$backends/bin/"
        return 0
    fi
    apt_lists prometheus || return 1
    rm -rf "$backends/deb"
    mkdir "$backends/deb"
    # apt's own user cannot write here, which is only a warning.
    (cd "$backends/deb" && apt-get download -q prometheus >/dev/null 2>apt.log || { cat apt.log >&2; exit 1; }) &&
        dpkg-deb -x "$backends"/deb/prometheus_*.deb "$backends/deb" || return 1
    mv "$backends/deb/usr/bin/prometheus" "$backends/deb/usr/bin/promtool" "$backends/bin/"
    rm -rf "$backends/deb"
}

[ $# -gt 0 ] || set -- phoenix prometheus
for one in "$@"; do
    case $one in
    phoenix | mlflow) python_env "$one" ;;
    prometheus) prometheus_binaries ;;
    *) say "there is no backend $one"; exit 2 ;;
    esac || { say "could not install $one. Is this machine offline?"; exit 1; }
done
took=$(($(date +%s) - started))
if [ $took -gt 2 ]; then say "installed in $took s, $(du -sh "$backends" | cut -f1) in target/backends"; fi
