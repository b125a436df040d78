//! Content-addressed artifacts and the slots that point at them.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use docgenie_document::{Code, Digest, Slot, SlotValue, slot::DecodeError};
use serde::{Deserialize, Serialize};

use crate::stage::BROKEN_ARTIFACT;

/// The artifact store cannot be read or written.
pub const ARTIFACT_STORE: Code = Code::new("DG0201");

/// An artifact that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is not in the store.
    #[error("artifact {0} is not in the store")]
    Missing(Digest),
    /// Its bytes do not have its digest.
    #[error("artifact {0} is damaged")]
    Damaged(Digest),
    /// It does not decode as its slot's type.
    #[error("artifact {digest} does not fit its slot")]
    Decode {
        /// Which.
        digest: Digest,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// The store cannot be reached or is full.
    #[error("the artifact store failed at {at}")]
    Store {
        /// What it was doing, with the path or address.
        at: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ArtifactError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Missing(_) | Self::Damaged(_) | Self::Decode { .. } => BROKEN_ARTIFACT,
            Self::Store { .. } => ARTIFACT_STORE,
        }
    }

    /// What the reader can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let Self::Store { source, .. } = self else {
            return None;
        };
        Some(match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space with `docgenie-engine cache prune`, or set DOCGENIE_HOME to a folder on a larger disk, and run it again: finished work is kept"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make the folder writable, or set DOCGENIE_HOME to one that is"
            }
            _ => "check the disk that holds DOCGENIE_HOME",
        })
    }
}

/// The remembered result of a stage for one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    /// Slots written and the artifacts in them.
    pub outputs: Vec<(Slot, Digest)>,
    /// Remarks about the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// Where artifacts and memos are kept. Writes appear whole or not at all; reads verify the digest.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// Keeps these bytes and returns their digest. Keeping the same bytes twice is one artifact.
    async fn put(&self, bytes: Vec<u8>) -> Result<Digest, ArtifactError>;

    /// The bytes of an artifact, verified.
    async fn get(&self, digest: Digest) -> Result<Vec<u8>, ArtifactError>;

    /// Remembers a stage's result.
    async fn remember(&self, key: Digest, memo: &Memo) -> Result<(), ArtifactError>;

    /// The remembered result, if it is known and all its artifacts are present.
    async fn recall(&self, key: Digest) -> Result<Option<Memo>, ArtifactError>;

    /// Forgets a result, so that it is made anew.
    async fn forget(&self, key: Digest) -> Result<(), ArtifactError>;

    /// Makes everything written so far survive a power cut.
    async fn flush(&self) -> Result<(), ArtifactError>;
}

/// The slots of one document in flight: digests, and the decoded values of this walk, so that a
/// value is not read and decoded again by every stage.
pub struct DocumentSlots {
    store: Arc<dyn ArtifactStore>,
    digests: Mutex<BTreeMap<Slot, Digest>>,
    decoded: Mutex<BTreeMap<Digest, Arc<dyn Any + Send + Sync>>>,
}

impl DocumentSlots {
    /// An empty document over this store.
    #[must_use]
    pub fn new(store: Arc<dyn ArtifactStore>) -> Self {
        Self {
            store,
            digests: Mutex::default(),
            decoded: Mutex::default(),
        }
    }

    /// The digests, in order of slot.
    #[must_use]
    pub fn digests(&self) -> Vec<(Slot, Digest)> {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests
            .iter()
            .map(|(slot, digest)| (*slot, *digest))
            .collect()
    }

    /// Points slots at artifacts.
    pub fn fill(&self, outputs: &[(Slot, Digest)]) {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.extend(outputs.iter().copied());
    }

    /// The value of a slot; `None` where it is empty.
    ///
    /// # Errors
    /// When its artifact is missing, damaged or of another type.
    pub async fn read<T: SlotValue>(&self) -> Result<Option<Arc<T>>, ArtifactError> {
        let digest = {
            let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
            digests.get(&T::SLOT).copied()
        };
        let Some(digest) = digest else {
            return Ok(None);
        };
        let known = {
            let decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
            decoded.get(&digest).cloned()
        };
        if let Some(value) = known.and_then(|value| value.downcast::<T>().ok()) {
            return Ok(Some(value));
        }
        let bytes = self.store.get(digest).await?;
        let value = T::decode(bytes).map_err(|source| ArtifactError::Decode { digest, source })?;
        let value = Arc::new(value);
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        decoded.insert(digest, value.clone());
        Ok(Some(value))
    }
}
