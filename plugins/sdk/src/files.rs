//! Files of a dataset. Each grows as it is written and is never held in memory.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Failure, Result,
    failure::explain,
    host::{
        assets,
        sink::{self, File, Refusal},
    },
};

/// Reads a file that the plugin's bundle carries and its manifest names.
///
/// # Errors
/// Broken, where there is no such file.
pub fn asset(name: &str) -> Result<Vec<u8>> {
    assets::read(name).map_err(Failure::broken)
}

/// Writes a small file at once.
///
/// # Errors
/// Broken, where the host refuses it.
pub fn write(path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    Ok(sink::put(path, bytes.as_ref())?)
}

/// A file that grows. Ends with [`Output::finish`].
pub struct Output {
    file: File,
    buffer: Vec<u8>,
}

impl Output {
    /// Calls of the host are cheap and not free.
    const BUFFER: usize = 64 << 10;

    /// A new file.
    ///
    /// # Errors
    /// Broken, where the host refuses the path.
    pub fn create(path: &str) -> Result<Self> {
        Ok(Self {
            file: sink::create(path)?,
            buffer: Vec::new(),
        })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Broken, where the host cannot write.
    pub fn finish(mut self) -> Result<()> {
        Ok(self.flush()?)
    }

    /// Makes room for bytes that the buffer has none left for.
    #[cold]
    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        if bytes.len() > Self::BUFFER {
            return self.file.write(bytes).map_err(refused);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    // JSON comes in pieces of a few bytes, of which most are known when it is compiled: inline, a
    // comma is a byte stored, not a copy of one byte by a call out of WebAssembly.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > Self::BUFFER {
            return self.write_through(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write(&self.buffer);
        self.buffer.clear();
        written.map_err(refused)
    }
}

fn refused(refusal: Refusal) -> io::Error {
    io::Error::other(explain(refusal))
}

/// A file with one JSON value a line.
pub struct JsonLines(Output);

impl JsonLines {
    /// A new file.
    ///
    /// # Errors
    /// Broken, where the host refuses the path.
    pub fn create(path: &str) -> Result<Self> {
        Output::create(path).map(Self)
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Broken, where the value is no JSON or the host cannot write.
    pub fn push(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.0, value)?;
        Ok(self.0.write_all(b"\n")?)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Broken, where the host cannot write.
    pub fn finish(self) -> Result<()> {
        self.0.finish()
    }
}

/// A file that holds a long JSON array, alone or inside of an object, and others after it.
pub struct JsonArray {
    output: Output,
    empty: bool,
}

impl JsonArray {
    /// A new file that begins with what stands before the array's first item, up to and including
    /// its bracket.
    ///
    /// # Errors
    /// Broken, where the host refuses the path.
    pub fn create(path: &str, before: &str) -> Result<Self> {
        let mut output = Output::create(path)?;
        output.write_all(before.as_bytes())?;
        Ok(Self {
            output,
            empty: true,
        })
    }

    /// Writes an item.
    ///
    /// # Errors
    /// Broken, where the item is no JSON or the host cannot write.
    pub fn push(&mut self, item: &impl Serialize) -> Result<()> {
        self.output
            .write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        Ok(serde_json::to_writer(&mut self.output, item)?)
    }

    /// Begins another array, after what stands between: from one bracket to the other.
    ///
    /// # Errors
    /// Broken, where the host cannot write.
    pub fn next(&mut self, between: &str) -> Result<()> {
        self.empty = true;
        Ok(self.output.write_all(between.as_bytes())?)
    }

    /// Ends the file with the last array's closing bracket and what stands behind.
    ///
    /// # Errors
    /// Broken, where the host cannot write.
    pub fn finish(mut self, after: &str) -> Result<()> {
        self.output.write_all(after.as_bytes())?;
        self.output.finish()
    }
}

/// How page images are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Without loss.
    #[default]
    Png,
    /// Smaller, with loss.
    Jpeg,
}

impl ImageFormat {
    /// The usual ending of file names, without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_is_written_in_order() {
        let chunks = [
            vec![b'a'; 10],
            vec![b'b'; Output::BUFFER],
            vec![b'c'; 2 * Output::BUFFER],
        ];
        let mut output = Output::create("in-order").unwrap();
        for chunk in chunks.iter().chain(&chunks) {
            output.write_all(chunk).unwrap();
        }
        output.finish().unwrap();
        let written = sink::FILES.with_borrow(|files| files["in-order"].clone());
        assert_eq!(written, [chunks.concat(), chunks.concat()].concat());
    }

    #[test]
    fn a_path_is_written_once() {
        write("once", "1").unwrap();
        let again = write("once", "2").unwrap_err();
        assert_eq!(
            again,
            Failure::Broken("a file cannot be written again: once".to_owned())
        );
        assert!(write("../up", "").is_err());
    }
}
