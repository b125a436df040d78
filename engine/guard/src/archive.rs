//! ZIP archives from elsewhere, read within limits.
//!
//! One strict form of the format is taken, which is what the engine writes: entries in a row from
//! the first byte, their directory, its end, nothing else. Whatever readers differ about (comments,
//! bytes before, between and behind the entries, a second directory, 64-bit and streamed sizes,
//! encryption) is refused, so that every reader sees the same files. Nothing is unpacked before the
//! whole directory is found sound, and nothing unpacks to more than the directory says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    ops::Range,
    path::Path,
};

use flate2::read::DeflateDecoder;

/// What an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many entries.
    pub entries: usize,
    /// Bytes of all entries, unpacked; the archive itself may not be longer either.
    pub bytes: u64,
    /// How many times its own length it may unpack to.
    pub ratio: u64,
}

/// An archive whose directory is sound, in memory as it was packed.
#[derive(Debug)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: BTreeMap<String, Entry>,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system does not give it.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// It is no ZIP archive of the one form that is taken.
    #[error("it is not a plain ZIP archive: {0}")]
    Form(&'static str),
    /// It has too many entries.
    #[error("it has {found} entries or more, of which {limit} are taken")]
    Entries {
        /// How many its end admits to.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// It is too large, packed or unpacked.
    #[error("it holds {} or more, of which {} are taken", shown(*.found), shown(*.limit))]
    Bytes {
        /// Bytes.
        found: u64,
        /// Bytes.
        limit: u64,
    },
    /// It unpacks to suspiciously much.
    #[error("it unpacks from {} to {}, which is more than {limit} times as much", shown(*.packed), shown(*.found))]
    Ratio {
        /// Bytes of the archive.
        packed: u64,
        /// Bytes of its entries.
        found: u64,
        /// How many times as much may be.
        limit: u64,
    },
    /// An entry cannot be taken.
    #[error("its entry `{name}` {why}")]
    Entry {
        /// Its name, fit to be printed.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such entry.
    #[error("it has no `{0}`")]
    Missing(String),
}

#[derive(Debug)]
struct Entry {
    header: Header,
    /// Its packed bytes in the archive.
    data: Range<usize>,
}

/// What stands twice: in the directory, and before the packed bytes.
#[derive(Debug, PartialEq)]
struct Header {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Flags that change nothing for a reader: how hard it was deflated, and that its name is UTF-8.
const HARMLESS: u16 = 1 << 1 | 1 << 2 | 1 << 11;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// The upper half of an entry's attributes says what it is, where the maker's system knows.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
/// Bytes of a name.
const NAME_LIMIT: usize = 255;

/// What the headers of an entry, of its line in the directory and of the end begin with.
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_LENGTH: usize = 22;

const CUT: ArchiveError = ArchiveError::Form("it is cut short");
const NO_END: ArchiveError =
    ArchiveError::Form("its last bytes are not the end of one directory without a comment");
const GAPS: ArchiveError = ArchiveError::Form("its entries overlap or have gaps between them");

impl Archive {
    /// Reads an archive and its directory. Names are then plain and relative, with `/` between
    /// their parts; none is there twice, even where the case of letters is not told apart, and none
    /// is the folder of another.
    ///
    /// # Errors
    /// When it cannot be read, is not of the one form or goes over a limit.
    pub fn read(path: &Path, limits: Limits) -> Result<Self, ArchiveError> {
        // A pipe or a device would have no end.
        if !fs::metadata(path).map_err(ArchiveError::Io)?.is_file() {
            return Err(ArchiveError::Form("it is not a file"));
        }
        let file = fs::File::open(path).map_err(ArchiveError::Io)?;
        let mut bytes = Vec::new();
        let mut within = file.take(limits.bytes.saturating_add(1));
        within.read_to_end(&mut bytes).map_err(ArchiveError::Io)?;
        Self::of(bytes, limits)
    }

    /// As [`Self::read`], of bytes.
    ///
    /// # Errors
    /// When they are not of the one form or go over a limit.
    pub fn of(bytes: Vec<u8>, limits: Limits) -> Result<Self, ArchiveError> {
        let length = bytes.len() as u64;
        check_bytes(length, limits.bytes)?;
        let (directory, headers) = directory(&bytes, limits.entries)?;
        let found = headers.iter().map(|(it, _)| u64::from(it.size)).sum();
        check_bytes(found, limits.bytes)?;
        if found > length.saturating_mul(limits.ratio) {
            return Err(ArchiveError::Ratio {
                packed: length,
                found,
                limit: limits.ratio,
            });
        }
        let entries = named(placed(headers, &bytes[..directory])?)?;
        Ok(Self { bytes, entries })
    }

    /// The names of its entries, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Unpacks an entry.
    ///
    /// # Errors
    /// When there is none of this name, or it is not what the directory says.
    pub fn unpack(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let missing = || ArchiveError::Missing(name.to_owned());
        let Entry { header, data } = self.entries.get(name).ok_or_else(missing)?;
        let packed = &self.bytes[data.clone()];
        let (bytes, whole) = match header.method {
            STORED => (packed.to_vec(), true),
            _ => {
                let mut bytes = Vec::new();
                let mut decoder = DeflateDecoder::new(packed);
                let mut within = decoder.by_ref().take(u64::from(header.size) + 1);
                let unpacked = within.read_to_end(&mut bytes);
                unpacked.map_err(|_| header.refused("is damaged"))?;
                (bytes, decoder.total_in() == packed.len() as u64)
            }
        };
        if !whole || bytes.len() as u64 != u64::from(header.size) {
            return Err(header.refused("does not unpack to as many bytes as it says"));
        }
        if crc32fast::hash(&bytes) != header.crc {
            return Err(header.refused("is damaged: its checksum differs"));
        }
        Ok(bytes)
    }
}

fn check_bytes(found: u64, limit: u64) -> Result<(), ArchiveError> {
    if found > limit {
        return Err(ArchiveError::Bytes { found, limit });
    }
    Ok(())
}

/// Where the directory starts, and what it lists: headers, and where in the archive they are said
/// to stand again.
fn directory(bytes: &[u8], limit: usize) -> Result<(usize, Vec<(Header, usize)>), ArchiveError> {
    let end = bytes.len().checked_sub(END_LENGTH).ok_or(NO_END)?;
    let mut fields = Fields(&bytes[end..]);
    if fields.u32()? != END {
        return Err(NO_END);
    }
    let (disk, first_disk) = (fields.u16()?, fields.u16()?);
    let (here, found) = (fields.u16()?, usize::from(fields.u16()?));
    let (length, start) = (fields.u32()? as usize, fields.u32()? as usize);
    let comment = fields.u16()?;
    if found > limit {
        return Err(ArchiveError::Entries { found, limit });
    }
    let is_one = (disk, first_disk, usize::from(here), comment) == (0, 0, found, 0);
    if !is_one || start.checked_add(length) != Some(end) {
        return Err(NO_END);
    }
    let mut fields = Fields(&bytes[start..end]);
    let headers: Result<Vec<_>, _> = (0..found).map(|_| fields.central()).collect();
    match fields.0 {
        [] => Ok((start, headers?)),
        _ => headers.and(Err(ArchiveError::Form(
            "its directory lists more than its end says",
        ))),
    }
}

/// Entries and their packed bytes. `bytes` are those before the directory; the entries fill them
/// without a gap, so that none overlaps another.
fn placed(mut headers: Vec<(Header, usize)>, bytes: &[u8]) -> Result<Vec<Entry>, ArchiveError> {
    headers.sort_by_key(|(_, start)| *start);
    let mut fields = Fields(bytes);
    let mut entries = Vec::new();
    for (header, start) in headers {
        if start != bytes.len() - fields.0.len() {
            return Err(GAPS);
        }
        if fields.local()? != header {
            return Err(header.refused("is described in two ways"));
        }
        let start = bytes.len() - fields.0.len();
        let length = fields.take(header.packed as usize)?.len();
        let data = start..start + length;
        entries.push(Entry { header, data });
    }
    match fields.0 {
        [] => Ok(entries),
        _ => Err(GAPS),
    }
}

/// The entries by their names.
fn named(entries: Vec<Entry>) -> Result<BTreeMap<String, Entry>, ArchiveError> {
    let mut by_name = BTreeMap::new();
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        let header = &entry.header;
        let name = plain(&header.name).ok_or_else(|| {
            header.refused("has a name that is not a plain relative path of at most 255 bytes")
        })?;
        let folded = name.to_lowercase();
        let above = folded.match_indices('/').map(|(at, _)| &folded[..at]);
        let above: Vec<_> = above.map(str::to_owned).collect();
        let clashes = folders.contains(&folded) || above.iter().any(|it| files.contains(it));
        folders.extend(above);
        if clashes || !files.insert(folded) {
            return Err(header.refused("has the name of another, but for the case of letters"));
        }
        by_name.insert(name.to_owned(), entry);
    }
    Ok(by_name)
}

/// A name as text, if it is a plain relative path.
fn plain(name: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(name).ok()?;
    let part = |part: &str| !matches!(part, "" | "." | "..");
    let sign = |c: char| c.is_control() || matches!(c, '\\' | ':');
    let is_plain = text.len() <= NAME_LIMIT && text.split('/').all(part) && !text.contains(sign);
    is_plain.then_some(text)
}

impl Header {
    fn refused(&self, why: &'static str) -> ArchiveError {
        let text = String::from_utf8_lossy(&self.name);
        let mut name: String = text.escape_debug().take(80).collect();
        if name.len() < text.len() {
            name.push('…');
        }
        ArchiveError::Entry { name, why }
    }

    /// Whether it can be read at all, and is a file.
    fn check(&self, attributes: u32) -> Result<(), ArchiveError> {
        let kind = (attributes >> 16) & KIND;
        if self.flags & ENCRYPTED != 0 {
            Err(self.refused("is encrypted"))
        } else if self.flags & !HARMLESS != 0 || !matches!(self.method, STORED | DEFLATED) {
            Err(self.refused("is packed in a way that is not taken: store or deflate it"))
        } else if kind != 0 && kind != REGULAR {
            Err(self.refused("is a link, a folder or a device, not a file"))
        } else {
            Ok(())
        }
    }
}

/// Bytes that are still to be read, as fields in little-endian order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ArchiveError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, ArchiveError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ArchiveError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A line of the directory, and where its entry is said to start.
    fn central(&mut self) -> Result<(Header, usize), ArchiveError> {
        if self.u32()? != CENTRAL {
            return Err(CUT);
        }
        let _made_by = self.u16()?;
        let mut header = self.facts()?;
        let (name, extra, comment) = (self.u16()?, self.u16()?, self.u16()?);
        let (_disk, _internal) = (self.u16()?, self.u16()?);
        let attributes = self.u32()?;
        let start = self.u32()? as usize;
        header.name = self.take(name.into())?.to_vec();
        self.take(usize::from(extra) + usize::from(comment))?;
        header.check(attributes)?;
        Ok((header, start))
    }

    /// The header before an entry's packed bytes.
    fn local(&mut self) -> Result<Header, ArchiveError> {
        if self.u32()? != LOCAL {
            return Err(GAPS);
        }
        let mut header = self.facts()?;
        let (name, extra) = (self.u16()?, self.u16()?);
        header.name = self.take(name.into())?.to_vec();
        self.take(extra.into())?;
        Ok(header)
    }

    /// What both kinds of header have in common, up to the lengths of what follows.
    fn facts(&mut self) -> Result<Header, ArchiveError> {
        let _needed = self.u16()?;
        let (flags, method) = (self.u16()?, self.u16()?);
        let _changed = self.u32()?;
        let (crc, packed, size) = (self.u32()?, self.u32()?, self.u32()?);
        Ok(Header {
            name: Vec::new(),
            flags,
            method,
            crc,
            packed,
            size,
        })
    }
}

/// Bytes as people read them.
fn shown(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests;
