//! The index: runs and documents in one sled tree, for reading.
//!
//! A key of 8 bytes, the run's number, holds its [`RunRecord`]; a key of 16, the run's number and
//! the document's index, a [`DocumentRecord`]. Numbers are big-endian, so that a run is followed by
//! its documents in order. Records are JSON of some hundred bytes: nothing becomes a blob.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use docgenie_runtime::job::{DocumentRecord, RunId, RunRecord};
use sled::{Batch, Db, Mode};

use super::IndexError;

/// How long sled may take to open and be looked through. It can hang on files that are damaged.
const OPEN_LIMIT: Duration = Duration::from_secs(120);
/// How often the lock of a store that was closed a moment ago is tried: sled lets go late.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// The highest number that a run was ever given.
const LAST_RUN: &[u8] = b"last";

/// Runs and documents.
#[derive(Debug)]
pub(super) struct Index {
    db: Db,
}

/// What an index held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) runs: Vec<RunRecord>,
    pub(super) last_run: u64,
}

/// Changes to an index that become visible together.
#[derive(Default)]
pub(super) struct Changes(Batch);

impl Index {
    /// Opens an index and looks through all of it. sled can panic or hang on damaged files, so this
    /// happens on a thread that may be given up.
    pub(super) fn open(folder: &Path) -> Result<(Self, Contents), IndexError> {
        let (done, opened) = mpsc::channel();
        let folder = PathBuf::from(folder);
        let work = move || {
            let open = AssertUnwindSafe(|| Self::open_unguarded(&folder));
            let result = panic::catch_unwind(open).unwrap_or(Err(IndexError::Panicked));
            // Nobody waits any more once the time is up.
            drop(done.send(result));
        };
        let spawned = thread::Builder::new().name("jobs-open".to_owned());
        spawned.spawn(work).map_err(IndexError::Thread)?;
        opened
            .recv_timeout(OPEN_LIMIT)
            .unwrap_or(Err(IndexError::Hung))
    }

    fn open_unguarded(folder: &Path) -> Result<(Self, Contents), IndexError> {
        let config = sled::Config::new()
            .path(folder)
            .mode(Mode::LowSpace)
            .cache_capacity(16 << 20)
            .flush_every_ms(None);
        let mut tries = 0;
        let db = loop {
            match config.open() {
                Err(sled::Error::Io(error))
                    if error.kind() == io::ErrorKind::Other && tries < LOCK_TRIES =>
                {
                    tries += 1;
                    thread::sleep(LOCK_PAUSE);
                }
                opened => break opened.map_err(IndexError::Sled)?,
            }
        };
        let index = Self { db };
        let contents = index.contents()?;
        Ok((index, contents))
    }

    /// Everything but the documents, which are counted: an index that has lost some is damaged.
    fn contents(&self) -> Result<Contents, IndexError> {
        let mut contents = Contents::default();
        let mut documents = 0;
        let complete = |runs: &[RunRecord], documents| {
            let expected = runs.last().map_or(0, |run| run.succeeded + run.failed);
            let complete = documents == expected;
            complete.then_some(()).ok_or(IndexError::Incomplete)
        };
        for row in self.db.iter() {
            let (key, value) = row.map_err(IndexError::Sled)?;
            if &*key == LAST_RUN {
                let number = <[u8; 8]>::try_from(&*value).map_err(|_| IndexError::Incomplete)?;
                contents.last_run = u64::from_be_bytes(number);
            } else if key.len() == 8 {
                complete(&contents.runs, documents)?;
                documents = 0;
                contents
                    .runs
                    .push(serde_json::from_slice(&value).map_err(IndexError::Record)?);
            } else {
                let owner = contents.runs.last().map(|run| run_key(run.id));
                if !owner.is_some_and(|owner| key.starts_with(&owner)) {
                    return Err(IndexError::Incomplete);
                }
                documents += 1;
            }
        }
        complete(&contents.runs, documents)?;
        Ok(contents)
    }

    pub(super) fn has_document(&self, run: RunId, index: u64) -> Result<bool, IndexError> {
        let found = self.db.contains_key(document_key(run, index));
        found.map_err(IndexError::Sled)
    }

    /// Documents of a run in index order, from index `from` on.
    pub(super) fn documents(
        &self,
        run: RunId,
        from: u64,
    ) -> impl Iterator<Item = Result<DocumentRecord, IndexError>> + use<> {
        let range = document_key(run, from)..=document_key(run, u64::MAX);
        self.db.range(range).map(|row| {
            let (_, value) = row.map_err(IndexError::Sled)?;
            serde_json::from_slice(&value).map_err(IndexError::Record)
        })
    }

    /// Applies changes; they are durable once the index is flushed.
    pub(super) fn apply(&self, changes: Changes) -> Result<(), IndexError> {
        self.db.apply_batch(changes.0).map_err(IndexError::Sled)
    }

    /// Makes what was applied durable.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        self.db.flush().map(drop).map_err(IndexError::Sled)
    }

    /// Adds the removal of a run's documents to changes.
    pub(super) fn forget_documents(
        &self,
        run: RunId,
        changes: &mut Changes,
    ) -> Result<(), IndexError> {
        for row in self
            .db
            .range(document_key(run, 0)..=document_key(run, u64::MAX))
        {
            let (key, _) = row.map_err(IndexError::Sled)?;
            changes.0.remove(key);
        }
        Ok(())
    }

    /// Removes a run and its documents, for good once it returns.
    pub(super) fn remove(&self, run: RunId) -> Result<(), IndexError> {
        let mut changes = Batch::default();
        for row in self.db.scan_prefix(run_key(run)) {
            let (key, _) = row.map_err(IndexError::Sled)?;
            changes.remove(key);
        }
        self.apply(Changes(changes))?;
        self.flush()
    }
}

impl Changes {
    pub(super) fn last_run(&mut self, number: u64) {
        self.0.insert(LAST_RUN, &number.to_be_bytes());
    }

    pub(super) fn run(&mut self, record: &RunRecord) -> Result<(), IndexError> {
        let value = serde_json::to_vec(record).map_err(IndexError::Record)?;
        self.0.insert(&run_key(record.id), value);
        Ok(())
    }

    pub(super) fn document(
        &mut self,
        run: RunId,
        record: &DocumentRecord,
    ) -> Result<(), IndexError> {
        let value = serde_json::to_vec(record).map_err(IndexError::Record)?;
        let key = document_key(run, record.document.index());
        self.0.insert(&key, value);
        Ok(())
    }
}

fn run_key(run: RunId) -> [u8; 8] {
    run.0.to_be_bytes()
}

fn document_key(run: RunId, index: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&run_key(run));
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}
