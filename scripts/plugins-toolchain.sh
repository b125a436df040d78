#!/bin/sh
# Prints the path of a Rust compiler that builds plugins, that is, for wasm32-unknown-unknown.
#
#   DOCGENIE_WASM_RUSTC=$(scripts/plugins-toolchain.sh)
#
# The first that is to be had:
#   1. the toolchain at hand, which has the target,
#   2. the same once `rustup target add` has fetched the target,
#   3. a private one in target/wasm-toolchain or $DOCGENIE_TOOLCHAIN. It is made once of Debian's
#      compiler and of std built from Debian's source, in some minutes and 0.5 GB, for networks that
#      carry Debian's packages and crates.io and nothing else. It touches nothing outside its folder.
set -eu
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
home=$(realpath --canonicalize-missing "${DOCGENIE_TOOLCHAIN:-target/wasm-toolchain}")

say() {
    echo "plugins-toolchain: $*" >&2
}

# Whether this compiler has a standard library for the target.
has_target() {
    libraries=$("$1" --print target-libdir --target $target 2>/dev/null) && [ -d "$libraries" ]
}

if has_target rustc; then
    command -v rustc
    exit
fi
if has_target "$home/rustc"; then
    echo "$home/rustc"
    exit
fi
if command -v rustup >/dev/null && rustup --quiet target add $target >&2 && has_target rustc; then
    command -v rustc
    exit
fi

say "rustup has no $target here, so a private toolchain is made in $home"
if ! command -v apt-get >/dev/null; then
    say "this is not Debian. Either rustup must reach its server (rustup target add $target), or" \
        "DOCGENIE_WASM_RUSTC must name a compiler with that target"
    exit 1
fi

# Until it is whole it lies beside its place.
new=$home.partial
rm -rf "$new"
mkdir -p "$new/packages" "$new/std"
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM

say "fetching Debian's compiler (140 MB)"
packages() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances rustc-web 2>/dev/null | grep -Ex 'rustc-web|libstd-rust-web-.*|libllvm[0-9]+'
}
packages >/dev/null || apt-get update --quiet=2 >&2
(cd "$new/packages" && apt-get download --quiet=2 -o APT::Sandbox::User=root rust-web-src $(packages) >&2)
for package in "$new"/packages/*.deb; do
    dpkg-deb --extract "$package" "$new"
done

# The packages conflict with Debian's own rustc, so they are used where they lie. The linker is that
# of the toolchain at hand, because Debian's package has none.
cat >"$new/rustc" <<'WRAPPER'
#!/bin/sh
usr=$(dirname "$(realpath "$0")")/usr
export LD_LIBRARY_PATH="$(echo "$usr"/lib/*-linux-gnu):$usr/lib"
exec "$usr/bin/rustc" "$@"
WRAPPER
chmod +x "$new/rustc"
tools=lib/rustlib/$(rustc --version --verbose | sed -n 's/^host: //p')/bin
mkdir -p "$new/usr/$tools"
ln -s "$(rustc --print sysroot)/$tools/rust-lld" "$new/usr/$tools/rust-lld"

say "building the standard library for $target"
cat >"$new/std/Cargo.toml" <<'MANIFEST'
[package]
name = "empty"
edition = "2024"
[lib]
path = "lib.rs"
crate-type = ["cdylib"]
[workspace]
MANIFEST
touch "$new/std/lib.rs"
# Plugins are optimised as a whole, for which the libraries carry bitcode besides machine code.
RUSTC="$new/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C embed-bitcode=yes" cargo build --quiet --release -Z build-std=std,panic_abort \
    --target $target --manifest-path "$new/std/Cargo.toml" --target-dir "$new/std/target" >&2
libraries=$("$new/rustc" --print target-libdir --target $target)
mkdir -p "$libraries"
cp "$new"/std/target/$target/release/deps/lib*.rlib "$libraries"

rm -rf "$new/packages" "$new/std" "$new/usr/src" "$new/usr/share"
rm -rf "$home"
mv "$new" "$home"
say "done"
echo "$home/rustc"
