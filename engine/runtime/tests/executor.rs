//! The executor, seen from outside with stages made for the purpose.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use docgenie_document::{
    Code, Digest, Seed, Slot,
    code::Problem,
    slot::{Html, Pdf},
};
use docgenie_pipeline::{Plan, PlannedStage, Scope, SlotUse};
use docgenie_runtime::{
    artifact::{ArtifactError, ArtifactStore, Memo},
    executor::{CANCELLED, Executor, Halt, NOTHING_SUCCEEDED, RunError, RunOrder, RunOutcome},
    files::{DatasetFolder, PublishError},
    job::{
        DeliveryOutcome, DocumentRecord, JobEvent, JobStore, Params, RunId, RunRecord, RunSpec,
        RunState, StoreError, memory::MemoryJobs,
    },
    progress::{Observer, Progress},
    queue::{Orders, Queue, QueueLimits},
    stage::{
        Built, DatasetContext, DatasetStage, DeliveryStage, DocumentContext, DocumentStage,
        Outputs, PANIC, Published, Receipt, RunFacts, StageConfig, StageEnv, StageFailure,
        StageKind,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

/// Starts documents whose text is a function of their seed.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Write {
    count: u64,
    #[serde(default)]
    word: String,
}

impl StageConfig for Write {
    const NAME: &'static str = "write";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "writes";
    const DOCUMENTATION: &'static str = "";
    const SCOPE: Scope = Scope::Document;
    const STARTS_DOCUMENTS: bool = true;
    const NEUTRAL_OPTIONS: &'static [&'static str] = &["count"];

    fn slots(&self) -> SlotUse {
        SlotUse {
            writes: vec![Slot::Html],
            ..SlotUse::default()
        }
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for Write {
    fn documents(&self) -> Option<u64> {
        Some(self.count)
    }

    fn seeded(&self) -> bool {
        true
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        // Later documents are often done first, so order must come from the executor.
        let pause = document.seed.0 % 5;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Outputs::new().with(&Html(format!(
            "{} {} {}",
            self.word, document.id, document.seed.0
        )))
    }
}

/// How often `Print` has worked, by test.
static WORKED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// The paper that `Print` uses for a document, by test.
static PAPERS: Mutex<BTreeMap<String, BTreeMap<String, String>>> = Mutex::new(BTreeMap::new());

/// Turns text into a file, and fails where it is told to.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Print {
    test: String,
    #[serde(default)]
    fails: BTreeSet<String>,
    #[serde(default)]
    panics: BTreeSet<String>,
    #[serde(default)]
    once: BTreeSet<String>,
    #[serde(default)]
    ends_run: bool,
    #[serde(default)]
    hangs: bool,
    #[serde(skip)]
    attempts: AtomicUsize,
}

impl StageConfig for Print {
    const NAME: &'static str = "print";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "prints";
    const DOCUMENTATION: &'static str = "";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Html],
            writes: vec![Slot::Pdf],
            ..SlotUse::default()
        }
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

const REFUSED: Code = Code::new("DG0999");

#[async_trait]
impl DocumentStage for Print {
    async fn identity_for(&self, document: &DocumentContext) -> Result<String, StageFailure> {
        let papers = PAPERS.lock().unwrap().get(&self.test).cloned();
        let Some(papers) = papers else {
            return Ok(String::new());
        };
        let html = document.read::<Html>().await?;
        let mut papers = papers.into_iter();
        let found = papers.find(|(name, _)| html.0.split(' ').any(|word| word == name));
        Ok(found.map(|(_, paper)| paper).unwrap_or_default())
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        *WORKED.lock().unwrap().entry(self.test.clone()).or_default() += 1;
        let name = document.id.to_string();
        let refused = || StageFailure::new(REFUSED, "the printer refuses");
        if self.hangs {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if self.ends_run {
            return Err(refused().ends_run());
        }
        if self.fails.contains(&name) {
            return Err(refused());
        }
        assert!(!self.panics.contains(&name), "jammed");
        if self.once.contains(&name) && self.attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(refused().retryable());
        }
        let html = document.read::<Html>().await?;
        Outputs::new()
            .with(&Pdf(html.0.clone().into_bytes()))
            .map(|outputs| outputs.noting("printed"))
    }
}

/// Looks, after a while, whether another stage's slot is filled, or fails.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Peek {
    #[serde(default)]
    fails: bool,
}

impl StageConfig for Peek {
    const NAME: &'static str = "peek";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "peeks";
    const DOCUMENTATION: &'static str = "";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads_if_present: vec![Slot::Pdf],
            ..SlotUse::default()
        }
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for Peek {
    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if self.fails {
            return Err(StageFailure::new(REFUSED, "nothing to be seen"));
        }
        let seen = document.read_if_present::<Pdf>().await?.is_some();
        Ok(Outputs::new().noting(format!("seen: {seen}")))
    }
}

/// Writes one file a document and a list of them all.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Bind {
    /// Writes no list.
    #[serde(default)]
    idle: bool,
    /// `build`, `add` or `finish`.
    #[serde(default)]
    panics_in: String,
    /// The folder that it owns, where it owns one.
    #[serde(default)]
    part: Option<String>,
}

struct Binder {
    options: Bind,
    bound: Vec<String>,
}

impl StageConfig for Bind {
    const NAME: &'static str = "bind";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "binds";
    const DOCUMENTATION: &'static str = "";
    const SCOPE: Scope = Scope::Dataset;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Pdf],
            ..SlotUse::default()
        }
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        assert_ne!(self.panics_in, "build");
        Ok(Built::Dataset(Box::new(Binder {
            options: self,
            bound: Vec::new(),
        })))
    }
}

#[async_trait]
impl DatasetStage for Binder {
    fn part(&self) -> Option<String> {
        self.options.part.clone()
    }

    async fn begin(&mut self, _: &RunFacts, _: &DatasetFolder) -> Result<(), StageFailure> {
        Ok(())
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let pdf = document.read::<Pdf>().await?;
        assert_ne!(self.options.panics_in, "add");
        if self.options.idle {
            return Ok(());
        }
        let part = self.options.part.iter();
        let part: String = part.map(|part| format!("{part}/")).collect();
        folder
            .write(&format!("{part}{}.pdf", document.id), &pdf.0)
            .unwrap();
        self.bound.push(document.id.to_string());
        Ok(())
    }

    async fn finish(
        &mut self,
        dataset: &DatasetContext,
        folder: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        assert_ne!(self.options.panics_in, "finish");
        if self.options.idle {
            return Ok(Outputs::new());
        }
        let gaps: Vec<String> = dataset
            .dead_letters
            .iter()
            .map(|letter| letter.document.to_string())
            .collect();
        let facts = json!({ "generator": "docgenie-engine", "structure_version": "2.0", "documents": self.bound, "gaps": gaps });
        folder
            .write("metadata.json", facts.to_string().as_bytes())
            .unwrap();
        Ok(Outputs::new())
    }
}

/// Says what it would post.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Post {
    /// `fails`, `panics` or `hangs`.
    #[serde(default)]
    how: String,
}

impl StageConfig for Post {
    const NAME: &'static str = "post";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "posts";
    const DOCUMENTATION: &'static str = "";
    const SCOPE: Scope = Scope::Delivery;

    fn slots(&self) -> SlotUse {
        SlotUse::default()
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Delivery(Arc::new(self)))
    }
}

#[async_trait]
impl DeliveryStage for Post {
    fn target(&self) -> &'static str {
        "post"
    }

    async fn deliver(&self, dataset: &Published) -> Result<Receipt, StageFailure> {
        assert_ne!(self.how, "panics");
        match self.how.as_str() {
            "fails" => Err(StageFailure::new(REFUSED, "nobody opens")),
            "hangs" => std::future::pending().await,
            _ => {
                let folder = dataset.folder.as_ref().unwrap();
                assert!(folder.join("metadata.json").exists());
                Ok(Receipt {
                    place: dataset.run.to_string(),
                    url: None,
                })
            }
        }
    }
}

#[derive(Default)]
struct MemoryArtifacts {
    blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
    memos: Mutex<BTreeMap<Digest, Memo>>,
}

impl MemoryArtifacts {
    fn damage(&self) {
        let mut blobs = self.blobs.lock().unwrap();
        blobs.values_mut().for_each(|bytes| bytes.push(b'!'));
    }
}

#[async_trait]
impl ArtifactStore for MemoryArtifacts {
    async fn put(&self, bytes: Vec<u8>) -> Result<Digest, ArtifactError> {
        let digest = Digest::of(&bytes);
        self.blobs.lock().unwrap().insert(digest, bytes);
        Ok(digest)
    }

    async fn get(&self, digest: Digest) -> Result<Vec<u8>, ArtifactError> {
        let found = self.blobs.lock().unwrap().get(&digest).cloned();
        match found {
            None => Err(ArtifactError::Missing(digest)),
            Some(bytes) if Digest::of(&bytes) != digest => Err(ArtifactError::Damaged(digest)),
            Some(bytes) => Ok(bytes),
        }
    }

    async fn remember(&self, key: Digest, memo: &Memo) -> Result<(), ArtifactError> {
        self.memos.lock().unwrap().insert(key, memo.clone());
        Ok(())
    }

    async fn recall(&self, key: Digest) -> Result<Option<Memo>, ArtifactError> {
        Ok(self.memos.lock().unwrap().get(&key).cloned())
    }

    async fn flush(&self) -> Result<(), ArtifactError> {
        Ok(())
    }
}

#[derive(Default)]
struct Ear(Mutex<Vec<Progress>>);

impl Observer for Ear {
    fn progress(&self, event: &Progress) {
        self.0.lock().unwrap().push(event.clone());
    }
}

struct Bench {
    folder: tempfile::TempDir,
    artifacts: Arc<MemoryArtifacts>,
    jobs: Arc<MemoryJobs>,
    ear: Arc<Ear>,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            artifacts: Arc::default(),
            jobs: Arc::new(MemoryJobs::new()),
            ear: Arc::default(),
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    #[track_caller]
    fn nothing_appeared(&self) {
        assert!(!self.out().exists());
        let beside = neighbours(self.folder.path());
        assert!(
            !beside.iter().any(|name| name.contains("partial")),
            "{beside:?}"
        );
    }

    async fn run(&self, write: serde_json::Value, print: serde_json::Value) -> RunOutcome {
        self.run_with(write, print, 4, CancellationToken::new())
            .await
    }

    async fn run_with(
        &self,
        write: serde_json::Value,
        print: serde_json::Value,
        jobs: usize,
        cancel: CancellationToken,
    ) -> RunOutcome {
        let order = order(self.folder.path(), write, print, jobs);
        self.run_order(order, cancel).await
    }

    async fn run_order(&self, order: RunOrder, cancel: CancellationToken) -> RunOutcome {
        self.execute(order, cancel).await.unwrap()
    }

    async fn execute(
        &self,
        order: RunOrder,
        cancel: CancellationToken,
    ) -> Result<RunOutcome, RunError> {
        self.executor(self.jobs.clone())
            .run(order, self.ear.clone(), Halt::with(cancel), |_| ())
            .await
    }

    fn executor(&self, jobs: Arc<dyn JobStore>) -> Executor {
        let kinds = [
            StageKind::of::<Write>(),
            StageKind::of::<Peek>(),
            StageKind::of::<Print>(),
            StageKind::of::<Bind>(),
            StageKind::of::<Post>(),
        ];
        Executor {
            registry: kinds.into_iter().collect(),
            artifacts: self.artifacts.clone(),
            jobs,
            engine: "0".to_owned(),
        }
    }

    fn heard_hits(&self) -> (usize, usize) {
        let heard = std::mem::take(&mut *self.ear.0.lock().unwrap());
        let hits = heard.iter().filter_map(|event| match event {
            Progress::Stage { hit, .. } => Some(*hit),
            _ => None,
        });
        hits.fold((0, 0), |(hits, made), hit| {
            if hit {
                (hits + 1, made)
            } else {
                (hits, made + 1)
            }
        })
    }
}

fn stage(
    uses: &str,
    scope: Scope,
    options: serde_json::Value,
    slots: SlotUse,
    after: Vec<usize>,
) -> PlannedStage {
    PlannedStage {
        id: uses.to_owned(),
        uses: uses.to_owned(),
        scope,
        options: serde_json::from_value(options).unwrap(),
        slots,
        after,
        location: format!("test.toml:1:1 {uses}"),
    }
}

/// With `peek` before `print` in the plan, neither waiting for the other.
fn peeking(mut order: RunOrder, peek: serde_json::Value) -> RunOrder {
    let slots = SlotUse::default();
    let peek = stage("peek", Scope::Document, peek, slots, vec![0]);
    order.plan.stages.insert(1, peek);
    order.plan.stages[3].after = vec![2];
    order
}

fn order(
    folder: &Path,
    write: serde_json::Value,
    print: serde_json::Value,
    jobs: usize,
) -> RunOrder {
    let reads = |slot| SlotUse {
        reads: vec![slot],
        ..SlotUse::default()
    };
    let plan = Plan {
        name: "test".to_owned(),
        description: String::new(),
        params: Map::new(),
        pipeline: Digest::of(b"test"),
        stages: vec![
            stage("write", Scope::Document, write, SlotUse::default(), vec![]),
            stage("print", Scope::Document, print, reads(Slot::Html), vec![0]),
            stage("bind", Scope::Dataset, json!({}), reads(Slot::Pdf), vec![1]),
        ],
        plugins: Vec::new(),
    };
    RunOrder {
        spec: RunSpec {
            pipeline: "test".to_owned(),
            file: None,
            pipeline_digest: plan.pipeline,
            params: Params::from(&Map::new()),
            seed: Seed(7),
            inputs: vec![],
            out: Some(folder.join("out")),
            zip: None,
            origin: None,
        },
        env: StageEnv {
            home: folder.join("home"),
            pipeline_dir: folder.to_owned(),
            inputs: vec![],
            jobs,
            extensions: Arc::new(docgenie_runtime::extension::NoExtensions),
            secrets: docgenie_runtime::secret::Secrets::default(),
            residents: docgenie_runtime::resident::Residents::default(),
            private_addresses: false,
            program: None,
        },
        plan,
        fresh: false,
        limit: None,
        scratch: false,
        run: None,
    }
}

/// A job store whose append of this number, counted down, fails as on a full disk.
struct Failing {
    jobs: Arc<MemoryJobs>,
    left: AtomicUsize,
}

#[async_trait]
impl JobStore for Failing {
    async fn create(&self, first: JobEvent) -> Result<RunId, StoreError> {
        self.jobs.create(first).await
    }

    async fn append(&self, run: RunId, events: Vec<JobEvent>) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(StoreError::Failed {
                doing: "recording events".to_owned(),
                source: "no room".into(),
            });
        }
        self.jobs.append(run, events).await
    }

    async fn run(&self, run: RunId) -> Result<RunRecord, StoreError> {
        self.jobs.run(run).await
    }

    async fn runs(&self, limit: usize, skip: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.jobs.runs(limit, skip).await
    }

    async fn documents(
        &self,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<DocumentRecord>, StoreError> {
        self.jobs.documents(run, from, limit).await
    }

    async fn dead_letters(&self, run: RunId) -> Result<Vec<DocumentRecord>, StoreError> {
        self.jobs.dead_letters(run).await
    }

    async fn events(
        &self,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        self.jobs.events(run, after, limit).await
    }

    async fn remove(&self, run: RunId) -> Result<(), StoreError> {
        self.jobs.remove(run).await
    }
}

/// Every run is this one.
struct Always(PathBuf);

impl Orders for Always {
    fn order(&self, record: &RunRecord) -> Result<RunOrder, Box<Problem>> {
        let mut order = order(&self.0, json!({ "count": 3 }), json!({ "test": "" }), 2);
        order.spec = (*record.spec).clone();
        Ok(order)
    }
}

/// How a run ends whose `failing`th append fails, and how often it was queued.
async fn check_failing(failing: usize, cancel: bool, state: RunState, queued: usize) {
    let bench = Bench::new();
    let jobs = Arc::new(Failing {
        jobs: bench.jobs.clone(),
        left: AtomicUsize::new(failing),
    });
    let orders = Arc::new(Always(bench.folder.path().to_owned()));
    let limits = QueueLimits {
        running: 1,
        waiting: 9,
        per_user: 9,
    };
    let queue = Queue::open(bench.executor(jobs), orders, limits);
    let queue = queue.await.unwrap();
    let spec = order(bench.folder.path(), json!({}), json!({}), 2).spec;
    let run = queue.submit(spec).await.unwrap();
    if cancel {
        tokio::time::sleep(Duration::from_millis(500)).await;
        queue.cancel(run).await.unwrap();
    }
    let ended = tokio::time::timeout(Duration::from_secs(30), queue.ended(run)).await;
    let ended = ended.unwrap().unwrap();
    assert_eq!(ended.state, state, "{failing}: {:?}", ended.problem);
    let events = bench.jobs.events(run, 0, usize::MAX).await.unwrap();
    let turns = events
        .iter()
        .filter(|(_, event)| matches!(event, JobEvent::Queued { .. } | JobEvent::Requeued { .. }));
    assert_eq!(turns.count(), queued, "{failing}: {events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_store_cuts_short_goes_on() {
    let completed = RunState::Completed;
    // Before it has begun, and under way.
    tokio::join!(
        check_failing(1, false, completed, 1),
        check_failing(2, false, completed, 2),
        check_failing(2, true, RunState::Cancelled, 1),
    );
}

fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect()
}

fn neighbours(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_is_the_same_at_any_concurrency() {
    let mut trees = Vec::new();
    for jobs in [1, 7] {
        let bench = Bench::new();
        let outcome = bench
            .run_with(
                json!({ "count": 30 }),
                json!({ "test": "jobs" }),
                jobs,
                CancellationToken::new(),
            )
            .await;
        assert_eq!(
            (outcome.state, outcome.succeeded),
            (RunState::Completed, 30)
        );
        assert_eq!(outcome.remarks["printed"], 30);
        trees.push(tree(&bench.out()));
        let listed: serde_json::Value = serde_json::from_slice(&trees[0]["metadata.json"]).unwrap();
        assert_eq!(listed["documents"][9], "document_10");
    }
    assert_eq!(trees[0].len(), 31);
    assert_eq!(trees[0], trees[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_sees_what_it_declared_and_nothing_of_those_beside_it() {
    let bench = Bench::new();
    let write = json!({ "count": 3 });
    let order = order(bench.folder.path(), write, json!({ "test": "peek" }), 4);
    let order = peeking(order, json!({}));
    let outcome = bench.run_order(order, CancellationToken::new()).await;
    assert_eq!(outcome.remarks["seen: false"], 3);
    assert_eq!(outcome.remarks.len(), 2, "{:?}", outcome.remarks);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_names_the_first_stage_by_plan_and_not_by_time() {
    let bench = Bench::new();
    let print = json!({ "test": "first", "fails": ["document_1", "document_2"] });
    let order = order(bench.folder.path(), json!({ "count": 3 }), print, 4);
    let order = peeking(order, json!({ "fails": true }));
    let outcome = bench.run_order(order, CancellationToken::new()).await;
    let stages = outcome.dead_letters.iter().map(|letter| &letter.stage);
    assert_eq!(stages.collect::<Vec<_>>(), ["peek"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_is_all_hits_and_leaves_the_dataset_alone() {
    let bench = Bench::new();
    bench
        .run(json!({ "count": 5 }), json!({ "test": "again" }))
        .await;
    assert_eq!(bench.heard_hits(), (0, 10));
    let outcome = bench
        .run(json!({ "count": 5 }), json!({ "test": "again" }))
        .await;
    assert_eq!(bench.heard_hits(), (10, 0));
    assert!(outcome.up_to_date);
    assert_eq!(outcome.remarks["printed"], 5, "remarks are remembered too");
    assert_eq!(WORKED.lock().unwrap()["again"], 5);

    fs::remove_file(bench.out().join("document_2.pdf")).unwrap();
    let outcome = bench
        .run(json!({ "count": 5 }), json!({ "test": "again" }))
        .await;
    assert!(
        !outcome.up_to_date,
        "a dataset that was touched is made anew"
    );
    assert_eq!(tree(&bench.out()).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_documents_or_other_options_redo_only_what_they_touch() {
    let bench = Bench::new();
    bench
        .run(json!({ "count": 4 }), json!({ "test": "more" }))
        .await;
    bench.heard_hits();
    bench
        .run(json!({ "count": 6 }), json!({ "test": "more" }))
        .await;
    assert_eq!(
        bench.heard_hits(),
        (8, 4),
        "count is no part of a document's key"
    );
    bench
        .run(
            json!({ "count": 6 }),
            json!({ "test": "more", "fails": ["document_99"] }),
        )
        .await;
    assert_eq!(
        bench.heard_hits(),
        (6, 6),
        "only the stage whose options changed"
    );
    bench
        .run(
            json!({ "count": 6, "word": "new" }),
            json!({ "test": "more" }),
        )
        .await;
    assert_eq!(bench.heard_hits(), (0, 12), "everything after the change");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_document_alone_depends_on_redoes_that_document() {
    let bench = Bench::new();
    let run = || bench.run(json!({ "count": 4 }), json!({ "test": "paper" }));
    let load = |name: &str, paper: &str| {
        let mut papers = PAPERS.lock().unwrap();
        let papers = papers.entry("paper".to_owned()).or_default();
        papers.insert(name.to_owned(), paper.to_owned());
    };
    load("document_2", "white");
    run().await;
    assert_eq!(bench.heard_hits(), (0, 8));
    load("document_9", "blue");
    assert!(run().await.up_to_date, "nobody needs that paper");
    assert_eq!(bench.heard_hits(), (8, 0));
    load("document_2", "yellow");
    run().await;
    assert_eq!(bench.heard_hits(), (7, 1));

    bench.artifacts.damage();
    let outcome = run().await;
    assert_eq!(outcome.succeeded, 4, "what is damaged is made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_makes_the_first_documents_and_a_scratch_run_leaves_no_record() {
    let bench = Bench::new();
    let record = bench.folder.path().join("home/published");
    for (limit, succeeded) in [(Some(2), 2), (Some(9), 5), (None, 5)] {
        let (write, print) = (json!({ "count": 5 }), json!({ "test": "limit" }));
        let mut order = order(bench.folder.path(), write, print, 2);
        order.limit = limit;
        order.scratch = limit.is_some();
        let outcome = bench.run_order(order, CancellationToken::new()).await;
        assert_eq!(
            (outcome.documents, outcome.succeeded),
            (succeeded, succeeded)
        );
        assert!(!outcome.up_to_date);
        assert_eq!(outcome.published, [bench.out()]);
        assert_eq!(record.exists(), limit.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_document_leaves_a_gap_and_the_others_go_on() {
    let bench = Bench::new();
    let print = json!({ "test": "gap", "fails": ["document_2"], "panics": ["document_4"] });
    let outcome = bench.run(json!({ "count": 5 }), print).await;
    assert_eq!((outcome.state, outcome.succeeded), (RunState::Completed, 3));
    let dead: Vec<String> = outcome
        .dead_letters
        .iter()
        .map(|letter| letter.document.to_string())
        .collect();
    assert_eq!(dead, ["document_2", "document_4"]);
    assert_eq!(outcome.dead_letters[1].problem.causes, ["jammed"]);
    let files = tree(&bench.out());
    assert!(!files.contains_key("document_2.pdf") && files.contains_key("document_5.pdf"));
    let record = bench.jobs.run(outcome.run).await.unwrap();
    assert_eq!(
        (record.succeeded, record.failed, record.state),
        (3, 2, RunState::Completed)
    );
    assert_eq!(bench.jobs.dead_letters(outcome.run).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retryable_is_tried_again() {
    let bench = Bench::new();
    let outcome = bench
        .run(
            json!({ "count": 2 }),
            json!({ "test": "retry", "once": ["document_1"] }),
        )
        .await;
    assert_eq!(outcome.succeeded, 2);
    assert_eq!(WORKED.lock().unwrap()["retry"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_appears_when_nothing_succeeds_or_the_run_fails() {
    let all = json!({ "test": "none", "fails": ["document_1", "document_2"] });
    for (print, code) in [
        (all, NOTHING_SUCCEEDED.as_str()),
        (
            json!({ "test": "none", "ends_run": true }),
            REFUSED.as_str(),
        ),
    ] {
        let bench = Bench::new();
        let outcome = bench.run(json!({ "count": 2 }), print).await;
        assert_eq!(outcome.state, RunState::Failed);
        assert_eq!(outcome.problem.unwrap().code, code);
        bench.nothing_appeared();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_at_once_and_leaves_nothing_half_done() {
    let bench = Bench::new();
    let cancel = CancellationToken::new();
    let later = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        later.cancel();
    });
    let run = bench.run_with(
        json!({ "count": 9 }),
        json!({ "test": "cancel", "hangs": true }),
        2,
        cancel,
    );
    let outcome = tokio::time::timeout(Duration::from_secs(2), run)
        .await
        .unwrap();
    assert_eq!(outcome.state, RunState::Cancelled);
    assert_eq!(outcome.problem.unwrap().code, CANCELLED.as_str());
    bench.nothing_appeared();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_artifact_is_made_anew() {
    let bench = Bench::new();
    bench
        .run(json!({ "count": 3 }), json!({ "test": "damage" }))
        .await;
    let whole = tree(&bench.out());
    bench.artifacts.damage();
    let changed = json!({ "test": "damage", "fails": ["document_99"] });
    let outcome = bench.run(json!({ "count": 3 }), changed).await;
    assert_eq!(outcome.succeeded, 3);
    assert_eq!(tree(&bench.out()), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_only_the_dataset_reads_is_made_anew() {
    let bench = Bench::new();
    let (write, print) = (json!({ "count": 3 }), json!({ "test": "unread" }));
    bench.run(write.clone(), print.clone()).await;
    let whole = tree(&bench.out());
    fs::remove_dir_all(bench.out()).unwrap();
    bench.heard_hits();
    bench.artifacts.damage();
    let outcome = bench.run(write, print).await;
    assert_eq!((outcome.state, outcome.succeeded), (RunState::Completed, 3));
    assert_eq!(bench.heard_hits(), (6, 6));
    assert_eq!(tree(&bench.out()), whole);
}

/// An order for two documents whose `bind` has these options.
fn binding(bench: &Bench, bind: &serde_json::Value) -> RunOrder {
    let (write, print) = (json!({ "count": 2 }), json!({ "test": "binding" }));
    let mut order = order(bench.folder.path(), write, print, 2);
    order.plan.stages[2].options = bind.as_object().cloned().unwrap().into();
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_stage_that_panics_fails_the_run() {
    for panics_in in ["add", "finish"] {
        let bench = Bench::new();
        let order = binding(&bench, &json!({ "panics_in": panics_in }));
        let outcome = bench.run_order(order, CancellationToken::new()).await;
        assert_eq!(outcome.problem.unwrap().code, PANIC.as_str());
        let record = bench.jobs.run(outcome.run).await.unwrap();
        assert_eq!(record.state, RunState::Failed);
        bench.nothing_appeared();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_panics_while_it_is_made_begins_no_run() {
    let bench = Bench::new();
    let order = binding(&bench, &json!({ "panics_in": "build" }));
    let refused = bench.execute(order, CancellationToken::new()).await;
    let Err(RunError::Build { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(source.problem.code, PANIC.as_str());
    assert_eq!(bench.jobs.runs(9, 0).await.unwrap(), []);
    bench.nothing_appeared();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_written_nothing_is_published() {
    let bench = Bench::new();
    let mut order = binding(&bench, &json!({ "idle": true }));
    order.spec.zip = Some(bench.folder.path().join("out.zip"));
    let outcome = bench.run_order(order, CancellationToken::new()).await;
    assert_eq!((outcome.state, outcome.succeeded), (RunState::Completed, 2));
    assert_eq!(outcome.published, [] as [PathBuf; 0]);
    assert_eq!(neighbours(bench.folder.path()), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_cannot_be_recorded_is_published_all_the_same() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("home"), "in the way").unwrap();
    let order = binding(&bench, &json!({}));
    let outcome = bench.run_order(order, CancellationToken::new()).await;
    assert_eq!(outcome.state, RunState::Completed);
    assert_eq!(tree(&bench.out()).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_has_published_nothing_and_a_completed_one_has() {
    for delay in 0..30 {
        let bench = Bench::new();
        let cancel = CancellationToken::new();
        let order = binding(&bench, &json!({}));
        let later = cancel.clone();
        let (outcome, ()) = tokio::join!(bench.run_order(order, cancel), async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            later.cancel();
        });
        match outcome.state {
            RunState::Completed => assert_eq!(tree(&bench.out()).len(), 3),
            state => {
                assert_eq!(state, RunState::Cancelled, "{delay}");
                assert!(!bench.out().exists(), "{delay}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_within_the_folder_is_refused_before_anything_is_made() {
    let bench = Bench::new();
    let mut order = binding(&bench, &json!({}));
    order.spec.zip = Some(bench.out().join("data.zip"));
    let refused = bench.execute(order, CancellationToken::new()).await;
    assert!(matches!(
        refused,
        Err(RunError::Target(PublishError::Nested { .. }))
    ));
    assert_eq!(neighbours(bench.folder.path()), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_put_into_the_dataset_stays() {
    let bench = Bench::new();
    let order = || binding(&bench, &json!({}));
    bench.run_order(order(), CancellationToken::new()).await;
    fs::write(bench.out().join("notes.txt"), "years of work").unwrap();
    let refused = bench.execute(order(), CancellationToken::new()).await;
    assert!(matches!(
        refused,
        Err(RunError::Target(PublishError::Added { file, .. })) if file == "notes.txt"
    ));
    assert_eq!(tree(&bench.out()).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_somebody_else_is_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.out()).unwrap();
    fs::write(bench.out().join("thesis.txt"), "years of work").unwrap();
    let order = order(
        bench.folder.path(),
        json!({ "count": 1 }),
        json!({ "test": "theirs" }),
        1,
    );
    let refused = bench.execute(order, CancellationToken::new()).await;
    assert!(refused.is_err());
    assert_eq!(neighbours(&bench.out()), ["thesis.txt"]);
    assert!(
        bench.jobs.runs(10, 0).await.unwrap().is_empty(),
        "nothing was begun"
    );
}

#[tokio::test]
async fn a_part_that_cannot_be_made_is_left_out_and_the_rest_is_published() {
    let bench = Bench::new();
    let with_part = |options: serde_json::Value| {
        let mut order = order(
            bench.folder.path(),
            json!({ "count": 3 }),
            json!({ "test": "part" }),
            2,
        );
        let slots = order.plan.stages[2].slots.clone();
        let mut part = stage("bind", Scope::Dataset, options, slots, vec![1]);
        part.id = "part".to_owned();
        order.plan.stages.push(part);
        order
    };
    for panics_in in ["add", "finish"] {
        let options = json!({ "part": "exports/a", "panics_in": panics_in });
        let outcome = bench
            .run_order(with_part(options), CancellationToken::new())
            .await;
        assert_eq!(outcome.state, RunState::Completed);
        let missing = outcome.problem.unwrap();
        assert!(
            missing.message.starts_with("`exports/a` is missing"),
            "{missing}"
        );
        assert!(bench.out().join("document_3.pdf").exists());
        assert!(!bench.out().join("exports/a").exists());
        // What lacks something is never up to date.
        assert!(!outcome.up_to_date);
    }
}

#[tokio::test]
async fn a_part_has_one_owner() {
    let bench = Bench::new();
    let mut order = order(
        bench.folder.path(),
        json!({ "count": 1 }),
        json!({ "test": "owner" }),
        2,
    );
    let options = json!({ "part": "exports/a" });
    let slots = order.plan.stages[2].slots.clone();
    for id in ["one", "two"] {
        let mut part = stage(
            "bind",
            Scope::Dataset,
            options.clone(),
            slots.clone(),
            vec![1],
        );
        part.id = id.to_owned();
        order.plan.stages.push(part);
    }
    let outcome = bench.run_order(order, CancellationToken::new()).await;
    assert_eq!(outcome.problem.unwrap().code, "DG0109");
    bench.nothing_appeared();
}

fn posting(bench: &Bench, how: &[&str]) -> RunOrder {
    let mut order = order(
        bench.folder.path(),
        json!({ "count": 2 }),
        json!({ "test": "post" }),
        2,
    );
    for (number, how) in how.iter().enumerate() {
        let options = json!({ "how": how });
        let mut post = stage("post", Scope::Delivery, options, SlotUse::default(), vec![]);
        post.id = format!("post-{number}");
        order.plan.stages.push(post);
    }
    order
}

#[tokio::test]
async fn a_delivery_follows_publication_and_its_failure_ends_nothing() {
    let bench = Bench::new();
    let deliver = async || {
        let order = posting(&bench, &["fails", "panics", ""]);
        bench.run_order(order, CancellationToken::new()).await
    };
    // The second time the dataset stands already.
    for up_to_date in [false, true] {
        let outcome = deliver().await;
        assert_eq!(outcome.state, RunState::Completed);
        assert_eq!(outcome.up_to_date, up_to_date);
        let [failed, panicked, arrived] = &outcome.deliveries[..] else {
            panic!("{:?}", outcome.deliveries);
        };
        let codes = [failed, panicked].map(|it| match &it.outcome {
            DeliveryOutcome::Failed { problem } => problem.code.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(codes, [REFUSED.as_str(), PANIC.as_str()]);
        let place = outcome.run.to_string();
        let expected = DeliveryOutcome::Delivered { place, url: None };
        assert_eq!(arrived.outcome, expected);
        assert_eq!(
            (arrived.stage.as_str(), arrived.target.as_str()),
            ("post-2", "post")
        );
        let record = bench.jobs.run(outcome.run).await.unwrap();
        assert_eq!(record.deliveries, outcome.deliveries);
    }
}

#[tokio::test]
async fn where_nothing_is_published_nothing_is_delivered() {
    let bench = Bench::new();
    let mut order = posting(&bench, &[""]);
    order.plan.stages[2].options =
        Arc::new(serde_json::from_value(json!({ "idle": true })).unwrap());
    let outcome = bench.run_order(order, CancellationToken::new()).await;
    assert_eq!(outcome.state, RunState::Completed);
    let skipped = &outcome.deliveries[0].outcome;
    assert!(
        matches!(skipped, DeliveryOutcome::Skipped { .. }),
        "{skipped:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_does_not_hold_up_the_end() {
    let bench = Bench::new();
    let cancel = CancellationToken::new();
    let later = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        later.cancel();
    });
    let run = bench.run_order(posting(&bench, &["hangs"]), cancel);
    let outcome = tokio::time::timeout(Duration::from_secs(5), run)
        .await
        .unwrap();
    assert_eq!(outcome.state, RunState::Cancelled);
}
