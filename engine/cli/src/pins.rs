//! Plugins as a pipeline's lock file has them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use docgenie_document::Code;
use docgenie_pipeline::{Diagnostic, Pipeline, Plan, PluginUse};
use docgenie_plugin_host::{Lock, Pin, PluginError, Plugins};
use docgenie_runtime::stage::StageFailure;

use crate::{
    app,
    find::Found,
    report::{Status, Stop},
};

/// A plugin is not the one that the pipeline is locked to.
const NOT_LOCKED: Code = Code::new("DG0817");

/// The lock of a pipeline, and the plugins there are.
pub(crate) struct Pins {
    lock: Lock,
    /// The pipeline's file as messages show it.
    shown: String,
    plugins: Arc<Plugins>,
}

impl Pins {
    /// Of the lock file beside a pipeline's file, if there is one.
    pub(crate) fn of(found: &Found, home: &Path) -> Result<Option<Self>, Stop> {
        let Some(file) = &found.file else {
            return Ok(None);
        };
        let lock = Lock::read(&Lock::file_of(file));
        let lock = lock.map_err(|error| Stop::of(Status::BadInput, StageFailure::from(error)))?;
        Ok(lock.map(|lock| Self {
            lock,
            shown: found.shown.clone(),
            plugins: app::plugins(home),
        }))
    }

    /// The plugins of a plan that are not as they are locked, a fault each.
    pub(crate) fn faults(&self, pipeline: &Pipeline, plan: &Plan) -> Vec<Diagnostic> {
        let fault = |named| self.fault(pipeline, named);
        once_each(&plan.plugins).filter_map(fault).collect()
    }

    fn fault(&self, pipeline: &Pipeline, named: &PluginUse) -> Option<Diagnostic> {
        let PluginUse { plugin, span } = named;
        let lock = format!("`docgenie-engine plugin lock {}`", self.shown);
        let fault = |message: &str, notes: Vec<String>, hint: String| {
            let message = format!("plugin `{plugin}` {message}");
            let mut fault = pipeline.fault(NOT_LOCKED, span.clone(), message);
            fault.notes = notes;
            fault.hint = Some(hint);
            Some(fault)
        };
        let Some(locked) = self.lock.get(plugin) else {
            let hint = format!("to lock it as it is here, run {lock}");
            return fault("is not in the pipeline's lock file", Vec::new(), hint);
        };
        let here = match found(&self.plugins, plugin) {
            Ok(here) => here,
            Err(error) => {
                let hint = format!("install version {} of it", locked.version);
                return fault(
                    "is locked and cannot be used",
                    vec![error.to_string()],
                    hint,
                );
            }
        };
        let mut notes = locked.differences(&here.pin);
        if notes.is_empty() {
            return None;
        }
        notes.push(format!("here is `{}`", here.folder.display()));
        let message = "is not the one that the pipeline is locked to";
        let hint = format!("install the one that is locked, or take this one with {lock}");
        fault(message, notes, hint)
    }
}

/// The lock of all plugins that a plan names, as they are here.
pub(crate) fn lock(
    pipeline: &Pipeline,
    plan: &Plan,
    plugins: &Plugins,
) -> Result<Lock, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let mut pins = Vec::new();
    for PluginUse { plugin, span } in once_each(&plan.plugins) {
        match found(plugins, plugin) {
            Ok(here) => pins.push(here.pin),
            Err(error) => {
                let mut fault = pipeline.fault(NOT_LOCKED, span.clone(), error.to_string());
                fault.hint = Some("install it first".to_owned());
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() {
        Ok(pins.into_iter().collect())
    } else {
        Err(faults)
    }
}

struct Here {
    pin: Pin,
    folder: PathBuf,
}

fn found(plugins: &Plugins, id: &str) -> Result<Here, PluginError> {
    let not_found = || PluginError::NotFound {
        plugin: id.to_owned(),
    };
    let plugin = plugins.library().get(id).ok_or_else(not_found)?;
    Ok(Here {
        pin: Pin::of(plugin)?,
        folder: plugin.folder.clone(),
    })
}

/// Each plugin where it is named first.
fn once_each(named: &[PluginUse]) -> impl Iterator<Item = &PluginUse> {
    let mut seen = BTreeSet::new();
    named.iter().filter(move |it| seen.insert(&it.plugin))
}
