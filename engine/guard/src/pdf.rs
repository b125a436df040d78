//! PDFs of strangers: what their streams unfold into is counted before a library unfolds them, all at
//! once and without a limit.
//!
//! Nothing is parsed. Whatever a reader could take for a deflated stream is counted as one, so that it
//! does not matter by which of a PDF's many ways a reader comes to it. Streams that are folded by older
//! means, or hidden in others, are not seen.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, ZlibDecoder};

/// How many streams there may be.
const MAX_STREAMS: usize = 100_000;
/// Bytes that one stream may unfold into.
const MAX_STREAM: u64 = 256 << 20;
/// Bytes that all of them may.
const MAX_TOTAL: u64 = 1 << 30;

/// A PDF that is not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has more than {MAX_STREAMS} streams, or they unfold into more than {} MB, or one into more than {}", 
    MAX_TOTAL >> 20, MAX_STREAM >> 20
)]
pub struct Bomb;

/// Whether the streams of a PDF stay within limits. Takes a few seconds at most.
///
/// # Errors
/// When they do not.
pub fn check(pdf: &[u8]) -> Result<(), Bomb> {
    let mut left = MAX_TOTAL;
    let words = pdf.windows(6).enumerate();
    let begins = words.filter(|(at, word)| {
        *word == b"stream"
            && !pdf
                .get(..*at)
                .is_some_and(|before| before.ends_with(b"end"))
    });
    for (count, (at, word)) in begins.enumerate() {
        if count == MAX_STREAMS {
            return Err(Bomb);
        }
        let body = pdf.get(at + word.len()..).unwrap_or_default();
        let body = body.strip_prefix(b"\r").unwrap_or(body);
        let body = body.strip_prefix(b"\n").unwrap_or(body);
        let limit = MAX_STREAM.min(left);
        let unfolded = unfolded(body, limit);
        if unfolded > limit {
            return Err(Bomb);
        }
        left -= unfolded;
    }
    Ok(())
}

/// How many bytes there are in a deflated stream, counted up to one more than `limit`.
fn unfolded(body: &[u8], limit: u64) -> u64 {
    let reader: Box<dyn Read> = match body {
        [a, b, ..] if a & 15 == 8 && u16::from_be_bytes([*a, *b]) % 31 == 0 => {
            Box::new(ZlibDecoder::new(body))
        }
        _ => Box::new(DeflateDecoder::new(body)),
    };
    let mut counted = 0;
    let mut reader = reader.take(limit + 1);
    let mut block = [0; 1 << 14];
    // A stream that breaks off is read as far as it goes, as readers do.
    while let Some(read @ 1..) = read_some(&mut reader, &mut block) {
        counted += read as u64;
    }
    counted
}

fn read_some(reader: &mut impl Read, block: &mut [u8]) -> Option<usize> {
    loop {
        match reader.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, ZlibEncoder},
    };

    use super::*;

    fn fill(mut packer: impl Write, megabytes: usize) {
        for _ in 0..megabytes {
            packer.write_all(&vec![0; 1 << 20]).unwrap();
        }
    }

    fn zlib(megabytes: usize) -> Vec<u8> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        fill(&mut packer, megabytes);
        packer.finish().unwrap()
    }

    fn pdf(streams: &[&[u8]]) -> Vec<u8> {
        let object = |body: &&[u8]| [b"<<>> stream\r\n", *body, b"\nendstream\n"].concat();
        let objects: Vec<u8> = streams.iter().flat_map(object).collect();
        [b"%PDF-1.7\n".as_slice(), &objects].concat()
    }

    #[test]
    fn bombs_are_found_and_others_pass() {
        assert_eq!(check(b""), Ok(()));
        assert_eq!(check(&pdf(&[&zlib(200), b"0 0 m 9 9 l S", b""])), Ok(()));
        assert_eq!(check(&pdf(&[&zlib(300)])), Err(Bomb));
        let many = zlib(200);
        assert_eq!(check(&pdf(&[&many[..]; 6])), Err(Bomb));
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
        fill(&mut bare, 300);
        assert_eq!(check(&pdf(&[&bare.finish().unwrap()])), Err(Bomb));
        assert_eq!(check(&b"stream\n".repeat(4 << 20)), Err(Bomb));
        // A stream without its end unfolds all the same.
        let whole = zlib(400);
        assert_eq!(check(&pdf(&[&whole[..whole.len() - 99]])), Err(Bomb));
    }
}
