//! Ground-truth formats.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Document, Failure, Offer, Problem, Result, bindings::docgenie::plugin::types, offer};

/// A form of ground truth. It takes part before a document is written, when it says what is to be
/// annotated, and once its boxes are known, when it makes and checks what the dataset will hold.
///
/// ```
/// use docgenie_plugin::{Document, GroundTruthFormat, Offer, Problem, Result};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// A sentence about the document.
/// struct Caption;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Params {}
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Draft {
///     /// One sentence that says what the document is about.
///     caption: String,
/// }
///
/// #[derive(Deserialize, Serialize)]
/// struct Truth {
///     caption: String,
///     language: String,
/// }
///
/// impl GroundTruthFormat for Caption {
///     type Params = Params;
///     type Draft = Draft;
///     type Truth = Truth;
///     const OFFER: Offer = Offer::new("caption", "Caption", "A sentence about the document.");
///
///     fn instructions(_: &Params) -> Result<String> {
///         Ok("Say in one sentence what the document is about, as `caption`.".to_owned())
///     }
///
///     fn build(_: &Params, draft: Draft, document: &Document) -> Result<Truth> {
///         Ok(Truth { caption: draft.caption, language: document.language() })
///     }
///
///     fn verify(_: &Params, truth: &Truth, _: &Document) -> Result<Vec<Problem>> {
///         let empty = truth.caption.is_empty();
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

    /// What the writer of a document annotates. Its JSON Schema, with the comments, is what the
    /// writer is asked for. Writers may say more than that, since one draft serves all formats of a
    /// run: do not deny unknown fields.
    type Draft: DeserializeOwned + JsonSchema;

    /// What the dataset holds of a document.
    type Truth: Serialize + DeserializeOwned;

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

    /// From what the writer annotated and the finished document to the final ground truth.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn build(params: &Self::Params, draft: Self::Draft, document: &Document)
    -> Result<Self::Truth>;

    /// What is not true of the document; pointers are into the ground truth.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn verify(
        params: &Self::Params,
        truth: &Self::Truth,
        document: &Document,
    ) -> Result<Vec<Problem>>;
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
            draft_schema: |params| {
                offer::parse::<G::Params>(params)?;
                Ok(offer::schema::<G::Draft>())
            },
            build: |params, draft, document| {
                let draft = offer::parse(draft).map_err(|problems| {
                    Failure::unsuitable(format!("its draft does not fit: {}", said(&problems)))
                })?;
                let truth = G::build(&offer::parse(params)?, draft, document)?;
                Ok(serde_json::to_value(truth)?)
            },
            verify: |params, truth, document| {
                let params = offer::parse(params)?;
                match offer::parse(truth) {
                    Ok(truth) => G::verify(&params, &truth, document),
                    Err(problems) => Ok(problems),
                }
            },
        }
    }
}

fn said(problems: &[Problem]) -> String {
    let each = problems.iter().map(|problem| {
        let Problem {
            pointer, message, ..
        } = problem;
        if pointer.is_empty() {
            message.clone()
        } else {
            format!("`{pointer}`: {message}")
        }
    });
    each.collect::<Vec<_>>().join("; ")
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
