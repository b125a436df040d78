//! A plugin's source as tools are given it: a copy, with the SDK of its language beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use docgenie_guard::child::{self, Launch};
use docgenie_runtime::files::write_atomically;
use include_dir::Dir;
use tempfile::TempDir;

use super::{PATIENCE, toolchain};

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

    /// Where the component goes.
    pub(super) fn component(&self) -> PathBuf {
        self.folder.path().join("plugin.wasm")
    }

    /// Runs the tool that makes the component. `readable` turns what it says of the author's code
    /// into what the author knows, whose folder is `plugin`.
    pub(super) fn make(
        &self,
        tool: &Launch,
        (name, cure): (&str, &str),
        plugin: &Path,
        readable: fn(&str, &Path) -> String,
    ) -> Result<Vec<u8>, String> {
        match child::output(tool, PATIENCE) {
            Ok(_) => fs::read(self.component())
                .map_err(|error| format!("its component is not there: {error}")),
            Err(error) if error.kind() == io::ErrorKind::Other => {
                let source = self.source().display().to_string();
                let said = error.to_string();
                let said = said.replace(&source, &plugin.display().to_string());
                Err(readable(&said, plugin))
            }
            Err(error) => Err(toolchain::failed(name, cure, &error)),
        }
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
