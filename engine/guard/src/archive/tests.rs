//! Archives as others make them, and as nobody should.

use std::io::{Cursor, Write};

use flate2::{Compression, write::DeflateEncoder};

use super::*;

const LIMITS: Limits = Limits {
    entries: 100,
    bytes: 64 << 20,
    ratio: 200,
};

/// An entry as both of its headers describe it, true or not.
#[derive(Clone)]
struct Raw {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    packed: Vec<u8>,
    size: u32,
    crc: u32,
    mode: u32,
}

impl Raw {
    fn stored(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            flags: 0,
            method: STORED,
            packed: bytes.to_vec(),
            size: bytes.len() as u32,
            crc: crc32fast::hash(bytes),
            mode: 0o100_644,
        }
    }

    fn deflated(name: &str, bytes: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        Self {
            method: DEFLATED,
            packed: encoder.finish().unwrap(),
            ..Self::stored(name, bytes)
        }
    }

    fn facts(&self, to: &mut Vec<u8>) {
        for field in [20, self.flags, self.method, 0, 0x21] {
            to.extend(field.to_le_bytes());
        }
        for field in [self.crc, self.packed.len() as u32, self.size] {
            to.extend(field.to_le_bytes());
        }
        to.extend((self.name.len() as u16).to_le_bytes());
        to.extend([0, 0]);
    }

    fn local(&self, to: &mut Vec<u8>) {
        to.extend(LOCAL.to_le_bytes());
        self.facts(to);
        to.extend(&self.name);
        to.extend(&self.packed);
    }

    fn central(&self, start: u32, to: &mut Vec<u8>) {
        to.extend(CENTRAL.to_le_bytes());
        to.extend([20, 3]);
        self.facts(to);
        to.extend([0; 6]);
        to.extend((self.mode << 16).to_le_bytes());
        to.extend(start.to_le_bytes());
        to.extend(&self.name);
    }
}

/// The bytes of an archive; `starts` are where the directory says that the entries start.
fn with_starts(entries: &[Raw], starts: impl Fn(usize, u32) -> u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let start = bytes.len() as u32;
        entry.local(&mut bytes);
        entry.central(starts(index, start), &mut directory);
    }
    let (start, length) = (bytes.len() as u32, directory.len() as u32);
    bytes.extend(directory);
    bytes.extend(END.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend([(entries.len() as u16).to_le_bytes(); 2].concat());
    bytes.extend(length.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn archive(entries: &[Raw]) -> Vec<u8> {
    with_starts(entries, |_, start| start)
}

#[track_caller]
fn refused(bytes: Vec<u8>, expected: &str) {
    let error = Archive::of(bytes, LIMITS).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

/// As [`refused`], of an archive whose directory is sound.
#[track_caller]
fn refused_unpacked(entry: Raw, expected: &str) {
    let name = String::from_utf8(entry.name.clone()).unwrap();
    let archive = Archive::of(archive(&[entry]), LIMITS).unwrap();
    assert_eq!(archive.unpack(&name).unwrap_err().to_string(), expected);
}

#[test]
fn files_come_out_as_they_went_in() {
    let long = b"to and fro, ".repeat(1000);
    let both = archive(&[
        Raw::stored("b/ü.txt", b"stored"),
        Raw::deflated("a.txt", &long),
        Raw::stored("empty", b""),
    ]);
    let read = Archive::of(both, LIMITS).unwrap();
    assert_eq!(
        read.names().collect::<Vec<_>>(),
        ["a.txt", "b/ü.txt", "empty"]
    );
    assert_eq!(read.unpack("a.txt").unwrap(), long);
    assert_eq!(read.unpack("b/ü.txt").unwrap(), b"stored");
    assert_eq!(read.unpack("empty").unwrap(), b"");
    let missing = read.unpack("b").unwrap_err();
    assert_eq!(missing.to_string(), "it has no `b`");
    let none = Archive::of(archive(&[]), LIMITS).unwrap();
    assert_eq!(none.names().count(), 0);
}

#[test]
fn what_the_engine_writes_is_read() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let options = options.last_modified_time(zip::DateTime::default());
    for (name, method) in [
        ("plain.txt", zip::CompressionMethod::Stored),
        ("ü/packed.txt", zip::CompressionMethod::Deflated),
    ] {
        let options = options.compression_method(method);
        writer.start_file(name, options).unwrap();
        writer.write_all(name.repeat(50).as_bytes()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let read = Archive::of(bytes, LIMITS).unwrap();
    for name in ["plain.txt", "ü/packed.txt"] {
        assert_eq!(read.unpack(name).unwrap(), name.repeat(50).as_bytes());
    }
}

#[test]
fn bombs_are_refused_by_their_numbers_before_they_unpack() {
    let zeros = Raw::deflated("zeros", &vec![0; 16 << 20]);
    refused(
        archive(std::slice::from_ref(&zeros)),
        "it unpacks from 17 KiB to 16 MiB, which is more than 200 times as much",
    );
    let many = ["a", "b", "c", "d", "e"].map(|name| Raw {
        name: name.as_bytes().to_vec(),
        ..zeros.clone()
    });
    refused(
        archive(&many),
        "it holds 80 MiB or more, of which 64 MiB are taken",
    );
    refused(
        vec![0; (64 << 20) + 1],
        "it holds 65 MiB or more, of which 64 MiB are taken",
    );
    // One that says that it is small stops there.
    refused_unpacked(
        Raw { size: 99, ..zeros },
        "its entry `zeros` does not unpack to as many bytes as it says",
    );
}

#[test]
fn sizes_and_checksums_are_compared() {
    let good = Raw::deflated("a", b"some text");
    let longer = Raw {
        size: 10,
        ..good.clone()
    };
    let lies = "its entry `a` does not unpack to as many bytes as it says";
    refused_unpacked(longer, lies);
    let mut followed = good.clone();
    followed.packed.extend(b"more behind its end");
    refused_unpacked(followed, lies);
    refused_unpacked(
        Raw {
            size: 3,
            ..Raw::stored("a", b"text")
        },
        lies,
    );
    refused_unpacked(
        Raw {
            crc: 1,
            ..good.clone()
        },
        "its entry `a` is damaged: its checksum differs",
    );
    let mut cut = good;
    cut.packed.truncate(5);
    refused_unpacked(cut, "its entry `a` is damaged");
}

#[test]
fn a_hundred_thousand_entries_are_not_listed() {
    let entries: Vec<_> = (0..100_000)
        .map(|number| Raw::stored(&number.to_string(), b""))
        .collect();
    // The field for their number has 16 bits.
    refused(
        archive(&entries),
        "it has 34464 entries or more, of which 100 are taken",
    );
    let mut few = archive(&entries);
    let end = few.len() - END_LENGTH;
    few[end + 8..end + 12].copy_from_slice(&[3, 0, 3, 0]);
    refused(
        few,
        "it is not a plain ZIP archive: its directory lists more than its end says",
    );
}

#[test]
fn entries_neither_overlap_nor_leave_room() {
    let two = [Raw::stored("a", b"text"), Raw::stored("b", b"text")];
    let gaps = "it is not a plain ZIP archive: its entries overlap or have gaps between them";
    // Both names for one entry, as bombs have it.
    refused(with_starts(&two, |_, _| 0), gaps);
    refused(with_starts(&two, |index, start| start + index as u32), gaps);
    refused(with_starts(&two, |_, _| u32::MAX), gaps);
    // An entry around another archive.
    let inner = archive(&two);
    let read = Archive::of(archive(&[Raw::stored("zip", &inner)]), LIMITS).unwrap();
    assert_eq!(read.names().collect::<Vec<_>>(), ["zip"]);
    // Something before, between and behind.
    let mut before = b"#!/bin/sh\n".to_vec();
    before.extend(archive(&two));
    let form = "it is not a plain ZIP archive: its last bytes are not the end of one directory without a comment";
    refused(before, form);
    let mut behind = archive(&two);
    behind.extend(b"more");
    refused(behind, form);
    let mut commented = archive(&two);
    let comment = commented.len() - 2;
    commented[comment] = 1;
    commented.push(b'!');
    refused(commented, form);
    let mut unlisted = Vec::new();
    Raw::stored("c", b"").local(&mut unlisted);
    let shift = unlisted.len();
    let mut shifted = [unlisted, with_starts(&two, |_, start| start + shift as u32)].concat();
    let start = shifted.len() - 6;
    let directory = u32::from_le_bytes(shifted[start..start + 4].try_into().unwrap());
    shifted[start..start + 4].copy_from_slice(&(directory + shift as u32).to_le_bytes());
    refused(shifted, gaps);
}

#[test]
fn both_descriptions_of_an_entry_agree() {
    let mut bytes = archive(&[Raw::stored("a", b"text")]);
    let local_name = bytes.iter().position(|byte| *byte == b'a').unwrap();
    bytes[local_name] = b'b';
    refused(bytes, "its entry `a` is described in two ways");
}

#[test]
fn every_cut_is_noticed() {
    let whole = archive(&[Raw::deflated("a", b"some text"), Raw::stored("b", b"text")]);
    Archive::of(whole.clone(), LIMITS).unwrap();
    for length in 0..whole.len() {
        let cut = Archive::of(whole[..length].to_vec(), LIMITS);
        assert!(matches!(cut, Err(ArchiveError::Form(_))), "{length}");
    }
}

#[test]
fn no_byte_that_is_changed_does_harm() {
    let names = ["a", "b"];
    let whole = archive(&[Raw::deflated("a", b"some text"), Raw::stored("b", b"text")]);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            if let Ok(read) = Archive::of(changed, LIMITS) {
                // Times, versions and the case of a name are not guarded by anything.
                for name in names {
                    if let Ok(bytes) = read.unpack(name) {
                        let text: &[u8] = if name == "a" { b"some text" } else { b"text" };
                        assert_eq!(bytes, text, "bit {bit} of byte {at}");
                    }
                }
            }
        }
    }
}

#[test]
fn names_are_plain_relative_paths() {
    let why = "has a name that is not a plain relative path of at most 255 bytes";
    for (name, shown) in [
        ("", ""),
        ("/etc/passwd", "/etc/passwd"),
        ("../up", "../up"),
        ("a/../../b", "a/../../b"),
        ("./a", "./a"),
        ("a//b", "a//b"),
        ("folder/", "folder/"),
        ("a\\b", "a\\\\b"),
        ("c:a", "c:a"),
        ("a\0b", "a\\0b"),
        ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
    ] {
        let expected = format!("its entry `{shown}` {why}");
        refused(archive(&[Raw::stored(name, b"")]), &expected);
    }
    let not_text = Raw {
        name: vec![0xff],
        ..Raw::stored("", b"")
    };
    refused(archive(&[not_text]), &format!("its entry `\u{fffd}` {why}"));
    let huge = "a".repeat(60_000);
    refused(
        archive(&[Raw::stored(&huge, b"")]),
        &format!("its entry `{}…` {why}", &huge[..80]),
    );
}

#[test]
fn no_two_names_meet_on_any_file_system() {
    for (one, other) in [
        ("a.txt", "a.txt"),
        ("Plugin.wasm", "plugin.WASM"),
        ("Ü", "ü"),
        ("a", "A/b"),
        ("a/b/c", "a/b"),
    ] {
        let both = archive(&[Raw::stored(one, b""), Raw::stored(other, b"")]);
        let expected =
            format!("its entry `{other}` has the name of another, but for the case of letters");
        refused(both, &expected);
    }
    let apart = archive(&[Raw::stored("a/b", b""), Raw::stored("a/bc", b"")]);
    Archive::of(apart, LIMITS).unwrap();
}

#[test]
fn only_files_and_only_packed_plainly() {
    let plain = Raw::stored("a", b"/etc/passwd");
    for kind in [0o120_777, 0o040_755, 0o020_666, 0o010_666] {
        let special = Raw {
            mode: kind,
            ..plain.clone()
        };
        refused(
            archive(&[special]),
            "its entry `a` is a link, a folder or a device, not a file",
        );
    }
    for (flags, method, why) in [
        (1, STORED, "is encrypted"),
        (1 << 6 | 1, DEFLATED, "is encrypted"),
        (1 << 13, DEFLATED, "is encrypted"),
        (
            1 << 3,
            DEFLATED,
            "is packed in a way that is not taken: store or deflate it",
        ),
        (
            0,
            12,
            "is packed in a way that is not taken: store or deflate it",
        ),
        (
            0,
            99,
            "is packed in a way that is not taken: store or deflate it",
        ),
    ] {
        let odd = Raw {
            flags,
            method,
            ..plain.clone()
        };
        refused(archive(&[odd]), &format!("its entry `a` {why}"));
    }
}

#[test]
fn only_files_are_read() {
    let place = tempfile::tempdir().unwrap();
    let folder = Archive::read(place.path(), LIMITS).unwrap_err();
    assert_eq!(
        folder.to_string(),
        "it is not a plain ZIP archive: it is not a file"
    );
    let missing = Archive::read(&place.path().join("no"), LIMITS).unwrap_err();
    assert!(matches!(missing, ArchiveError::Io(_)));
}
