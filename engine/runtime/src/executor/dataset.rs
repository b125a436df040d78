//! The dataset side of a run: its stages, its staging folder, its publication.

use std::path::{Path, PathBuf};

use docgenie_document::{Code, Digest};
use serde::{Deserialize, Serialize};

use crate::{
    executor::{
        RunOrder, RunOutcome,
        crew::{Crew, DatasetPost},
        walk::Walked,
    },
    files::{self, DatasetFolder, DatasetManifest, PublishError},
    stage::{DatasetContext, DocumentContext, Outputs, RunFacts, StageFailure, blocking},
};

/// The dataset stands at its target, but that cannot be recorded.
const UNRECORDED: Code = Code::new("DG0107");

/// What was last published at a target: enough to see that it is still there, unchanged.
#[derive(Serialize, Deserialize)]
struct Record {
    key: Digest,
    manifest: DatasetManifest,
}

/// The dataset stages of a run and the place their files go.
pub(super) struct Dataset {
    stages: Vec<DatasetPost>,
    out: Option<PathBuf>,
    zip: Option<PathBuf>,
    folder: Option<DatasetFolder>,
    facts: RunFacts,
    /// Where the record of the target is kept.
    record: Option<PathBuf>,
}

impl Dataset {
    /// Checks the targets, before anything is made.
    pub(super) fn open(
        order: &RunOrder,
        crew: &Crew,
        stages: Vec<DatasetPost>,
    ) -> Result<Self, PublishError> {
        let (out, zip) = if stages.is_empty() {
            (None, None)
        } else {
            (order.spec.out.clone(), order.spec.zip.clone())
        };
        if let Some(out) = &out {
            files::check_target(out)?;
        }
        if let Some(zip) = &zip {
            files::check_zip_target(zip)?;
        }
        let record = out.as_ref().map(|out| {
            let name = Digest::of(out.as_os_str().as_encoded_bytes());
            crew.home.join("published").join(format!("{name}.json"))
        });
        Ok(Self {
            stages,
            out,
            zip,
            folder: None,
            facts: crew.facts.clone(),
            record,
        })
    }

    /// The key before the first document: everything the dataset depends on beside documents.
    pub(super) fn key(&self) -> Digest {
        let facts = serde_json::json!({
            "pipeline": self.facts.pipeline,
            "description": self.facts.description,
            "pipeline_digest": self.facts.pipeline_digest,
            "params": self.facts.params,
            "seed": self.facts.seed,
            "documents": self.facts.documents,
            "stages": self.facts.stages,
            "engine": self.facts.engine,
        });
        Digest::of(facts.to_string().as_bytes())
    }

    /// The key of the dataset that stands at the target, if it is there as it was published. A ZIP
    /// is always made anew.
    pub(super) fn record(&self) -> Option<Digest> {
        if self.zip.is_some() {
            return None;
        }
        let text = std::fs::read(self.record.as_ref()?).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        let stands = files::manifest_matches(self.out.as_ref()?, &record.manifest);
        stands.then_some(record.key)
    }

    pub(super) fn targets(&self) -> Vec<PathBuf> {
        self.out.iter().chain(&self.zip).cloned().collect()
    }

    pub(super) async fn begin(&mut self) -> Result<(), StageFailure> {
        let Some(target) = self.out.as_ref().or(self.zip.as_ref()) else {
            self.stages.clear();
            return Ok(());
        };
        let folder = DatasetFolder::stage_beside(target)?;
        for post in &mut self.stages {
            post.stage.begin(&self.facts, &folder).await?;
        }
        self.folder = Some(folder);
        Ok(())
    }

    /// The next document in index order.
    pub(super) async fn add(&mut self, walked: &Walked) -> Result<(), StageFailure> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        for post in &mut self.stages {
            let seed = self.facts.seed.of_document(walked.id.index());
            let context = DocumentContext {
                id: walked.id,
                seed: seed.derive(&post.id),
                slots: walked.slots.only(&post.reads),
            };
            post.stage.add(&context, folder).await?;
        }
        Ok(())
    }

    /// Finishes every stage and puts the dataset at its targets, whole.
    pub(super) async fn finish(
        mut self,
        key: Digest,
        outcome: &RunOutcome,
    ) -> Result<Vec<PathBuf>, StageFailure> {
        let Some(folder) = self.folder.take() else {
            return Ok(Vec::new());
        };
        let mut dataset = DatasetContext {
            succeeded: outcome.succeeded,
            dead_letters: outcome.dead_letters.clone(),
            values: Outputs::new(),
        };
        for post in &mut self.stages {
            let outputs = post.stage.finish(&dataset, &folder).await?;
            dataset.values.0.extend(outputs.0);
        }
        let targets = self.targets();
        blocking(move || self.publish(folder, key)).await?;
        Ok(targets)
    }

    fn publish(self, folder: DatasetFolder, key: Digest) -> Result<(), StageFailure> {
        if let Some(zip) = &self.zip {
            files::write_zip(&folder, zip)?;
        }
        let (Some(out), Some(record)) = (&self.out, &self.record) else {
            return Ok(());
        };
        let manifest = folder.manifest()?;
        folder.publish(out)?;
        keep(record, &Record { key, manifest }).map_err(|error| {
            StageFailure::new(UNRECORDED, format!("cannot write `{}`", record.display()))
                .because(&error)
                .ends_run()
        })
    }
}

fn keep(path: &Path, record: &Record) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    files::write_atomically(path, &serde_json::to_vec(record)?)
}
