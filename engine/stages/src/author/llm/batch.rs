//! Anthropic's Message Batches API: half the price, within a day.
//!
//! What is asked within a moment, by whichever runs of this process, goes into one batch. A batch
//! outlives us: before it is created its questions are written into a file, and afterwards its name,
//! so that whoever opens the folder next waits for the same batch. Where it is not known whether a
//! batch was created, because we or the line died in between, it is looked for among those that the
//! account has before anything is asked again. A question is named by the digest that its answer is
//! kept under, so that an answer finds its place whoever waits for it, or nobody.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use docgenie_document::{Digest, Seed};
use docgenie_runtime::{
    clock,
    files::write_atomically,
    stage::{StageFailure, blocking},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    LOST_IN_BATCH, Model, UNKEPT_ANSWERS, UNKNOWN_MODEL,
    answers::{Answer, Answers},
    anthropic,
    endpoint::{Declined, Endpoint, code_of},
    prompt::Prompt,
};

/// How long questions are gathered, from the first on.
const GATHERING: Duration = Duration::from_millis(500);
/// The most questions and bytes of a batch; the interface takes 100,000 and 256 MB.
const MOST_QUESTIONS: usize = 2_000;
const MOST_BYTES: usize = 100 << 20;
/// Seconds between looks at a batch, unless `BATCH_POLL_INTERVAL` says otherwise.
const POLL_SECONDS: f64 = 30.0;
const SHORTEST_POLL: Duration = Duration::from_millis(10);
/// How often a question is put into a batch.
const ATTEMPTS: u32 = 3;
/// Looks in vain, one after another, until nobody waits any longer.
const PATIENCE: u32 = 20;
/// A batch that we may have created lies within so many milliseconds of when we meant to: clocks
/// differ.
const CLOCKS: u64 = 15 * 60 * 1000;
const PATH: &str = "v1/messages/batches";
/// Waits between calls about a batch vary by this seed: nothing else depends on it.
const SEED: Seed = Seed(0);

/// A model that answers in batches.
pub(super) struct Batched {
    pub(super) batches: Arc<Batches>,
    pub(super) model: String,
}

#[async_trait]
impl Model for Batched {
    async fn answer(&self, prompt: &Prompt, asked: Digest) -> Result<Answer, StageFailure> {
        let mut attempt = 1;
        loop {
            let question = || anthropic::request(&self.model, prompt);
            let answer = self.batches.enter(asked, question).await;
            match answer.unwrap_or_else(|_| Err(Lost::abandoned())) {
                Ok(answer) => return Ok(*answer),
                Err(lost) if lost.again && attempt < ATTEMPTS => attempt += 1,
                Err(lost) => return Err(lost.failure),
            }
        }
    }
}

/// The batches of one endpoint whose answers are kept in one folder.
pub(super) struct Batches {
    endpoint: Arc<Endpoint>,
    answers: Answers,
    folder: PathBuf,
    poll: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Questions to be put into a batch.
    gathered: Vec<(Digest, Value)>,
    /// Questions that are in a batch, or in one that is being made.
    open: HashSet<Digest>,
    waiting: HashMap<Digest, Vec<Waiting>>,
    /// Batches that are known to be somebody's.
    known: HashSet<String>,
}

type Waiting = oneshot::Sender<Result<Box<Answer>, Lost>>;

/// A question that a batch did not answer.
#[derive(Clone, Debug)]
struct Lost {
    failure: StageFailure,
    /// Whether another batch may.
    again: bool,
}

impl Lost {
    fn because(cause: String, again: bool) -> Self {
        let mut failure = StageFailure::new(LOST_IN_BATCH, "the batch ended without an answer")
            .hint("run it again: what has been answered is kept, and only the rest is asked for");
        failure.problem.causes.push(cause);
        Self { failure, again }
    }

    fn abandoned() -> Self {
        Self::because("it is no longer waited for".to_owned(), false)
    }
}

/// What is kept of a batch until all its answers are.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    address: String,
    began_ms: u64,
    /// Its name, once it is known.
    batch: Option<String>,
    questions: Vec<Digest>,
}

/// How long is waited between looks at a batch.
pub(super) fn poll_interval() -> Duration {
    let given = std::env::var("BATCH_POLL_INTERVAL").ok();
    let seconds = given.and_then(|text| text.trim().parse().ok());
    let interval = Duration::try_from_secs_f64(seconds.unwrap_or(POLL_SECONDS));
    interval.map_or(SHORTEST_POLL, |it| it.max(SHORTEST_POLL))
}

impl Batches {
    /// The batches at this endpoint, shared by all that ask there and keep answers in the same
    /// folder. Those that an earlier process left open are taken up. Whether one has ended is looked
    /// at every `poll`.
    pub(super) fn at(
        endpoint: Arc<Endpoint>,
        answers: &Answers,
        home: &Path,
        poll: Duration,
    ) -> Result<Arc<Self>, StageFailure> {
        static ALL: Mutex<Vec<Weak<Batches>>> = Mutex::new(Vec::new());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|batches| batches.strong_count() > 0);
        let folder = home.join("batches");
        let same = |batches: &Arc<Self>| {
            Arc::ptr_eq(&batches.endpoint, &endpoint)
                && batches.folder == folder
                && batches.answers == *answers
        };
        if let Some(batches) = all.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(batches);
        }
        let batches = Arc::new(Self {
            poll,
            endpoint,
            answers: answers.clone(),
            folder,
            state: Mutex::default(),
        });
        batches.take_up()?;
        all.push(Arc::downgrade(&batches));
        Ok(batches)
    }

    /// Goes on with what an earlier process left open.
    fn take_up(self: &Arc<Self>) -> Result<(), StageFailure> {
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unkept(&self.folder, &error)),
        };
        let mut taken = Vec::new();
        for file in files {
            let path = file.map_err(|error| unkept(&self.folder, &error))?.path();
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| unkept(&path, &error))?;
            let record: Record =
                serde_json::from_slice(&bytes).map_err(|error| unkept(&path, &error))?;
            if record.address == self.endpoint.address() {
                taken.push((path, record));
            }
        }
        let mut state = self.state();
        for (path, record) in taken {
            state.open.extend(&record.questions);
            state.known.extend(record.batch.clone());
            let run = Underway {
                batches: self.clone(),
                path,
                record,
            };
            tokio::spawn(run.finish_taken_up());
        }
        Ok(())
    }

    /// Waits for the answer to a question, which goes into a batch unless it is in one.
    fn enter(
        self: &Arc<Self>,
        asked: Digest,
        question: impl FnOnce() -> Value,
    ) -> oneshot::Receiver<Result<Box<Answer>, Lost>> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        state.waiting.entry(asked).or_default().push(sender);
        if state.open.insert(asked) {
            if state.gathered.is_empty() {
                tokio::spawn(self.clone().gather());
            }
            state.gathered.push((asked, question()));
        }
        receiver
    }

    async fn gather(self: Arc<Self>) {
        tokio::time::sleep(GATHERING).await;
        let gathered = std::mem::take(&mut self.state().gathered);
        let mut rest = gathered.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut requests = Vec::new();
            let mut questions = Vec::new();
            while let Some((asked, params)) = rest.next_if(|(_, params)| {
                let fits = questions.len() < MOST_QUESTIONS && bytes < MOST_BYTES;
                bytes += size(params);
                fits
            }) {
                requests.push(json!({"custom_id": asked.to_string(), "params": params}));
                questions.push(asked);
            }
            let record = Record {
                address: self.endpoint.address().to_owned(),
                began_ms: clock::now_ms(),
                batch: None,
                questions,
            };
            let names = record.questions.iter().map(|asked| &asked.as_bytes()[..]);
            let name = Digest::of_parts(names.chain([&record.began_ms.to_le_bytes()[..]]));
            let run = Underway {
                path: self.folder.join(format!("{name}.json")),
                batches: self.clone(),
                record,
            };
            tokio::spawn(run.finish_new(json!({"requests": requests})));
        }
    }

    /// Hands out what became of a question.
    fn deliver(&self, asked: Digest, outcome: &Result<Box<Answer>, Lost>) {
        let mut state = self.state();
        state.open.remove(&asked);
        for waiting in state.waiting.remove(&asked).unwrap_or_default() {
            // Whoever has stopped waiting finds the answer in its folder.
            drop(waiting.send(outcome.clone()));
        }
    }

    /// Whether anybody waits for one of these, and whether anybody ever has.
    fn waited_for(&self, questions: &[Digest]) -> (bool, bool) {
        let state = self.state();
        let mut waiting = questions
            .iter()
            .filter_map(|asked| state.waiting.get(asked));
        let ever = waiting.clone().next().is_some();
        (
            waiting.any(|all| all.iter().any(|it| !it.is_closed())),
            ever,
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that is waited for.
struct Underway {
    batches: Arc<Batches>,
    path: PathBuf,
    record: Record,
}

impl Underway {
    /// Creates the batch and waits for it.
    async fn finish_new(self, body: Value) {
        if let Err(failure) = self.keep().await {
            return self.lose_all(&Lost {
                failure,
                again: false,
            });
        }
        match self.create(&body).await {
            Ok(batch) => self.finish(batch).await,
            Err(declined) => {
                // Where it may have been created, the file stays, so that it is looked for later.
                if !declined.may_be_done() {
                    self.forget().await;
                }
                self.lose_all(&Lost {
                    failure: declined.failure,
                    again: false,
                });
            }
        }
    }

    /// Waits for a batch that an earlier process created or meant to create.
    async fn finish_taken_up(self) {
        if let Some(batch) = self.record.batch.clone() {
            info!(batch, "a batch is taken up again");
            return self.finish(batch).await;
        }
        match self.look_for().await {
            Ok(Some(batch)) => self.finish(batch).await,
            Ok(None) => {
                self.forget().await;
                let lost = Lost::because("it was never created".to_owned(), true);
                self.lose_all(&lost);
            }
            Err(declined) => self.lose_all(&Lost {
                failure: declined.failure,
                again: false,
            }),
        }
    }

    /// The new batch's name. Where it is not known whether it was created, it is looked for before
    /// it is created again.
    async fn create(&self, body: &Value) -> Result<String, Declined> {
        let mut attempt = 1;
        loop {
            let endpoint = &self.batches.endpoint;
            let declined = match endpoint.post_once(PATH, body, SEED).await {
                Ok(created) => match created.get("id").and_then(Value::as_str) {
                    Some(batch) => return Ok(batch.to_owned()),
                    None => {
                        let cause = "its reply has no `id`".to_owned();
                        return Err(Declined::of(Lost::because(cause, false).failure));
                    }
                },
                Err(declined) => declined,
            };
            if !declined.may_be_done() || attempt == ATTEMPTS {
                return Err(declined);
            }
            warn!(cause = %declined.failure, "it is not known whether the batch was created");
            if let Some(batch) = self.look_for().await? {
                return Ok(batch);
            }
            attempt += 1;
        }
    }

    /// Looks among the account's batches for the one with these questions. They are told when a
    /// batch has ended, so it waits for those that may be it by time and number.
    async fn look_for(&self) -> Result<Option<String>, Declined> {
        let endpoint = &self.batches.endpoint;
        let mut after = String::new();
        loop {
            let list = endpoint
                .get(&format!("{PATH}?limit=100{after}"), SEED)
                .await?;
            let list = Listed::of(list);
            for batch in &list.data {
                let near = batch
                    .created_ms()
                    .is_none_or(|at| at.abs_diff(self.record.began_ms) < CLOCKS);
                let alike = batch.questions() == self.record.questions.len() as u64;
                let others = self.batches.state().known.contains(&batch.id);
                if near && alike && !others && self.holds_our_questions(&batch.id).await? {
                    info!(batch = batch.id, "the batch had been created");
                    return Ok(Some(batch.id.clone()));
                }
            }
            // The newest come first.
            let past = list.data.iter().filter_map(Batch::created_ms);
            let past = past
                .min()
                .is_some_and(|at| at + CLOCKS < self.record.began_ms);
            match list.last_id.filter(|_| list.has_more && !past) {
                Some(last) => after = format!("&after_id={last}"),
                None => return Ok(None),
            }
        }
    }

    async fn holds_our_questions(&self, batch: &str) -> Result<bool, Declined> {
        let endpoint = &self.batches.endpoint;
        let ended = loop {
            let now = endpoint.get(&format!("{PATH}/{batch}"), SEED).await;
            let now = now.map(Batch::of)?;
            if now.ended() {
                break now;
            }
            tokio::time::sleep(self.batches.poll).await;
        };
        let mut lines = endpoint.lines(&ended.results_path()).await?;
        let first = lines.next().await.ok().flatten();
        let first = first.and_then(|line| serde_json::from_slice::<ResultLine>(&line).ok());
        Ok(first.is_some_and(|line| {
            let ours = line.custom_id.parse();
            ours.is_ok_and(|ours| self.record.questions.contains(&ours))
        }))
    }

    /// Waits until the batch has ended and hands out what it has.
    async fn finish(mut self, batch: String) {
        self.batches.state().known.insert(batch.clone());
        self.record.batch = Some(batch.clone());
        let questions = self.record.questions.len();
        info!(batch, questions, "the batch is under way");
        let finished = match self.keep().await {
            Ok(()) => self.results(&batch).await,
            Err(failure) => Err(failure),
        };
        match finished {
            Ok(mut outcomes) => {
                self.forget().await;
                for asked in &self.record.questions {
                    let lost = || Lost::because(format!("{batch} has no result for it"), true);
                    let outcome = outcomes.remove(asked).unwrap_or_else(|| Err(lost()));
                    self.batches.deliver(*asked, &outcome);
                }
            }
            // It was removed, or is another account's.
            Err(failure) if failure.problem.code == UNKNOWN_MODEL.as_str() => {
                self.forget().await;
                self.lose_all(&Lost::because(format!("{batch} is not there"), true));
            }
            // The file stays: whoever comes next waits for the batch again.
            Err(failure) => self.lose_all(&Lost {
                failure,
                again: false,
            }),
        }
    }

    /// What became of each question, once the batch has ended. Answers are kept as they come.
    async fn results(
        &self,
        batch: &str,
    ) -> Result<BTreeMap<Digest, Result<Box<Answer>, Lost>>, StageFailure> {
        let path = self.wait(batch).await?.results_path();
        let mut attempt = 1;
        loop {
            match self.read_results(batch, &path).await {
                Err(declined) if declined.passes() && attempt < PATIENCE => attempt += 1,
                result => return Ok(result?),
            }
            tokio::time::sleep(self.batches.poll).await;
        }
    }

    async fn read_results(
        &self,
        batch: &str,
        path: &str,
    ) -> Result<BTreeMap<Digest, Result<Box<Answer>, Lost>>, Declined> {
        let endpoint = &self.batches.endpoint;
        let mut lines = endpoint.lines(path).await?;
        let mut outcomes = BTreeMap::new();
        while let Some(line) = lines
            .next()
            .await
            .map_err(|error| endpoint.silent(&error))?
        {
            let Ok(line) = serde_json::from_slice::<ResultLine>(&line) else {
                warn!(batch, "a line of the results is none");
                continue;
            };
            let Ok(asked) = line.custom_id.parse() else {
                continue;
            };
            let outcome = line.result.outcome(batch);
            if let Ok(answer) = &outcome {
                let kept = self.batches.answers.put(asked, answer).await;
                kept.map_err(Declined::of)?;
            }
            outcomes.insert(asked, outcome);
        }
        Ok(outcomes)
    }

    /// Waits until the batch has ended. One that nobody waits for any more is cancelled; a process
    /// that ends leaves it as it is.
    async fn wait(&self, batch: &str) -> Result<Batch, StageFailure> {
        let endpoint = &self.batches.endpoint;
        let (mut in_vain, mut unwanted, mut cancelled) = (0, 0, false);
        loop {
            match endpoint
                .get(&format!("{PATH}/{batch}"), SEED)
                .await
                .map(Batch::of)
            {
                Ok(now) if now.ended() => return Ok(now),
                Ok(_) => in_vain = 0,
                Err(declined) if declined.passes() && in_vain < PATIENCE => in_vain += 1,
                Err(declined) => return Err(declined.failure),
            }
            let (wanted, ever) = self.batches.waited_for(&self.record.questions);
            unwanted = if ever && !wanted { unwanted + 1 } else { 0 };
            if unwanted > 1 && !cancelled {
                cancelled = true;
                info!(batch, "nobody waits for the batch: it is cancelled");
                let path = format!("{PATH}/{batch}/cancel");
                if let Err(declined) = endpoint.post(&path, &json!({}), SEED).await {
                    warn!(batch, cause = %declined.failure, "the batch cannot be cancelled");
                }
            }
            tokio::time::sleep(self.batches.poll).await;
        }
    }

    fn lose_all(&self, lost: &Lost) {
        for asked in &self.record.questions {
            self.batches.deliver(*asked, &Err(lost.clone()));
        }
    }

    async fn keep(&self) -> Result<(), StageFailure> {
        let path = self.path.clone();
        let json = serde_json::to_vec_pretty(&self.record);
        blocking(move || {
            let json = json.map_err(|error| unkept(&path, &error))?;
            let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
            let written = folder.and_then(|()| write_atomically(&path, &json));
            written.map_err(|error| unkept(&path, &error))
        })
        .await
    }

    async fn forget(&self) {
        let path = self.path.clone();
        let gone = blocking(move || fs::remove_file(&path).map_err(|error| unkept(&path, &error)));
        if let Err(failure) = gone.await {
            warn!(%failure, "a batch that has ended will be looked at once more");
        }
    }
}

/// A page of the account's batches.
#[derive(Default, Deserialize)]
struct Listed {
    data: Vec<Batch>,
    #[serde(default)]
    has_more: bool,
    last_id: Option<String>,
}

impl Listed {
    fn of(value: Value) -> Self {
        serde_json::from_value(value).unwrap_or_default()
    }
}

/// What the interface says of a batch.
#[derive(Default, Deserialize)]
struct Batch {
    id: String,
    processing_status: String,
    #[serde(default)]
    request_counts: BTreeMap<String, u64>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    results_url: Option<String>,
}

impl Batch {
    fn of(value: Value) -> Self {
        serde_json::from_value(value).unwrap_or_default()
    }

    fn ended(&self) -> bool {
        self.processing_status == "ended"
    }

    /// Where its results are. The interface names a whole address; its path is taken, so that a key
    /// goes nowhere but to the address it is for.
    fn results_path(&self) -> String {
        let named = self.results_url.as_deref().and_then(|url| {
            let (_, rest) = url.split_once("://")?;
            let (_, path) = rest.split_once('/')?;
            Some(path.to_owned())
        });
        named.unwrap_or_else(|| format!("{PATH}/{}/results", self.id))
    }

    fn questions(&self) -> u64 {
        self.request_counts.values().sum()
    }

    fn created_ms(&self) -> Option<u64> {
        let at: jiff::Timestamp = self.created_at.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok()
    }
}

#[derive(Deserialize)]
struct ResultLine {
    custom_id: String,
    result: Outcome,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Outcome {
    Succeeded {
        message: Value,
    },
    Errored {
        error: Value,
    },
    Canceled,
    Expired,
    #[serde(other)]
    Unknown,
}

impl Outcome {
    fn outcome(self, batch: &str) -> Result<Box<Answer>, Lost> {
        match self {
            Self::Succeeded { message } => match anthropic::answer(message, 2) {
                Ok(answer) => Ok(Box::new(answer)),
                Err(failure) => Err(Lost {
                    failure,
                    again: false,
                }),
            },
            Self::Errored { error } => {
                // The error stands in an envelope like that of a reply.
                let error = error.get("error").unwrap_or(&error);
                let text =
                    |name: &str| error.get(name).and_then(Value::as_str).unwrap_or("unknown");
                let (kind, message) = (text("type"), text("message"));
                let again = matches!(
                    kind,
                    "api_error" | "overloaded_error" | "rate_limit_error" | "timeout_error"
                );
                let mut lost = Lost::because(format!("{batch}: {kind}: {message}"), again);
                lost.failure.problem.code = code_of(kind).to_string();
                Err(lost)
            }
            Self::Expired => Err(Lost::because(
                format!("{batch} expired before it was its turn"),
                true,
            )),
            Self::Canceled => Err(Lost::because(format!("{batch} was cancelled"), false)),
            Self::Unknown => Err(Lost::because(
                format!("{batch} has a result of a kind that is not known"),
                false,
            )),
        }
    }
}

/// About how many bytes a question has: pictures outweigh everything else.
fn size(params: &Value) -> usize {
    match params {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 8,
    }
}

fn unkept(path: &Path, error: &(dyn std::error::Error + 'static)) -> StageFailure {
    let message = format!(
        "cannot keep or read what is known of batches at `{}`",
        path.display()
    );
    StageFailure::new(UNKEPT_ANSWERS, message)
        .because(error)
        .hint("check that the folder can be written and its disk has room")
        .ends_run()
}
