//! From a plugin's source to its component: `plugin.wasm` and `offers.json` beside the manifest.

mod javascript;
mod lent;
mod python;
mod rust;
mod source;
mod toolchain;

use std::{fs, path::Path, time::Duration};

use docgenie_runtime::files::write_atomically;
use wit_component::ComponentEncoder;

use crate::{
    error::PluginError,
    library::{self, Plugin},
    manifest::{self, Build, Language, Manifest},
    offers::{self, Kind},
    sandbox::Sandbox,
};

/// A first build of a crate compiles all its dependencies.
const PATIENCE: Duration = Duration::from_hours(1);

/// The author calls a function of the engine where there is none yet.
const TOO_EARLY: &str = "it calls the engine while its modules are loaded, which happens when it is built: ask for \
     randomness, assets and files within functions only";

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
        let component = component(sandbox.home(), folder, &manifest).map_err(unbuildable)?;
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

/// The component of the source in this folder.
fn component(home: &Path, folder: &Path, manifest: &Manifest) -> Result<Vec<u8>, String> {
    let build = manifest.build.as_ref();
    let Build { language, kind } = build.ok_or(format!("`{}` has no [build]", manifest::FILE))?;
    let kind = || {
        let names = Kind::ALL.map(|kind| format!("`kind = \"{}\"`", kind.name()));
        let names = names.join(", ");
        kind.ok_or(format!(
            "[build] of `{}` does not say of which kind it is: {names}",
            manifest::FILE
        ))
    };
    match language {
        Language::Rust => encoded(rust::module(folder)?),
        Language::Javascript => javascript::component(home, folder, kind()?, manifest.wants.wasi),
        Language::Python => python::component(home, folder, kind()?, manifest.wants.wasi),
    }
}

/// A component of a core module; what is a component already stays as it is.
fn encoded(module: Vec<u8>) -> Result<Vec<u8>, String> {
    if !module.starts_with(b"\0asm\x01\0\0\0") {
        return Ok(module);
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| format!("its module is no plugin: {error:#}"))
}
