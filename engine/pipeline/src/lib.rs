//! Pipeline files: spanned TOML → checked [`Pipeline`] → [`Plan`].
//!
//! Three types, three moments: the text as typed, what it means, what will be done. The text stays
//! with its spans for as long as the pipeline lives, so that any later check can underline it.
//! Files, async code and concrete stages are deliberately unknown: stages are described by the
//! [`StageSpec`]s of a [`Catalogue`], which the composition root fills.

pub mod catalogue;
pub mod plan;

pub use catalogue::{Catalogue, Scope, SlotUse, StageSpec};
pub use plan::{Plan, PlannedStage};
