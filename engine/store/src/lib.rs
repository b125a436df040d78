//! Job stores and artifact stores.

pub mod artifacts;
