//! Dataset exporters.

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Document, Offer, Problem, Result, Tally,
    bindings::{docgenie::plugin::types, exports::docgenie::plugin::exporter as wit},
    offer,
};

/// Writes documents in the form that a library or tool reads. One value serves one export: it is
/// made by `begin`, given each document in order, and ended by `finish`. It never holds the
/// documents: what `add` is given it writes to a file.
pub trait Exporter: Sized + 'static {
    /// What the user may set. Its JSON Schema, with the comments, is the user's reference; the host
    /// fills in defaults and refuses what does not fit. Defaults are in the schema where the field's
    /// type can be serialised.
    type Params: DeserializeOwned + JsonSchema;

    /// What it is.
    const OFFER: Offer;

    /// What is wrong with params that fit their schema.
    #[must_use]
    fn check(_params: &Self::Params) -> Vec<Problem> {
        Vec::new()
    }

    /// Starts an export.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn begin(job: Job<Self::Params>) -> Result<Self>;

    /// Takes a document in. One that is unsuitable must be found so before anything of it is
    /// written.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn add(&mut self, document: &Document) -> Result<()>;

    /// Ends the files and says what is in them.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn finish(self) -> Result<Summary>;
}

/// What is to be exported.
#[derive(Clone, Debug)]
pub struct Job<P> {
    /// What the user has set.
    pub params: P,
    /// The dataset.
    pub dataset: Dataset,
    /// How many documents are asked for; some may fail and never come.
    pub expected: Option<u32>,
}

/// Facts about the dataset.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What it holds, in a line or two.
    pub description: String,
}

/// What an export took and what it wrote. The host fails an export in which the two differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Of the documents that were added.
    pub taken: Tally,
    /// In the files.
    pub written: Tally,
    /// Further facts for the user, as one JSON object.
    pub report: Value,
}

/// Keeps count for the [`Summary`]. Count `taken` where a document is read and `written` where a
/// file is written, so that a thing lost in between shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reconciliation {
    /// What belongs into the dataset.
    pub taken: Tally,
    /// What is in it.
    pub written: Tally,
}

impl Reconciliation {
    /// The summary with further facts, as one JSON object.
    #[must_use]
    pub fn with(self, report: Value) -> Summary {
        Summary {
            taken: self.taken,
            written: self.written,
            report,
        }
    }
}

impl From<Reconciliation> for Summary {
    fn from(count: Reconciliation) -> Self {
        count.with(json!({}))
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Tally {
    fn default() -> Self {
        Self {
            documents: 0,
            images: 0,
            boxes: 0,
            labels: 0,
        }
    }
}

/// The exporters of a plugin; implemented by [`exporters!`](crate::exporters).
pub trait Exporters {
    /// In the order they are described.
    const ALL: &'static [ExporterEntry];
}

/// An exporter without its type.
pub struct ExporterEntry {
    /// What it is.
    pub offer: Offer,
    /// For the catalogue.
    pub describe: fn() -> types::Offer,
    /// What is wrong with params.
    pub check: fn(&str) -> Vec<Problem>,
    /// Starts an export.
    pub begin: fn(wit::Job) -> Result<Box<dyn Running>>,
}

impl ExporterEntry {
    /// The entry of a type.
    #[must_use]
    pub const fn of<E: Exporter>() -> Self {
        Self {
            offer: E::OFFER,
            describe: || E::OFFER.describe::<E::Params>(),
            check: |params| offer::check(params, E::check),
            begin: |job| {
                let job = Job {
                    params: offer::parse(&job.params)?,
                    dataset: serde_json::from_str(&job.dataset)?,
                    expected: job.expected,
                };
                Ok(Box::new(E::begin(job)?))
            },
        }
    }
}

/// An exporter at work, without its type.
pub trait Running {
    /// Takes a document in.
    ///
    /// # Errors
    /// What the exporter gives.
    fn add(&mut self, document: &Document) -> Result<()>;
    /// Ends it.
    ///
    /// # Errors
    /// What the exporter gives.
    fn finish(self: Box<Self>) -> Result<Summary>;
}

impl<E: Exporter> Running for E {
    fn add(&mut self, document: &Document) -> Result<()> {
        Exporter::add(self, document)
    }

    fn finish(self: Box<Self>) -> Result<Summary> {
        Exporter::finish(*self)
    }
}

/// Exports the types that are named as the plugin's dataset exporters.
#[macro_export]
macro_rules! exporters {
    ($($exporter:ty),+ $(,)?) => {
        const _: () = {
            struct Plugin;
            impl $crate::entry::Exporters for Plugin {
                const ALL: &'static [$crate::entry::ExporterEntry] =
                    &[$($crate::entry::ExporterEntry::of::<$exporter>()),+];
            }
            // Where there is no host to call it, it is in use all the same.
            #[cfg(not(target_family = "wasm"))]
            #[used]
            static ALL: &[$crate::entry::ExporterEntry] = <Plugin as $crate::entry::Exporters>::ALL;
            #[cfg(target_family = "wasm")]
            $crate::bindings::export_exporter!(Plugin with_types_in $crate::bindings);
        };
    };
}
