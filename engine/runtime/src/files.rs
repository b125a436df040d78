//! Files that appear whole or not at all: the one place that creates them.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Writes a file so that no reader ever sees a part of it: a temporary neighbour, then a rename.
///
/// # Errors
/// What the file system reports.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{count}.partial", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = create(&temporary).and_then(|mut file| file.write_all(bytes));
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // The first error is the one to report; a leftover is swept with the folder.
        drop(fs::remove_file(&temporary));
    }
    renamed
}

#[allow(clippy::disallowed_methods, reason = "this module is the one owner")]
fn create(path: &Path) -> io::Result<fs::File> {
    fs::File::create(path)
}

/// A dataset under construction: a staging folder that nobody reads until it is published whole.
#[derive(Debug)]
pub struct DatasetFolder {
    root: PathBuf,
    written: Mutex<BTreeSet<String>>,
}

/// A file a dataset stage cannot write.
#[derive(Debug, thiserror::Error)]
pub enum DatasetFileError {
    /// The path would leave the folder or is not portable.
    #[error("`{0}` is not a plain relative path")]
    Path(String),
    /// Two stages write the same file, or names that differ only in case.
    #[error("`{0}` is written twice")]
    Twice(String),
    /// The file system refuses.
    #[error("cannot write `{path}`")]
    Io {
        /// Relative path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DatasetFolder {
    /// A dataset to be built in this folder, which exists and is empty.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            written: Mutex::default(),
        }
    }

    /// The staging folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts a file at a relative path with `/` between its parts; folders are made as needed.
    ///
    /// # Errors
    /// When the path is not plain and relative, is taken, or the file system refuses.
    pub fn create(&self, path: &str) -> Result<fs::File, DatasetFileError> {
        let parts = Path::new(path).components();
        let plain = parts
            .clone()
            .all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !plain || path.contains(['\\', '\0', ':']) {
            return Err(DatasetFileError::Path(path.to_owned()));
        }
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if !written.insert(path.to_lowercase()) {
                return Err(DatasetFileError::Twice(path.to_owned()));
            }
        }
        let full = self.root.join(path);
        let folder = full.parent().unwrap_or(&self.root);
        let made = fs::create_dir_all(folder).and_then(|()| create(&full));
        made.map_err(|source| DatasetFileError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), DatasetFileError> {
        let mut file = self.create(path)?;
        file.write_all(bytes)
            .map_err(|source| DatasetFileError::Io {
                path: path.to_owned(),
                source,
            })
    }
}
