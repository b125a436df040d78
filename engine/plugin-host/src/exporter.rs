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
use serde_json::{Value, json};
use tracing::warn;
use wasmtime::Store;

use crate::{
    call::Call,
    documents::Lent,
    error::{PluginError, Reason},
    limits::Limits,
    offered::Offered,
    replay::Asked,
    sink::Sink,
    v0_1::{self, DatasetExporter},
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
            Slot::Annotations,
            Slot::Handwriting,
            Slot::VisualElements,
        ],
        writes: Vec::new(),
    }
}

/// A stage that hands the documents of a run to an exporter.
pub(crate) fn stage(offered: Offered) -> Built {
    Built::Dataset(Box::new(ExportStage {
        exporter: Exporter::new(offered),
        under_way: None,
    }))
}

struct ExportStage {
    exporter: Exporter,
    under_way: Option<Export>,
}

/// Hands documents to an exporter.
pub(crate) struct Exporter {
    offered: Offered,
    /// The folder below `exports`.
    name: String,
}

/// One instance at work, from `begin` to `finish`.
pub(crate) struct Export {
    store: Store<Call>,
    instance: DatasetExporter,
    seed: Seed,
    /// What the plugin was told of the dataset.
    dataset: String,
    added: u32,
    left_out: Vec<(DocumentId, String)>,
}

impl Exporter {
    /// Its folder is `coco`, or `coco-keypoints` where the plugin has several offers.
    pub(crate) fn new(offered: Offered) -> Self {
        let name = offered.plugin.name_of(&offered.offer).replace('/', "-");
        Self { offered, name }
    }

    /// The folder of the dataset that is its own.
    fn part(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }

    pub(crate) async fn begun(
        &self,
        run: &RunFacts,
        folder: &DatasetFolder,
    ) -> Result<Export, StageFailure> {
        let Self { offered, name } = self;
        let limits = Limits::granted(&offered.plugin.manifest.wants);
        let sink = Sink::new(folder.part(&self.part()), limits.output);
        let seed = run.seed.derive("export").derive(name);
        let mut store = offered.store(seed, Some(sink));
        let dataset = json!({
            "name": run.pipeline,
            "description": run.description,
            "seed": run.seed.0.to_string(),
            "engine": run.engine,
        });
        let job = v0_1::Job {
            offer: offered.offer.clone(),
            params: offered.params_text(),
            dataset: dataset.to_string(),
            expected: u32::try_from(run.documents).ok(),
        };
        let asked = || Asked::Export {
            job: job.dataset.clone(),
            document: None,
        };
        let begun = v0_1::begin_export(&mut store, &offered.loaded, &job).await;
        let instance = offered.answered("begin", &mut store, begun, asked)?;
        let instance = instance.map_err(|why| {
            offered.failed("begin", &mut store, Reason::Broken(why), Some(asked()))
        })?;
        Ok(Export {
            store,
            instance,
            seed,
            dataset: job.dataset,
            added: 0,
            left_out: Vec::new(),
        })
    }

    pub(crate) async fn added(
        &self,
        export: &mut Export,
        lent: Arc<Lent>,
    ) -> Result<(), StageFailure> {
        let offered = &self.offered;
        let id = lent.id();
        let store = &mut export.store;
        store.data_mut().begin(export.seed.of_document(id.index()));
        let written = |store: &Store<Call>| store.data().sink.as_ref().map(Sink::written);
        let before = written(store);
        let added = v0_1::add_to_export(store, &export.instance, &lent).await;
        let asked = || Asked::Export {
            job: export.dataset.clone(),
            document: Some(lent.snapshot()),
        };
        match offered.answered("add", store, added, asked)? {
            Ok(()) => export.added += 1,
            Err(why) if written(store) == before => export.left_out.push((id, why)),
            Err(why) => {
                let why = format!("it has written of {id}, which it leaves out: {why}");
                let reason = Reason::Unbelievable(why);
                return Err(offered.failed("add", store, reason, Some(asked())).into());
            }
        }
        Ok(())
    }

    pub(crate) async fn finished(&self, export: &mut Export) -> Result<Value, StageFailure> {
        let Self { offered, name } = self;
        let store = &mut export.store;
        store.data_mut().begin(export.seed.derive("finish"));
        let exporter = export.instance.docgenie_plugin_exporter();
        let summary = exporter.call_finish(&mut *store).await;
        let asked = || Asked::Export {
            job: export.dataset.clone(),
            document: None,
        };
        let summary = offered.answered("finish", store, summary, asked)?;
        let summary = summary
            .map_err(|why| offered.failed("finish", store, Reason::Broken(why), Some(asked())))?;
        let images = store.data().images;
        let summary = summary.reconciled(export.added, images);
        let (counts, report) = summary.map_err(|differences| PluginError::Unreconciled {
            call: offered.called("finish"),
            differences,
        })?;
        if let Some((id, why)) = export.left_out.first() {
            let count = export.left_out.len();
            warn!("{count} documents are not in the export `{name}`, the first is {id}: {why}");
        }
        let about = &offered.plugin.manifest.plugin;
        Ok(json!({
            "plugin": about.id,
            "version": about.version,
            "offer": offered.offer,
            "params": offered.params,
            "counts": counts,
            "left_out": export.left_out.iter().map(|(id, why)| json!({
                "document": id.to_string(), "reason": why,
            })).collect::<Vec<_>>(),
            "report": report,
        }))
    }
}

#[async_trait]
impl DatasetStage for ExportStage {
    fn identity(&self) -> String {
        self.exporter.offered.identity()
    }

    fn named(&mut self, id: &str) {
        // One that the pipeline does not give is the stage's name, with a colon.
        if !id.contains(':') {
            self.exporter.name = id.to_owned();
        }
    }

    fn part(&self) -> Option<String> {
        Some(self.exporter.part())
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
            Some(export) => {
                let lent = Arc::new(Lent::read(document).await?);
                Box::pin(self.exporter.added(export, lent)).await
            }
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
            folder.write(&format!("{}.json", self.exporter.part()), text.as_bytes())?;
        }
        Ok(Outputs::new())
    }
}
