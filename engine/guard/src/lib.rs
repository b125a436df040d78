//! All contact with what is not trusted: children, network, hostile files.
//!
//! - [`child`] starts programs and sees to it that none outlives the engine.

pub mod child;
pub mod restart;
