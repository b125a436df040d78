//! The stores of `$DOCGENIE_HOME`, and runs over them.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use docgenie_document::Code;
use docgenie_runtime::{
    artifact::ArtifactError,
    executor::{Executor, Halt, RunError, RunOrder, RunOutcome},
    job::{
        DocumentRecord, ILLEGAL_MOVE, JobStore, RunId, RunRecord, StoreError, memory::MemoryJobs,
    },
    progress::{Observer, Silent},
    queue::Queue,
    stage::{Reach, StageFailure},
};
use docgenie_store::{
    artifacts::{FolderArtifacts, Usage},
    control::{ControlClient, ControlServer},
    home::{self, Opened},
    jobs::SledJobs,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    app,
    report::{self, Status, Stop},
    signals::Signals,
};

/// The program cannot start its threads.
const NO_THREADS: Code = Code::new("DG0913");

/// The jobs of a home, whether this process or another one owns them.
pub(crate) struct Runs {
    runtime: Runtime,
    jobs: Arc<dyn JobStore>,
    owner: Option<ControlClient>,
}

impl Runs {
    pub(crate) fn open(home: &Path) -> Result<Self, Stop> {
        let runtime = runtime()?;
        let (jobs, owner): (Arc<dyn JobStore>, _) = match opened(home)? {
            Opened::Owner(jobs) => (Arc::new(jobs), None),
            Opened::Held(client) => (Arc::new(client.clone()), Some(client)),
        };
        Ok(Self {
            runtime,
            jobs,
            owner,
        })
    }

    pub(crate) fn list(&self, limit: usize) -> Result<Vec<RunRecord>, Stop> {
        self.runtime
            .block_on(self.jobs.runs(limit, 0))
            .map_err(|error| of_store(&error))
    }

    pub(crate) fn show(&self, run: RunId) -> Result<RunRecord, Stop> {
        self.runtime
            .block_on(self.jobs.run(run))
            .map_err(|error| of_store(&error))
    }

    pub(crate) fn dead_letters(&self, run: RunId) -> Result<Vec<DocumentRecord>, Stop> {
        self.runtime
            .block_on(self.jobs.dead_letters(run))
            .map_err(|error| of_store(&error))
    }

    pub(crate) fn remove(&self, run: RunId) -> Result<(), Stop> {
        self.runtime
            .block_on(self.jobs.remove(run))
            .map_err(|error| of_store(&error))
    }

    /// Ends a run that another process has under way.
    pub(crate) fn cancel(&self, run: RunId) -> Result<(), Stop> {
        let record = self.show(run)?;
        match &self.owner {
            Some(owner) if !record.state.terminal() => self
                .runtime
                .block_on(owner.cancel(run))
                .map_err(|error| of_store(&error)),
            _ => {
                let message = format!("{run} is not under way");
                Err(Stop::new(Status::BadInput, ILLEGAL_MOVE, message)
                    .hint("`docgenie-engine runs show` says how it ended"))
            }
        }
    }
}

/// A home that this process owns, ready to run.
pub(crate) struct Runner {
    /// Is dropped first: the socket is this process's only for as long as it owns the home.
    _control: Option<ControlServer>,
    runtime: Runtime,
    executor: Executor,
    under_way: Arc<Mutex<BTreeMap<RunId, CancellationToken>>>,
    /// Where there is one, it has all that is under way.
    queue: Arc<OnceLock<Queue>>,
    end: CancellationToken,
}

impl Runner {
    /// Signals will cancel what it runs.
    pub(crate) fn open(home: &Path, signals: &Signals) -> Result<Self, Stop> {
        let runtime = runtime()?;
        let jobs: Arc<dyn JobStore> = Arc::new(owned(home)?);
        let artifacts = artifacts(home)?;
        let under_way: Arc<Mutex<BTreeMap<RunId, CancellationToken>>> = Arc::default();
        let queue: Arc<OnceLock<Queue>> = Arc::default();
        let control = {
            let _inside = runtime.enter();
            let (under_way, queue) = (under_way.clone(), queue.clone());
            let cancel = move |run: RunId| {
                if let Some(queue) = queue.get().cloned() {
                    tokio::spawn(async move { queue.cancel(run).await });
                    return true;
                }
                let under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
                under_way.get(&run).map(CancellationToken::cancel).is_some()
            };
            ControlServer::start(home, jobs.clone(), Arc::new(cancel))
        };
        let control = match control {
            Ok(control) => Some(control),
            Err(error) => {
                report::talk(&format!(
                    "warning: no other process can look at the runs of this one: {error}"
                ));
                None
            }
        };
        let executor = Executor {
            registry: app::registry(home),
            artifacts: Arc::new(artifacts),
            jobs,
            engine: app::VERSION.to_owned(),
        };
        Ok(Self {
            _control: control,
            runtime,
            executor,
            under_way,
            queue,
            end: signals.end().clone(),
        })
    }

    /// Runs an order to its end.
    pub(crate) fn run(
        &self,
        order: RunOrder,
        observer: Arc<dyn Observer>,
    ) -> Result<RunOutcome, Stop> {
        self.run_by(&self.executor, order, observer)
    }

    /// Serves a queue over this home until `work` is done.
    pub(crate) fn serve<W: Future<Output = Result<(), Stop>>>(
        &self,
        work: impl FnOnce(Executor, Steered) -> W,
    ) -> Result<(), Stop> {
        let steered = Steered(self.queue.clone());
        self.runtime.block_on(work(self.executor.clone(), steered))
    }

    /// Runs an order to its end and leaves no trace of it in the home but artifacts.
    pub(crate) fn run_scratch(&self, mut order: RunOrder) -> Result<RunOutcome, Stop> {
        order.scratch = true;
        let executor = Executor {
            jobs: Arc::new(MemoryJobs::new()),
            ..self.executor.clone()
        };
        self.run_by(&executor, order, Arc::new(Silent))
    }

    fn run_by(
        &self,
        executor: &Executor,
        order: RunOrder,
        observer: Arc<dyn Observer>,
    ) -> Result<RunOutcome, Stop> {
        let cancel = self.end.child_token();
        let token = cancel.clone();
        let began = |run| {
            let under_way = self.under_way.lock();
            let mut under_way = under_way.unwrap_or_else(PoisonError::into_inner);
            under_way.insert(run, token);
        };
        let run = executor.run(order, observer, Halt::with(cancel), began);
        self.runtime.block_on(run).map_err(of_run)
    }

    pub(crate) fn record(&self, run: RunId) -> Result<RunRecord, Stop> {
        self.runtime
            .block_on(self.executor.jobs.run(run))
            .map_err(|error| of_store(&error))
    }
}

/// The place for a queue, so that other processes can steer what is in it.
pub(crate) struct Steered(Arc<OnceLock<Queue>>);

impl Steered {
    pub(crate) fn steer(&self, queue: Queue) {
        // There is one queue in a process.
        self.0.set(queue).ok();
    }
}

/// What the artifact store of a home holds.
pub(crate) fn cache_usage(home: &Path) -> Result<Usage, Stop> {
    artifacts(home)?
        .usage()
        .map_err(|error| of_artifacts(&error))
}

/// Removes remembered results, oldest first, until the rest fits; returns what went.
pub(crate) fn cache_prune(home: &Path, max_bytes: u64) -> Result<Usage, Stop> {
    let _alone = owned(home)?;
    artifacts(home)?
        .prune(max_bytes)
        .map_err(|error| of_artifacts(&error))
}

pub(crate) fn runtime() -> Result<Runtime, Stop> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    built.map_err(|error| no_threads(&error))
}

pub(crate) fn no_threads(error: &io::Error) -> Stop {
    let message = "the program cannot start its threads";
    Stop::new(Status::Environment, NO_THREADS, message).because(error)
}

fn opened(home: &Path) -> Result<Opened, Stop> {
    home::open(home).map_err(|error| {
        Stop::new(
            Status::Environment,
            error.code(),
            "the jobs of the home cannot be opened",
        )
        .because(&error)
        .hint(error.hint())
    })
}

/// The jobs of a home as its owner, or who else that is.
fn owned(home: &Path) -> Result<SledJobs, Stop> {
    match opened(home)? {
        Opened::Owner(jobs) => Ok(jobs),
        Opened::Held(client) => {
            let held = client.held();
            let stop = Stop::new(Status::Environment, held.code(), held.to_string());
            Err(stop.hint(held.hint()))
        }
    }
}

fn artifacts(home: &Path) -> Result<FolderArtifacts, Stop> {
    FolderArtifacts::open(&home.join("artifacts")).map_err(|error| of_artifacts(&error))
}

pub(crate) fn of_store(error: &StoreError) -> Stop {
    let status = match error {
        StoreError::NoSuchRun(_) | StoreError::NotStarted | StoreError::Illegal(_) => {
            Status::BadInput
        }
        StoreError::Failed { .. } => Status::Environment,
    };
    Stop::new(status, error.code(), error.to_string())
        .because_of(std::error::Error::source(error))
        .hint_if(error.hint())
}

fn of_artifacts(error: &ArtifactError) -> Stop {
    Stop::new(
        Status::Environment,
        error.code(),
        "the artifact store cannot be used",
    )
    .because(error)
    .hint_if(error.hint())
}

fn of_run(error: RunError) -> Stop {
    match error {
        RunError::Build { location, source } => {
            let status = if source.reach == Reach::Run {
                Status::Environment
            } else {
                Status::BadInput
            };
            let mut failure = source;
            failure.problem.message = format!("{location}: {}", failure.problem.message);
            Stop::of(status, failure)
        }
        RunError::Target(error) => Stop::of(Status::BadInput, StageFailure::from(error)),
        RunError::Store(error) => of_store(&error),
        RunError::Artifacts(error) => of_artifacts(&error),
    }
}
