//! The native stages.

#[allow(dead_code, reason = "the boxes stage reads them")]
pub mod markup;
pub mod render;
