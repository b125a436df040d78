//! One document's way through the stages.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use docgenie_document::{Digest, DocumentId, Seed, code::Problem};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::{
    artifact::{ArtifactStore, DocumentSlots, Memo},
    executor::{
        CANCELLED,
        built_plan::{BuiltPlan, StageInstance},
    },
    progress::{Observer, Progress},
    stage::{BROKEN_ARTIFACT, DocumentContext, Outputs, Reach, StageFailure, caught, panicked},
};

/// Attempts a stage gets at one document while its failures are retryable.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; doubled for each one after.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How one document came out of the stages.
pub(super) struct DocumentOutcome {
    pub(super) id: DocumentId,
    pub(super) slots: DocumentSlots,
    /// Milliseconds by stage, for stages whose result was made rather than recalled.
    pub(super) spent: BTreeMap<String, u64>,
    pub(super) remarks: Vec<String>,
    pub(super) failure: Option<(String, StageFailure)>,
}

impl DocumentOutcome {
    pub(super) fn new(id: DocumentId, artifacts: Arc<dyn ArtifactStore>) -> Self {
        Self {
            id,
            slots: DocumentSlots::new(artifacts),
            spent: BTreeMap::new(),
            remarks: Vec::new(),
            failure: None,
        }
    }

    /// The document's own task died.
    pub(super) fn panicked(
        id: DocumentId,
        join: tokio::task::JoinError,
        artifacts: Arc<dyn ArtifactStore>,
    ) -> Self {
        let mut outcome = Self::new(id, artifacts);
        outcome.failure = Some(("executor".to_owned(), panicked(join)));
        outcome
    }

    /// Why no other document can succeed either, if that is so.
    pub(super) fn ends_run(&self) -> Option<Problem> {
        let (_, failure) = self.failure.as_ref()?;
        (failure.reach == Reach::Run).then(|| (*failure.problem).clone())
    }
}

/// Takes documents through the stages of a run; shared by all that are under way.
pub(super) struct DocumentRunner {
    pub(super) plan: Arc<BuiltPlan>,
    pub(super) artifacts: Arc<dyn ArtifactStore>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) seed: Seed,
    pub(super) fresh: bool,
    pub(super) cancel: CancellationToken,
}

/// What a stage did with a document.
struct StageResult {
    memo: Memo,
    /// Absent for a hit.
    spent: Option<Duration>,
}

impl DocumentRunner {
    /// Takes the document through every stage. If an artifact that earlier work left behind turns
    /// out to be damaged, everything is made anew, once.
    pub(super) async fn run(&self, id: DocumentId) -> DocumentOutcome {
        let outcome = self.attempt(id, self.fresh).await;
        match &outcome.failure {
            Some((_, failure))
                if !self.fresh && failure.problem.code == BROKEN_ARTIFACT.as_str() =>
            {
                self.attempt(id, true).await
            }
            _ => outcome,
        }
    }

    /// Makes everything about the document anew; `None` where the run is cancelled meanwhile.
    pub(super) async fn run_anew(&self, id: DocumentId) -> Option<DocumentOutcome> {
        let attempt = self.attempt(id, true);
        self.cancel.run_until_cancelled(attempt).await
    }

    /// The document as it is remembered; `None` where a stage would have to work.
    pub(super) async fn recall(&self, id: DocumentId) -> Option<DocumentOutcome> {
        let mut outcome = DocumentOutcome::new(id, self.artifacts.clone());
        for instance in &self.plan.stages {
            let document = self.context(instance, id, &outcome.slots);
            let key = self.key(instance, &document).await.ok()?;
            let memo = self.artifacts.recall(key).await.ok()??;
            outcome.slots.fill(&memo.outputs);
            outcome.remarks.extend(memo.remarks);
        }
        Some(outcome)
    }

    async fn attempt(&self, id: DocumentId, fresh: bool) -> DocumentOutcome {
        let mut outcome = DocumentOutcome::new(id, self.artifacts.clone());
        let stages = &self.plan.stages;
        let mut started = vec![false; stages.len()];
        let mut through = vec![false; stages.len()];
        let mut remarks = BTreeMap::new();
        let mut under_way = FuturesUnordered::new();
        // Where a stage fails, those before it in the plan go on: the failure that is reported is
        // the first by position, whichever came first in time.
        let mut end = stages.len();
        loop {
            for (position, instance) in stages.iter().enumerate().take(end) {
                if !started[position] && instance.after.iter().all(|&before| through[before]) {
                    started[position] = true;
                    let document = self.context(instance, id, &outcome.slots);
                    let result = self.run_stage(instance, document, fresh);
                    under_way.push(result.map(move |result| (position, result)));
                }
            }
            let Some((position, result)) = under_way.next().await else {
                break;
            };
            let instance = &stages[position];
            match result {
                Ok(result) => {
                    through[position] = true;
                    outcome.slots.fill(&result.memo.outputs);
                    remarks.insert(position, result.memo.remarks);
                    if let Some(spent) = result.spent {
                        let ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
                        outcome.spent.insert(instance.id.clone(), ms);
                    }
                    self.observer.progress(&Progress::Stage {
                        document: id,
                        stage: instance.id.clone(),
                        hit: result.spent.is_none(),
                        spent: result.spent.unwrap_or_default(),
                    });
                }
                Err(failure) => {
                    let ends_run = failure.reach == Reach::Run;
                    if position < end || ends_run {
                        end = position;
                        outcome.failure = Some((instance.id.clone(), failure));
                    }
                    if ends_run {
                        break;
                    }
                }
            }
        }
        drop(under_way);
        outcome.remarks = remarks.into_values().flatten().collect();
        outcome
    }

    async fn run_stage(
        &self,
        instance: &StageInstance,
        document: DocumentContext,
        fresh: bool,
    ) -> Result<StageResult, StageFailure> {
        let key = self.key(instance, &document).await?;
        if !fresh && let Some(memo) = self.artifacts.recall(key).await? {
            return Ok(StageResult { memo, spent: None });
        }
        let _permit = instance.permits.acquire().await.map_err(|_| cancelled())?;
        if self.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let began = Instant::now();
        let outputs = self.run_with_retries(instance, &document).await?;
        let mut memo = Memo {
            outputs: Vec::with_capacity(outputs.0.len()),
            remarks: outputs.1,
        };
        for (slot, bytes) in outputs.0 {
            memo.outputs.push((slot, self.artifacts.put(bytes).await?));
        }
        self.artifacts.remember(key, &memo).await?;
        Ok(StageResult {
            memo,
            spent: Some(began.elapsed()),
        })
    }

    /// Runs the stage, again if its failure is worth it.
    async fn run_with_retries(
        &self,
        instance: &StageInstance,
        document: &DocumentContext,
    ) -> Result<Outputs, StageFailure> {
        let mut attempt = 1;
        loop {
            let span = info_span!("stage", stage = instance.id, document = %document.id);
            match caught(instance.stage.run(document)).instrument(span).await {
                Err(failure) if failure.reach == Reach::Attempt && attempt < ATTEMPTS => {
                    self.observer.progress(&Progress::Retry {
                        document: document.id,
                        stage: instance.id.clone(),
                        problem: (*failure.problem).clone(),
                    });
                    tokio::select! {
                        () = tokio::time::sleep(FIRST_PAUSE * (1 << (attempt - 1))) => {}
                        () = self.cancel.cancelled() => return Err(cancelled()),
                    }
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// The document as the stage may see it.
    fn context(
        &self,
        instance: &StageInstance,
        id: DocumentId,
        slots: &DocumentSlots,
    ) -> DocumentContext {
        DocumentContext {
            id,
            seed: self.seed.of_document(id.index()).derive(&instance.id),
            run_seed: self.seed.derive(&instance.id),
            slots: slots.only(&instance.reads),
        }
    }

    /// The key of a stage's result: everything it depends on.
    async fn key(
        &self,
        instance: &StageInstance,
        document: &DocumentContext,
    ) -> Result<Digest, StageFailure> {
        let identity = caught(instance.stage.identity_for(document)).await?;
        let digests = document.slots.digests();
        let mut parts = vec![instance.key.as_bytes().to_vec(), identity.into_bytes()];
        if instance.stage.seeded() {
            parts.push(document.seed.0.to_le_bytes().to_vec());
        }
        for slot in &instance.reads {
            parts.push(slot.name().as_bytes().to_vec());
            parts.push(
                digests
                    .get(slot)
                    .map_or_else(Vec::new, |digest| digest.as_bytes().to_vec()),
            );
        }
        Ok(Digest::of_parts(parts.iter().map(Vec::as_slice)))
    }
}

pub(super) fn cancelled() -> StageFailure {
    StageFailure::new(CANCELLED, "the run was cancelled").ends_run()
}
