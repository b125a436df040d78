//! Slots: the typed places of a document that stages read and write.
//!
//! A document holds, for each filled slot, the digest of an artifact. What the artifact's bytes
//! mean is fixed by the slot's [`SlotValue`] type: text and files are kept as they are, structured
//! values as MessagePack maps.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{image::PageImages, ocr::Ocr, text, truth};

macro_rules! slots {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// The name of a slot.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Slot { $($(#[$doc])* $variant,)* }

        impl Slot {
            /// All slots, in the order a document usually fills them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in kebab case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

slots! {
    /// The bytes a user gave: an image or a PDF to start from.
    Source => "source",
    /// The page as HTML with semantic mark-up.
    Html => "html",
    /// The document as PDF.
    Pdf => "pdf",
    /// Words and characters with boxes.
    Words => "words",
    /// Lines and blocks.
    Segments => "segments",
    /// Labelled regions, reading order, table cells.
    Layout => "layout",
    /// Ground truth for every task.
    GroundTruth => "ground-truth",
    /// What the writer annotated for other forms of ground truth.
    Drafts => "drafts",
    /// What a language model took to write it.
    TokenUsage => "token-usage",
    /// The final ground truth in those forms.
    Annotations => "annotations",
    /// Places for handwriting.
    Handwriting => "handwriting",
    /// Places for visual elements, and what stands there.
    VisualElements => "visual-elements",
    /// Pages as PNG.
    PageImages => "page-images",
    /// What optical character recognition read.
    Ocr => "ocr",
    /// The check of the ground truth.
    Verification => "verification",
    /// Page images with the boxes drawn.
    Overlay => "overlay",
    /// Figures about the whole run.
    Analysis => "analysis",
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes that do not decode as the slot's type.
#[derive(Debug, thiserror::Error)]
#[error("the artifact in slot `{slot}` does not decode")]
pub struct DecodeError {
    /// The slot.
    pub slot: Slot,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A value that does not encode.
#[derive(Debug, thiserror::Error)]
#[error("the value for slot `{slot}` does not encode")]
pub struct EncodeError {
    /// The slot.
    pub slot: Slot,
    /// Why.
    #[source]
    pub source: rmp_serde::encode::Error,
}

/// The type of a slot's value and how it becomes an artifact's bytes.
pub trait SlotValue: Sized + Send + Sync + 'static {
    /// The slot it fills.
    const SLOT: Slot;

    /// The artifact's bytes. Equal values give equal bytes.
    ///
    /// # Errors
    /// When the value cannot be written, which no value made by this crate's types is.
    fn encode(&self) -> Result<Vec<u8>, EncodeError>;

    /// The value of these bytes.
    ///
    /// # Errors
    /// When the bytes are not such a value.
    fn decode(bytes: Vec<u8>) -> Result<Self, DecodeError>;
}

fn encode<T: Serialize>(slot: Slot, value: &T) -> Result<Vec<u8>, EncodeError> {
    rmp_serde::to_vec_named(value).map_err(|source| EncodeError { slot, source })
}

fn decode<T: DeserializeOwned>(slot: Slot, bytes: &[u8]) -> Result<T, DecodeError> {
    rmp_serde::from_slice(bytes).map_err(|source| DecodeError {
        slot,
        source: source.into(),
    })
}

macro_rules! structured {
    ($($type:ty => $slot:ident,)*) => {$(
        impl SlotValue for $type {
            const SLOT: Slot = Slot::$slot;

            fn encode(&self) -> Result<Vec<u8>, EncodeError> {
                encode(Self::SLOT, self)
            }

            fn decode(bytes: Vec<u8>) -> Result<Self, DecodeError> {
                decode(Self::SLOT, &bytes)
            }
        }
    )*};
}

/// The bytes a user gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The file's name without folders.
    pub name: String,
    /// Its bytes, untrusted.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// What a language model took to write a document: its share of the calls that it was written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// The model, as it names itself.
    pub model: String,
    /// Tokens it read.
    pub input_tokens: u64,
    /// Tokens it wrote.
    pub output_tokens: u64,
    /// What they cost, in millionths of a US dollar, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
}

/// Page images with boxes drawn on them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Overlay(pub PageImages);

/// Figures about the whole run, as one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Analysis(pub serde_json::Map<String, serde_json::Value>);

structured! {
    Source => Source,
    text::Words => Words,
    text::Segments => Segments,
    truth::Layout => Layout,
    truth::GroundTruth => GroundTruth,
    truth::Drafts => Drafts,
    TokenUsage => TokenUsage,
    truth::Annotations => Annotations,
    truth::Handwriting => Handwriting,
    truth::VisualElements => VisualElements,
    PageImages => PageImages,
    Ocr => Ocr,
    truth::Verification => Verification,
    Overlay => Overlay,
    Analysis => Analysis,
}

/// A page as HTML, UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub struct Html(pub String);

impl SlotValue for Html {
    const SLOT: Slot = Slot::Html;

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(self.0.clone().into_bytes())
    }

    fn decode(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        String::from_utf8(bytes)
            .map(Self)
            .map_err(|source| DecodeError {
                slot: Self::SLOT,
                source: source.into(),
            })
    }
}

/// A document as PDF.
#[derive(Clone, Debug, PartialEq)]
pub struct Pdf(pub Vec<u8>);

impl SlotValue for Pdf {
    const SLOT: Slot = Slot::Pdf;

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(self.0.clone())
    }

    fn decode(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_bytes() {
        let source = Source {
            name: "a.png".into(),
            bytes: vec![0, 255],
        };
        assert_eq!(Source::decode(source.encode().unwrap()).unwrap(), source);
        assert!(Source::decode(vec![1, 2, 3]).is_err());
        assert!(Html::decode(vec![0xff]).is_err());
    }

    #[test]
    fn equal_values_give_equal_bytes() {
        let truth = truth::GroundTruth {
            document_type: "invoice".into(),
            ..Default::default()
        };
        assert_eq!(truth.encode().unwrap(), truth.clone().encode().unwrap());
    }
}
