#!/bin/sh
# Builds the plugins in a folder: the shipped ones, put beside the program, where it looks for them.
#
#   scripts/plugins.sh [FOLDER [OUT]]
set -eu
cd "$(dirname "$0")/.."
sources=${1:-plugins}
out=${2:-target/release/plugins}

DOCGENIE_WASM_RUSTC=${DOCGENIE_WASM_RUSTC:-$(scripts/plugins-toolchain.sh)}
export DOCGENIE_WASM_RUSTC
failed=
for manifest in "$sources"/*/docgenie-plugin.toml; do
    source=$(dirname "$manifest")
    name=$(basename "$source")
    target/release/docgenie-engine plugin build "$source" --out "$out/$name" || failed="$failed $name"
done
[ -z "$failed" ] || { echo "plugins: not built:$failed" >&2; exit 1; }
