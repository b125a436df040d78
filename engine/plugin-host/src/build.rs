//! From a plugin's source to its component: `plugin.wasm` and `offers.json` beside the manifest.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_guard::child::{self, Launch};
use docgenie_runtime::files::write_atomically;
use serde::Deserialize;
use tracing::info;
use wit_component::ComponentEncoder;

use crate::{
    error::PluginError,
    library::{self, Plugin},
    manifest::{self, Build, Language, Manifest},
    offers,
    sandbox::Sandbox,
};

/// What core modules are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
/// Names a compiler that has the target, where the one at hand has not.
const COMPILER: &str = "DOCGENIE_WASM_RUSTC";
/// A first build compiles all dependencies.
const PATIENCE: Duration = Duration::from_hours(1);

impl Plugin {
    /// Builds the plugin whose source is in `folder` and puts it into `out`, which may be the same:
    /// manifest, component, offers and assets.
    ///
    /// # Errors
    /// When there is no compiler, it finds faults, or what it makes is no plugin.
    pub fn build(sandbox: &Sandbox, folder: &Path, out: &Path) -> Result<Self, PluginError> {
        let manifest = Manifest::read(folder)?;
        let id = &manifest.plugin.id;
        let unbuildable = |why: String| PluginError::Build {
            plugin: id.clone(),
            why,
        };
        let module = match &manifest.build {
            Some(Build {
                language: Language::Rust,
            }) => rust(folder).map_err(unbuildable)?,
            Some(Build { language }) => {
                return Err(unbuildable(format!(
                    "{language:?} is not built by this engine yet"
                )));
            }
            None => return Err(unbuildable(format!("`{}` has no [build]", manifest::FILE))),
        };
        let component = component(module).map_err(unbuildable)?;
        let offers = sandbox.describe(&manifest, &component)?;
        let text = serde_json::to_string_pretty(&offers)
            .map_err(|error| unbuildable(error.to_string()))?;
        let put = || -> std::io::Result<()> {
            fs::create_dir_all(out)?;
            if fs::canonicalize(out)? != fs::canonicalize(folder)? {
                copy(folder, out, Path::new(manifest::FILE))?;
                for asset in &manifest.wants.assets {
                    copy(folder, out, asset)?;
                }
            }
            write_atomically(&out.join(library::COMPONENT), &component)?;
            write_atomically(&out.join(offers::FILE), format!("{text}\n").as_bytes())
        };
        put().map_err(|error| {
            unbuildable(format!("`{}` cannot be written: {error}", out.display()))
        })?;
        Self::read(out)
    }
}

fn copy(from: &Path, to: &Path, file: &Path) -> std::io::Result<()> {
    let target = to.join(file);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    write_atomically(&target, &fs::read(from.join(file))?)
}

/// The core module that cargo makes of the crate in this folder.
fn rust(folder: &Path) -> Result<Vec<u8>, String> {
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

/// A component of a core module; what is a component already stays as it is.
fn component(module: Vec<u8>) -> Result<Vec<u8>, String> {
    if !module.starts_with(b"\0asm\x01\0\0\0") {
        return Ok(module);
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| format!("its module is no plugin: {error:#}"))
}
