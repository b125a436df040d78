//! The file format of the Python package `datadings`: samples one after another as MessagePack
//! maps, and five small files beside them by which samples are found by number and by key.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufWriter, Write},
};

use blake2::{
    Blake2s256, Blake2sVarCore,
    digest::{
        Output,
        core_api::{Buffer, UpdateCore, VariableOutputCore},
    },
};
use docgenie_document::Seed;
use docgenie_runtime::{
    files::{DatasetFileError, DatasetFolder},
    stage::StageFailure,
};
use md5::{Digest, Md5};

use super::tree::unencodable;

const FILE: &str = "dataset.msgpack";

/// Writes samples as they come. Only keys and offsets are held.
pub(super) struct DatadingsWriter {
    file: BufWriter<File>,
    sum: Md5,
    offsets: Vec<u64>,
    keys: Vec<String>,
}

impl DatadingsWriter {
    pub(super) fn create(folder: &DatasetFolder) -> Result<Self, StageFailure> {
        Ok(Self {
            file: BufWriter::new(folder.create(FILE)?),
            sum: Md5::new(),
            offsets: vec![0],
            keys: Vec::new(),
        })
    }

    /// Appends a sample, encoded, under a key that is not taken.
    pub(super) fn push(&mut self, key: String, sample: &[u8]) -> Result<(), StageFailure> {
        self.file.write_all(sample).map_err(unwritable)?;
        self.sum.update(sample);
        let end = self.offsets.last().copied().unwrap_or(0) + sample.len() as u64;
        self.offsets.push(end);
        self.keys.push(key);
        Ok(())
    }

    /// Writes the files beside the samples.
    pub(super) fn finish(mut self, seed: Seed, folder: &DatasetFolder) -> Result<(), StageFailure> {
        self.file.flush().map_err(unwritable)?;
        let mut sums = format!("{:x}  {FILE}\n", self.sum.finalize());
        let offsets = self.offsets.iter().flat_map(|offset| offset.to_be_bytes());
        let beside = [
            ("offsets", offsets.collect()),
            ("keys", rmp_serde::to_vec(&self.keys).map_err(unencodable)?),
            ("key_hashes", key_hashes(&self.keys, seed)),
            ("filter", filter(&self.keys)),
        ];
        for (suffix, bytes) in beside {
            let name = format!("{FILE}.{suffix}");
            folder.write(&name, &bytes)?;
            sums.push_str(&format!("{:x}  {name}\n", Md5::digest(&bytes)));
        }
        folder.write(&format!("{FILE}.md5"), sums.as_bytes())?;
        Ok(())
    }
}

fn unwritable(source: std::io::Error) -> StageFailure {
    let path = FILE.to_owned();
    DatasetFileError::Io { path, source }.into()
}

/// A salt under which no two keys have the same hash, then 8 bytes of each key's hash.
fn key_hashes(keys: &[String], seed: Seed) -> Vec<u8> {
    let mut attempt = seed.derive("datadings");
    loop {
        let salt = attempt.0.to_be_bytes();
        let hashes: Vec<u64> = keys.iter().map(|key| salted_hash(key, salt)).collect();
        if hashes.iter().collect::<BTreeSet<_>>().len() == keys.len() {
            let hashes = hashes.iter().flat_map(|hash| hash.to_be_bytes());
            return salt.into_iter().chain(hashes).collect();
        }
        attempt = attempt.derive("collision");
    }
}

/// The first 8 bytes of BLAKE2s with this salt.
fn salted_hash(key: &str, salt: [u8; 8]) -> u64 {
    let mut core = Blake2sVarCore::new_with_params(&salt, &[], 0, 32);
    let mut buffer = Buffer::<Blake2sVarCore>::default();
    buffer.digest_blocks(key.as_bytes(), |blocks| core.update_blocks(blocks));
    let mut hash = Output::<Blake2sVarCore>::default();
    core.finalize_variable_core(&mut buffer, &mut hash);
    big_endian(&hash[..8])
}

/// A Bloom filter in the format of the Python package `simplebloom`, with one false positive
/// expected among as many strangers as there are keys.
fn filter(keys: &[String]) -> Vec<u8> {
    const LN_2: f64 = std::f64::consts::LN_2;
    const LN_2_SQUARED: f64 = 0.480_453_013_918_201_5;
    let count = keys.len().max(2) as u64;
    let (false_positives, bits, hashes) = {
        let keys = count as f64;
        let false_positives = 1.0 / keys;
        let bits = keys * false_positives.ln() / -LN_2_SQUARED;
        let bits = (bits / 8.0).ceil() * 8.0;
        let hashes = (bits / keys * LN_2).round_ties_even();
        (false_positives, bits as u64, hashes as u64)
    };
    let mut table = vec![0_u8; usize::try_from(bits / 8).unwrap_or(0)];
    for key in keys {
        let hash = Blake2s256::digest(key.as_bytes());
        let (first, second) = (big_endian(&hash[..8]), big_endian(&hash[8..16]));
        for number in 0..hashes {
            let bit = first.wrapping_add(number.wrapping_mul(second)) % bits;
            if let Some(byte) = usize::try_from(bit / 8)
                .ok()
                .and_then(|at| table.get_mut(at))
            {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    let mut bytes = b"SIMPBLOO".to_vec();
    bytes.extend((32 + bits / 8).to_be_bytes());
    bytes.extend(count.to_be_bytes());
    bytes.extend(false_positives.to_be_bytes());
    bytes.extend(table);
    bytes
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the Python packages `datadings` 3.4.7 and `simplebloom` 1.1.0 write for these keys, the
    /// hashes with our salt.
    #[test]
    fn the_bytes_are_those_of_the_python_packages() {
        let names = ["document_1", "document_1_p2", "document_3"].map(str::to_owned);
        assert_eq!(
            hex(&key_hashes(&names, Seed(7))),
            "bc76ccfac37f6f6f85410439006ba623aabb952ef24e3e25d3cff4a13f59a5c9"
        );
        assert_eq!(
            hex(&filter(&names)),
            "53494d50424c4f4f000000000000002100000000000000033fd55555555555558f"
        );
        assert_eq!(filter(&[]).len(), 32 + 1);
    }
}
