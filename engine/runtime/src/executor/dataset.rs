//! The dataset side of a run: its stages, its staging folder, its publication.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use docgenie_document::{Code, Digest, Seed, code::Problem};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    executor::{
        RunOrder, RunOutcome,
        built_plan::{BuiltPlan, DatasetStageInstance},
        document_runner::{DocumentOutcome, DocumentRunner, cancelled},
    },
    files::{self, DatasetFolder, DatasetManifest, PublishError},
    stage::{
        BROKEN_ARTIFACT, DatasetContext, DocumentContext, Outputs, Reach, RunFacts, StageFailure,
        blocking, caught,
    },
};

/// The dataset stands at its target, but that cannot be recorded.
const UNRECORDED: Code = Code::new("DG0107");
/// Two stages own the same part of the dataset.
const SAME_PART: Code = Code::new("DG0109");

/// What was last published at a target: enough to see whether it is still there, unchanged, and what
/// somebody else has put into it.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The key before the first document: most datasets that differ do so in it.
    start: Digest,
    key: Digest,
    manifest: DatasetManifest,
}

/// The dataset stages of a run and the place their files go.
pub(super) struct Dataset {
    stages: Vec<DatasetStageInstance>,
    out: Option<PathBuf>,
    zip: Option<PathBuf>,
    folder: Option<DatasetFolder>,
    facts: RunFacts,
    /// Where the record of the target is kept, if it is.
    record: Option<PathBuf>,
    /// What this home has last published at the target.
    published: Option<Record>,
    /// What will be missing from it.
    lost: Vec<LostPart>,
}

/// Where a home keeps what it has last published at a target.
fn record_of(home: &Path, target: &Path) -> PathBuf {
    let name = Digest::of(target.as_os_str().as_encoded_bytes());
    home.join("published").join(format!("{name}.json"))
}

/// Forgets what a home has published at a target, which is gone for good.
///
/// # Errors
/// When the file system refuses.
pub fn forget_published(home: &Path, target: &Path) -> io::Result<()> {
    match std::fs::remove_file(record_of(home, target)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A part that its stage could not make.
struct LostPart {
    path: String,
    failure: StageFailure,
}

impl Dataset {
    /// Checks the targets, before anything is made.
    pub(super) fn open(
        order: &RunOrder,
        plan: &BuiltPlan,
        stages: Vec<DatasetStageInstance>,
    ) -> Result<Self, PublishError> {
        let (out, zip) = if stages.is_empty() {
            (None, None)
        } else {
            (order.spec.out.clone(), order.spec.zip.clone())
        };
        let recorded = out.as_ref().filter(|_| !order.scratch);
        let record = recorded.map(|out| record_of(&plan.home, out));
        let text = record.as_ref().and_then(|path| std::fs::read(path).ok());
        let dataset = Self {
            stages,
            out,
            zip,
            folder: None,
            facts: plan.facts.clone(),
            record,
            published: text.and_then(|text| serde_json::from_slice(&text).ok()),
            lost: Vec::new(),
        };
        if let (Some(out), Some(zip)) = (&dataset.out, &dataset.zip) {
            files::check_apart(out, zip)?;
        }
        if let Some(out) = &dataset.out {
            files::check_target(out, dataset.manifest())?;
        }
        if let Some(zip) = &dataset.zip {
            files::check_zip_target(zip)?;
        }
        Ok(dataset)
    }

    fn manifest(&self) -> Option<&DatasetManifest> {
        self.published.as_ref().map(|record| &record.manifest)
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

    /// The key of the dataset that stands at the target, if it is there as it was published and may
    /// be the one of this run. A ZIP is always made anew.
    pub(super) fn standing(&self) -> Option<Digest> {
        let record = self.published.as_ref()?;
        let stands = self.zip.is_none()
            && record.start == self.key()
            && record.manifest.matches(self.out.as_ref()?);
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
        self.check_parts()?;
        let folder = DatasetFolder::stage_beside(target)?;
        let mut position = 0;
        while let Some(instance) = self.stages.get_mut(position) {
            match caught(instance.stage.begin(&self.facts, &folder)).await {
                Ok(()) => position += 1,
                Err(failure) => lose(&mut self.stages, position, &folder, failure, &mut self.lost)?,
            }
        }
        self.folder = Some(folder);
        Ok(())
    }

    /// A part belongs to one stage: it goes with it where that fails.
    fn check_parts(&self) -> Result<(), StageFailure> {
        let mut taken = BTreeSet::new();
        let mut parts = self.stages.iter().filter_map(|it| it.stage.part());
        match parts.find(|part| !taken.insert(part.clone())) {
            None => Ok(()),
            Some(part) => {
                let message = format!("two stages would write `{part}` of the dataset");
                Err(StageFailure::new(SAME_PART, message)
                    .hint("give one of them an `id` of its own, which names its folder")
                    .ends_run())
            }
        }
    }

    /// The next document in index order. An artifact that no document stage has read may turn out to
    /// be damaged here; the document is then made anew, once for each stage.
    pub(super) async fn add(
        &mut self,
        outcome: &mut DocumentOutcome,
        runner: &DocumentRunner,
    ) -> Result<(), StageFailure> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let seed = self.facts.seed;
        let mut position = 0;
        while let Some(instance) = self.stages.get_mut(position) {
            let mut added = instance.add(outcome, seed, folder).await;
            if let Err(failure) = &added
                && failure.problem.code == BROKEN_ARTIFACT.as_str()
            {
                *outcome = runner.run_anew(outcome.id).await.ok_or_else(cancelled)?;
                if let Some((_, failure)) = outcome.failure.take() {
                    return Err(failure);
                }
                added = instance.add(outcome, seed, folder).await;
            }
            match added {
                Ok(()) => position += 1,
                Err(failure) => lose(&mut self.stages, position, folder, failure, &mut self.lost)?,
            }
        }
        Ok(())
    }

    /// Finishes every stage.
    pub(super) async fn finish(&mut self, outcome: &RunOutcome) -> Result<(), StageFailure> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let mut dataset = DatasetContext {
            succeeded: outcome.succeeded,
            dead_letters: outcome.dead_letters.clone(),
            values: Outputs::new(),
        };
        let mut position = 0;
        while let Some(instance) = self.stages.get_mut(position) {
            match caught(instance.stage.finish(&dataset, folder)).await {
                Ok(outputs) => {
                    dataset.values.0.extend(outputs.0);
                    position += 1;
                }
                Err(failure) => lose(&mut self.stages, position, folder, failure, &mut self.lost)?,
            }
        }
        Ok(())
    }

    /// What is missing from the dataset, and why; `None` where it is whole.
    pub(super) fn missing(&self) -> Option<Problem> {
        let (first, others) = self.lost.split_first()?;
        let mut problem = (*first.failure.problem).clone();
        problem.message = format!(
            "`{}` is missing from the dataset: {}",
            first.path, problem.message
        );
        let others = others.iter();
        let told = others.map(|part| format!("`{}` is missing, too: {}", part.path, part.failure));
        problem.causes.extend(told);
        Some(problem)
    }

    /// Puts the dataset at its targets, whole, and names them. Where no stage has written a file
    /// there is no dataset.
    pub(super) async fn publish(mut self, key: Digest) -> Result<Vec<PathBuf>, StageFailure> {
        match self.folder.take() {
            Some(folder) => blocking(move || self.put(folder, key)).await,
            None => Ok(Vec::new()),
        }
    }

    fn put(self, folder: DatasetFolder, key: Digest) -> Result<Vec<PathBuf>, StageFailure> {
        let manifest = folder.manifest()?;
        if manifest.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(zip) = &self.zip {
            files::write_zip(&folder, zip)?;
        }
        if let Some(out) = &self.out {
            folder.publish(out, self.manifest())?;
        }
        if let Some(path) = &self.record {
            let start = self.key();
            // A dataset that lacks something is never up to date.
            let whole = self.lost.is_empty();
            let key = if whole {
                key
            } else {
                Digest::of_parts([&key.as_bytes()[..], b"lost"])
            };
            let record = Record {
                start,
                key,
                manifest,
            };
            if let Err(error) = keep(path, &record) {
                let path = path.display();
                warn!(code = %UNRECORDED, %error, "the dataset is published, but `{path}` cannot be written");
            }
        }
        Ok(self.targets())
    }
}

/// Goes on without a stage whose files lie apart from all others, and without them. The failure
/// comes back where it is more than that stage's own.
fn lose(
    stages: &mut Vec<DatasetStageInstance>,
    position: usize,
    folder: &DatasetFolder,
    failure: StageFailure,
    lost: &mut Vec<LostPart>,
) -> Result<(), StageFailure> {
    let part = stages[position].stage.part();
    let Some(path) = part.filter(|_| failure.reach != Reach::Run) else {
        return Err(failure);
    };
    // Its open files go with it.
    drop(stages.remove(position));
    folder.part(&path).discard()?;
    lost.push(LostPart { path, failure });
    Ok(())
}

impl DatasetStageInstance {
    async fn add(
        &mut self,
        outcome: &DocumentOutcome,
        run: Seed,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let context = DocumentContext {
            id: outcome.id,
            seed: run.of_document(outcome.id.index()).derive(&self.id),
            run_seed: run.derive(&self.id),
            slots: outcome.slots.only(&self.reads),
        };
        caught(self.stage.add(&context, folder)).await
    }
}

fn keep(path: &Path, record: &Record) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    files::write_atomically(path, &serde_json::to_vec(record)?)
}
