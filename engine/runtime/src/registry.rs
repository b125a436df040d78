//! The stages an engine has, by name.

use std::collections::BTreeMap;

use docgenie_pipeline::Catalogue;

use crate::stage::StageKind;

/// All registered stages. The composition root fills it; nothing else names concrete stages.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, StageKind>);

impl Registry {
    /// The stage of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&StageKind> {
        self.0.get(name)
    }

    /// The descriptions, for the planner.
    #[must_use]
    pub fn catalogue(&self) -> Catalogue {
        self.0.values().map(|kind| kind.spec.clone()).collect()
    }
}

impl FromIterator<StageKind> for Registry {
    fn from_iter<T: IntoIterator<Item = StageKind>>(kinds: T) -> Self {
        let named = kinds.into_iter().map(|kind| (kind.spec.name.clone(), kind));
        Self(named.collect())
    }
}
