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
                "free some space with `docgenie-engine cache prune --keep 1G`, or set DOCGENIE_HOME to a folder on a larger disk, and run it again: finished work is kept"
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

    /// Makes everything written so far survive a power cut.
    async fn flush(&self) -> Result<(), ArtifactError>;
}

/// The filled slots of a document: a digest for each, and the values behind them.
#[derive(Clone)]
pub(crate) struct DocumentSlots {
    digests: BTreeMap<Slot, Digest>,
    values: Arc<Values>,
}

/// The values that one document has read on its way, so that they are not read and decoded again by
/// every stage.
struct Values {
    store: Arc<dyn ArtifactStore>,
    decoded: Mutex<BTreeMap<Digest, Arc<dyn Any + Send + Sync>>>,
}

impl DocumentSlots {
    /// An empty document over this store.
    pub(crate) fn new(store: Arc<dyn ArtifactStore>) -> Self {
        let decoded = Mutex::default();
        Self {
            digests: BTreeMap::new(),
            values: Arc::new(Values { store, decoded }),
        }
    }

    /// The digests by slot.
    pub(crate) fn digests(&self) -> &BTreeMap<Slot, Digest> {
        &self.digests
    }

    /// Points slots at artifacts.
    pub(crate) fn fill(&mut self, outputs: &[(Slot, Digest)]) {
        self.digests.extend(outputs.iter().copied());
    }

    /// These slots alone, as they are filled now.
    pub(crate) fn only(&self, slots: &[Slot]) -> Self {
        let filled = |slot: &Slot| Some((*slot, *self.digests.get(slot)?));
        Self {
            digests: slots.iter().filter_map(filled).collect(),
            values: self.values.clone(),
        }
    }

    /// The value of a slot; `None` where it is empty.
    ///
    /// # Errors
    /// When its artifact is missing, damaged or of another type.
    pub(crate) async fn read<T: SlotValue>(&self) -> Result<Option<Arc<T>>, ArtifactError> {
        match self.digests.get(&T::SLOT) {
            Some(digest) => self.values.read(*digest).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Values {
    async fn read<T: SlotValue>(&self, digest: Digest) -> Result<Arc<T>, ArtifactError> {
        let known = {
            let decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
            decoded.get(&digest).cloned()
        };
        if let Some(value) = known.and_then(|value| value.downcast::<T>().ok()) {
            return Ok(value);
        }
        let bytes = self.store.get(digest).await?;
        let value = T::decode(bytes).map_err(|source| ArtifactError::Decode { digest, source })?;
        let value = Arc::new(value);
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        decoded.insert(digest, value.clone());
        Ok(value)
    }
}
