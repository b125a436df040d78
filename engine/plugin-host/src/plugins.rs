//! Plugins as stages: what a registry takes.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use docgenie_document::Digest;
use docgenie_runtime::{
    extension::{Element, ElementOffer, Extensions, TruthFormat, unknown},
    stage::{Scope, SlotUse, StageFailure, StageKind, StageSpec},
};
use serde_json::{Map, Value};

use crate::{
    bundle::BundleError,
    cache::CompileCache,
    element::{self, PluginElement},
    error::PluginError,
    exporter,
    library::{Library, Plugin},
    offered::Offered,
    offers::{Kind, Offer},
    sandbox::Sandbox,
    truth::{self, PluginTruth},
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

    /// A stage for each exporter and each form of ground truth, by each name that a pipeline may give
    /// it: `plugin:ID/OFFER`, and `plugin:ID` where there is one offer only.
    #[must_use]
    pub fn stages(self: &Arc<Self>) -> Vec<StageKind> {
        let named = |kind| self.named(kind);
        let exporters = named(Kind::DatasetExporter);
        let exporters = exporters.map(|(plugin, name, offer)| self.exporter(plugin, &name, offer));
        let formats = named(Kind::GroundTruthFormat);
        let formats = formats.map(|(plugin, name, offer)| self.format(plugin, &name, offer));
        exporters.chain(formats).collect()
    }

    /// The visual elements by each name that a pipeline may give them.
    #[must_use]
    pub fn elements(&self) -> Vec<ElementOffer> {
        let elements = self.named(Kind::VisualElement);
        elements
            .map(|(_, name, offer)| element::offer(&name, offer))
            .collect()
    }

    /// Removes the plugin of this name from `place` and says which folder that was. What was compiled
    /// of it goes, too, unless another plugin has the same component.
    ///
    /// # Errors
    /// When there is none, its folder holds what no bundle has, or the file system refuses.
    pub fn remove(&self, place: &Path, id: &str) -> Result<PathBuf, BundleError> {
        let component = |plugin: &Plugin| Some(Digest::of(&plugin.component().ok()?));
        let own = Library::open(&[place.to_owned()])
            .get(id)
            .and_then(component);
        let folder = Plugin::remove(place, id)?;
        let mut others = self.library.plugins().filter(|it| it.folder != folder);
        if let Some(own) = own
            && !others.any(|it| component(it) == Some(own))
        {
            CompileCache::below(&self.home).forget(own);
        }
        Ok(folder)
    }

    fn named(&self, kind: Kind) -> impl Iterator<Item = (&Plugin, String, &Offer)> {
        let plugins = self.library.plugins();
        let plugins = plugins.filter(move |plugin| plugin.offers.kind == kind);
        plugins.flat_map(|plugin| {
            plugin
                .names()
                .map(move |(name, offer)| (plugin, name, offer))
        })
    }

    fn exporter(self: &Arc<Self>, plugin: &Plugin, name: &str, offer: &Offer) -> StageKind {
        let (plugins, plugin, id) = (self.clone(), plugin.clone(), offer.id.clone());
        let spec = spec(name, offer, Scope::Dataset, exporter::slots);
        StageKind::of_spec(spec, move |params, _| {
            Ok(exporter::stage(plugins.offered(&plugin, &id, params)?))
        })
    }

    fn format(self: &Arc<Self>, plugin: &Plugin, name: &str, offer: &Offer) -> StageKind {
        let (plugins, plugin, id) = (self.clone(), plugin.clone(), offer.id.clone());
        let spec = spec(name, offer, Scope::Document, truth::slots);
        StageKind::of_spec(spec, move |params, _| {
            let offered = plugins.offered(&plugin, &id, params)?;
            Ok(PluginTruth::new(offered)?.stage())
        })
    }

    fn offered(
        &self,
        plugin: &Plugin,
        offer: &str,
        params: Map<String, Value>,
    ) -> Result<Offered, PluginError> {
        let sandbox = self.sandbox()?.clone();
        Offered::new(sandbox, plugin.clone(), offer.to_owned(), params)
    }

    /// The offer that a pipeline names, if it is of this kind.
    fn find(&self, kind: Kind, name: &str) -> Option<(&Plugin, &Offer)> {
        let wanted = name.strip_prefix("plugin:")?;
        let mut named = self.named(kind);
        named.find_map(|(plugin, name, offer)| (name == wanted).then_some((plugin, offer)))
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

fn spec(name: &str, offer: &Offer, scope: Scope, slots: fn() -> SlotUse) -> StageSpec {
    StageSpec {
        name: format!("plugin:{name}"),
        summary: offer.summary.clone(),
        documentation: String::new(),
        scope,
        starts_documents: false,
        options: offer.params_schema.clone(),
        variants: None,
        slots: Arc::new(move |_| slots()),
        implies: Arc::new(|_| Vec::new()),
    }
}

impl Extensions for Plugins {
    fn element(
        &self,
        name: &str,
        params: Map<String, Value>,
    ) -> Result<Arc<dyn Element>, StageFailure> {
        let found = self.find(Kind::VisualElement, name);
        let (plugin, offer) = found.ok_or_else(|| unknown("visual element", name))?;
        let offered = self.offered(plugin, &offer.id, params)?;
        Ok(Arc::new(PluginElement::new(offered)?))
    }

    fn truth_format(
        &self,
        name: &str,
        params: Map<String, Value>,
    ) -> Result<Arc<dyn TruthFormat>, StageFailure> {
        let found = self.find(Kind::GroundTruthFormat, name);
        let (plugin, offer) = found.ok_or_else(|| unknown("form of ground truth", name))?;
        let offered = self.offered(plugin, &offer.id, params)?;
        Ok(Arc::new(PluginTruth::new(offered)?))
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.library.plugins().map(Plugin::id);
        f.debug_list().entries(ids).finish()
    }
}
