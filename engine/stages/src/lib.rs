//! The native stages.

pub mod analyse;
pub mod author;
pub mod bitmap;
pub mod boxes;
pub mod deliver;
pub mod input;
pub mod markup;
pub mod ocr;
mod one_or_many;
pub mod overlay;
pub mod package;
pub mod place;
pub mod raster;
pub mod render;
pub mod verify;

pub use one_or_many::OneOrMany;
