//! Plugins as stages: what a registry takes.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use docgenie_runtime::stage::{Scope, StageKind, StageSpec};

use crate::{
    error::PluginError,
    exporter::{self, ExportStage},
    library::{Library, Plugin},
    offers::{Kind, Offer},
    sandbox::Sandbox,
    wasi,
};

/// The plugins of an engine and the sandbox they run in, which is set up when the first is used.
pub struct Plugins {
    library: Library,
    home: PathBuf,
    sandbox: OnceLock<Sandbox>,
}

impl Plugins {
    /// The plugins in these places; compiled components are kept below `home`.
    #[must_use]
    pub fn open(places: &[PathBuf], home: &Path) -> Arc<Self> {
        Arc::new(Self {
            library: Library::open(places),
            home: home.to_owned(),
            sandbox: OnceLock::new(),
        })
    }

    /// What there is.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// A stage for each name that a pipeline may give: `plugin:ID/OFFER`, and `plugin:ID` where
    /// there is one offer only.
    #[must_use]
    pub fn stages(self: &Arc<Self>) -> Vec<StageKind> {
        let exporters = self.library.plugins();
        let exporters = exporters.filter(|plugin| plugin.offers.kind == Kind::DatasetExporter);
        let named = exporters.flat_map(|plugin| plugin.names().map(move |named| (plugin, named)));
        named
            .map(|(plugin, (name, offer))| self.exporter(plugin, &name, offer))
            .collect()
    }

    fn exporter(self: &Arc<Self>, plugin: &Plugin, name: &str, offer: &Offer) -> StageKind {
        let spec = StageSpec {
            name: format!("plugin:{name}"),
            summary: offer.summary.clone(),
            documentation: String::new(),
            scope: Scope::Dataset,
            starts_documents: false,
            options: offer.params_schema.clone(),
            slots: Arc::new(|_| exporter::slots()),
        };
        let (plugins, plugin, offer) = (self.clone(), plugin.clone(), offer.id.clone());
        StageKind::of_spec(spec, move |params, _| {
            let sandbox = plugins.sandbox()?.clone();
            Ok(ExportStage::build(
                sandbox,
                plugin.clone(),
                offer.clone(),
                params,
            )?)
        })
    }

    /// The sandbox.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn sandbox(&self) -> Result<&Sandbox, PluginError> {
        if let Some(sandbox) = self.sandbox.get() {
            return Ok(sandbox);
        }
        let granted = std::env::var(wasi::GRANT).unwrap_or_default();
        let granted: Vec<String> = granted.split(',').map(|id| id.trim().to_owned()).collect();
        let sandbox = Sandbox::new(&self.home, &granted)?;
        Ok(self.sandbox.get_or_init(|| sandbox))
    }
}
