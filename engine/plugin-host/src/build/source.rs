//! A plugin's source as tools are given it: a copy, with the SDK of its language beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use docgenie_runtime::files::write_atomically;
use include_dir::Dir;
use tempfile::TempDir;

/// The interface.
const WIT: &str = include_str!("../../../../wit/v0.1/plugin.wit");

/// What a build makes and what tools leave behind.
const MADE: [&str; 4] = ["plugin.wasm", "offers.json", "target", "__pycache__"];

/// A folder that is gone when it is dropped: `source/`, the interface, and what is made of them.
pub(super) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// Copies a plugin's source, which begins with `main`, with the SDK at this place below it.
    pub(super) fn new(
        plugin: &Path,
        main: &str,
        sdk: &Dir<'_>,
        place: &str,
    ) -> Result<Self, String> {
        if !plugin.join(main).is_file() {
            return Err(format!("there is no `{}`", plugin.join(main).display()));
        }
        let open = || -> io::Result<Self> {
            let workshop = Self {
                folder: tempfile::tempdir()?,
            };
            copy(plugin, &workshop.source())?;
            unpack(sdk, &workshop.source().join(place))?;
            write_atomically(&workshop.wit(), WIT.as_bytes())?;
            Ok(workshop)
        };
        open().map_err(|error| format!("its source cannot be copied: {error}"))
    }

    pub(super) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub(super) fn wit(&self) -> PathBuf {
        self.folder.path().join("plugin.wit")
    }

    /// What a tool says, as someone would read it who sees the plugin's own folder.
    pub(super) fn seen(&self, said: &io::Error, plugin: &Path) -> String {
        let source = self.source().display().to_string();
        said.to_string()
            .replace(&source, &plugin.display().to_string())
    }

    /// Where the component goes.
    pub(super) fn component(&self) -> PathBuf {
        self.folder.path().join("plugin.wasm")
    }

    /// The component, once it is made.
    pub(super) fn made(&self) -> Result<Vec<u8>, String> {
        fs::read(self.component()).map_err(|error| format!("its component is not there: {error}"))
    }
}

/// Copies files and folders, but none that are hidden or were made by a build. Links to folders
/// could lead in a circle and are left out.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || MADE.contains(&name.as_ref()) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.path().is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn unpack(dir: &Dir<'_>, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for file in dir.files() {
        let name = file.path().file_name().unwrap_or_default();
        write_atomically(&to.join(name), file.contents())?;
    }
    for dir in dir.dirs() {
        let name = dir.path().file_name().unwrap_or_default();
        unpack(dir, &to.join(name))?;
    }
    Ok(())
}
