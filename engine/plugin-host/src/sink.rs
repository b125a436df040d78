//! Where an export is written: a part of the dataset that nobody sees before it is whole.

use std::{
    collections::HashSet,
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, BufWriter, Write},
};

use docgenie_runtime::files::{DatasetFileError, DatasetPart};

use crate::limits::Exceeded;

/// Bytes of a path and parts of it: what every file system holds.
const PATH_LIMIT: usize = 240;
const DEPTH_LIMIT: usize = 16;
/// Files of one export.
const FILES_LIMIT: usize = 10_000_000;
/// Bytes that one file gathers before they are written.
const BUFFER: usize = 64 << 10;

/// The output of one export.
#[derive(Debug)]
pub(crate) struct Sink {
    part: DatasetPart,
    /// Bytes that may still be written.
    left: u64,
    limit: u64,
    /// Hashes of the paths taken, without regard to case: some file systems have none.
    taken: HashSet<u64>,
    hasher: RandomState,
}

/// A file of an export that is being written.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "generated code names it")]
pub struct OpenFile {
    path: String,
    file: BufWriter<File>,
}

/// Why the sink takes something not.
#[derive(Debug)]
pub(crate) enum Refusal {
    BadPath(String),
    Exists(String),
    OverQuota(Exceeded),
    Io(DatasetFileError),
}

impl Sink {
    pub(crate) fn new(part: DatasetPart, limit: u64) -> Self {
        Self {
            part,
            left: limit,
            limit,
            taken: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// Grows with every path and every byte.
    pub(crate) fn written(&self) -> (usize, u64) {
        (self.taken.len(), self.limit - self.left)
    }

    pub(crate) fn create(&mut self, path: &str) -> Result<OpenFile, Refusal> {
        self.claim(path)?;
        let file = self.part.create(path).map_err(refused)?;
        Ok(OpenFile {
            path: path.to_owned(),
            file: BufWriter::with_capacity(BUFFER, file),
        })
    }

    pub(crate) fn write(&mut self, file: &mut OpenFile, bytes: &[u8]) -> Result<(), Refusal> {
        self.spend(bytes.len())?;
        let written = file.file.write_all(bytes);
        written.map_err(|source| Refusal::Io(file.failed(source)))
    }

    pub(crate) fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        self.claim(path)?;
        self.spend(bytes.len())?;
        self.part.write(path, bytes).map_err(refused)
    }

    /// Each path once, whatever its case, and none that some system cannot have.
    fn claim(&mut self, path: &str) -> Result<(), Refusal> {
        let bad = |why: &str| Refusal::BadPath(format!("`{}` {why}", path.escape_debug()));
        if path.len() > PATH_LIMIT || path.split('/').count() > DEPTH_LIMIT {
            return Err(bad("is too long"));
        }
        if path
            .chars()
            .any(|c| c.is_control() || is_unseen(c) || "<>:\"|?*\\".contains(c))
        {
            return Err(bad("has characters that some file systems do not take"));
        }
        let awkward =
            |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(['.', ' ']);
        if path.split('/').any(awkward) {
            return Err(bad("is not a plain relative path"));
        }
        if path.split('/').any(is_device) {
            return Err(bad("is no name on some systems"));
        }
        if self.taken.len() >= FILES_LIMIT {
            return Err(Refusal::OverQuota(Exceeded::Count {
                what: "files",
                wanted: FILES_LIMIT + 1,
                limit: FILES_LIMIT,
            }));
        }
        if !self.taken.insert(self.hasher.hash_one(path.to_lowercase())) {
            return Err(Refusal::Exists(format!("`{path}` is written twice")));
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or(Refusal::OverQuota(Exceeded::Output(self.limit)))?;
        Ok(())
    }
}

/// Whether a character has no shape of its own, so that two paths can look alike.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether this is a device on Windows, whatever its ending.
fn is_device(part: &str) -> bool {
    let stem = part
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let numbered = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"));
    let number = numbered.and_then(|digit| digit.parse::<u8>().ok());
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || number.is_some_and(|it| it < 10)
}

impl OpenFile {
    /// Writes what is still in memory.
    pub(crate) fn close(mut self) -> Result<(), DatasetFileError> {
        self.file.flush().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> DatasetFileError {
        DatasetFileError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn refused(error: DatasetFileError) -> Refusal {
    match error {
        DatasetFileError::Path(path) => {
            Refusal::BadPath(format!("`{path}` is not a plain relative path"))
        }
        DatasetFileError::Twice(path) => Refusal::Exists(format!("`{path}` is written twice")),
        error @ DatasetFileError::Io { .. } => Refusal::Io(error),
    }
}
