//! Who owns a home: one process at a time.

use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use docgenie_document::Code;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// Another process owns the home.
pub const HELD: Code = Code::new("DG0207");

/// The lock of a home. The kernel lets go of it when its process dies, however that happens.
#[derive(Debug)]
pub(crate) struct HomeLock {
    file: File,
}

impl Drop for HomeLock {
    /// Lets go by name: closing the file would leave the lock with a child that is being started
    /// at this moment and has inherited it.
    fn drop(&mut self) {
        flock(&self.file, FlockOperation::Unlock).ok();
    }
}

/// The process that owns a home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id; 0 where it has not said so yet.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("another process");
        }
        write!(f, "process {} (`{}`)", self.pid, self.command)
    }
}

/// A home that another process owns.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{}` is in use by {holder}", .home.display())]
pub struct Held {
    /// The home.
    pub home: PathBuf,
    /// The process.
    pub holder: Holder,
}

impl Held {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        HELD
    }

    /// What the reader can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "wait until it is done, see what it does with `docgenie-engine runs list`, end it with `docgenie-engine runs cancel`, or work in another home by setting DOCGENIE_HOME"
    }
}

impl HomeLock {
    /// Takes the lock, or tells who has it.
    pub(crate) fn take(home: &Path) -> io::Result<Result<Self, Held>> {
        let path = home.join("lock");
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let home = home.to_owned();
                let holder = holder(&path);
                return Ok(Err(Held { home, holder }));
            }
            Err(error) => return Err(error.into()),
        }
        let command: Vec<_> = env::args_os()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let holder = Holder {
            pid: process::id(),
            command: command.join(" "),
        };
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(&holder)?)?;
        Ok(Ok(Self { file }))
    }
}

/// What the lock's owner has written into it, or nobody in particular: it does so right after taking
/// the lock, so that for a moment another process reads nothing or what the last owner has left.
fn holder(path: &Path) -> Holder {
    let text = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
