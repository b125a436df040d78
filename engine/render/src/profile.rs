//! Folders in which browsers keep what they must keep while they run.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::RenderError;

/// A browser's own folder, removed when dropped. A locked file beside it tells other processes that
/// it is in use; the lock ends with this process, however it ends.
#[derive(Debug)]
pub(crate) struct Profile {
    path: PathBuf,
    _lock: File,
}

impl Profile {
    /// A new folder in `home/browser`.
    pub(crate) fn create(home: &Path) -> Result<Self, RenderError> {
        let root = root(home);
        let failed = |source| RenderError::Profile {
            path: root.clone(),
            source,
        };
        fs::create_dir_all(&root).map_err(failed)?;
        for number in 0_u32.. {
            let path = root.join(format!("{}-{number}", std::process::id()));
            let Some(lock) = lock(&path.with_extension("lock")).map_err(failed)? else {
                continue;
            };
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, _lock: lock }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the folders that processes now dead have left in `home/browser`.
pub(crate) fn sweep(home: &Path) {
    let Ok(entries) = fs::read_dir(root(home)) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        if is_lock && matches!(lock(&path), Ok(Some(_))) {
            remove(&path.with_extension(""));
        }
    }
}

fn root(home: &Path) -> PathBuf {
    home.join("browser")
}

/// Locks a file, made if need be; `None` where another holder has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn remove(path: &Path) {
    // What cannot be removed now (a process of the browser may be in its last moments) is left
    // with its lock file for the next sweep.
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        drop(fs::remove_file(path.with_extension("lock")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_profiles_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let used = Profile::create(home.path()).unwrap();
        let second = Profile::create(home.path()).unwrap();
        assert_ne!(used.path(), second.path());
        let abandoned = root(home.path()).join("1-0");
        fs::create_dir_all(abandoned.join("Default")).unwrap();
        drop(lock(&abandoned.with_extension("lock")).unwrap());
        sweep(home.path());
        assert!(used.path().is_dir() && !abandoned.exists());
        drop((used, second));
        assert_eq!(fs::read_dir(root(home.path())).unwrap().count(), 0);
    }
}
