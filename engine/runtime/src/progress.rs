//! What a run tells while it goes on.

use std::{path::PathBuf, time::Duration};

use docgenie_document::{DocumentId, code::Problem};
use serde::{Serialize, Serializer};

use crate::job::{Delivery, RunId};

/// Something that just happened. Documents report out of order; only the dataset is in order.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Progress {
    /// The run is recorded and begins.
    Started {
        /// Its name.
        #[serde(serialize_with = "shown")]
        run: RunId,
        /// Documents asked for.
        documents: u64,
        /// Ids of the document stages, in plan order.
        stages: Vec<String>,
    },
    /// A stage has finished a document.
    Stage {
        /// The document.
        #[serde(serialize_with = "shown")]
        document: DocumentId,
        /// The stage's id.
        stage: String,
        /// Whether the result was remembered rather than made.
        hit: bool,
        /// Time it took.
        #[serde(rename = "ms", serialize_with = "milliseconds")]
        spent: Duration,
    },
    /// A stage is about to try a document again.
    Retry {
        /// The document.
        #[serde(serialize_with = "shown")]
        document: DocumentId,
        /// The stage's id.
        stage: String,
        /// Why the last attempt failed.
        problem: Problem,
    },
    /// A document is done.
    Document {
        /// Which.
        #[serde(serialize_with = "shown")]
        document: DocumentId,
        /// The stage it failed in and why; absent where it succeeded.
        failure: Option<(String, Problem)>,
    },
    /// A dataset has appeared.
    Published {
        /// The folder or ZIP.
        path: PathBuf,
    },
    /// A dataset is about to be delivered.
    Delivering {
        /// The stage's id.
        stage: String,
    },
    /// A delivery is over.
    Delivered {
        /// What came of it.
        delivery: Delivery,
    },
}

fn shown<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn milliseconds<S: Serializer>(spent: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(spent.as_secs_f64() * 1e3)
}

/// Listens to a run. Called from many tasks at once; must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn progress(&self, event: &Progress);
}

/// Listens to nothing.
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _: &Progress) {}
}
