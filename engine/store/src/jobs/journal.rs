//! The journals: one append-only file a run, one line an event.
//!
//! ```text
//! 5c3a91f0 1 {"event":"started",…}
//! 08d1e2b7 2 {"event":"document-succeeded",…}
//! ```
//!
//! The first word is the CRC-32 of the rest of the line, the second counts lines from 1. JSON has no
//! raw line breaks, so that reading finds its place again behind a damaged line. A run's journal
//! holds each of its events once, so journals need no compaction. A run is there as long as its
//! journal is.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    thread,
};

use docgenie_runtime::{
    files,
    job::{JobEvent, RunId},
};

/// The folder of journals.
#[derive(Clone, Debug)]
pub(super) struct Journals {
    folder: PathBuf,
}

/// What reading a journal has found beside events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// The number of the last line that can be read.
    pub(super) last: u64,
    /// The number of the last line that is missing or cannot be read; 0 where there is none.
    pub(super) missing: u64,
    /// Whether it ends in the middle of a line, as an append that was cut short leaves it.
    pub(super) torn: bool,
}

impl Condition {
    /// Whether it is a sound journal of this many events.
    pub(super) fn sound(self, events: u64) -> bool {
        self.last == events && self.missing == 0 && !self.torn
    }
}

impl Journals {
    /// The journals in this folder, which is made if need be, and whether it had to be.
    pub(super) fn open(folder: PathBuf) -> io::Result<(Self, bool)> {
        let missing = !folder.exists();
        fs::create_dir_all(&folder)?;
        Ok((Self { folder }, missing))
    }

    /// The runs that have a journal.
    pub(super) fn runs(&self) -> io::Result<BTreeSet<RunId>> {
        let mut runs = BTreeSet::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let journal = path.extension().is_some_and(|it| it == EXTENSION);
            let name = path.file_stem().and_then(|stem| stem.to_str());
            runs.extend(
                name.filter(|_| journal)
                    .and_then(|it| it.parse::<RunId>().ok()),
            );
        }
        Ok(runs)
    }

    /// The bytes of all journals.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        super::bytes_below(&self.folder)
    }

    /// Hands every readable event behind line `after` to `each`, until it breaks off. A run without a journal has no
    /// events.
    pub(super) fn read(
        &self,
        run: RunId,
        after: u64,
        mut each: impl FnMut(u64, JobEvent) -> ControlFlow<()>,
    ) -> io::Result<Condition> {
        let mut condition = Condition::default();
        let file = match File::open(self.path(run)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(condition),
            file => file?,
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.pop_if(|byte| *byte == b'\n').is_none() {
                condition.torn = true;
                break;
            }
            let behind = |number: &u64| *number > condition.last;
            match parse(&line).filter(|(number, _)| behind(number)) {
                Some((number, event)) => {
                    if number > condition.last + 1 {
                        condition.missing = number - 1;
                    }
                    condition.last = number;
                    if number > after && each(number, decode(number, event)?).is_break() {
                        break;
                    }
                }
                None => condition.missing = condition.last + 1,
            }
            line.clear();
        }
        Ok(condition)
    }

    /// Appends events as lines from `first` on. They are durable once the append is flushed and, where
    /// it creates the journal, the folder synchronised. A failure leaves the journal as it was or,
    /// where even that fails, with a tail that opening the store repairs.
    pub(super) fn append(&self, run: RunId, first: u64, events: &[JobEvent]) -> io::Result<Append> {
        let lines = lines(first, events)?;
        let path = self.path(run);
        let mut file = File::options().create(true).append(true).open(&path)?;
        let before = file.metadata()?.len();
        let written = file.write_all(&lines);
        if written.is_err() {
            file.set_len(before).ok();
        }
        written?;
        let creates = first == 1;
        Ok(Append {
            file,
            before,
            creates,
        })
    }

    /// Writes a journal anew.
    pub(super) fn rewrite(&self, run: RunId, events: &[JobEvent]) -> io::Result<()> {
        let path = self.path(run);
        files::write_atomically(&path, &lines(1, events)?)?;
        File::open(&path)?.sync_data()?;
        self.sync()
    }

    /// Moves a journal aside that tells nothing any more.
    pub(super) fn set_aside(&self, run: RunId) -> io::Result<()> {
        let path = self.path(run);
        fs::rename(&path, path.with_extension("damaged"))?;
        self.sync()
    }

    pub(super) fn remove(&self, run: RunId) -> io::Result<()> {
        match fs::remove_file(self.path(run)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync(),
        }
    }

    fn path(&self, run: RunId) -> PathBuf {
        self.folder.join(format!("{run}.{EXTENSION}"))
    }

    /// Makes the names of new journals durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_folder(&self.folder)
    }
}

/// Lines that were written and are not yet durable.
pub(super) struct Append {
    file: File,
    before: u64,
    creates: bool,
}

impl Append {
    /// Whether they are the first of their journal.
    pub(super) const fn creates(&self) -> bool {
        self.creates
    }

    /// Makes them durable, or takes them back.
    pub(super) fn flush(&self) -> io::Result<()> {
        let flushed = self.file.sync_data();
        if flushed.is_err() {
            self.take_back().ok();
        }
        flushed
    }

    /// Leaves the journal as it was before.
    pub(super) fn take_back(&self) -> io::Result<()> {
        self.file.set_len(self.before)
    }
}

/// Makes lines of several journals durable, or takes them back, side by side: a file system makes one
/// step of flushes that wait for it together, and as many of those that come one by one.
pub(super) fn flush(appends: &[Append]) -> Vec<io::Result<()>> {
    let flush = |part: &[Append]| part.iter().map(Append::flush).collect::<Vec<_>>();
    let each = appends.len().div_ceil(SIDE_BY_SIDE).max(1);
    thread::scope(|scope| {
        let mut parts = appends.chunks(each);
        let own = parts.next().unwrap_or_default();
        let others = parts.map(|part| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || flush(part));
            (part, thread)
        });
        let others: Vec<_> = others.collect();
        let mut flushed = flush(own);
        for (part, thread) in others {
            flushed.extend(match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(results)) => results,
                // There was no thread for it.
                _ => flush(part),
            });
        }
        flushed
    })
}

const EXTENSION: &str = "jsonl";
/// Journals that are flushed at once.
const SIDE_BY_SIDE: usize = 16;

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn lines(first: u64, events: &[JobEvent]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (number, event) in (first..).zip(events) {
        let body = format!("{number} {}", serde_json::to_string(event)?);
        writeln!(lines, "{:08x} {body}", crc32fast::hash(body.as_bytes()))?;
    }
    Ok(lines)
}

/// The number and the JSON of a line, if its checksum is right.
fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
    let (checksum, body) = line.split_at_checked(9)?;
    let checksum = std::str::from_utf8(checksum).ok()?.strip_suffix(' ')?;
    let checksum = u32::from_str_radix(checksum, 16).ok()?;
    let space = body.iter().position(|byte| *byte == b' ')?;
    let (number, json) = body.split_at(space);
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    (crc32fast::hash(body) == checksum).then_some((number, json))
}

/// A line with the right checksum is what some engine has written.
fn decode(number: u64, json: &[u8]) -> io::Result<JobEvent> {
    serde_json::from_slice(json).map_err(|error| {
        let why = format!("line {number} was written by another version of the engine: {error}");
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}

#[cfg(test)]
mod tests {
    use docgenie_runtime::job::conformance::{failed, started, succeeded};

    use super::*;

    const RUN: RunId = RunId(1);

    fn check(damage: impl Fn(&mut Vec<u8>), expected: &[u64], condition: Condition) {
        let folder = tempfile::tempdir().unwrap();
        let (journals, _) = Journals::open(folder.path().to_owned()).unwrap();
        let events = [started(9), succeeded(0), failed(1), succeeded(2)];
        let first = journals.append(RUN, 1, &events[..2]).unwrap();
        let second = journals.append(RUN, 3, &events[2..]).unwrap();
        for flushed in flush(&[first, second]) {
            flushed.unwrap();
        }
        let mut text = fs::read(journals.path(RUN)).unwrap();
        damage(&mut text);
        files::write_atomically(&journals.path(RUN), &text).unwrap();

        let mut found = Vec::new();
        let read = journals
            .read(RUN, 0, |_, event| {
                found.push(event);
                ControlFlow::Continue(())
            })
            .unwrap();
        let numbers = found.iter().map(|it| events.iter().position(|e| e == it));
        let numbers: Vec<_> = numbers.map(|it| it.unwrap() as u64 + 1).collect();
        assert_eq!((numbers.as_slice(), read), (expected, condition));
    }

    fn condition(last: u64, missing: u64, torn: bool) -> Condition {
        Condition {
            last,
            missing,
            torn,
        }
    }

    fn breaks(text: &[u8]) -> Vec<usize> {
        let all = text.iter().enumerate();
        all.filter(|(_, byte)| **byte == b'\n')
            .map(|(at, _)| at)
            .collect()
    }

    #[test]
    fn reading_finds_its_place_behind_damage() {
        check(|_| {}, &[1, 2, 3, 4], condition(4, 0, false));
        let flip = |text: &mut Vec<u8>| {
            let at = breaks(text)[0] + 20;
            text[at] ^= 1;
        };
        check(flip, &[1, 3, 4], condition(4, 2, false));
        let join = |text: &mut Vec<u8>| {
            let at = breaks(text)[1];
            text[at] = b' ';
        };
        check(join, &[1, 4], condition(4, 3, false));
        let flip_last = |text: &mut Vec<u8>| {
            let at = text.len() - 5;
            text[at] ^= 1;
        };
        check(flip_last, &[1, 2, 3], condition(3, 4, false));
        let cut = |text: &mut Vec<u8>| text.truncate(text.len() - 3);
        check(cut, &[1, 2, 3], condition(3, 0, true));
        let cut_at_break = |text: &mut Vec<u8>| text.truncate(breaks(text)[2] + 1);
        check(cut_at_break, &[1, 2, 3], condition(3, 0, false));
        check(Vec::clear, &[], condition(0, 0, false));
    }

    #[test]
    fn an_event_of_another_version_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (journals, _) = Journals::open(folder.path().to_owned()).unwrap();
        let body = "1 {\"event\":\"forked\"}";
        let line = format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()));
        files::write_atomically(&journals.path(RUN), line.as_bytes()).unwrap();
        let error = journals
            .read(RUN, 0, |_, _| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 1 was written by another"), "{error}");
        assert!(error.contains("forked"), "{error}");
    }
}
