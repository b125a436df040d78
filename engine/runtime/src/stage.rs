//! The stage contract.
//!
//! A stage is a configuration type that implements [`StageConfig`]: its fields are the options a
//! pipeline file may set (doc comments become the reference page, defaults the defaults), and
//! [`StageConfig::build`] makes the working stage. Adding one touches one folder and one line of
//! the registry; see `docs/adding-a-stage.md`.

use std::{any::Any, error::Error, panic::AssertUnwindSafe, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{
    Code, Digest, DocumentId, Seed, Slot, SlotValue,
    code::{Problem, chain},
};
pub use docgenie_pipeline::{Implied, Scope, SlotUse, StageSpec, Variants};
use futures::FutureExt;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    artifact::{ArtifactError, DocumentSlots},
    extension::Extensions,
    files::DatasetFolder,
    job::RunId,
    resident::Residents,
    secret::Secrets,
};

/// What is outside a pipeline file and a stage may need when it is built.
#[derive(Clone, Debug)]
pub struct StageEnv {
    /// `$DOCGENIE_HOME`: profiles, models and caches live in folders of it.
    pub home: PathBuf,
    /// The folder of the pipeline file; relative paths of options start here.
    pub pipeline_dir: PathBuf,
    /// Files given with `--input`.
    pub inputs: Vec<PathBuf>,
    /// How many documents are worked on at once (`--jobs`).
    pub jobs: usize,
    /// What extends the engine.
    pub extensions: Arc<dyn Extensions>,
    /// Keys for what stages talk to.
    pub secrets: Secrets,
    /// What is kept from run to run.
    pub residents: Residents,
    /// Whether addresses that a pipeline or a request names may lie in private networks.
    pub private_addresses: bool,
    /// The program of the engine, of which stages start children for what may mean harm. Without it
    /// they do that themselves, within the limits that a thread can have.
    pub program: Option<PathBuf>,
}

/// A configuration that can become a stage.
pub trait StageConfig: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// Name in kebab case.
    const NAME: &'static str;
    /// Counts up whenever the same inputs would give other outputs: it is part of every memo key.
    const VERSION: u32;
    /// One line.
    const SUMMARY: &'static str;
    /// Markdown for the reference page.
    const DOCUMENTATION: &'static str;
    /// Document, dataset or delivery.
    const SCOPE: Scope;
    /// Whether it starts documents.
    const STARTS_DOCUMENTS: bool = false;
    /// Options that change how much or how fast, but never a document's result: they are no part
    /// of its key.
    const NEUTRAL_OPTIONS: &'static [&'static str] = &[];

    /// The slots it touches with these options.
    fn slots(&self) -> SlotUse;

    /// The stages that these options ask for besides.
    fn implies(&self) -> Vec<Implied> {
        Vec::new()
    }

    /// Makes the stage: loads templates, finds programs, checks what the schema cannot.
    ///
    /// # Errors
    /// When the options make no sense together or something the stage needs is not there.
    fn build(self, env: &StageEnv) -> Result<Built, StageFailure>;
}

/// A stage ready to work.
pub enum Built {
    /// Works on one document at a time.
    Document(Arc<dyn DocumentStage>),
    /// Streams the whole run.
    Dataset(Box<dyn DatasetStage>),
    /// Acts on what was published.
    Delivery(Arc<dyn DeliveryStage>),
}

/// How many documents a stage may work on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as the run has jobs.
    Jobs,
    /// At most this many.
    AtMost(usize),
}

/// A stage that works on one document at a time. `run` is called from many tasks at once.
#[async_trait]
pub trait DocumentStage: Send + Sync {
    /// For a stage that starts documents: how many there are.
    fn documents(&self) -> Option<u64> {
        None
    }

    /// What the result depends on beside options, slots read and seed: engine versions, digests of
    /// templates, models and fonts.
    fn identity(&self) -> String {
        String::new()
    }

    /// What else the result for this document depends on, where only its slots tell: the model for
    /// the language it is in. It is asked for before every recall, so that it must be quick.
    async fn identity_for(&self, _document: &DocumentContext) -> Result<String, StageFailure> {
        Ok(String::new())
    }

    /// Whether the result depends on the document's seed and index. Results of stages that do not
    /// are shared between documents and runs.
    fn seeded(&self) -> bool {
        false
    }

    /// How many documents it may work on at once.
    fn concurrency(&self) -> Concurrency {
        Concurrency::Jobs
    }

    /// Works on one document. Heavy computation goes through [`blocking`].
    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure>;

    /// Called once when the run is over, however it ended: stop children, free handles.
    async fn close(&self) {}
}

/// A stage that streams the documents of a run in index order and writes into the dataset.
///
/// Nothing it writes is visible to anyone before every dataset stage of the run has finished.
#[async_trait]
pub trait DatasetStage: Send {
    /// What the result depends on beside options and documents.
    fn identity(&self) -> String {
        String::new()
    }

    /// Tells it its id in the pipeline, before anything is asked of it.
    fn named(&mut self, _id: &str) {}

    /// The folder of the dataset that holds all that the stage writes and nothing else, where a
    /// dataset is of use without it. Where the stage fails, that folder is left out and the run goes
    /// on; otherwise its failure ends the run.
    fn part(&self) -> Option<String> {
        None
    }

    /// Before the first document.
    async fn begin(&mut self, run: &RunFacts, folder: &DatasetFolder) -> Result<(), StageFailure>;

    /// The next document that succeeded, in index order.
    async fn add(
        &mut self,
        document: &DocumentContext,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure>;

    /// After the last. What earlier dataset stages of the run have written is in `dataset`; what
    /// this one returns is added to it.
    async fn finish(
        &mut self,
        dataset: &DatasetContext,
        folder: &DatasetFolder,
    ) -> Result<Outputs, StageFailure>;
}

/// A stage that brings a dataset elsewhere once it is published.
///
/// Its failure is recorded and ends nothing: the dataset stays where it was published. A run that is
/// resumed or run once more delivers again, so that a second delivery must replace the first.
#[async_trait]
pub trait DeliveryStage: Send + Sync {
    /// What it delivers to, as records name it.
    fn target(&self) -> &'static str;

    /// Brings the dataset there. It is dropped where the run is halted.
    async fn deliver(&self, dataset: &Published) -> Result<Receipt, StageFailure>;
}

/// A dataset that was published: as a folder, as a ZIP or as both.
#[derive(Clone, Debug)]
pub struct Published {
    /// The pipeline that made it.
    pub pipeline: String,
    /// The run that did.
    pub run: RunId,
    /// The folder.
    pub folder: Option<PathBuf>,
    /// The ZIP.
    pub zip: Option<PathBuf>,
}

/// Where a delivery has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The place, as people know it.
    pub place: String,
    /// A link that leads to it, where there is one.
    pub url: Option<String>,
}

/// What a dataset stage may say about the run. Nothing in it depends on time, chance, paths, host
/// or concurrency.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its description.
    pub description: String,
    /// Digest of the pipeline file's text.
    pub pipeline_digest: Digest,
    /// The parameters, defaults included.
    pub params: Map<String, Value>,
    /// The run seed.
    pub seed: Seed,
    /// How many documents were asked for.
    pub documents: u64,
    /// Every stage of the plan as (id, name, version, identity).
    pub stages: Vec<StageFacts>,
    /// The engine's version.
    pub engine: String,
}

/// A stage as a dataset card names it.
#[derive(Clone, Debug, Serialize)]
pub struct StageFacts {
    /// Its id in the plan.
    pub id: String,
    /// Its name in the catalogue.
    pub uses: String,
    /// Its version.
    pub version: u32,
    /// Engine versions, digests of templates and models.
    pub identity: String,
    /// Its options.
    pub options: Map<String, Value>,
}

/// A document that failed, as the dataset names it.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    /// Which document.
    pub document: DocumentId,
    /// The stage that failed.
    pub stage: String,
    /// Why.
    pub problem: Problem,
}

/// What is known once all documents have passed.
pub struct DatasetContext {
    /// Documents that succeeded.
    pub succeeded: u64,
    /// Documents that failed, in index order.
    pub dead_letters: Vec<DeadLetter>,
    pub(crate) values: Outputs,
}

impl DatasetContext {
    /// What an earlier dataset stage of this run returned.
    ///
    /// # Errors
    /// When the value does not decode.
    pub fn value<T: SlotValue>(&self) -> Result<Option<T>, StageFailure> {
        let found = self.values.0.iter().find(|(slot, _)| *slot == T::SLOT);
        let decoded = found.map(|(_, bytes)| T::decode(bytes.clone()));
        decoded.transpose().map_err(|error| {
            StageFailure::new(BROKEN_ARTIFACT, "a value does not decode").because(&error)
        })
    }
}

/// A document as a stage sees it: the slots among the stage's declared reads, as they were filled
/// when it started.
#[derive(Clone)]
pub struct DocumentContext {
    /// Its name, which holds its index.
    pub id: DocumentId,
    /// The seed for this stage and document; derived from the run seed.
    pub seed: Seed,
    /// The seed for this stage, alike for all documents of the run: for what several of them share.
    pub run_seed: Seed,
    pub(crate) slots: DocumentSlots,
}

impl DocumentContext {
    /// The value of a slot the stage declared among its `reads`.
    ///
    /// # Errors
    /// When the slot is empty or its artifact is missing or broken.
    pub async fn read<T: SlotValue>(&self) -> Result<Arc<T>, StageFailure> {
        let value = self.read_if_present::<T>().await?;
        value.ok_or_else(|| {
            let slot = T::SLOT;
            StageFailure::new(EMPTY_SLOT, format!("slot `{slot}` of {} is empty", self.id))
        })
    }

    /// The value of a slot the stage declared among its `reads_if_present`, or `None` where no
    /// earlier stage has written it.
    ///
    /// # Errors
    /// When its artifact is missing or broken.
    pub async fn read_if_present<T: SlotValue>(&self) -> Result<Option<Arc<T>>, StageFailure> {
        self.slots.read::<T>().await.map_err(Into::into)
    }
}

/// What a stage writes: encoded values by slot, and things worth telling.
#[derive(Default)]
pub struct Outputs(pub(crate) Vec<(Slot, Vec<u8>)>, pub(crate) Vec<String>);

impl Outputs {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this value in its slot.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn with<T: SlotValue>(mut self, value: &T) -> Result<Self, StageFailure> {
        let bytes = value.encode().map_err(|error| {
            StageFailure::new(BROKEN_ARTIFACT, "a value does not encode").because(&error)
        })?;
        self.0.push((T::SLOT, bytes));
        Ok(self)
    }

    /// With a remark about this document that the run reports (counted by its text).
    #[must_use]
    pub fn noting(mut self, remark: impl Into<String>) -> Self {
        self.1.push(remark.into());
        self
    }
}

/// A slot that should be filled is empty: a stage reads what it did not declare.
pub const EMPTY_SLOT: Code = Code::new("DG0101");
/// An artifact is missing, altered or of another version.
pub const BROKEN_ARTIFACT: Code = Code::new("DG0102");
/// A stage panicked.
pub const PANIC: Code = Code::new("DG0103");

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This document; the others go on.
    Document,
    /// This attempt; another may succeed.
    Attempt,
    /// The run: no document can succeed (no browser, no disk space).
    Run,
}

/// A stage's failure.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .problem.message)]
pub struct StageFailure {
    /// What people read and a job keeps.
    pub problem: Box<Problem>,
    /// How far it reaches.
    pub reach: Reach,
}

impl StageFailure {
    /// A failure of this document.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(code, message)),
            reach: Reach::Document,
        }
    }

    /// With the chain of causes beneath it.
    #[must_use]
    pub fn because(self, cause: &(dyn Error + 'static)) -> Self {
        self.because_of(Some(cause))
    }

    /// As [`Self::because`], where there may be no cause.
    #[must_use]
    pub fn because_of(mut self, cause: Option<&(dyn Error + 'static)>) -> Self {
        self.problem.causes.extend(chain(cause));
        self
    }

    /// With what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    /// Worth another attempt.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.reach = Reach::Attempt;
        self
    }

    /// Ends the run.
    #[must_use]
    pub fn ends_run(mut self) -> Self {
        self.reach = Reach::Run;
        self
    }
}

impl From<ArtifactError> for StageFailure {
    fn from(error: ArtifactError) -> Self {
        let mut failure =
            Self::new(error.code(), "an artifact cannot be read or kept").because(&error);
        failure.problem.hint = error.hint().map(str::to_owned);
        match error {
            ArtifactError::Store { .. } => failure.ends_run(),
            _ => failure,
        }
    }
}

/// Runs heavy computation away from the async threads.
///
/// # Errors
/// What `work` returns, or [`PANIC`] where it panics.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StageFailure> + Send + 'static,
) -> Result<T, StageFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) => Err(panicked(join)),
    }
}

pub(crate) fn panicked(join: tokio::task::JoinError) -> StageFailure {
    match join.try_into_panic() {
        Ok(panic) => panic_failure(&*panic),
        Err(_) => StageFailure::new(PANIC, "the task was cancelled"),
    }
}

/// What a stage returns, or [`PANIC`] where it panics.
pub(crate) async fn caught<T>(
    work: impl Future<Output = Result<T, StageFailure>>,
) -> Result<T, StageFailure> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or_else(|panic| Err(panic_failure(&*panic)))
}

fn panic_failure(panic: &(dyn Any + Send)) -> StageFailure {
    let message = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    let mut failure = StageFailure::new(PANIC, "the stage panicked");
    failure.problem.causes.extend(message);
    failure.hint("this is a defect of the engine or of a library: please report it")
}

type Build =
    Arc<dyn Fn(Map<String, Value>, &StageEnv) -> Result<Built, StageFailure> + Send + Sync>;

/// A registered stage: its description for the planner and its maker for the executor.
#[derive(Clone)]
pub struct StageKind {
    /// The description.
    pub spec: StageSpec,
    /// Part of every memo key.
    pub version: u32,
    /// Options that are no part of a memo key.
    pub neutral_options: &'static [&'static str],
    build: Build,
}

impl StageKind {
    /// Registers a configuration type.
    #[must_use]
    pub fn of<C: StageConfig>() -> Self {
        let schema = schemars::schema_for!(C);
        let spec = StageSpec {
            name: C::NAME.to_owned(),
            summary: C::SUMMARY.to_owned(),
            documentation: C::DOCUMENTATION.to_owned(),
            scope: C::SCOPE,
            starts_documents: C::STARTS_DOCUMENTS,
            options: schema.to_value(),
            variants: None,
            implies: Arc::new(|options| {
                C::deserialize(options).map_or_else(|_| Vec::new(), |config| config.implies())
            }),
            slots: Arc::new(|options| {
                C::deserialize(options).map_or_else(|_| SlotUse::default(), |config| config.slots())
            }),
        };
        Self {
            spec,
            version: C::VERSION,
            neutral_options: C::NEUTRAL_OPTIONS,
            build: Arc::new(|options, env| {
                let config = C::deserialize(&options).map_err(|error| {
                    StageFailure::new(
                        BAD_OPTIONS,
                        format!("the options of `{}` do not fit", C::NAME),
                    )
                    .because(&error)
                })?;
                config.build(env)
            }),
        }
    }

    /// Registers a stage that is described by data, such as a plugin's. Its results depend on its
    /// options and its identity.
    #[must_use]
    pub fn of_spec(
        spec: StageSpec,
        build: impl Fn(Map<String, Value>, &StageEnv) -> Result<Built, StageFailure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            spec,
            version: 0,
            neutral_options: &[],
            build: Arc::new(build),
        }
    }

    /// The same stage under a name of its own, with one option set for good. `options` is the schema
    /// of the others.
    #[must_use]
    pub fn preset(&self, name: &str, summary: &str, options: Value, set: (&str, Value)) -> Self {
        let (build, slots, (option, value)) = (self.build.clone(), self.spec.slots.clone(), set);
        let option = option.to_owned();
        let whole = move |mut options: Map<String, Value>| {
            options.insert(option.clone(), value.clone());
            options
        };
        let whole_for_slots = whole.clone();
        Self {
            spec: StageSpec {
                name: name.to_owned(),
                summary: summary.to_owned(),
                options,
                variants: None,
                slots: Arc::new(move |options| slots(&whole_for_slots(options.clone()))),
                ..self.spec.clone()
            },
            build: Arc::new(move |options, env| build(whole(options), env)),
            ..self.clone()
        }
    }

    /// Makes the stage from resolved options.
    ///
    /// # Errors
    /// What the stage finds wrong with its options or its environment.
    pub fn build(
        &self,
        options: Map<String, Value>,
        env: &StageEnv,
    ) -> Result<Built, StageFailure> {
        (self.build)(options, env)
    }
}

/// Options that pass the schema but not the stage.
pub const BAD_OPTIONS: Code = Code::new("DG0104");
