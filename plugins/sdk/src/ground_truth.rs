//! Ground-truth formats.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Document, Offer, Problem, Result, bindings::docgenie::plugin::types, offer};

/// A form of ground truth. It takes part before a document is written, when it says what is to be
/// annotated, and once its boxes are known, when it makes and checks what the dataset will hold.
///
/// ```
/// use docgenie_plugin::{Document, GroundTruthFormat, Offer, Problem, Result};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use serde_json::{Value, json};
///
/// /// A sentence about the document.
/// struct Caption;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Params {}
///
/// impl GroundTruthFormat for Caption {
///     type Params = Params;
///     const OFFER: Offer = Offer::new("caption", "Caption", "A sentence about the document.");
///
///     fn instructions(_: &Params) -> Result<String> {
///         Ok("Say in one sentence what the document is about, as `caption`.".to_owned())
///     }
///
///     fn draft_schema(_: &Params) -> Result<Value> {
///         let properties = json!({ "caption": { "type": "string" } });
///         Ok(json!({ "type": "object", "properties": properties, "required": ["caption"] }))
///     }
///
///     fn build(_: &Params, draft: Value, document: &Document) -> Result<Value> {
///         Ok(json!({ "caption": draft["caption"], "language": document.language() }))
///     }
///
///     fn verify(_: &Params, truth: &Value, _: &Document) -> Result<Vec<Problem>> {
///         let empty = truth["caption"].as_str().is_none_or(str::is_empty);
///         Ok(empty.then(|| Problem::new("/caption", "it says nothing")).into_iter().collect())
///     }
/// }
///
/// docgenie_plugin::ground_truth_formats!(Caption);
/// # fn main() {}
/// ```
pub trait GroundTruthFormat: Sized + 'static {
    /// What the user may set; see [`Exporter::Params`](crate::Exporter::Params).
    type Params: DeserializeOwned + JsonSchema;

    /// What it is.
    const OFFER: Offer;

    /// What is wrong with params that fit their schema.
    #[must_use]
    fn check(_params: &Self::Params) -> Vec<Problem> {
        Vec::new()
    }

    /// What the writer of a document must annotate and how, for its prompt.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn instructions(params: &Self::Params) -> Result<String>;

    /// JSON Schema that a writer's draft must satisfy.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn draft_schema(params: &Self::Params) -> Result<Value>;

    /// From what the writer annotated and the finished document to the final ground truth.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn build(params: &Self::Params, draft: Value, document: &Document) -> Result<Value>;

    /// What is not true of the document; pointers are into the ground truth.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn verify(params: &Self::Params, truth: &Value, document: &Document) -> Result<Vec<Problem>>;
}

/// The formats of a plugin; implemented by [`ground_truth_formats!`](crate::ground_truth_formats).
pub trait GroundTruths {
    /// In the order they are described.
    const ALL: &'static [GroundTruthEntry];
}

/// A format without its type.
pub struct GroundTruthEntry {
    /// What it is.
    pub offer: Offer,
    /// For the catalogue.
    pub describe: fn() -> types::Offer,
    /// What is wrong with params.
    pub check: fn(&str) -> Vec<Problem>,
    /// For the prompt of a writer.
    pub instructions: fn(&str) -> Result<String>,
    /// JSON Schema of a draft.
    pub draft_schema: fn(&str) -> Result<Value>,
    /// Makes the ground truth.
    pub build: fn(&str, &str, &Document) -> Result<Value>,
    /// Checks the ground truth.
    pub verify: fn(&str, &str, &Document) -> Result<Vec<Problem>>,
}

impl GroundTruthEntry {
    /// The entry of a type.
    #[must_use]
    pub const fn of<G: GroundTruthFormat>() -> Self {
        Self {
            offer: G::OFFER,
            describe: || G::OFFER.describe::<G::Params>(),
            check: |params| offer::check(params, G::check),
            instructions: |params| G::instructions(&offer::parse(params)?),
            draft_schema: |params| G::draft_schema(&offer::parse(params)?),
            build: |params, draft, document| {
                G::build(
                    &offer::parse(params)?,
                    serde_json::from_str(draft)?,
                    document,
                )
            },
            verify: |params, truth, document| {
                G::verify(
                    &offer::parse(params)?,
                    &serde_json::from_str(truth)?,
                    document,
                )
            },
        }
    }
}

/// Exports the types that are named as the plugin's ground-truth formats.
#[macro_export]
macro_rules! ground_truth_formats {
    ($($format:ty),+ $(,)?) => {
        const _: () = {
            struct Plugin;
            impl $crate::entry::GroundTruths for Plugin {
                const ALL: &'static [$crate::entry::GroundTruthEntry] =
                    &[$($crate::entry::GroundTruthEntry::of::<$format>()),+];
            }
            // Where there is no host to call it, it is in use all the same.
            #[cfg(not(target_family = "wasm"))]
            #[used]
            static ALL: &[$crate::entry::GroundTruthEntry] = <Plugin as $crate::entry::GroundTruths>::ALL;
            #[cfg(target_family = "wasm")]
            $crate::bindings::ground_truth_format::export_ground_truth!(
                Plugin with_types_in $crate::bindings::ground_truth_format
            );
        };
    };
}
