//! A plan whose stages have been built.

use std::{path::PathBuf, sync::Arc};

use docgenie_document::{Digest, Slot};
use docgenie_pipeline::{PlannedStage, SlotUse};
use tokio::sync::Semaphore;

use crate::{
    executor::{Executor, RunError, RunOrder},
    stage::{
        BAD_OPTIONS, Built, Concurrency, DatasetStage, DeliveryStage, DocumentStage, RunFacts,
        StageEnv, StageFacts, StageFailure,
    },
};

/// Documents in flight, at most, because a stage can work on so many at once.
const MOST_WAITING: usize = 256;

/// A document stage of the plan, ready to work.
pub(super) struct StageInstance {
    pub(super) id: String,
    pub(super) stage: Arc<dyn DocumentStage>,
    /// Digest of everything a result depends on beside seed and slots.
    pub(super) key: Digest,
    /// The slots it may look at, in order; their digests are part of a result's key.
    pub(super) reads: Vec<Slot>,
    /// Positions of the document stages that must be done before.
    pub(super) after: Vec<usize>,
    /// One is held for each document it works on.
    pub(super) permits: Arc<Semaphore>,
}

/// A dataset stage of the plan, ready to work.
pub(super) struct DatasetStageInstance {
    pub(super) id: String,
    pub(super) stage: Box<dyn DatasetStage>,
    /// The slots it may look at.
    pub(super) reads: Vec<Slot>,
}

/// A delivery of the plan, ready to work.
pub(super) struct DeliveryInstance {
    pub(super) id: String,
    pub(super) stage: Arc<dyn DeliveryStage>,
}

/// The document stages and the deliveries of a run and what is known before it begins.
pub(super) struct BuiltPlan {
    pub(super) stages: Vec<StageInstance>,
    pub(super) deliveries: Vec<DeliveryInstance>,
    pub(super) documents: u64,
    /// Documents in flight, finished ones that wait for their turn included.
    pub(super) window: usize,
    pub(super) facts: RunFacts,
    pub(super) home: PathBuf,
}

impl BuiltPlan {
    pub(super) fn build(
        executor: &Executor,
        order: &RunOrder,
    ) -> Result<(Self, Vec<DatasetStageInstance>), RunError> {
        let RunOrder {
            plan, env, spec, ..
        } = order;
        let jobs = env.jobs.max(1);
        let shared = Arc::new(Semaphore::new(jobs));
        let mut built_plan = Self {
            stages: Vec::new(),
            deliveries: Vec::new(),
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
        // Plan positions of document stages become positions among the instances.
        let mut instances = vec![None; plan.stages.len()];
        for (position, planned) in plan.stages.iter().enumerate() {
            let built = build_stage(executor, planned, env);
            let (built, facts) = built.map_err(|source| RunError::Build {
                location: planned.location.clone(),
                source,
            })?;
            let id = planned.id.clone();
            let reads = reads_of(&planned.slots);
            match built {
                // Where a dataset goes is no part of what it is.
                Built::Delivery(stage) => {
                    built_plan.deliveries.push(DeliveryInstance { id, stage });
                    continue;
                }
                Built::Dataset(stage) => dataset.push(DatasetStageInstance { id, stage, reads }),
                Built::Document(stage) => {
                    if let Some(documents) = stage.documents() {
                        built_plan.documents =
                            order.limit.map_or(documents, |limit| documents.min(limit));
                    }
                    let permits = match stage.concurrency() {
                        Concurrency::Jobs => shared.clone(),
                        Concurrency::AtMost(limit) => {
                            let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
                            built_plan.window += limit.min(MOST_WAITING);
                            Arc::new(Semaphore::new(limit))
                        }
                    };
                    instances[position] = Some(built_plan.stages.len());
                    let before = planned.after.iter();
                    built_plan.stages.push(StageInstance {
                        id,
                        stage,
                        key: key_of(&facts),
                        reads,
                        after: before.filter_map(|&before| instances[before]).collect(),
                        permits,
                    });
                }
            }
            built_plan.facts.stages.push(facts);
        }
        built_plan.facts.documents = built_plan.documents;
        Ok((built_plan, dataset))
    }

    pub(super) fn stage_ids(&self) -> Vec<String> {
        self.stages
            .iter()
            .map(|instance| instance.id.clone())
            .collect()
    }

    pub(super) async fn close(&self) {
        for instance in &self.stages {
            instance.stage.close().await;
        }
    }
}

fn build_stage(
    executor: &Executor,
    planned: &PlannedStage,
    env: &StageEnv,
) -> Result<(Built, StageFacts), StageFailure> {
    let kind = executor.registry.get(&planned.uses).ok_or_else(|| {
        let message = format!("there is no stage `{}`", planned.uses);
        StageFailure::new(BAD_OPTIONS, message)
    })?;
    let mut built = kind.build((*planned.options).clone(), env)?;
    if let Built::Dataset(stage) = &mut built {
        stage.named(&planned.id);
    }
    let identity = match &built {
        Built::Document(stage) => stage.identity(),
        Built::Dataset(stage) => stage.identity(),
        Built::Delivery(_) => String::new(),
    };
    let mut options = (*planned.options).clone();
    options.retain(|name, _| !kind.neutral_options.contains(&name.as_str()));
    let facts = StageFacts {
        id: planned.id.clone(),
        uses: planned.uses.clone(),
        version: kind.version,
        identity,
        options,
    };
    Ok((built, facts))
}

fn reads_of(slots: &SlotUse) -> Vec<Slot> {
    let mut reads = [slots.reads.as_slice(), &slots.reads_if_present].concat();
    reads.sort_unstable();
    reads.dedup();
    reads
}

fn key_of(facts: &StageFacts) -> Digest {
    let options = serde_json::json!(facts.options).to_string();
    Digest::of_parts([
        facts.uses.as_bytes(),
        &facts.version.to_le_bytes(),
        options.as_bytes(),
        facts.identity.as_bytes(),
    ])
}
