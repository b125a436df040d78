//! The files that a plugin's bundle carries and its manifest names.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::library::Plugin;

/// More than a font or a picture takes.
const LIMIT: u64 = 32 << 20;

/// What `assets.read` gives.
#[derive(Clone, Debug)]
pub(crate) struct Assets {
    folder: PathBuf,
    named: Arc<[PathBuf]>,
}

impl Assets {
    /// None: for a plugin that is only asked what it offers.
    pub(crate) fn none() -> Self {
        Self {
            folder: PathBuf::new(),
            named: Arc::default(),
        }
    }

    pub(crate) fn of(plugin: &Plugin) -> Self {
        Self {
            folder: plugin.folder.clone(),
            named: plugin.manifest.wants.assets.as_slice().into(),
        }
    }

    /// A file by its path in the bundle, if the manifest names it. Links are not followed out of
    /// the bundle.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = Path::new(name);
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || !self.named.iter().any(|asset| asset == path) {
            return Err(format!("`{name}` is not among `wants.assets`"));
        }
        let unreadable = |error: io::Error| format!("`{name}` cannot be read: {error}");
        let file = fs::canonicalize(self.folder.join(path)).map_err(unreadable)?;
        let inside = fs::canonicalize(&self.folder).is_ok_and(|folder| file.starts_with(folder));
        let size = fs::metadata(&file).map_err(unreadable)?.len();
        if !inside || size > LIMIT {
            return Err(format!(
                "`{name}` leads out of the bundle or is over 32 MiB"
            ));
        }
        fs::read(file).map_err(unreadable)
    }
}
