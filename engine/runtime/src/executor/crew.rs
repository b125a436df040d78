//! The stages of a plan, built and ready.

use std::{path::PathBuf, sync::Arc};

use docgenie_document::{Digest, Slot};
use docgenie_pipeline::SlotUse;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    executor::{Executor, RunError, RunOrder},
    stage::{
        BAD_OPTIONS, Built, Concurrency, DatasetStage, DocumentStage, RunFacts, StageFacts,
        StageFailure,
    },
};

/// A document stage in place.
pub(super) struct Post {
    pub(super) id: String,
    pub(super) stage: Arc<dyn DocumentStage>,
    /// Digest of everything a result depends on beside seed and slots.
    pub(super) key: Digest,
    /// The slots it may look at, in order; their digests are part of a result's key.
    pub(super) reads: Vec<Slot>,
    /// Positions of the posts that must be through before.
    pub(super) after: Vec<usize>,
    pub(super) places: Arc<Semaphore>,
}

/// A dataset stage in place.
pub(super) struct DatasetPost {
    pub(super) id: String,
    pub(super) stage: Box<dyn DatasetStage>,
    /// The slots it may look at.
    pub(super) reads: Vec<Slot>,
}

/// The document stages of a run and what is known before it begins.
pub(super) struct Crew {
    pub(super) stages: Vec<Post>,
    pub(super) documents: u64,
    /// Documents in flight, finished ones that wait for their turn included.
    pub(super) window: usize,
    pub(super) facts: RunFacts,
    pub(super) home: PathBuf,
}

impl Crew {
    pub(super) fn build(
        executor: &Executor,
        order: &RunOrder,
    ) -> Result<(Self, Vec<DatasetPost>), RunError> {
        let RunOrder {
            plan, env, spec, ..
        } = order;
        let jobs = env.jobs.max(1);
        let shared = Arc::new(Semaphore::new(jobs));
        let mut crew = Self {
            stages: Vec::new(),
            documents: 0,
            window: 2 * jobs + 2,
            facts: RunFacts {
                pipeline: plan.name.clone(),
                description: plan.description.clone(),
                pipeline_digest: plan.pipeline,
                params: plan.params.clone(),
                seed: spec.seed,
                documents: 0,
                stages: Vec::new(),
                engine: executor.engine.clone(),
            },
            home: env.home.clone(),
        };
        let mut dataset = Vec::new();
        // Plan positions of document stages become positions among the posts.
        let mut posts = vec![None; plan.stages.len()];
        for (position, planned) in plan.stages.iter().enumerate() {
            let failed = |source| RunError::Build {
                location: planned.location.clone(),
                source,
            };
            let Some(kind) = executor.registry.get(&planned.uses) else {
                let message = format!("there is no stage `{}`", planned.uses);
                return Err(failed(StageFailure::new(BAD_OPTIONS, message)));
            };
            let built = kind.build(planned.options.clone(), env).map_err(failed)?;
            let identity = match &built {
                Built::Document(stage) => stage.identity(),
                Built::Dataset(stage) => stage.identity(),
            };
            let mut options = planned.options.clone();
            options.retain(|name, _| !kind.neutral_options.contains(&name.as_str()));
            crew.facts.stages.push(StageFacts {
                id: planned.id.clone(),
                uses: planned.uses.clone(),
                version: kind.version,
                identity: identity.clone(),
                options: options.clone(),
            });
            let id = planned.id.clone();
            let SlotUse {
                reads,
                reads_if_present,
                ..
            } = &planned.slots;
            let mut reads = [reads.as_slice(), reads_if_present].concat();
            reads.sort_unstable();
            reads.dedup();
            match built {
                Built::Dataset(stage) => dataset.push(DatasetPost { id, stage, reads }),
                Built::Document(stage) => {
                    if let Some(documents) = stage.documents() {
                        crew.documents = documents;
                    }
                    let places = match stage.concurrency() {
                        Concurrency::Jobs => shared.clone(),
                        Concurrency::AtMost(limit) => {
                            let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
                            crew.window += limit.min(64);
                            Arc::new(Semaphore::new(limit))
                        }
                    };
                    let options = Value::Object(options).to_string();
                    let key = Digest::of_parts([
                        planned.uses.as_bytes(),
                        &kind.version.to_le_bytes(),
                        options.as_bytes(),
                        identity.as_bytes(),
                    ]);
                    posts[position] = Some(crew.stages.len());
                    crew.stages.push(Post {
                        id,
                        stage,
                        key,
                        reads,
                        after: planned
                            .after
                            .iter()
                            .filter_map(|&before| posts[before])
                            .collect(),
                        places,
                    });
                }
            }
        }
        crew.facts.documents = crew.documents;
        Ok((crew, dataset))
    }

    pub(super) fn stage_ids(&self) -> Vec<String> {
        self.stages.iter().map(|post| post.id.clone()).collect()
    }

    pub(super) async fn close(&self) {
        for post in &self.stages {
            post.stage.close().await;
        }
    }
}
