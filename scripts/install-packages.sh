#!/bin/sh
# Installs the Debian packages named in scripts/packages/<list>.txt that are missing.
#
#   scripts/install-packages.sh build run
#
# With nothing missing it does nothing.
set -eu
cd "$(dirname "$0")/packages"

wanted=$(for list in "$@"; do sed 's/#.*//' "$list.txt"; done | tr -s ' \n' '\n' | sort -u | sed '/^$/d')

if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is not Debian, so nothing was installed. Needed, by their Debian names:" >&2
    echo "$wanted" | sed 's/^/  /' >&2
    exit 0
fi

installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u)
missing=$(printf '%s\n' "$wanted" | grep -Fxv -e "$installed" || true)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "setup: packages are missing, and installing them takes root or sudo. As root, run:" >&2
    echo "  apt-get update && apt-get install --yes --no-install-recommends" $missing >&2
    exit 1
fi

echo "setup: installing" $missing >&2
$as_root apt-get update --quiet=2
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet=2 --no-install-recommends -o Dpkg::Use-Pty=0 $missing >&2
