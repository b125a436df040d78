//! Tar archives.

use std::io::Write;

use crate::{Failure, Output, Result};

/// A tar archive in the POSIX `ustar` format that grows file by file. Equal contents give equal
/// bytes: all times are 0.
pub struct Tar {
    output: Output,
    size: u64,
}

impl Tar {
    const BLOCK: usize = 512;

    /// A new archive.
    ///
    /// # Errors
    /// Broken, where the host refuses the path.
    pub fn create(path: &str) -> Result<Self> {
        Ok(Self {
            output: Output::create(path)?,
            size: 0,
        })
    }

    /// Bytes written.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that a file takes.
    #[must_use]
    pub fn size_of(bytes: &[u8]) -> u64 {
        (Self::BLOCK + bytes.len().next_multiple_of(Self::BLOCK)) as u64
    }

    /// Adds a file. Its name has 100 bytes at most.
    ///
    /// # Errors
    /// Broken, where the name is too long or the host cannot write.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = [0; Self::BLOCK];
        if name.len() > 100 {
            return Err(Failure::broken(format!(
                "`{name}` is too long a name for a tar archive"
            )));
        }
        header[..name.len()].copy_from_slice(name.as_bytes());
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", bytes.len()));
        put(136, "00000000000");
        // The sum is taken with blanks in its own place.
        put(148, "        ");
        put(156, "0");
        put(257, "ustar");
        put(263, "00");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());

        self.output.write_all(&header)?;
        self.output.write_all(bytes)?;
        self.size += Self::size_of(bytes);
        let rest = bytes.len().next_multiple_of(Self::BLOCK) - bytes.len();
        Ok(self.output.write_all(&[0; Self::BLOCK][..rest])?)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// Broken, where the host cannot write.
    pub fn finish(mut self) -> Result<()> {
        self.output.write_all(&[0; 2 * Self::BLOCK])?;
        self.output.finish()
    }
}
