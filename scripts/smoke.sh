#!/bin/bash
# Runs the binary as a user would: a small pipeline from nothing, once more with other concurrency,
# and once more from what is remembered. All three datasets must be the same, byte for byte, and
# read as their users read them.
set -euo pipefail
engine=$(realpath "$1")
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
    local home=$1 out=$2
    shift 2
    DOCGENIE_HOME="$work/$home" "$engine" run invoices --count 4 --seed 7 --out "$work/$out" "$@"
}

run first alone --jobs 1
run second together --jobs 4
diff -r "$work/alone" "$work/together"
run second remembered
diff -r "$work/alone" "$work/remembered"
target/venv/bin/python tests/python/check_dataset.py "$work/alone"
