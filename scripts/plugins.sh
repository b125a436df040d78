#!/bin/sh
# Builds the shipped plugins and puts them beside the program, where it looks for them.
set -eu
cd "$(dirname "$0")/.."

DOCGENIE_WASM_RUSTC=${DOCGENIE_WASM_RUSTC:-$(scripts/plugins-toolchain.sh)}
export DOCGENIE_WASM_RUSTC
failed=
for manifest in plugins/*/docgenie-plugin.toml; do
    source=$(dirname "$manifest")
    name=$(basename "$source")
    target/release/docgenie-engine plugin build "$source" --out "target/release/plugins/$name" || failed="$failed $name"
done
[ -z "$failed" ] || { echo "plugins: not built:$failed" >&2; exit 1; }
