//! The native stages.

pub mod author;
pub mod bitmap;
#[allow(dead_code, reason = "the boxes stage reads them")]
pub mod markup;
pub mod raster;
pub mod render;
