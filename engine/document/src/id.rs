//! Identifiers: content digests, seeds and document names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The BLAKE3 digest of some content; an artifact's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// The digest of several parts. Every part is prefixed by its length, so that no two different
    /// lists of parts run into the same bytes.
    #[must_use]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a digest of 64 hexadecimal digits")]
pub struct ParseDigestError(String);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDigestError(text.to_owned());
        let hash = blake3::Hash::from_hex(text).map_err(|_| wrong())?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A seed of pseudo-randomness. Seeds are derived by hash: run seed → document seed → stage seed,
/// so that neither concurrency nor the order of work changes a byte of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed that belongs to `label` under this one.
    #[must_use]
    pub fn derive(self, label: &str) -> Self {
        let digest = Digest::of_parts([&self.0.to_le_bytes()[..], label.as_bytes()]);
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        Self(u64::from_le_bytes(first))
    }

    /// The seed of the document with this index in a run that has this seed.
    #[must_use]
    pub fn of_document(self, index: u64) -> Self {
        self.derive(&format!("document {index}"))
    }
}

/// A document's name in a dataset: `document_1` is the one with index 0. It stays put: a document
/// that fails leaves a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentId(u64);

impl DocumentId {
    /// The name of the document with this index, counted from 0.
    #[must_use]
    pub const fn from_index(index: u64) -> Self {
        Self(index)
    }

    /// The index, counted from 0.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.0
    }

    /// The name of one of its pages, counted from 0: `document_1`, then `document_1_p2`.
    #[must_use]
    pub fn page_name(self, page: u32) -> String {
        if page == 0 {
            self.to_string()
        } else {
            format!("{self}_p{}", page + 1)
        }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "document_{}", self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_text() {
        let digest = Digest::of(b"page");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("12".parse::<Digest>().is_err());
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            Digest::of_parts([&b"ab"[..], b"c"]),
            Digest::of_parts([&b"a"[..], b"bc"])
        );
    }

    #[test]
    fn seeds_differ_by_label_and_index() {
        let seed = Seed(7);
        assert_ne!(seed.derive("author"), seed.derive("scan"));
        assert_ne!(seed.of_document(0), seed.of_document(1));
        assert_eq!(seed.of_document(3), Seed(7).of_document(3));
    }

    #[test]
    fn names_count_from_one() {
        let id = DocumentId::from_index(0);
        assert_eq!(id.page_name(0), "document_1");
        assert_eq!(id.page_name(1), "document_1_p2");
    }
}
