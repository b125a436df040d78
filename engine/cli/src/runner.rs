//! The stores of `$DOCGENIE_HOME`, and runs over them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use docgenie_document::Code;
use docgenie_runtime::{
    artifact::ArtifactError,
    executor::{Executor, RunError, RunOrder, RunOutcome},
    job::{DocumentRecord, JobStore, RunId, RunRecord, StoreError},
    progress::Observer,
    stage::{Reach, StageFailure},
};
use docgenie_store::{
    artifacts::{FolderArtifacts, Usage},
    control::{ControlClient, ControlServer},
    home::{self, Opened},
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    app,
    report::{self, Status, Stop},
};

/// Another process owns the home.
const HELD: Code = Code::new("DG0912");
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
                Err(
                    Stop::new(Status::BadInput, docgenie_runtime::job::JOB_STORE, message)
                        .hint("`docgenie-engine runs show` says how it ended"),
                )
            }
        }
    }
}

/// A home that this process owns, ready to run.
pub(crate) struct Runner {
    runtime: Runtime,
    executor: Executor,
    artifacts: Arc<FolderArtifacts>,
    under_way: Arc<Mutex<BTreeMap<RunId, CancellationToken>>>,
    _control: Option<ControlServer>,
}

impl Runner {
    pub(crate) fn open(home: &Path) -> Result<Self, Stop> {
        let runtime = runtime()?;
        let jobs: Arc<dyn JobStore> = match opened(home)? {
            Opened::Owner(jobs) => Arc::new(jobs),
            Opened::Held(client) => {
                let message = format!("`{}` is in use by another process", home.display());
                return Err(Stop::new(Status::Environment, HELD, message)
                    .because(client.held())
                    .hint("wait for it, stop it with `docgenie-engine runs cancel`, or set DOCGENIE_HOME to another folder"));
            }
        };
        let artifacts =
            FolderArtifacts::open(&home.join("artifacts")).map_err(|error| of_artifacts(&error))?;
        let artifacts = Arc::new(artifacts);
        let under_way: Arc<Mutex<BTreeMap<RunId, CancellationToken>>> = Arc::default();
        let control = {
            let _inside = runtime.enter();
            let under_way = under_way.clone();
            let cancel = move |run: RunId| {
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
            registry: app::registry(),
            artifacts: artifacts.clone(),
            jobs,
            engine: app::VERSION.to_owned(),
        };
        Ok(Self {
            runtime,
            executor,
            artifacts,
            under_way,
            _control: control,
        })
    }

    /// Runs an order to its end. Ctrl-C or a termination signal cancels it; a second one ends the
    /// program.
    pub(crate) fn run(
        &self,
        order: RunOrder,
        observer: Arc<dyn Observer>,
    ) -> Result<RunOutcome, Stop> {
        let cancel = CancellationToken::new();
        let outcome = self.runtime.block_on(async {
            let signals = tokio::spawn(cancel_on_signal(cancel.clone()));
            let under_way = self.under_way.clone();
            let token = cancel.clone();
            let began = move |run| {
                under_way
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(run, token);
            };
            let outcome = self.executor.run(order, observer, cancel, began).await;
            signals.abort();
            outcome
        });
        outcome.map_err(of_run)
    }

    pub(crate) fn record(&self, run: RunId) -> Result<RunRecord, Stop> {
        self.runtime
            .block_on(self.executor.jobs.run(run))
            .map_err(|error| of_store(&error))
    }

    pub(crate) fn cache_usage(&self) -> Result<Usage, Stop> {
        self.artifacts.usage().map_err(|error| of_artifacts(&error))
    }

    /// Removes remembered results, oldest first, until the rest fits; returns what went.
    pub(crate) fn cache_prune(&self, max_bytes: u64) -> Result<Usage, Stop> {
        self.artifacts
            .prune(max_bytes)
            .map_err(|error| of_artifacts(&error))
    }
}

async fn cancel_on_signal(cancel: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    for first in [true, false] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if first {
            report::talk("stopping; what is finished is kept");
            cancel.cancel();
        } else {
            std::process::exit(Status::Interrupted as i32);
        }
    }
}

pub(crate) fn runtime() -> Result<Runtime, Stop> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    built.map_err(|error| {
        Stop::new(
            Status::Environment,
            NO_THREADS,
            "the program cannot start its threads",
        )
        .because(&error)
    })
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

fn of_store(error: &StoreError) -> Stop {
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
