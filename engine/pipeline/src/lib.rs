//! Pipeline files: spanned TOML → checked [`Pipeline`] → [`Plan`].
//!
//! Three types, three moments: the text as typed, what it means, what will be done. The text stays
//! with its spans for as long as the pipeline lives, so that any later check can underline it.
//! Both steps return what they could make and every fault they found, as [`Diagnostic`]s.
//! Files, async code and concrete stages are deliberately unknown: stages are described by the
//! [`StageSpec`]s of a [`Catalogue`], which the composition root fills.

pub mod catalogue;
mod diagnostic;
mod fields;
pub mod graph;
mod naming;
mod node;
mod options;
mod order;
mod param;
mod pipeline;
pub mod plan;
mod planner;
mod reference;
mod schema;
mod shape;
mod source;
mod template;
mod wording;

pub use catalogue::{Catalogue, Implied, ImpliedBy, Scope, SlotUse, StageSpec, Variants};
pub use diagnostic::{Diagnostic, Label, Level, in_order};
pub use param::{Param, ParamType};
pub use pipeline::Pipeline;
pub use plan::{Plan, PlannedStage, PluginUse};
pub use reference::{reference, stage_reference};
pub use schema::schema;
pub use source::{Span, decode, location};
