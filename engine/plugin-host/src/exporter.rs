//! A dataset exporter as a stage of a run.

use std::sync::Arc;

use async_trait::async_trait;
use docgenie_document::{DocumentId, Seed, Slot};
use docgenie_runtime::{
    files::DatasetFolder,
    stage::{
        Built, DatasetContext, DatasetStage, DocumentContext, Outputs, RunFacts, SlotUse,
        StageFailure,
    },
};
use serde_json::{Map, Value, json};
use tracing::warn;
use wasmtime::{Store, component::Resource};

use crate::{
    assets::Assets,
    call::Call,
    documents::Lent,
    error::{Called, FailedCall, PluginError, Reason},
    library::Plugin,
    limits::Limits,
    sandbox::{Loaded, Sandbox},
    sink::Sink,
    v0_1::{self, DatasetExporter, Document},
};

/// The folder of a dataset that exports lie in, one below it for each stage.
const FOLDER: &str = "exports";

/// What exporters read.
pub(crate) fn slots() -> SlotUse {
    SlotUse {
        reads: vec![Slot::Words],
        reads_if_present: vec![
            Slot::PageImages,
            Slot::Layout,
            Slot::GroundTruth,
            Slot::Handwriting,
            Slot::VisualElements,
        ],
        writes: Vec::new(),
    }
}

/// A stage that hands the documents of a run to an exporter.
pub(crate) struct ExportStage {
    exporter: Exporter,
    under_way: Option<Export>,
}

/// An offer of a plugin with its params.
struct Exporter {
    sandbox: Sandbox,
    plugin: Plugin,
    loaded: Loaded,
    offer: String,
    params: Map<String, Value>,
}

/// One instance at work, from `begin` to `finish`.
struct Export {
    store: Store<Call>,
    instance: DatasetExporter,
    /// The folder below `exports`.
    name: String,
    seed: Seed,
    added: u32,
    left_out: Vec<(DocumentId, String)>,
}

impl ExportStage {
    pub(crate) fn build(
        sandbox: Sandbox,
        plugin: Plugin,
        offer: String,
        params: Map<String, Value>,
    ) -> Result<Built, PluginError> {
        let loaded = sandbox.load(&plugin)?;
        let exporter = Exporter {
            sandbox,
            plugin,
            loaded,
            offer,
            params,
        };
        Ok(Built::Dataset(Box::new(Self {
            exporter,
            under_way: None,
        })))
    }
}

impl Exporter {
    fn called(&self, export: &'static str) -> Called {
        let about = &self.plugin.manifest.plugin;
        Called {
            plugin: format!("{} {}", about.id, about.version),
            export,
            offer: self.offer.clone(),
        }
    }

    /// `exports/coco`, or `exports/coco-keypoints` where the plugin has several offers.
    fn name(&self) -> String {
        match self.plugin.offers.offers.len() {
            1 => self.plugin.id().to_owned(),
            _ => format!("{}-{}", self.plugin.id(), self.offer),
        }
    }

    async fn begun(&self, run: &RunFacts, folder: &DatasetFolder) -> Result<Export, StageFailure> {
        let limits = Limits::granted(&self.plugin.manifest.wants);
        let name = self.name();
        let sink = Sink::new(folder.part(&format!("{FOLDER}/{name}")), limits.output);
        let call = Call::new(&self.plugin.manifest, Assets::of(&self.plugin), Some(sink));
        let mut store = Store::new(self.sandbox.engine(), call);
        Call::watch(&mut store);
        let seed = run.seed.derive("export").derive(&name);
        store.data_mut().begin(seed);
        let instance = DatasetExporter::instantiate_async(
            &mut store,
            &self.loaded.component,
            self.sandbox.linker(),
        );
        let instance = match instance.await {
            Ok(instance) => instance,
            Err(trap) => return Err(self.trapped("begin", &mut store, trap)),
        };
        let mut export = Export {
            store,
            instance,
            name,
            seed,
            added: 0,
            left_out: Vec::new(),
        };
        let params = Value::Object(self.params.clone()).to_string();
        let exporter = export.instance.docgenie_plugin_exporter();
        let problems = exporter
            .call_check_params(&mut export.store, &self.offer, &params)
            .await;
        let problems =
            problems.map_err(|trap| self.trapped("check-params", &mut export.store, trap))?;
        if !problems.is_empty() {
            let reason = v0_1::bad_params(problems);
            return Err(self
                .failed("check-params", &mut export.store, reason)
                .into());
        }
        let dataset = json!({
            "name": run.pipeline,
            "description": run.description,
            "seed": run.seed.0.to_string(),
            "engine": run.engine,
        });
        let job = v0_1::Job {
            offer: self.offer.clone(),
            params,
            dataset: dataset.to_string(),
            expected: u32::try_from(run.documents).ok(),
        };
        let exporter = export.instance.docgenie_plugin_exporter();
        let begun = exporter.call_begin(&mut export.store, &job).await;
        self.answered("begin", &mut export.store, begun)?;
        Ok(export)
    }

    async fn added(
        &self,
        export: &mut Export,
        document: &DocumentContext,
    ) -> Result<(), StageFailure> {
        let lent = Arc::new(Lent::read(document).await?);
        let id = lent.id();
        let store = &mut export.store;
        store.data_mut().begin(export.seed.of_document(id.index()));
        let lent = store.data_mut().table.push(Document(lent));
        let lent = lent.map_err(|error| self.trapped("add", store, error.into()))?;
        let borrowed = Resource::new_borrow(lent.rep());
        let exporter = export.instance.docgenie_plugin_exporter();
        let answer = exporter.call_add(&mut *store, borrowed).await;
        match self.answer("add", store, answer)? {
            Ok(()) => export.added += 1,
            Err(Reason::Unsuitable(why)) => export.left_out.push((id, why)),
            Err(reason) => return Err(self.failed("add", store, reason).into()),
        }
        let taken_back = store.data_mut().table.delete(lent);
        taken_back.map_err(|error| self.trapped("add", store, error.into()))?;
        Ok(())
    }

    async fn finished(&self, export: &mut Export) -> Result<Value, StageFailure> {
        let store = &mut export.store;
        store.data_mut().begin(export.seed.derive("finish"));
        let exporter = export.instance.docgenie_plugin_exporter();
        let summary = exporter.call_finish(&mut *store).await;
        let summary = self.answered("finish", store, summary)?;
        let images = store.data().images;
        let summary = summary.reconciled(export.added, images);
        let (counts, report) = summary.map_err(|differences| PluginError::Unreconciled {
            call: self.called("finish"),
            differences,
        })?;
        if let Some((id, why)) = export.left_out.first() {
            let (count, name) = (export.left_out.len(), &export.name);
            warn!("{count} documents are not in the export `{name}`, the first is {id}: {why}");
        }
        let about = &self.plugin.manifest.plugin;
        Ok(json!({
            "plugin": about.id,
            "version": about.version,
            "offer": self.offer,
            "params": self.params,
            "counts": counts,
            "left_out": export.left_out.iter().map(|(id, why)| json!({
                "document": id.to_string(), "reason": why,
            })).collect::<Vec<_>>(),
            "report": report,
        }))
    }

    /// What a call returned where anything but success ends the export.
    fn answered<T>(
        &self,
        export: &'static str,
        store: &mut Store<Call>,
        answer: wasmtime::Result<Result<T, v0_1::Failure>>,
    ) -> Result<T, StageFailure> {
        let answer = self.answer(export, store, answer)?;
        answer.map_err(|reason| self.failed(export, store, reason).into())
    }

    /// What a call returned, by the plugin's own word.
    fn answer<T>(
        &self,
        export: &'static str,
        store: &mut Store<Call>,
        answer: wasmtime::Result<Result<T, v0_1::Failure>>,
    ) -> Result<Result<T, Reason>, StageFailure> {
        match answer {
            Ok(answer) => Ok(answer.map_err(Reason::from)),
            Err(trap) => Err(self.trapped(export, store, trap)),
        }
    }

    fn trapped(
        &self,
        export: &'static str,
        store: &mut Store<Call>,
        trap: wasmtime::Error,
    ) -> StageFailure {
        match trap.downcast::<StageFailure>() {
            // Not the plugin's fault: an artifact that cannot be read.
            Ok(own) => own,
            Err(trap) => self.failed(export, store, Reason::of_trap(trap)).into(),
        }
    }

    fn failed(&self, export: &'static str, store: &mut Store<Call>, reason: Reason) -> PluginError {
        let call = store.data_mut();
        // A plugin can say no more than that its file was refused; why, the host knows.
        let reason = call.unwritable.take().map_or(reason, Reason::Output);
        PluginError::Call(Box::new(FailedCall {
            call: self.called(export),
            reason,
            log: call.log.last(),
        }))
    }
}

#[async_trait]
impl DatasetStage for ExportStage {
    fn identity(&self) -> String {
        let Exporter { plugin, loaded, .. } = &self.exporter;
        let about = &plugin.manifest.plugin;
        format!("{} {} ({})", about.id, about.version, loaded.digest)
    }

    async fn begin(&mut self, run: &RunFacts, folder: &DatasetFolder) -> Result<(), StageFailure> {
        let export = Box::pin(self.exporter.begun(run, folder)).await?;
        self.under_way = Some(export);
        Ok(())
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        _: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        match &mut self.under_way {
            Some(export) => Box::pin(self.exporter.added(export, document)).await,
            None => Ok(()),
        }
    }

    async fn finish(
        &mut self,
        _: &DatasetContext,
        folder: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        if let Some(mut export) = self.under_way.take() {
            let report = Box::pin(self.exporter.finished(&mut export)).await?;
            let text = format!("{report:#}\n");
            folder.write(&format!("{FOLDER}/{}.json", export.name), text.as_bytes())?;
        }
        Ok(Outputs::new())
    }
}
