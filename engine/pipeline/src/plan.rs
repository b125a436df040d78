//! What will be done: the stages that are switched on, their options resolved, their order known.

use std::sync::Arc;

use docgenie_document::Digest;
use serde_json::{Map, Value};

use crate::{
    catalogue::{Scope, SlotUse},
    source::Span,
};

/// One stage as it will run.
#[derive(Clone, Debug)]
pub struct PlannedStage {
    /// Unique in the plan: the `id` of the file, else the stage's name, numbered if it repeats
    /// (`raster`, `raster-2`).
    pub id: String,
    /// The stage's name in the catalogue.
    pub uses: String,
    /// Document or dataset.
    pub scope: Scope,
    /// Options with every parameter filled in and every default written out.
    pub options: Arc<Map<String, Value>>,
    /// The slots it touches. `reads_if_present` holds only slots that an earlier stage writes.
    pub slots: SlotUse,
    /// Positions in [`Plan::stages`] of the stages that must have finished a document before this
    /// one may start on it: last writers of what it reads, readers and writers of what it
    /// overwrites, and the stages named by `after`. All are smaller than its own position.
    pub after: Vec<usize>,
    /// Where it stands in the file, as `path:line:column`.
    pub location: String,
}

/// A pipeline with its parameters filled in, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The parameters, defaults included.
    pub params: Map<String, Value>,
    /// Digest of the pipeline file's text.
    pub pipeline: Digest,
    /// The stages in an order that respects every `after`.
    pub stages: Vec<PlannedStage>,
    /// Where the file names plugins, also in stages that are switched off.
    pub plugins: Vec<PluginUse>,
}

/// A place where a stage names a plugin: by what it uses, or in its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginUse {
    /// The plugin's name: `seal` of `plugin:seal/round`.
    pub plugin: String,
    /// The place in the file.
    pub span: Span,
}
