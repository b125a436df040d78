//! `$DOCGENIE_HOME`: one process owns its jobs, others ask that one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use docgenie_document::Code;

use crate::{
    control::{self, ControlClient},
    jobs::{OpenJobsError, SledJobs},
    lock::{Held, HomeLock},
};

/// The home cannot be used.
pub const HOME: Code = Code::new("DG0205");

/// The jobs of a home as this process reaches them.
pub enum Opened {
    /// They are this process's for as long as it keeps the store.
    Owner(SledJobs),
    /// Another process owns them and can be asked.
    Held(ControlClient),
}

/// A home whose jobs cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or its lock cannot be made.
    #[error("`{}` cannot be used as the home", .home.display())]
    Home {
        /// The folder.
        home: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The job store cannot be read or made.
    #[error(transparent)]
    Jobs(OpenJobsError),
}

impl OpenError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Home { .. } => HOME,
            Self::Jobs(_) => docgenie_runtime::job::JOB_STORE,
        }
    }

    /// What the reader can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "set DOCGENIE_HOME to a folder that can be written, on a disk with room"
    }
}

/// How long to wait for an owner that cannot be asked: some own a home only to look at it.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Opens the jobs of a home, which is made if need be. Blocks while it looks through them, and for a
/// moment while another process owns them that cannot be asked.
///
/// # Errors
/// When the folder or what is in it cannot be read or written. That another process owns them is
/// no error: it is asked instead.
pub fn open(home: &Path) -> Result<Opened, OpenError> {
    let locked = fs::create_dir_all(home).and_then(|()| lock(home));
    let locked = locked.map_err(|source| OpenError::Home {
        home: home.to_owned(),
        source,
    })?;
    match locked {
        Ok(lock) => SledJobs::open(&home.join("jobs"), lock)
            .map(Opened::Owner)
            .map_err(OpenError::Jobs),
        Err(held) => Ok(Opened::Held(ControlClient::new(held))),
    }
}

fn lock(home: &Path) -> io::Result<Result<HomeLock, Held>> {
    let begun = Instant::now();
    loop {
        match HomeLock::take(home)? {
            Err(_) if begun.elapsed() < PATIENCE && !control::answers(home) => thread::sleep(PAUSE),
            taken => return Ok(taken),
        }
    }
}
