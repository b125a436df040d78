//! The control socket: how a second process reads and steers what the owner of a home does.
//!
//! One connection carries one question, a line of JSON, and one answer, another line. The socket is
//! `$DOCGENIE_HOME/control.sock`, for the owner's user only. Questions are short and must come at
//! once, answers are as long as what was asked for, and neither is waited for longer than ten
//! seconds, so no client can hold up the owner for longer.

use std::{
    fs, io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use docgenie_runtime::job::{
    DocumentRecord, IllegalMove, JobEvent, JobStore, RunId, RunRecord, StoreError,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};
use tracing::debug;

use crate::lock::Held;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// The bytes of a question at most.
const QUESTION_LIMIT: u64 = 4_096;
/// How many clients are served at once.
const CLIENTS: usize = 16;
const SOCKET: &str = "control.sock";

/// What a client may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Question {
    Runs {
        limit: usize,
        skip: usize,
    },
    Run {
        run: RunId,
    },
    Documents {
        run: RunId,
        from: u64,
        limit: usize,
    },
    DeadLetters {
        run: RunId,
    },
    Events {
        run: RunId,
        after: u64,
        limit: usize,
    },
    Cancel {
        run: RunId,
    },
    Remove {
        run: RunId,
    },
}

/// What the owner answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Value(Value),
    NoSuchRun(RunId),
    Illegal(IllegalMove),
    Refused(String),
}

/// Answers the control socket of a home that this process owns, until it is dropped.
#[derive(Debug)]
pub struct ControlServer {
    home: PathBuf,
    task: JoinHandle<()>,
}

/// Ends a run of this process; tells whether it is under way here.
pub type Cancel = dyn Fn(RunId) -> bool + Send + Sync;

impl ControlServer {
    /// Begins to answer; must be called within a tokio runtime. A socket that a dead owner has left
    /// is replaced.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn start(home: &Path, jobs: Arc<dyn JobStore>, cancel: Arc<Cancel>) -> io::Result<Self> {
        let listener = listen(home)?;
        let task = tokio::spawn(serve(listener, jobs, cancel));
        Ok(Self {
            home: home.to_owned(),
            task,
        })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        // Where it stays behind, the next owner replaces it.
        drop(fs::remove_file(self.home.join(SOCKET)));
    }
}

/// The socket appears by a rename, so that nobody finds it before its mode is set.
fn listen(home: &Path) -> io::Result<UnixListener> {
    let folder = fs::File::open(home)?;
    let unready = format!("{SOCKET}.partial");
    match fs::remove_file(home.join(&unready)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(address(&folder, &unready))?;
    let owner_only = fs::Permissions::from_mode(0o600);
    fs::set_permissions(home.join(&unready), owner_only)?;
    fs::rename(home.join(&unready), home.join(SOCKET))?;
    Ok(listener)
}

/// A path of a socket. Addresses hold about a hundred bytes and homes may be deeper than that, so
/// it starts at the open folder.
fn address(folder: &fs::File, name: &str) -> PathBuf {
    format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()).into()
}

/// Whether somebody listens at the socket of a home.
pub(crate) fn answers(home: &Path) -> bool {
    let connected = fs::File::open(home)
        .and_then(|folder| std::os::unix::net::UnixStream::connect(address(&folder, SOCKET)));
    connected.is_ok()
}

async fn serve(listener: UnixListener, jobs: Arc<dyn JobStore>, cancel: Arc<Cancel>) {
    let clients = Arc::new(Semaphore::new(CLIENTS));
    while let Ok(turn) = clients.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "a client of the control socket was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (jobs, cancel) = (jobs.clone(), cancel.clone());
        tokio::spawn(async move {
            if let Err(error) = attend(stream, &*jobs, &*cancel).await {
                debug!(%error, "a client of the control socket was given up");
            }
            drop(turn);
        });
    }
}

async fn attend(mut stream: UnixStream, jobs: &dyn JobStore, cancel: &Cancel) -> io::Result<()> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(&mut stream).take(QUESTION_LIMIT);
    timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice(&line) {
        Ok(question) => reply(question, jobs, cancel).await,
        Err(error) => Answer::Refused(format!("the question is not understood: {error}")),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(PATIENCE, stream.write_all(&line)).await?
}

async fn reply(question: Question, jobs: &dyn JobStore, cancel: &Cancel) -> Answer {
    match answer(question, jobs, cancel).await {
        Ok(value) => Answer::Value(value),
        Err(StoreError::NoSuchRun(run)) => Answer::NoSuchRun(run),
        Err(StoreError::Illegal(illegal)) => Answer::Illegal(illegal),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

async fn answer(
    question: Question,
    jobs: &dyn JobStore,
    cancel: &Cancel,
) -> Result<Value, StoreError> {
    match question {
        Question::Runs { limit, skip } => value(&jobs.runs(limit, skip).await?),
        Question::Run { run } => value(&jobs.run(run).await?),
        Question::Documents { run, from, limit } => value(&jobs.documents(run, from, limit).await?),
        Question::DeadLetters { run } => value(&jobs.dead_letters(run).await?),
        Question::Events { run, after, limit } => value(&jobs.events(run, after, limit).await?),
        Question::Remove { run } => value(&jobs.remove(run).await?),
        Question::Cancel { run } => {
            let state = jobs.run(run).await?.state;
            if !state.terminal() && cancel(run) {
                return Ok(Value::Null);
            }
            Err(StoreError::Illegal(IllegalMove {
                run,
                state,
                event: "cancellation".into(),
            }))
        }
    }
}

fn value<T: Serialize>(value: &T) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Failed {
        doing: "encoding an answer".to_owned(),
        source: error.into(),
    })
}

/// Asks the owner of a home. As a [`JobStore`] it reads and removes; runs are begun by the owner.
#[derive(Clone, Debug)]
pub struct ControlClient {
    held: Held,
}

impl ControlClient {
    pub(crate) const fn new(held: Held) -> Self {
        Self { held }
    }

    /// Who owns the home.
    #[must_use]
    pub const fn held(&self) -> &Held {
        &self.held
    }

    /// Ends a run of the owner's.
    ///
    /// # Errors
    /// When there is no such run, it is not under way, or the owner does not answer.
    pub async fn cancel(&self, run: RunId) -> Result<(), StoreError> {
        self.ask(&Question::Cancel { run }).await
    }

    async fn ask<T: DeserializeOwned>(&self, question: &Question) -> Result<T, StoreError> {
        let asked = timeout(PATIENCE, self.exchange(question)).await;
        let answer = asked.unwrap_or_else(|late| Err(late.into()));
        match answer.map_err(|error| self.failed(error))? {
            Answer::Value(value) => {
                serde_json::from_value(value).map_err(|error| self.failed(error))
            }
            Answer::NoSuchRun(run) => Err(StoreError::NoSuchRun(run)),
            Answer::Illegal(illegal) => Err(StoreError::Illegal(illegal)),
            Answer::Refused(why) => Err(self.failed(why)),
        }
    }

    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        StoreError::Failed {
            doing: format!("asking {}", self.held.holder),
            source: source.into(),
        }
    }

    fn not_ours<T>(&self, doing: &str) -> Result<T, StoreError> {
        Err(StoreError::Failed {
            doing: doing.to_owned(),
            source: self.held.clone().into(),
        })
    }

    async fn exchange(&self, question: &Question) -> io::Result<Answer> {
        let folder = fs::File::open(&self.held.home)?;
        let mut stream = UnixStream::connect(address(&folder, SOCKET)).await?;
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

#[async_trait]
impl JobStore for ControlClient {
    async fn create(&self, _first: JobEvent) -> Result<RunId, StoreError> {
        self.not_ours("creating a run")
    }

    async fn append(&self, _run: RunId, _events: Vec<JobEvent>) -> Result<(), StoreError> {
        self.not_ours("recording events")
    }

    async fn run(&self, run: RunId) -> Result<RunRecord, StoreError> {
        self.ask(&Question::Run { run }).await
    }

    async fn runs(&self, limit: usize, skip: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.ask(&Question::Runs { limit, skip }).await
    }

    async fn documents(
        &self,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<DocumentRecord>, StoreError> {
        self.ask(&Question::Documents { run, from, limit }).await
    }

    async fn dead_letters(&self, run: RunId) -> Result<Vec<DocumentRecord>, StoreError> {
        self.ask(&Question::DeadLetters { run }).await
    }

    async fn events(
        &self,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        self.ask(&Question::Events { run, after, limit }).await
    }

    async fn remove(&self, run: RunId) -> Result<(), StoreError> {
        self.ask(&Question::Remove { run }).await
    }
}
