//! PDFs of strangers are drawn by a child of the engine: what a hostile one does to memory and time ends
//! with it.
//!
//! The child writes a line, `WIDTH HEIGHT` in pixels and `WIDTH HEIGHT` in points, then the pixels as RGB;
//! or a line that says what is wrong.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use docgenie_guard::{
    child::{self, Launch},
    picture::Picture,
};
use tempfile::NamedTempFile;
use tracing::debug;

use super::{LONGEST, PATIENCE, picture};
use crate::raster;

/// The command of the engine that draws.
const COMMAND: &str = "draw-first-page";
/// Bytes of memory that a child may ask for.
const MEMORY: u64 = 2 << 30;

/// The first page of a PDF.
pub(super) fn first_page(pdf: &[u8], program: &Path) -> Result<Picture, String> {
    let kept = NamedTempFile::new().and_then(|mut file| {
        file.write_all(pdf)?;
        Ok(file)
    });
    let kept = kept.map_err(|error| format!("it cannot be kept to be drawn: {error}"))?;
    let launch = Launch::new(program).args([COMMAND]).args([kept.path()]);
    let told = child::output(&launch, PATIENCE).map_err(|error| {
        debug!(%error, "a seed could not be drawn");
        let (seconds, megabytes) = (PATIENCE.as_secs(), MEMORY >> 20);
        format!("it is broken, or is not drawn within {seconds} s and {megabytes} MB")
    })?;
    let line = told.iter().position(|byte| *byte == b'\n');
    let (line, rgb) = told.split_at(line.unwrap_or(told.len()));
    let line = String::from_utf8_lossy(line);
    let (pixels, points) = sizes(&line).ok_or_else(|| line.to_string())?;
    picture(pixels, points, rgb.get(1..).unwrap_or_default().to_vec())
}

type Sizes = ((u32, u32), (f64, f64));

fn sizes(line: &str) -> Option<Sizes> {
    let mut numbers = line.split(' ');
    let mut next = || numbers.next();
    let pixels = (next()?.parse().ok()?, next()?.parse().ok()?);
    Some((pixels, (next()?.parse().ok()?, next()?.parse().ok()?)))
}

/// What the child writes about the PDF in this file, which is the last thing that it does.
///
/// # Errors
/// When the file cannot be read or this process not be limited.
pub fn draw(file: &Path) -> io::Result<Vec<u8>> {
    child::restrain(MEMORY, PATIENCE)?;
    let drawn = raster::first_page(fs::read(file)?, LONGEST);
    Ok(match drawn {
        Ok((bitmap, size)) => {
            let line = format!(
                "{} {} {} {}\n",
                bitmap.width, bitmap.height, size.width, size.height
            );
            [line.into_bytes(), bitmap.data].concat()
        }
        Err(failure) => failure.problem.message.into_bytes(),
    })
}
