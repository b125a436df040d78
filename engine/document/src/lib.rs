//! The document model: what a document is while it walks through a pipeline.
//!
//! Everything here is plain data. Files, async code, HTTP and stages are deliberately unknown.
//!
//! - [`geometry`] is the one coordinate system: PDF points, origin at the top left of the page.
//! - [`text`] is what stands on the pages: words, characters, lines and blocks.
//! - [`truth`] is what the text means: fields, questions, entities, regions and tables.
//! - [`revision`] keeps positions of words true when words come and go.
//! - [`slot`] names the typed places of a document that stages read and write.

pub mod code;
pub mod geometry;
pub mod id;
pub mod image;
pub mod ocr;
pub mod revision;
pub mod slot;
pub mod text;
pub mod truth;

pub use code::Code;
pub use id::{Digest, DocumentId, Seed};
pub use slot::{Slot, SlotValue};
