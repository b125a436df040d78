//! `offers.json`: what a component says of itself, written down when it is built.
//!
//! With it a catalogue of plugins is read without running any of them. It is as little believed as
//! the component: the kind is compared with the component's exports when it is loaded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the file.
pub(crate) const FILE: &str = "offers.json";

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Annotates documents in a format of its own.
    GroundTruthFormat,
    /// Draws stamps, seals, charts.
    VisualElement,
    /// Writes a dataset in a format of its own.
    DatasetExporter,
}

/// What a plugin offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offers {
    /// What it does.
    pub kind: Kind,
    /// What there is of it, at least one.
    pub offers: Vec<Offer>,
}

/// One thing a plugin offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its name in kebab case, unique in the plugin.
    pub id: String,
    /// A few words.
    pub title: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of an object: its options.
    pub params_schema: Value,
    /// Further facts.
    pub traits: Value,
}

impl Offers {
    /// The only one there is.
    pub(crate) fn only(&self) -> Option<&Offer> {
        match self.offers.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The names that pipelines have for them, without `plugin:`, if the plugin has this one.
    pub fn names(&self, plugin: &str) -> impl Iterator<Item = (String, &Offer)> {
        let only = self.only().map(|offer| (plugin.to_owned(), offer));
        let all = self.offers.iter();
        only.into_iter()
            .chain(all.map(move |offer| (format!("{plugin}/{}", offer.id), offer)))
    }
}

impl Kind {
    /// The interface that a component of this kind exports, without its version.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::GroundTruthFormat => "docgenie:plugin/ground-truth",
            Self::VisualElement => "docgenie:plugin/element",
            Self::DatasetExporter => "docgenie:plugin/exporter",
        }
    }

    /// The interfaces that a component of this kind may import, without package and version.
    #[must_use]
    pub(crate) const fn imports(self) -> &'static [&'static str] {
        match self {
            Self::VisualElement => &["types", "log", "random", "assets"],
            Self::GroundTruthFormat => &["types", "log", "random", "assets", "documents"],
            Self::DatasetExporter => &["types", "log", "random", "assets", "documents", "sink"],
        }
    }

    /// All kinds.
    pub const ALL: [Self; 3] = [
        Self::GroundTruthFormat,
        Self::VisualElement,
        Self::DatasetExporter,
    ];

    /// The name in kebab case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GroundTruthFormat => "ground-truth-format",
            Self::VisualElement => "visual-element",
            Self::DatasetExporter => "dataset-exporter",
        }
    }
}
