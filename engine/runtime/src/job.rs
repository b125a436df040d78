//! Jobs: what is kept about a run, the moves it may make, and the store that keeps it.
//!
//! A store is an append-only list of [`JobEvent`]s and the state they add up to. The state is a
//! pure function of the events ([`RunRecord::apply`]), so that it can be rebuilt from them.

pub mod conformance;
pub mod memory;
pub mod watched;

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf, str::FromStr, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{Code, Digest, DocumentId, Seed, code::Problem};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::{Map, Value, value::RawValue};

/// A run's name, `run-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run-{}", self.0)
    }
}

/// A text that names no run.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of a run, such as `run-17`")]
pub struct ParseRunIdError(String);

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("run-").unwrap_or(text);
        let number = number
            .parse()
            .map_err(|_| ParseRunIdError(text.to_owned()))?;
        Ok(Self(number))
    }
}

/// Everything needed to run again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline file, absolute; absent for one that was uploaded or shipped in the binary.
    pub file: Option<PathBuf>,
    /// Digest of the file's text.
    pub pipeline_digest: Digest,
    /// The values of its parameters.
    pub params: Params,
    /// The run seed.
    pub seed: Seed,
    /// Files given with `--input`, absolute.
    pub inputs: Vec<PathBuf>,
    /// Where the dataset goes, absolute.
    pub out: Option<PathBuf>,
    /// Where the ZIP goes, absolute.
    pub zip: Option<PathBuf>,
    /// Who asked for it; absent for a run of the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The values of a pipeline's parameters as jobs keep them: the text of a JSON object, which takes a
/// fifth of the memory that the object does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params(Box<str>);

impl Params {
    /// The values by name.
    #[must_use]
    pub fn values(&self) -> Map<String, Value> {
        // It is the text of an object whoever made it.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<&Map<String, Value>> for Params {
    fn from(values: &Map<String, Value>) -> Self {
        // JSON can always be written as JSON.
        Self(serde_json::to_string(values).unwrap_or_default().into())
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: &RawValue = serde_json::from_str(&self.0).map_err(ser::Error::custom)?;
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|values| Self::from(&values))
    }
}

/// Who asked a service for a run, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The name they know it by.
    pub request: String,
    /// Whose key they came with: nobody else sees the run.
    pub owner: String,
    /// The user on whose behalf they say that they asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The face of the service that was asked.
    pub face: String,
    /// What was asked, without its secrets.
    pub body: Value,
    /// What makes a second request the same as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// The secrets that came with it, sealed with a key that is kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// The key that a client gave a request, so that it can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// Digest of what was asked with it.
    pub body: Digest,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Waits for its turn.
    Queued,
    /// Documents are being worked on.
    Running,
    /// Stopped by a person, to go on from there.
    Paused,
    /// All done; some documents may be dead letters.
    Completed,
    /// Ended by a failure that no document could have survived.
    Failed,
    /// Ended by a person.
    Cancelled,
    /// Its process died. Running or queueing it again resumes it.
    Interrupted,
}

impl RunState {
    /// Its name, as people and programs read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether nothing more happens in it, unless it is queued again.
    #[must_use]
    pub const fn terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Paused)
    }
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JobEvent {
    /// It was accepted and waits for its turn.
    Queued {
        /// What it runs.
        spec: Arc<RunSpec>,
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// Its turn has come. What an earlier turn has done is counted anew.
    Begun {
        /// How many documents were asked for.
        documents: u64,
        /// Ids of its document stages, in order.
        stages: Vec<String>,
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// It stopped, to go on another time.
    Paused {
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// It waits for another turn.
    Requeued {
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// It was created and began at once.
    Started {
        /// What it runs.
        spec: Arc<RunSpec>,
        /// How many documents were asked for.
        documents: u64,
        /// Ids of its document stages, in order.
        stages: Vec<String>,
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// A document passed every document stage.
    DocumentSucceeded {
        /// Which.
        document: DocumentId,
        /// Milliseconds spent by stage id; absent for stages that were hits.
        spent: BTreeMap<String, u64>,
        /// Remarks of the stages.
        remarks: Vec<String>,
    },
    /// A document failed for good.
    DocumentFailed {
        /// Which.
        document: DocumentId,
        /// The stage.
        stage: String,
        /// Why.
        problem: Problem,
    },
    /// The dataset was brought elsewhere, or was to be.
    Delivered {
        /// What came of it.
        delivery: Delivery,
    },
    /// The run ended.
    Ended {
        /// How; never `Running`.
        state: RunState,
        /// Why, where it failed.
        problem: Option<Problem>,
        /// When, in milliseconds since 1970.
        at: u64,
    },
}

/// A move that the state machine does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Serialize, Deserialize)]
#[error("{run} is {state:?}: `{event}` cannot happen to it")]
pub struct IllegalMove {
    /// The run.
    pub run: RunId,
    /// Where it stands.
    pub state: RunState,
    /// What was to happen.
    pub event: Cow<'static, str>,
}

impl IllegalMove {
    /// The outcome of a document is recorded a second time.
    #[must_use]
    pub const fn repeated(run: &RunRecord) -> Self {
        Self {
            run: run.id,
            state: run.state,
            event: Cow::Borrowed("a second outcome of a document"),
        }
    }

    /// A run is removed before it has ended.
    #[must_use]
    pub const fn running(run: &RunRecord) -> Self {
        Self {
            run: run.id,
            state: run.state,
            event: Cow::Borrowed("removal"),
        }
    }
}

/// What a stage has done in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageProgress {
    /// Documents it has finished.
    pub done: u64,
    /// Of these, how many were remembered.
    pub hits: u64,
    /// Documents it has failed.
    pub failed: u64,
    /// Milliseconds of work, summed over documents.
    pub spent_ms: u64,
}

/// What came of bringing a dataset elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Id of the stage.
    pub stage: String,
    /// What it delivers to.
    pub target: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: DeliveryOutcome,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum DeliveryOutcome {
    /// The dataset has arrived.
    Delivered {
        /// The place, as people know it.
        place: String,
        /// A link that leads to it.
        url: Option<String>,
    },
    /// There was nothing to deliver.
    Skipped {
        /// Why.
        remark: String,
    },
    /// It has not arrived; the run is none the worse.
    Failed {
        /// Why.
        problem: Problem,
    },
}

/// A run as it stands: the sum of its events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its name.
    pub id: RunId,
    /// What it runs.
    pub spec: Arc<RunSpec>,
    /// Where it stands.
    pub state: RunState,
    /// Documents asked for.
    pub documents: u64,
    /// Documents that succeeded.
    pub succeeded: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Progress by stage id, in plan order.
    pub stages: Vec<(String, StageProgress)>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// What came of each delivery of its last turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
    /// How many events this is the sum of.
    pub events: u64,
    /// When it was created, in milliseconds since 1970.
    #[serde(default)]
    pub created_at: u64,
    /// When its state last changed.
    #[serde(default)]
    pub updated_at: u64,
    /// When it last began, in milliseconds since 1970.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
}

impl RunRecord {
    /// The record that a run's first event makes; `None` if it is another event than
    /// [`JobEvent::Queued`] and [`JobEvent::Started`].
    #[must_use]
    pub fn begin(id: RunId, event: &JobEvent) -> Option<Self> {
        let (JobEvent::Queued { spec, at } | JobEvent::Started { spec, at, .. }) = event else {
            return None;
        };
        let mut record = Self {
            id,
            spec: spec.clone(),
            state: RunState::Queued,
            documents: 0,
            succeeded: 0,
            failed: 0,
            stages: Vec::new(),
            problem: None,
            deliveries: Vec::new(),
            events: 1,
            created_at: *at,
            updated_at: *at,
            started_at: *at,
            ended_at: None,
        };
        if let JobEvent::Started {
            documents, stages, ..
        } = event
        {
            record.set_off(*documents, stages, *at);
        }
        Some(record)
    }

    fn set_off(&mut self, documents: u64, stages: &[String], at: u64) {
        let fresh = |stage: &String| (stage.clone(), StageProgress::default());
        self.state = RunState::Running;
        self.documents = documents;
        (self.succeeded, self.failed) = (0, 0);
        self.deliveries.clear();
        self.stages = stages.iter().map(fresh).collect();
        (self.started_at, self.updated_at) = (at, at);
    }

    /// The record after one more event.
    ///
    /// # Errors
    /// When the event cannot happen to a run in this state.
    pub fn apply(&mut self, event: &JobEvent) -> Result<(), IllegalMove> {
        use RunState::{Paused, Queued, Running};
        let state = self.state;
        let legal = match event {
            JobEvent::Queued { .. } | JobEvent::Started { .. } => false,
            JobEvent::Begun { .. } => state == Queued,
            JobEvent::DocumentSucceeded { .. }
            | JobEvent::DocumentFailed { .. }
            | JobEvent::Delivered { .. } => state == Running,
            JobEvent::Paused { .. } => matches!(state, Queued | Running),
            JobEvent::Requeued { .. } => state != Queued,
            JobEvent::Ended { state: end, .. } => !state.terminal() && end.terminal(),
        };
        if !legal {
            return Err(IllegalMove {
                run: self.id,
                state,
                event: Cow::Borrowed(event.name()),
            });
        }
        self.events += 1;
        match event {
            JobEvent::Queued { .. } | JobEvent::Started { .. } => {}
            JobEvent::Begun {
                documents,
                stages,
                at,
            } => self.set_off(*documents, stages, *at),
            JobEvent::Paused { at } => (self.state, self.updated_at) = (Paused, *at),
            JobEvent::Requeued { at } => {
                (self.state, self.updated_at) = (Queued, *at);
                (self.problem, self.ended_at) = (None, None);
            }
            JobEvent::DocumentSucceeded { spent, .. } => {
                self.succeeded += 1;
                for (stage, progress) in &mut self.stages {
                    progress.done += 1;
                    match spent.get(stage) {
                        Some(ms) => progress.spent_ms += ms,
                        None => progress.hits += 1,
                    }
                }
            }
            JobEvent::DocumentFailed { stage, .. } => {
                self.failed += 1;
                if let Some((_, progress)) = self.stages.iter_mut().find(|(id, _)| id == stage) {
                    progress.failed += 1;
                }
            }
            JobEvent::Delivered { delivery } => self.deliveries.push(delivery.clone()),
            JobEvent::Ended { state, problem, at } => {
                (self.state, self.updated_at) = (*state, *at);
                self.problem.clone_from(problem);
                self.ended_at = Some(*at);
            }
        }
        Ok(())
    }
}

impl JobEvent {
    /// What it is called in a refusal.
    const fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Begun { .. } => "begun",
            Self::Paused { .. } => "paused",
            Self::Requeued { .. } => "requeued",
            Self::Started { .. } => "started",
            Self::DocumentSucceeded { .. } | Self::DocumentFailed { .. } => "an outcome",
            Self::Delivered { .. } => "a delivery",
            Self::Ended { .. } => "ended",
        }
    }
}

/// What is kept about one document of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// Which.
    pub document: DocumentId,
    /// The stage it failed in and why; absent where it succeeded.
    pub failure: Option<(String, Problem)>,
    /// Milliseconds by stage.
    pub spent: BTreeMap<String, u64>,
    /// Remarks of the stages.
    pub remarks: Vec<String>,
}

impl DocumentRecord {
    /// The record this event makes; `None` for events about the run.
    #[must_use]
    pub fn of(event: &JobEvent) -> Option<Self> {
        match event {
            JobEvent::DocumentSucceeded {
                document,
                spent,
                remarks,
            } => Some(Self {
                document: *document,
                failure: None,
                spent: spent.clone(),
                remarks: remarks.clone(),
            }),
            JobEvent::DocumentFailed {
                document,
                stage,
                problem,
            } => Some(Self {
                document: *document,
                failure: Some((stage.clone(), problem.clone())),
                spent: BTreeMap::new(),
                remarks: Vec::new(),
            }),
            _ => None,
        }
    }
}

/// A store that cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such run.
    #[error("there is no {0}")]
    NoSuchRun(RunId),
    /// A run is created by something else than its first event.
    #[error("a run begins with the event that it was queued or started")]
    NotStarted,
    /// The event does not fit the run's state.
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// The store cannot be reached, is full or broken.
    #[error("the job store failed while {doing}")]
    Failed {
        /// What it was doing.
        doing: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// No such run.
pub const NO_SUCH_RUN: Code = Code::new("DG0202");
/// A run cannot make this move.
pub const ILLEGAL_MOVE: Code = Code::new("DG0203");
/// The job store cannot be read or written.
pub const JOB_STORE: Code = Code::new("DG0204");

impl StoreError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NoSuchRun(_) => NO_SUCH_RUN,
            Self::NotStarted | Self::Illegal(_) => ILLEGAL_MOVE,
            Self::Failed { .. } => JOB_STORE,
        }
    }

    /// What the reader can do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchRun(_) => Some("`docgenie-engine runs list` names the runs there are"),
            Self::NotStarted | Self::Illegal(_) => None,
            Self::Failed { .. } => Some(
                "check that the disk that holds DOCGENIE_HOME has room and can be written, then try again: what was recorded is kept",
            ),
        }
    }
}

/// Keeps runs. What a call has returned `Ok` for survives a `kill -9` and a power cut.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Records a new run by its [`JobEvent::Queued`] or [`JobEvent::Started`] and gives it the next
    /// name.
    async fn create(&self, first: JobEvent) -> Result<RunId, StoreError>;

    /// Records what happened to a run, in order. Either all of it is durable or the call fails. The
    /// outcome of a document is recorded once; [`JobEvent::Begun`] forgets the outcomes before it.
    async fn append(&self, run: RunId, events: Vec<JobEvent>) -> Result<(), StoreError>;

    /// One run.
    async fn run(&self, run: RunId) -> Result<RunRecord, StoreError>;

    /// Runs, newest first.
    async fn runs(&self, limit: usize, skip: usize) -> Result<Vec<RunRecord>, StoreError>;

    /// Documents of a run in index order, beginning at index `from`.
    async fn documents(
        &self,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<DocumentRecord>, StoreError>;

    /// Documents of a run that failed, in index order.
    async fn dead_letters(&self, run: RunId) -> Result<Vec<DocumentRecord>, StoreError>;

    /// What happened to a run behind its first `after` events, oldest first, each with its number.
    async fn events(
        &self,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JobEvent)>, StoreError>;

    /// Forgets a run that has ended.
    async fn remove(&self, run: RunId) -> Result<(), StoreError>;

    /// Whether anything can be recorded now.
    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
