//! From a crate to a core module.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_guard::child::{self, Launch};
use serde::Deserialize;
use tracing::info;

use super::PATIENCE;

/// What core modules are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
/// Names a compiler that has the target, where the one at hand has not.
const COMPILER: &str = "DOCGENIE_WASM_RUSTC";

/// The core module that cargo makes of the crate in this folder.
pub(super) fn module(folder: &Path) -> Result<Vec<u8>, String> {
    let compiler = compiler()?;
    let manifest = folder.join("Cargo.toml");
    // In its folder, where cargo finds what the plugin sets for it.
    let mut cargo = Launch::new("cargo")
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .within(folder);
    if let Some(compiler) = compiler {
        cargo = cargo.env("RUSTC", compiler);
    }
    let messages = child::output(&cargo, PATIENCE)
        .map_err(|error| format!("`cargo build` did not succeed: {error}"))?;
    let manifest = fs::canonicalize(manifest).map_err(|error| error.to_string())?;
    let module = module_of(&messages, &manifest).ok_or(
        "`cargo build` made no WebAssembly: set `crate-type = [\"cdylib\"]` under [lib] of Cargo.toml",
    )?;
    fs::read(&module).map_err(|error| format!("`{}` cannot be read: {error}", module.display()))
}

/// The file that cargo says it has made for the crate with this manifest.
fn module_of(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        manifest_path: PathBuf,
        filenames: Vec<PathBuf>,
    }
    let lines = messages.split(|byte| *byte == b'\n');
    let artifacts = lines.filter_map(|line| serde_json::from_slice::<Artifact>(line).ok());
    let mut files = artifacts
        .filter(|artifact| artifact.manifest_path == manifest)
        .flat_map(|artifact| artifact.filenames);
    files.find(|file| file.extension().is_some_and(|it| it == "wasm"))
}

/// The compiler to name to cargo; `None` where its own has the target.
fn compiler() -> Result<Option<PathBuf>, String> {
    if has_target(Path::new("rustc")) {
        return Ok(None);
    }
    if let Some(named) = env::var_os(COMPILER).map(PathBuf::from) {
        return if has_target(&named) {
            Ok(Some(named))
        } else {
            Err(format!(
                "{COMPILER} names `{}`, which has no {TARGET}",
                named.display()
            ))
        };
    }
    info!("`rustc` has no {TARGET}: trying `rustup target add {TARGET}`");
    let add = Launch::new("rustup").args(["target", "add", TARGET]);
    if child::output(&add, Duration::from_mins(5)).is_ok() && has_target(Path::new("rustc")) {
        return Ok(None);
    }
    Err(format!(
        "no compiler has {TARGET}: run `rustup target add {TARGET}`, or `make plugins-toolchain` in the engine's \
         repository where rustup cannot be reached, or let {COMPILER} name a `rustc` that has it"
    ))
}

fn has_target(rustc: &Path) -> bool {
    let ask = Launch::new(rustc).args(["--print", "target-libdir", "--target", TARGET]);
    let answer = child::output(&ask, Duration::from_secs(20)).unwrap_or_default();
    let folder = String::from_utf8_lossy(&answer);
    !folder.trim().is_empty() && Path::new(folder.trim()).is_dir()
}
