//! The hidden folder in which a dataset grows before it is published.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::publish::PublishError;

/// A hidden folder beside a target. Its maker holds a lock on it for as long as it lives, by which
/// others can tell it from what a dead process has left. Dropped, whatever stands at its path is
/// removed: the unfinished dataset, or the old one it has changed places with.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    lock: fs::File,
}

impl Staging {
    pub(super) fn beside(target: &Path) -> Result<Self, PublishError> {
        let target = resolve(target)?;
        let folder = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(PublishError::io("create", folder))?;
        let mut prefix = OsString::from(".");
        prefix.push(target.file_name().unwrap_or_default());
        prefix.push(".partial-");
        sweep(folder, &prefix).map_err(PublishError::io("sweep", folder))?;
        let mut number = 0_u32;
        loop {
            number += 1;
            let mut name = prefix.clone();
            name.push(number.to_string());
            let path = folder.join(name);
            match fs::create_dir(&path).and_then(|()| hold(&path)) {
                Ok(Some(lock)) => return Ok(Self { path, lock }),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(PublishError::io("create", &path)(error)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes everything written to the file system it is on survive a power cut. One call for the
    /// whole folder: a call for each of its many files would take minutes.
    pub(super) fn flush(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.lock)?)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next run sweeps what is left.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// The real place of a target, which need not be there yet: links are followed.
pub(super) fn resolve(target: &Path) -> Result<PathBuf, PublishError> {
    let absolute = std::path::absolute(target).map_err(PublishError::io("find", target))?;
    match (
        absolute.canonicalize(),
        absolute.parent(),
        absolute.file_name(),
    ) {
        (Err(error), Some(above), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(resolve(above)?.join(name))
        }
        (real, ..) => real.map_err(PublishError::io("find", target)),
    }
}

/// Removes staging folders that nobody holds.
fn sweep(folder: &Path, prefix: &OsString) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes());
        if ours && let Some(_lock) = hold(&entry.path())? {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Takes the lock of a folder; `None` if someone else has it or has removed the folder meanwhile.
fn hold(path: &Path) -> io::Result<Option<fs::File>> {
    let gone_is_none = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(error),
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) => return gone_is_none(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (held.dev(), held.ino()) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) => gone_is_none(error),
    }
}
