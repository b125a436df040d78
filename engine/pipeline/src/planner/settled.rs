//! What a stage comes to with the values of parameters, kept for the next plan: most requests to a
//! service differ in what few stages depend on.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::{
    catalogue::{Implied, SlotUse},
    plan::PluginUse,
};

/// A stage with the values of parameters put in.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(super) is_active: bool,
    pub(super) options: Arc<Map<String, Value>>,
    pub(super) slots: SlotUse,
    pub(super) plugins: Vec<PluginUse>,
    /// The stages that it asks for.
    pub(super) implied: Vec<Implied>,
}

/// What a stage came to when it was last planned without fault, and the values of the parameters that
/// have a part in it.
#[derive(Debug, Default)]
pub(crate) struct Memo(Mutex<Option<(Vec<Value>, Arc<Settled>)>>);

impl Memo {
    pub(super) fn get(&self, values: &[&Value]) -> Option<Arc<Settled>> {
        let memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, settled) = memo.as_ref()?;
        known
            .iter()
            .eq(values.iter().copied())
            .then(|| settled.clone())
    }

    pub(super) fn set(&self, values: &[&Value], settled: Arc<Settled>) {
        let values = values.iter().copied().cloned().collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((values, settled));
    }
}
