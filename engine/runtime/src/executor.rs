//! The executor: takes documents through a plan and publishes the dataset.
//!
//! There is one path. A document goes from stage to stage; each stage's result is recalled if its
//! key is known and made otherwise, so a resumed run is a fresh run with many hits. Documents are
//! worked on side by side within a fixed window and leave it in index order, so neither memory nor
//! output depends on how many there are or how fast each one is.

mod built_plan;
mod dataset;
mod document_runner;
mod halt;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use docgenie_document::{Code, Digest, DocumentId, code::Problem};
use docgenie_pipeline::Plan;
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, warn};

use crate::{
    artifact::{ArtifactError, ArtifactStore},
    clock,
    executor::{
        built_plan::{BuiltPlan, DeliveryInstance},
        dataset::Dataset,
        document_runner::{DocumentOutcome, DocumentRunner},
    },
    files::PublishError,
    job::{Delivery, DeliveryOutcome, JobEvent, JobStore, RunId, RunSpec, RunState, StoreError},
    progress::{Observer, Progress},
    registry::Registry,
    stage::{DeadLetter, Published, Receipt, StageEnv, StageFailure, blocking, caught},
};

pub use self::{
    dataset::forget_published,
    halt::{Halt, HaltAs},
};

/// The run ended because a person asked for it.
pub const CANCELLED: Code = Code::new("DG0105");
/// Every document failed, so there is no dataset.
pub const NOTHING_SUCCEEDED: Code = Code::new("DG0106");

/// Documents are committed in groups: with the first that finishes so long after the last commit …
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// … or when so many wait.
const COMMIT_AT: usize = 128;

/// What is to be run and where its dataset goes.
#[derive(Clone, Debug)]
pub struct RunOrder {
    /// The plan.
    pub plan: Plan,
    /// What a job store keeps of it, to run it again. Holds the seed and the targets.
    pub spec: RunSpec,
    /// What is outside the pipeline file.
    pub env: StageEnv,
    /// Make every result anew and overwrite what is remembered.
    pub fresh: bool,
    /// The most documents that are made, however many the pipeline asks for.
    pub limit: Option<u64>,
    /// Nobody comes back to the target: it is not recorded what was put there.
    pub scratch: bool,
    /// The queued run whose turn this is; absent for one that is created here.
    pub run: Option<RunId>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Its name.
    pub run: RunId,
    /// `Completed`, `Failed` or `Cancelled`; `Paused` or `Queued` where it was halted to go on.
    pub state: RunState,
    /// Documents asked for.
    pub documents: u64,
    /// Documents that succeeded.
    pub succeeded: u64,
    /// Documents that failed.
    pub dead_letters: Vec<DeadLetter>,
    /// Why the run failed; where it completed, what is missing from its dataset.
    pub problem: Option<Problem>,
    /// Folder and ZIP that now hold the dataset.
    pub published: Vec<PathBuf>,
    /// What came of each delivery.
    pub deliveries: Vec<Delivery>,
    /// Whether the dataset already stood there, unchanged, and was left alone.
    pub up_to_date: bool,
    /// Remarks of the stages and how many documents made each.
    pub remarks: BTreeMap<String, u64>,
}

/// A run that could not begin or be recorded. What fails later is part of the [`RunOutcome`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A stage could not be made.
    #[error("the stage at {location} cannot be made")]
    Build {
        /// `path:line:column` of the stage; the pipeline's name where a panic hides which it was.
        location: String,
        /// Why.
        #[source]
        source: StageFailure,
    },
    /// The target cannot take a dataset.
    #[error("the dataset cannot be put there")]
    Target(#[source] PublishError),
    /// The job store refuses.
    #[error("the run cannot be recorded")]
    Store(#[source] StoreError),
    /// The artifact store refuses.
    #[error("artifacts cannot be kept")]
    Artifacts(#[source] ArtifactError),
}

/// Runs plans over stores that it is given.
#[derive(Clone)]
pub struct Executor {
    /// The stages there are.
    pub registry: Registry,
    /// Where artifacts are kept.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Where jobs are kept.
    pub jobs: Arc<dyn JobStore>,
    /// The engine's version, named by dataset cards.
    pub engine: String,
}

impl Executor {
    /// Runs a plan to its end. `began` is called with the run's name as soon as it has one.
    /// A halt ends it within the time of the calls under way; nothing half done becomes visible.
    ///
    /// # Errors
    /// When the run cannot begin or its progress cannot be recorded any more.
    pub async fn run(
        &self,
        order: RunOrder,
        observer: Arc<dyn Observer>,
        halt: Halt,
        began: impl FnOnce(RunId) + Send,
    ) -> Result<RunOutcome, RunError> {
        let (executor, pipeline) = (self.clone(), order.spec.pipeline.clone());
        let build = move || {
            let built = BuiltPlan::build(&executor, &order).and_then(|(plan, stages)| {
                let dataset = Dataset::open(&order, &plan, stages).map_err(RunError::Target)?;
                Ok((plan, dataset))
            });
            Ok(built.map(|(plan, dataset)| (order, plan, dataset)))
        };
        let built = blocking(build).await.map_err(|source| RunError::Build {
            location: pipeline,
            source,
        })?;
        let (order, plan, dataset) = built?;
        let run = self.begin(&order, &plan).await.map_err(RunError::Store)?;
        began(run);
        observer.progress(&Progress::Started {
            run,
            documents: plan.documents,
            stages: plan.stage_ids(),
        });
        let plan = Arc::new(plan);
        let active = ActiveRun {
            executor: self,
            order: &order,
            plan: plan.clone(),
            observer,
            cancel: halt.token().clone(),
            halt,
            run,
        };
        let outcome = active.execute(dataset).await;
        plan.close().await;
        outcome
    }

    /// Records that the run begins: a queued one whose turn has come, or a new one.
    async fn begin(&self, order: &RunOrder, plan: &BuiltPlan) -> Result<RunId, StoreError> {
        let (documents, stages, at) = (plan.documents, plan.stage_ids(), clock::now_ms());
        if let Some(run) = order.run {
            let begun = JobEvent::Begun {
                documents,
                stages,
                at,
            };
            self.jobs.append(run, vec![begun]).await?;
            return Ok(run);
        }
        let started = JobEvent::Started {
            spec: Arc::new(order.spec.clone()),
            documents,
            stages,
            at,
        };
        self.jobs.create(started).await
    }
}

/// One run under way.
struct ActiveRun<'a> {
    executor: &'a Executor,
    order: &'a RunOrder,
    plan: Arc<BuiltPlan>,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
    halt: Halt,
    run: RunId,
}

impl ActiveRun<'_> {
    async fn execute(&self, dataset: Dataset) -> Result<RunOutcome, RunError> {
        let mut recorder = RunRecorder::new(self);
        let standing = dataset.standing().filter(|_| !self.order.fresh);
        let (start, targets) = (dataset.key(), dataset.targets());
        let ended = if self.is_up_to_date(standing, start).await {
            self.report_recalled(targets, &mut recorder).await?
        } else {
            self.produce(dataset, &mut recorder).await?
        };
        recorder.commit().await?;
        let ended = match ended {
            Ok(()) => self.deliver(&mut recorder).await?,
            failed => failed,
        };
        let (state, problem) = match ended {
            Ok(()) => (RunState::Completed, recorder.outcome.problem.take()),
            Err(problem) if problem.code == CANCELLED.as_str() => self.halt.outcome(problem),
            Err(problem) => (RunState::Failed, Some(problem)),
        };
        let at = clock::now_ms();
        recorder.waiting.push(match state {
            RunState::Paused => JobEvent::Paused { at },
            RunState::Queued => JobEvent::Requeued { at },
            state => JobEvent::Ended {
                state,
                problem: problem.clone(),
                at,
            },
        });
        (recorder.outcome.state, recorder.outcome.problem) = (state, problem);
        recorder.commit().await?;
        Ok(recorder.outcome)
    }

    /// Whether the dataset of exactly these documents already stands at its target, where the one with
    /// the key `standing` is. Only recalls: it stops at the first document that would need work.
    async fn is_up_to_date(&self, standing: Option<Digest>, start: Digest) -> bool {
        let Some(standing) = standing else {
            return false;
        };
        let runner = self.runner();
        let mut key = start;
        for index in 0..self.plan.documents {
            match runner.recall(DocumentId::from_index(index)).await {
                Some(outcome) if !self.cancel.is_cancelled() => key = extended(key, &outcome),
                _ => return false,
            }
        }
        key == standing
    }

    /// Reports the documents of a dataset that is up to date. The inner error ends the run.
    async fn report_recalled(
        &self,
        targets: Vec<PathBuf>,
        recorder: &mut RunRecorder<'_>,
    ) -> Result<Result<(), Problem>, RunError> {
        let runner = self.runner();
        for index in 0..self.plan.documents {
            if self.cancel.is_cancelled() {
                return Ok(Err(cancelled()));
            }
            let id = DocumentId::from_index(index);
            // It is in the dataset, even if somebody has removed what is remembered of it since.
            let outcome = match runner.recall(id).await {
                Some(outcome) => outcome,
                None => DocumentOutcome::new(id, runner.artifacts.clone()),
            };
            recorder.report_hits(&outcome);
            recorder.record(outcome).await?;
        }
        recorder.outcome.up_to_date = true;
        recorder.outcome.published = targets;
        Ok(Ok(()))
    }

    /// Takes the documents through the stages and feeds the dataset in index order. The inner error
    /// ends the run.
    async fn produce(
        &self,
        mut dataset: Dataset,
        recorder: &mut RunRecorder<'_>,
    ) -> Result<Result<(), Problem>, RunError> {
        if let Err(failure) = dataset.begin().await {
            return Ok(Err(*failure.problem));
        }
        let runner = Arc::new(self.runner());
        let mut outcomes = stream::iter(0..self.plan.documents)
            .map(|index| {
                let id = DocumentId::from_index(index);
                let runner = runner.clone();
                let artifacts = self.executor.artifacts.clone();
                async move {
                    // A task of its own, so that documents use all cores and a panic stays in it.
                    let task = AbortOnDrop(tokio::spawn(
                        async move { runner.run(id).await }.in_current_span(),
                    ));
                    let outcome = task.await;
                    outcome.unwrap_or_else(|join| DocumentOutcome::panicked(id, join, artifacts))
                }
            })
            .buffered(self.plan.window);
        let mut key = dataset.key();
        loop {
            let outcome = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Ok(Err(cancelled())),
                outcome = outcomes.next() => outcome,
            };
            let Some(mut outcome) = outcome else { break };
            if let Some(problem) = outcome.ends_run() {
                return Ok(Err(problem));
            }
            if outcome.failure.is_none()
                && let Err(failure) = dataset.add(&mut outcome, &runner).await
            {
                return Ok(Err(*failure.problem));
            }
            key = extended(key, &outcome);
            recorder.record(outcome).await?;
        }
        drop(outcomes);
        recorder.commit().await?;
        if recorder.outcome.succeeded == 0 && self.plan.documents > 0 {
            return Ok(Err(nothing_succeeded(&recorder.outcome.dead_letters)));
        }
        let finished = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Ok(Err(cancelled())),
            finished = dataset.finish(&recorder.outcome) => finished,
        };
        if self.cancel.is_cancelled() {
            return Ok(Err(cancelled()));
        }
        // From here on nothing is cancelled: the dataset appears, and the run tells so.
        let missing = dataset.missing();
        let published = match finished {
            Ok(()) => dataset.publish(key).await,
            Err(failure) => Err(failure),
        };
        match published {
            Ok(paths) => {
                for path in &paths {
                    self.observer
                        .progress(&Progress::Published { path: path.clone() });
                }
                recorder.outcome.published = paths;
                recorder.outcome.problem = missing;
                Ok(Ok(()))
            }
            Err(failure) => Ok(Err(*failure.problem)),
        }
    }

    /// Brings what was published elsewhere, and records of each delivery how it ended. The inner error
    /// ends the run: it was halted meanwhile.
    async fn deliver(
        &self,
        recorder: &mut RunRecorder<'_>,
    ) -> Result<Result<(), Problem>, RunError> {
        let published = |path: &Option<PathBuf>| {
            let there = |path: &&PathBuf| recorder.outcome.published.contains(path);
            path.as_ref().filter(there).cloned()
        };
        let spec = &self.order.spec;
        let dataset = Published {
            pipeline: spec.pipeline.clone(),
            run: self.run,
            folder: published(&spec.out),
            zip: published(&spec.zip),
        };
        for DeliveryInstance { id, stage } in &self.plan.deliveries {
            let outcome = if dataset.folder.is_none() && dataset.zip.is_none() {
                let remark = "nothing was published".to_owned();
                DeliveryOutcome::Skipped { remark }
            } else {
                let stage_id = id.clone();
                self.observer
                    .progress(&Progress::Delivering { stage: stage_id });
                tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => return Ok(Err(cancelled())),
                    delivered = caught(stage.deliver(&dataset)) => delivered.into(),
                }
            };
            let delivery = Delivery {
                stage: id.clone(),
                target: stage.target().to_owned(),
                outcome,
                at: clock::now_ms(),
            };
            self.observer.progress(&Progress::Delivered {
                delivery: delivery.clone(),
            });
            recorder.outcome.deliveries.push(delivery.clone());
            recorder.waiting.push(JobEvent::Delivered { delivery });
            recorder.commit().await?;
        }
        Ok(Ok(()))
    }

    fn runner(&self) -> DocumentRunner {
        DocumentRunner {
            plan: self.plan.clone(),
            artifacts: self.executor.artifacts.clone(),
            observer: self.observer.clone(),
            seed: self.order.spec.seed,
            fresh: self.order.fresh,
            cancel: self.cancel.clone(),
        }
    }
}

impl From<Result<Receipt, StageFailure>> for DeliveryOutcome {
    fn from(delivered: Result<Receipt, StageFailure>) -> Self {
        match delivered {
            Ok(Receipt { place, url }) => Self::Delivered { place, url },
            Err(failure) => {
                let problem = *failure.problem;
                warn!(code = problem.code, %problem, "a dataset was not delivered");
                Self::Failed { problem }
            }
        }
    }
}

/// The dataset key after one more document: what a dataset depends on is the sequence of its
/// documents' artifacts and failures.
fn extended(key: Digest, outcome: &DocumentOutcome) -> Digest {
    let mut parts = vec![key.as_bytes().to_vec(), outcome.id.to_string().into_bytes()];
    for (slot, digest) in outcome.slots.digests() {
        parts.push(slot.name().as_bytes().to_vec());
        parts.push(digest.as_bytes().to_vec());
    }
    if let Some((stage, failure)) = &outcome.failure {
        parts.push(stage.clone().into_bytes());
        parts.push(failure.problem.code.clone().into_bytes());
    }
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

fn cancelled() -> Problem {
    Problem::new(CANCELLED, "the run was cancelled")
        .hint("run the same command again to go on from where it stopped")
}

fn nothing_succeeded(dead: &[DeadLetter]) -> Problem {
    let mut nothing = Problem::new(
        NOTHING_SUCCEEDED,
        "no document succeeded, so no dataset was made",
    );
    if let Some(DeadLetter {
        document,
        stage,
        problem,
    }) = dead.first()
    {
        let first = format!("{document} failed in stage `{stage}`: {problem}");
        nothing.causes.push(first);
        nothing.causes.extend(problem.causes.iter().cloned());
        nothing.hint.clone_from(&problem.hint);
    }
    nothing
}

/// Counts what happened and commits it in groups: artifacts first, then the job events that speak
/// of them.
struct RunRecorder<'a> {
    run: &'a ActiveRun<'a>,
    outcome: RunOutcome,
    waiting: Vec<JobEvent>,
    committed: Instant,
}

impl<'a> RunRecorder<'a> {
    fn new(run: &'a ActiveRun<'a>) -> Self {
        Self {
            run,
            outcome: RunOutcome {
                run: run.run,
                state: RunState::Running,
                documents: run.plan.documents,
                succeeded: 0,
                dead_letters: Vec::new(),
                problem: None,
                published: Vec::new(),
                deliveries: Vec::new(),
                up_to_date: false,
                remarks: BTreeMap::new(),
            },
            waiting: Vec::new(),
            committed: Instant::now(),
        }
    }

    /// Reports every stage of a document that was recalled whole.
    fn report_hits(&self, outcome: &DocumentOutcome) {
        for stage in self.run.plan.stage_ids() {
            self.run.observer.progress(&Progress::Stage {
                document: outcome.id,
                stage,
                hit: true,
                spent: Duration::ZERO,
            });
        }
    }

    async fn record(&mut self, outcome: DocumentOutcome) -> Result<(), RunError> {
        let DocumentOutcome {
            id: document,
            spent,
            remarks,
            failure,
            ..
        } = outcome;
        let told = failure
            .as_ref()
            .map(|(stage, failure)| (stage.clone(), (*failure.problem).clone()));
        self.run.observer.progress(&Progress::Document {
            document,
            failure: told,
        });
        let event = if let Some((stage, failure)) = failure {
            let problem = *failure.problem;
            self.outcome.dead_letters.push(DeadLetter {
                document,
                stage: stage.clone(),
                problem: problem.clone(),
            });
            JobEvent::DocumentFailed {
                document,
                stage,
                problem,
            }
        } else {
            self.outcome.succeeded += 1;
            for remark in &remarks {
                *self.outcome.remarks.entry(remark.clone()).or_default() += 1;
            }
            JobEvent::DocumentSucceeded {
                document,
                spent,
                remarks,
            }
        };
        self.waiting.push(event);
        if self.waiting.len() >= COMMIT_AT || self.committed.elapsed() >= COMMIT_EVERY {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), RunError> {
        self.committed = Instant::now();
        if self.waiting.is_empty() {
            return Ok(());
        }
        let executor = self.run.executor;
        executor
            .artifacts
            .flush()
            .await
            .map_err(RunError::Artifacts)?;
        let events = std::mem::take(&mut self.waiting);
        let appended = executor.jobs.append(self.run.run, events).await;
        appended.map_err(RunError::Store)
    }
}

/// A task that ends with the one who waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
