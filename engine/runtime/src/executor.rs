//! The executor: walks documents through a plan and publishes the dataset.
//!
//! There is one path. A document walks from its first stage; each stage's result is recalled if its
//! key is known and made otherwise, so a resumed run is a fresh run with many hits. Documents are
//! worked on side by side within a fixed window and leave it in index order, so neither memory nor
//! output depends on how many there are or how fast each one is.

mod crew;
mod dataset;
mod walk;

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

use crate::{
    artifact::{ArtifactError, ArtifactStore},
    clock,
    executor::{
        crew::Crew,
        dataset::Dataset,
        walk::{Walked, Walker},
    },
    files::PublishError,
    job::{JobEvent, JobStore, RunId, RunSpec, RunState, StoreError},
    progress::{Observer, Progress},
    registry::Registry,
    stage::{DeadLetter, StageEnv, StageFailure},
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
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Its name.
    pub run: RunId,
    /// `Completed`, `Failed` or `Cancelled`.
    pub state: RunState,
    /// Documents asked for.
    pub documents: u64,
    /// Documents that succeeded.
    pub succeeded: u64,
    /// Documents that failed.
    pub dead_letters: Vec<DeadLetter>,
    /// Why the run failed, where it did.
    pub problem: Option<Problem>,
    /// Folder and ZIP that now hold the dataset.
    pub published: Vec<PathBuf>,
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
        /// `path:line:column` of the stage.
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
    /// Cancelling the token ends it within the time of the calls under way; nothing half done
    /// becomes visible.
    ///
    /// # Errors
    /// When the run cannot begin or its progress cannot be recorded any more.
    pub async fn run(
        &self,
        order: RunOrder,
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
        began: impl FnOnce(RunId) + Send,
    ) -> Result<RunOutcome, RunError> {
        let (crew, stages) = Crew::build(self, &order)?;
        let dataset = Dataset::open(&order, &crew, stages).map_err(RunError::Target)?;
        let started = JobEvent::Started {
            spec: Box::new(order.spec.clone()),
            documents: crew.documents,
            stages: crew.stage_ids(),
            at: clock::now_ms(),
        };
        let run = self.jobs.create(started).await.map_err(RunError::Store)?;
        began(run);
        observer.progress(&Progress::Started {
            run,
            documents: crew.documents,
            stages: crew.stage_ids(),
        });
        let crew = Arc::new(crew);
        let flight = Flight {
            executor: self,
            order: &order,
            crew: crew.clone(),
            observer,
            cancel,
            run,
        };
        let outcome = flight.fly(dataset).await;
        crew.close().await;
        outcome
    }
}

/// One run under way.
struct Flight<'a> {
    executor: &'a Executor,
    order: &'a RunOrder,
    crew: Arc<Crew>,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
    run: RunId,
}

impl Flight<'_> {
    async fn fly(&self, dataset: Dataset) -> Result<RunOutcome, RunError> {
        let mut tally = Tally::new(self);
        let ended = if !self.order.fresh && self.stands(&dataset).await {
            self.retell(&dataset, &mut tally).await?
        } else {
            self.produce(dataset, &mut tally).await?
        };
        tally.commit().await?;
        let state = match ended {
            Ok(()) => RunState::Completed,
            Err(problem) => {
                let state = if problem.code == CANCELLED.as_str() {
                    RunState::Cancelled
                } else {
                    RunState::Failed
                };
                tally.outcome.problem = Some(problem);
                state
            }
        };
        tally.outcome.state = state;
        tally.waiting.push(JobEvent::Ended {
            state,
            problem: tally.outcome.problem.clone(),
            at: clock::now_ms(),
        });
        tally.commit().await?;
        Ok(tally.outcome)
    }

    /// Whether the dataset of exactly these documents already stands at its target. Only recalls: it
    /// stops at the first document that would need work.
    async fn stands(&self, dataset: &Dataset) -> bool {
        let Some(standing) = dataset.standing() else {
            return false;
        };
        let walker = self.walker();
        let mut key = dataset.key();
        for index in 0..self.crew.documents {
            match walker.recall(DocumentId::from_index(index)).await {
                Some(walked) if !self.cancel.is_cancelled() => key = extended(key, &walked),
                _ => return false,
            }
        }
        key == standing
    }

    /// Tells of the documents of a dataset that stands. The inner error ends the run.
    async fn retell(
        &self,
        dataset: &Dataset,
        tally: &mut Tally<'_>,
    ) -> Result<Result<(), Problem>, RunError> {
        let walker = self.walker();
        for index in 0..self.crew.documents {
            if self.cancel.is_cancelled() {
                return Ok(Err(cancelled()));
            }
            let id = DocumentId::from_index(index);
            // It is in the dataset, even if somebody has removed what is remembered of it since.
            let walked = walker.recall(id).await;
            let walked = walked.unwrap_or_else(|| Walked::new(id, walker.artifacts.clone()));
            tally.hit_all(&walked);
            tally.note(walked).await?;
        }
        tally.outcome.up_to_date = true;
        tally.outcome.published = dataset.targets();
        Ok(Ok(()))
    }

    /// Walks the documents and feeds the dataset in index order. The inner error ends the run.
    async fn produce(
        &self,
        mut dataset: Dataset,
        tally: &mut Tally<'_>,
    ) -> Result<Result<(), Problem>, RunError> {
        if let Err(failure) = dataset.begin().await {
            return Ok(Err(*failure.problem));
        }
        let walker = Arc::new(self.walker());
        let mut walks = stream::iter(0..self.crew.documents)
            .map(|index| {
                let id = DocumentId::from_index(index);
                let walker = walker.clone();
                let artifacts = self.executor.artifacts.clone();
                async move {
                    // A task of its own, so that walks use all cores and a panic stays in it.
                    let walk = AbortOnDrop(tokio::spawn(async move { walker.walk(id).await }));
                    let walked = walk.await;
                    walked.unwrap_or_else(|join| Walked::panicked(id, join, artifacts))
                }
            })
            .buffered(self.crew.window);
        let mut key = dataset.key();
        loop {
            let walked = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Ok(Err(cancelled())),
                walked = walks.next() => walked,
            };
            let Some(mut walked) = walked else { break };
            if let Some(problem) = walked.ends_run() {
                return Ok(Err(problem));
            }
            if walked.failure.is_none()
                && let Err(failure) = dataset.add(&mut walked, &walker).await
            {
                return Ok(Err(*failure.problem));
            }
            key = extended(key, &walked);
            tally.note(walked).await?;
        }
        drop(walks);
        tally.commit().await?;
        if tally.outcome.succeeded == 0 && self.crew.documents > 0 {
            return Ok(Err(nothing_succeeded(&tally.outcome.dead_letters)));
        }
        let finished = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Ok(Err(cancelled())),
            finished = dataset.finish(&tally.outcome) => finished,
        };
        if self.cancel.is_cancelled() {
            return Ok(Err(cancelled()));
        }
        // From here on nothing is cancelled: the dataset appears, and the run tells so.
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
                tally.outcome.published = paths;
                Ok(Ok(()))
            }
            Err(failure) => Ok(Err(*failure.problem)),
        }
    }

    fn walker(&self) -> Walker {
        Walker {
            crew: self.crew.clone(),
            artifacts: self.executor.artifacts.clone(),
            observer: self.observer.clone(),
            seed: self.order.spec.seed,
            fresh: self.order.fresh,
            cancel: self.cancel.clone(),
        }
    }
}

/// The dataset key after one more document: what a dataset depends on is the sequence of its
/// documents' artifacts and failures.
fn extended(key: Digest, walked: &Walked) -> Digest {
    let mut parts = vec![key.as_bytes().to_vec(), walked.id.to_string().into_bytes()];
    for (slot, digest) in walked.slots.digests() {
        parts.push(slot.name().as_bytes().to_vec());
        parts.push(digest.as_bytes().to_vec());
    }
    if let Some((stage, failure)) = &walked.failure {
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
struct Tally<'a> {
    flight: &'a Flight<'a>,
    outcome: RunOutcome,
    waiting: Vec<JobEvent>,
    committed: Instant,
}

impl<'a> Tally<'a> {
    fn new(flight: &'a Flight<'a>) -> Self {
        Self {
            flight,
            outcome: RunOutcome {
                run: flight.run,
                state: RunState::Running,
                documents: flight.crew.documents,
                succeeded: 0,
                dead_letters: Vec::new(),
                problem: None,
                published: Vec::new(),
                up_to_date: false,
                remarks: BTreeMap::new(),
            },
            waiting: Vec::new(),
            committed: Instant::now(),
        }
    }

    /// Reports every stage of a document that was recalled whole.
    fn hit_all(&self, walked: &Walked) {
        for stage in self.flight.crew.stage_ids() {
            self.flight.observer.progress(&Progress::Stage {
                document: walked.id,
                stage,
                hit: true,
                spent: Duration::ZERO,
            });
        }
    }

    async fn note(&mut self, walked: Walked) -> Result<(), RunError> {
        let Walked {
            id: document,
            spent,
            remarks,
            failure,
            ..
        } = walked;
        let told = failure
            .as_ref()
            .map(|(stage, failure)| (stage.clone(), (*failure.problem).clone()));
        self.flight.observer.progress(&Progress::Document {
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
        let executor = self.flight.executor;
        executor
            .artifacts
            .flush()
            .await
            .map_err(RunError::Artifacts)?;
        let events = std::mem::take(&mut self.waiting);
        let appended = executor.jobs.append(self.flight.run, events).await;
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
