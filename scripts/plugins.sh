#!/bin/sh
# Builds the plugins in a folder: the shipped ones, put beside the program, where it looks for them.
#
#   scripts/plugins.sh [FOLDER [OUT]]
#
# The cases of a plugin stay with its source and are linked to, for `plugin test`.
#
# A plugin in a language whose tools are not on this machine is left out.
set -eu
cd "$(dirname "$0")/.."
sources=${1:-plugins}
out=${2:-target/release/plugins}

DOCGENIE_WASM_RUSTC=${DOCGENIE_WASM_RUSTC:-$(scripts/plugins-toolchain.sh)}
export DOCGENIE_WASM_RUSTC

# The first tool that building in this language needs and that is missing.
missing_tool() {
    case $1 in
    javascript) tools="node npm" ;;
    python) tools=python3 ;;
    *) tools= ;;
    esac
    for tool in $tools; do
        command -v "$tool" >/dev/null || { echo "$tool"; return; }
    done
}

failed=
for manifest in "$sources"/*/docgenie-plugin.toml; do
    source=$(dirname "$manifest")
    name=$(basename "$source")
    tool=$(missing_tool "$(sed -n 's/^language *= *"\(.*\)"/\1/p' "$manifest")")
    if [ -n "$tool" ]; then
        echo "plugins: \`$name\` is left out, because there is no \`$tool\` here" >&2
        continue
    fi
    target/release/docgenie-engine plugin build "$source" --out "$out/$name" || failed="$failed $name"
    [ ! -d "$source/tests" ] || ln -sfn "$(realpath "$source/tests")" "$out/$name/tests"
done
[ -z "$failed" ] || { echo "plugins: not built:$failed" >&2; exit 1; }
