//! Files that appear whole or not at all: the one place that creates them.

mod archive;
mod manifest;
mod publish;
mod staging;

use std::{
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use docgenie_document::Code;

pub use archive::{ARCHIVE_FOLDER, check_zip_target, write_zip, zip_folder, zip_of};
pub use manifest::DatasetManifest;
pub use publish::{
    FOREIGN_TARGET, MOUNT_POINT, NESTED_TARGETS, PublishError, UNWRITABLE_TARGET, check_apart,
    check_target,
};

use crate::stage::StageFailure;
use staging::Staging;

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
/// Dropped unpublished, it is gone.
#[derive(Debug)]
pub struct DatasetFolder {
    staging: Staging,
}

/// A path of a dataset stage that would leave the folder or is written already.
pub const BAD_DATASET_PATH: Code = Code::new("DG0701");
/// A file of the dataset cannot be written.
pub const UNWRITABLE_FILE: Code = Code::new("DG0702");

/// A file a dataset stage cannot write.
#[derive(Debug, thiserror::Error)]
pub enum DatasetFileError {
    /// The path would leave the folder or is not portable.
    #[error("`{0}` is not a plain relative path")]
    Path(String),
    /// Two stages write the same file.
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

impl DatasetFileError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Path(_) | Self::Twice(_) => BAD_DATASET_PATH,
            Self::Io { .. } => UNWRITABLE_FILE,
        }
    }

    fn io(path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl From<DatasetFileError> for StageFailure {
    fn from(error: DatasetFileError) -> Self {
        let failure = Self::new(error.code(), "a file of the dataset cannot be written")
            .because(&error)
            .ends_run();
        match error {
            DatasetFileError::Io { .. } => failure.hint(
                "check that the disk of the output folder has room and can be written, and run again: finished work is kept",
            ),
            _ => failure,
        }
    }
}

impl DatasetFolder {
    /// An empty staging folder beside the place where the dataset (or its ZIP) will stand, hidden
    /// and on the same file system. Leftovers of runs that died there are removed.
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn stage_beside(target: &Path) -> Result<Self, PublishError> {
        let staging = Staging::beside(target)?;
        Ok(Self { staging })
    }

    /// The staging folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.staging.path()
    }

    /// Starts a file at a relative path with `/` between its parts; folders are made as needed.
    ///
    /// # Errors
    /// When the path is not plain and relative, is taken, or the file system refuses.
    pub fn create(&self, path: &str) -> Result<fs::File, DatasetFileError> {
        create_below(self.root(), path)
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), DatasetFileError> {
        write_below(self.root(), path, bytes)
    }

    /// The sub-folder of this name, for a stage that owns it and writes from where the dataset
    /// cannot be borrowed.
    #[must_use]
    pub fn part(&self, name: &str) -> DatasetPart {
        DatasetPart {
            root: self.root().to_owned(),
            name: name.to_owned(),
        }
    }
}

/// A sub-folder of a dataset under construction that one stage owns. It appears with its first
/// file. Nothing is to be written after the stage has finished.
#[derive(Clone, Debug)]
pub struct DatasetPart {
    root: PathBuf,
    name: String,
}

impl DatasetPart {
    /// As [`DatasetFolder::create`], at a path relative to the part.
    ///
    /// # Errors
    /// When the path or the part's name is not plain and relative, the path is taken, or the file
    /// system refuses.
    pub fn create(&self, path: &str) -> Result<fs::File, DatasetFileError> {
        create_below(&self.root, &self.path(path))
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), DatasetFileError> {
        write_below(&self.root, &self.path(path), bytes)
    }

    /// Removes the part with all that was written into it.
    ///
    /// # Errors
    /// When its name is not plain and relative or the file system refuses.
    pub fn discard(&self) -> Result<(), DatasetFileError> {
        let folder = below(&self.root, &self.name)?;
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DatasetFileError::io(&self.name)(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }
}

/// A folder under construction, which is hidden until it is [`put`](Self::put) at its target whole.
/// Dropped before, it is gone.
#[derive(Debug)]
pub struct NewFolder {
    staging: Staging,
    target: PathBuf,
}

impl NewFolder {
    /// An empty folder beside its target, on the same file system.
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn beside(target: &Path) -> Result<Self, PublishError> {
        let staging = Staging::beside(target)?;
        let target = target.to_owned();
        Ok(Self { staging, target })
    }

    /// Where it is while it is under construction.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Writes a whole file at a plain relative path.
    ///
    /// # Errors
    /// As [`DatasetFolder::create`].
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), DatasetFileError> {
        write_below(self.path(), path, bytes)
    }

    /// Puts it at its target in one step; a folder that stood there is removed.
    ///
    /// # Errors
    /// When the file system refuses. The target is then untouched.
    pub fn put(self) -> Result<(), PublishError> {
        self.staging.put(&self.target)
    }
}

/// Removes a folder in one step for those who look for it at its path.
///
/// # Errors
/// When the file system refuses. The folder is then untouched.
pub fn remove_folder(path: &Path) -> Result<(), PublishError> {
    let staging = Staging::beside(path)?;
    fs::rename(path, staging.path()).map_err(PublishError::io("remove", path))
}

fn create_below(root: &Path, path: &str) -> Result<fs::File, DatasetFileError> {
    let full = below(root, path)?;
    let made = fs::File::create_new(&full).or_else(|error| match (error.kind(), full.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) => {
            fs::create_dir_all(folder).and_then(|()| fs::File::create_new(&full))
        }
        _ => Err(error),
    });
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => DatasetFileError::Twice(path.to_owned()),
        _ => DatasetFileError::io(path)(error),
    })
}

fn write_below(root: &Path, path: &str, bytes: &[u8]) -> Result<(), DatasetFileError> {
    let mut file = create_below(root, path)?;
    file.write_all(bytes).map_err(DatasetFileError::io(path))
}

/// The place of a plain relative path below the root.
fn below(root: &Path, path: &str) -> Result<PathBuf, DatasetFileError> {
    let plain = path
        .split('/')
        .all(|part| matches!(single(part), Some(Component::Normal(_))));
    if !plain || path.contains(['\\', '\0', ':']) {
        return Err(DatasetFileError::Path(path.to_owned()));
    }
    Ok(root.join(path))
}

fn single(part: &str) -> Option<Component<'_>> {
    let mut components = Path::new(part).components();
    let first = components.next();
    first.filter(|_| components.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_and_each_once() {
        let place = tempfile::tempdir().unwrap();
        let folder = DatasetFolder::stage_beside(&place.path().join("out")).unwrap();
        for bad in [
            "", "/a", "../a", "a/../b", "a/./b", "a//b", "a\\b", "c:a", "a/",
        ] {
            let refused = folder.write(bad, b"");
            assert!(matches!(refused, Err(DatasetFileError::Path(_))), "{bad}");
        }
        folder.write("a/b/c.txt", b"1").unwrap();
        let again = folder.write("a/b/c.txt", b"2");
        assert!(matches!(again, Err(DatasetFileError::Twice(_))));
        assert_eq!(fs::read(folder.root().join("a/b/c.txt")).unwrap(), b"1");
    }

    #[test]
    fn a_folder_is_replaced_and_removed_whole() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("seal");
        let put = |file: &str| {
            let folder = NewFolder::beside(&target).unwrap();
            folder.write(file, file.as_bytes()).unwrap();
            assert!(!target.join(file).exists());
            folder.put().unwrap();
            assert_eq!(fs::read(target.join(file)).unwrap(), file.as_bytes());
        };
        put("one/a.txt");
        put("two.txt");
        assert!(!target.join("one").exists());
        drop(NewFolder::beside(&target).unwrap());
        assert!(target.join("two.txt").exists());
        remove_folder(&target).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(matches!(
            remove_folder(&target),
            Err(PublishError::Io { .. })
        ));
    }

    #[test]
    fn a_part_is_written_from_anywhere_and_goes_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = DatasetFolder::stage_beside(&place.path().join("out")).unwrap();
        folder.write("other/kept.txt", b"").unwrap();
        let part = folder.part("shards");
        part.discard().unwrap();
        let writer = part.clone();
        let written = std::thread::spawn(move || writer.write("a/b.txt", b"1")).join();
        written.unwrap().unwrap();
        assert_eq!(
            fs::read(folder.root().join("shards/a/b.txt")).unwrap(),
            b"1"
        );
        let again = folder.write("shards/a/b.txt", b"2");
        assert!(matches!(again, Err(DatasetFileError::Twice(path)) if path == "shards/a/b.txt"));
        for bad in ["", "..", ".", "/etc", "a/../.."] {
            let bad = folder.part(bad);
            assert!(matches!(
                bad.write("x", b""),
                Err(DatasetFileError::Path(_))
            ));
            assert!(matches!(bad.discard(), Err(DatasetFileError::Path(_))));
        }
        assert!(matches!(
            part.write("../x", b""),
            Err(DatasetFileError::Path(_))
        ));
        part.discard().unwrap();
        assert!(!folder.root().join("shards").exists());
        assert!(folder.root().join("other/kept.txt").exists());
    }
}
