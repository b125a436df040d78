//! What a pipeline may use: descriptions of stages, without the stages.

use std::{collections::BTreeMap, fmt, sync::Arc};

use docgenie_document::Slot;
use serde_json::{Map, Value};

/// Whether a stage sees one document at a time, the whole run or what came of it. A stage waits for
/// those of its own scope and of the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Maps a document to itself with more slots filled.
    Document,
    /// Streams all documents in index order: begin, add, finish.
    Dataset,
    /// Acts on the dataset once it is published.
    Delivery,
}

/// The slots a stage touches, given its options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotUse {
    /// Slots it cannot do without.
    pub reads: Vec<Slot>,
    /// Slots it uses where an earlier stage writes them.
    pub reads_if_present: Vec<Slot>,
    /// Slots it fills or replaces.
    pub writes: Vec<Slot>,
}

/// From resolved options (valid by the stage's schema) to the slots touched.
pub type SlotsOf = Arc<dyn Fn(&Map<String, Value>) -> SlotUse + Send + Sync>;

/// A stage that runs because another one asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Implied {
    /// Its name in the catalogue.
    pub uses: String,
    /// Its options.
    pub options: Map<String, Value>,
    /// The option of the other stage that asks for it.
    pub asked_by: &'static str,
}

/// From resolved options to the stages that they imply.
pub type ImpliedBy = Arc<dyn Fn(&Map<String, Value>) -> Vec<Implied> + Send + Sync>;

/// An option whose value says which other options there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Variants {
    /// The option's name.
    pub option: String,
    /// By its value, the JSON Schema of all options.
    pub schemas: BTreeMap<String, Value>,
}

/// What the planner and the reference pages know about a stage.
#[derive(Clone)]
pub struct StageSpec {
    /// Name in kebab case, as `uses = "..."` gives it.
    pub name: String,
    /// One line.
    pub summary: String,
    /// Markdown: what it does, and an example.
    pub documentation: String,
    /// Document or dataset.
    pub scope: Scope,
    /// Whether it starts documents rather than working on documents others have started.
    pub starts_documents: bool,
    /// JSON Schema of its options: an object with `properties`, each with a `description`.
    pub options: Value,
    /// Where one option decides which others there are.
    pub variants: Option<Variants>,
    /// The slots it touches.
    pub slots: SlotsOf,
    /// The stages that run with it, behind all document stages of the file unless they are named
    /// there.
    pub implies: ImpliedBy,
}

impl fmt::Debug for StageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageSpec")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// All stages a pipeline may use, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(BTreeMap<String, StageSpec>);

impl Catalogue {
    /// The stage of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&StageSpec> {
        self.0.get(name)
    }

    /// All stages in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &StageSpec> + Clone {
        self.0.values()
    }
}

impl FromIterator<StageSpec> for Catalogue {
    fn from_iter<T: IntoIterator<Item = StageSpec>>(specs: T) -> Self {
        let named = specs.into_iter().map(|spec| (spec.name.clone(), spec));
        Self(named.collect())
    }
}
