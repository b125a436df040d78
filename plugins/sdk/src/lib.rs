//! What a plugin of docgenie-engine is written with.
//!
//! A plugin is a WebAssembly component that offers one or more *dataset exporters*, *visual
//! elements* or *ground-truth formats*. Each is a type that implements [`Exporter`], [`Element`] or
//! [`GroundTruthFormat`]; one line exports them:
//!
//! ```
//! use docgenie_plugin::{Document, Exporter, Job, JsonLines, Offer, Reconciliation, Result, Summary};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// One line of JSON a page with its text.
//! struct Lines {
//!     lines: JsonLines,
//!     count: Reconciliation,
//! }
//!
//! /// What a user can set under `with`. The comments are the user's documentation.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Params {
//!     /// The file's name.
//!     path: String,
//! }
//!
//! impl Default for Params {
//!     fn default() -> Self {
//!         Self { path: "lines.jsonl".to_owned() }
//!     }
//! }
//!
//! #[derive(Serialize)]
//! struct Line {
//!     document: String,
//!     text: String,
//! }
//!
//! impl Exporter for Lines {
//!     type Params = Params;
//!     const OFFER: Offer = Offer::new("lines", "Lines", "One line of JSON a page with its text.");
//!
//!     fn begin(job: Job<Params>) -> Result<Self> {
//!         Ok(Self { lines: JsonLines::create(&job.params.path)?, count: Reconciliation::default() })
//!     }
//!
//!     fn add(&mut self, document: &Document) -> Result<()> {
//!         self.count.taken.documents += 1;
//!         for page in document.pages() {
//!             self.lines.push(&Line { document: document.id(), text: page.text() })?;
//!         }
//!         self.count.written.documents += 1;
//!         Ok(())
//!     }
//!
//!     fn finish(self) -> Result<Summary> {
//!         self.lines.finish()?;
//!         Ok(self.count.into())
//!     }
//! }
//!
//! docgenie_plugin::exporters!(Lines);
//! # fn main() {}
//! ```
//!
//! **Places.** On a page everything is in PDF points (1/72 inch), origin at the top left of the page
//! as displayed, y down. [`PixelGrid`] turns points into pixels of the page's image. In a picture
//! that an element draws, everything is in the picture's own pixels.
//!
//! **Errors.** [`Failure`] says how far the damage goes: wrong params stop the run before it begins,
//! an unsuitable document is left out and counted, anything else disables the plugin for the run.
//!
//! **Tests.** Outside WebAssembly, documents, files and assets are plain data in memory: see
//! [`testing`]. The logic of a plugin is therefore tested with `cargo test` and nothing else.

pub mod bindings;
mod document;
mod element;
mod exporter;
pub mod facts;
mod failure;
mod files;
mod ground_truth;
#[cfg(target_family = "wasm")]
mod guest;
#[cfg(not(target_family = "wasm"))]
mod host;
pub mod log;
mod offer;
mod pages;
mod pixels;
pub mod random;
mod split;
mod tar;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod xml;

#[cfg(target_family = "wasm")]
use bindings::docgenie::plugin as host;

pub use bindings::{
    docgenie::plugin::types::{Extent, Failure, Point, Problem, Raster, Rect, Region, Size, Word},
    exports::docgenie::plugin::exporter::Tally,
};
pub use document::{PageImage, Truth, TruthField, TruthQuestion, lines};
pub use element::{Drawn, Element, Picture, Request};
pub use exporter::{Dataset, Exporter, Job, Reconciliation, Summary};
pub use facts::{Kind, Labels};
pub use failure::Result;
pub use files::{ImageFormat, JsonArray, JsonLines, Output, asset, write};
pub use ground_truth::GroundTruthFormat;
pub use host::documents::{Document, Page};
pub use offer::Offer;
pub use pages::{Marked, PageContent, Pages, Place};
pub use pixels::PixelGrid;
pub use split::{Part, Parts, Split};
pub use tar::Tar;

/// For the macros.
#[doc(hidden)]
pub mod entry {
    pub use crate::{
        element::{ElementEntry, Elements},
        exporter::{ExporterEntry, Exporters, Running},
        ground_truth::{GroundTruthEntry, GroundTruths},
    };
}
