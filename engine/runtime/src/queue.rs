//! The queue: runs that were accepted wait here for their turn.
//!
//! What is accepted is recorded before it is acknowledged, so the queue holds nothing that a crash
//! could lose: opening it takes up what the store says is queued, and queues again what was under
//! way. Waiting runs are ordered by whoever they are for, who take turns: a thousand runs of one user
//! do not delay the first of another by more than the runs under way.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use docgenie_document::{Code, code::Problem};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info, info_span};

use crate::{
    clock,
    executor::{Executor, Halt, HaltAs, RunError, RunOrder},
    job::{
        IllegalMove, JobEvent, JobStore, RunId, RunRecord, RunSpec, RunState, StoreError,
        watched::WatchedJobs,
    },
    progress::{Observer, Progress},
};

/// The queue is full.
pub const QUEUE_FULL: Code = Code::new("DG0110");
/// The service is about to end.
pub const CLOSING: Code = Code::new("DG0111");
/// A run could not be made from what was recorded.
pub const UNMAKABLE: Code = Code::new("DG0112");

/// How long a store that cannot record is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Makes the order that a recorded run stands for, when its turn has come.
pub trait Orders: Send + Sync {
    /// The order, with what is outside of the record: the pipeline's text, plugins, secrets.
    ///
    /// # Errors
    /// When the run cannot be made any more: its pipeline is gone, its secrets cannot be read.
    fn order(&self, record: &RunRecord) -> Result<RunOrder, Box<Problem>>;
}

/// How much is taken on.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Runs under way at once.
    pub running: usize,
    /// Runs that wait.
    pub waiting: usize,
    /// Runs of one user that wait or are under way.
    pub per_user: usize,
}

/// A run that is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// As many runs wait as may.
    #[error("the queue is full: {0} runs wait")]
    Full(usize),
    /// As many runs of this user wait or are under way as may.
    #[error("{0} runs of this user wait or are under way, and more are not taken")]
    Quota(usize),
    /// The process is about to end.
    #[error("the service is about to stop")]
    Closing,
    /// It cannot be recorded.
    #[error("the run cannot be recorded")]
    Store(#[source] StoreError),
}

/// Runs that wait and those under way. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    executor: Executor,
    jobs: Arc<WatchedJobs>,
    orders: Arc<dyn Orders>,
    limits: QueueLimits,
    state: Mutex<State>,
    wake: Notify,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    closing: bool,
    /// Waiting runs by whose they are; those who wait take turns in the order of `turns`.
    waiting: HashMap<String, VecDeque<RunId>>,
    turns: VecDeque<String>,
    /// How many wait in all lines.
    lined_up: usize,
    /// Accepted and not yet recorded.
    coming: usize,
    running: BTreeMap<RunId, Active>,
    /// By user, what waits or is under way.
    load: HashMap<String, usize>,
}

struct Active {
    user: String,
    halt: Halt,
    stage: Arc<Mutex<Option<String>>>,
}

impl Queue {
    /// The queue over a job store: takes up what waits and queues again what a dead process has left.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the job store cannot be read or written.
    pub async fn open(
        mut executor: Executor,
        orders: Arc<dyn Orders>,
        limits: QueueLimits,
    ) -> Result<Self, StoreError> {
        let jobs = Arc::new(WatchedJobs::new(executor.jobs.clone()));
        executor.jobs = jobs.clone();
        let queue = Self {
            shared: Arc::new(Shared {
                executor,
                jobs,
                orders,
                limits,
                state: Mutex::default(),
                wake: Notify::new(),
                tasks: TaskTracker::new(),
            }),
        };
        queue.take_up().await?;
        let shared = queue.shared.clone();
        tokio::spawn(shared.dispatch());
        Ok(queue)
    }

    /// Oldest first, so that they keep their places.
    async fn take_up(&self) -> Result<(), StoreError> {
        let mut runs = self.shared.jobs.runs(usize::MAX, 0).await?;
        runs.reverse();
        for run in runs {
            let ours = run.spec.origin.is_some();
            match run.state {
                RunState::Queued => self.shared.state().wait(&run, run.id),
                RunState::Interrupted if ours => {
                    let at = clock::now_ms();
                    let again = vec![JobEvent::Requeued { at }];
                    self.shared.jobs.append(run.id, again).await?;
                    self.shared.state().wait(&run, run.id);
                    info!(run = %run.id, "queued again: its process has died");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The jobs, which tell of their changes.
    #[must_use]
    pub fn jobs(&self) -> &WatchedJobs {
        &self.shared.jobs
    }

    /// Accepts a run. Once this returns, it will be run, whatever happens to this process.
    ///
    /// # Errors
    /// When it is not taken or cannot be recorded.
    pub async fn submit(&self, spec: RunSpec) -> Result<RunId, SubmitError> {
        let user = user_of(&spec);
        self.shared.state().reserve(&user, self.shared.limits)?;
        let queued = JobEvent::Queued {
            spec: Arc::new(spec),
            at: clock::now_ms(),
        };
        let created = self.shared.jobs.create(queued).await;
        let mut state = self.shared.state();
        state.coming -= 1;
        match created {
            Ok(run) => {
                state.line_up(user, run);
                drop(state);
                self.shared.wake.notify_one();
                Ok(run)
            }
            Err(error) => {
                state.relieve(&user);
                Err(SubmitError::Store(error))
            }
        }
    }

    /// Ends a run that waits, is paused or under way.
    ///
    /// # Errors
    /// When there is no such run or it has ended.
    pub async fn cancel(&self, run: RunId) -> Result<(), StoreError> {
        self.stop(run, HaltAs::Cancelled).await
    }

    /// Stops a run that waits or is under way until it is resumed.
    ///
    /// # Errors
    /// When there is no such run, it is paused already or has ended.
    pub async fn pause(&self, run: RunId) -> Result<(), StoreError> {
        self.stop(run, HaltAs::Paused).await
    }

    async fn stop(&self, run: RunId, halt: HaltAs) -> Result<(), StoreError> {
        let record = self.shared.jobs.run(run).await?;
        // It is taken out first, so that its turn does not come meanwhile.
        let waited = self.shared.state().withdraw(&record);
        // A last turn that has stopped is still among those under way while it clears up.
        let over = waited || record.state.terminal() || record.state == RunState::Paused;
        if !over && let Some(active) = self.shared.state().running.get(&run) {
            active.halt.halt(halt);
            return Ok(());
        }
        let at = clock::now_ms();
        let event = match halt {
            HaltAs::Paused => JobEvent::Paused { at },
            HaltAs::Cancelled | HaltAs::HandedBack => cancelled(at),
        };
        let stopped = self.shared.jobs.append(run, vec![event]).await;
        if stopped.is_err() && waited {
            self.shared.state().wait(&record, run);
            self.shared.wake.notify_one();
        }
        stopped
    }

    /// Lets a paused run go on when its turn comes.
    ///
    /// # Errors
    /// When there is no such run or it is not paused.
    pub async fn resume(&self, run: RunId) -> Result<(), StoreError> {
        self.requeue(run, |state| state == RunState::Paused, "resumed")
            .await
    }

    /// Runs an ended run once more; what succeeded is remembered.
    ///
    /// # Errors
    /// When there is no such run or it has not ended.
    pub async fn retry(&self, run: RunId) -> Result<(), StoreError> {
        self.requeue(run, RunState::terminal, "retried").await
    }

    async fn requeue(
        &self,
        run: RunId,
        from: impl Fn(RunState) -> bool,
        event: &'static str,
    ) -> Result<(), StoreError> {
        let record = self.shared.jobs.run(run).await?;
        if !from(record.state) {
            return Err(StoreError::Illegal(IllegalMove {
                run,
                state: record.state,
                event: event.into(),
            }));
        }
        let at = clock::now_ms();
        let again = vec![JobEvent::Requeued { at }];
        self.shared.jobs.append(run, again).await?;
        self.shared.state().wait(&record, run);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// The run once nothing more happens in it.
    ///
    /// # Errors
    /// When there is no such run.
    pub async fn ended(&self, run: RunId) -> Result<RunRecord, StoreError> {
        let mut changes = self.shared.jobs.watch(run);
        loop {
            let record = self.shared.jobs.run(run).await?;
            if record.state.terminal() || record.state == RunState::Paused {
                return Ok(record);
            }
            changed(&mut changes).await;
        }
    }

    /// The stage that a run under way has last been heard of in.
    #[must_use]
    pub fn stage(&self, run: RunId) -> Option<String> {
        let stage = self.shared.state().running.get(&run)?.stage.clone();
        let stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
        stage.clone()
    }

    /// How many runs wait and are under way.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let state = self.shared.state();
        (state.lined_up, state.running.len())
    }

    /// Takes no more runs and lets those under way go on for the time of `grace`; what is then not
    /// done goes back into the queue, for the next process.
    pub async fn close(&self, grace: Duration) {
        {
            let mut state = self.shared.state();
            state.closing = true;
        }
        self.shared.wake.notify_one();
        self.shared.tasks.close();
        let idle = self.shared.tasks.wait();
        if tokio::time::timeout(grace, idle).await.is_err() {
            for active in self.shared.state().running.values() {
                active.halt.halt(HaltAs::HandedBack);
            }
            self.shared.tasks.wait().await;
        }
    }

    /// Whether it takes no more runs.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.shared.state().closing
    }
}

/// A change, or the end of the store.
async fn changed(changes: &mut watch::Receiver<u64>) {
    changes.changed().await.ok();
}

/// Whose turn a run takes.
fn user_of(spec: &RunSpec) -> String {
    let Some(origin) = &spec.origin else {
        return String::new();
    };
    let user = origin.user.as_deref().unwrap_or_default();
    format!("{}/{user}", origin.owner)
}

impl State {
    fn reserve(&mut self, user: &str, limits: QueueLimits) -> Result<(), SubmitError> {
        if self.closing {
            return Err(SubmitError::Closing);
        }
        if self.lined_up + self.coming >= limits.waiting {
            return Err(SubmitError::Full(self.lined_up));
        }
        let load = self.load.entry(user.to_owned()).or_default();
        if *load >= limits.per_user {
            return Err(SubmitError::Quota(*load));
        }
        *load += 1;
        self.coming += 1;
        Ok(())
    }

    /// Puts a run into the line of its user, whose load it adds to.
    fn wait(&mut self, record: &RunRecord, run: RunId) {
        let user = user_of(&record.spec);
        *self.load.entry(user.clone()).or_default() += 1;
        self.line_up(user, run);
    }

    fn line_up(&mut self, user: String, run: RunId) {
        let line = self.waiting.entry(user.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(user);
        }
        line.push_back(run);
        self.lined_up += 1;
    }

    fn relieve(&mut self, user: &str) {
        if let Some(load) = self.load.get_mut(user) {
            *load = load.saturating_sub(1);
            if *load == 0 {
                self.load.remove(user);
            }
        }
    }

    /// Takes a run out of its line; tells whether it was in it.
    fn withdraw(&mut self, record: &RunRecord) -> bool {
        let user = user_of(&record.spec);
        let Some(line) = self.waiting.get_mut(&user) else {
            return false;
        };
        let before = line.len();
        line.retain(|run| *run != record.id);
        let found = line.len() < before;
        if line.is_empty() {
            self.waiting.remove(&user);
            self.turns.retain(|it| *it != user);
        }
        if found {
            self.lined_up -= 1;
            self.relieve(&user);
        }
        found
    }

    /// The first run of whoever's turn it is.
    fn next(&mut self) -> Option<(String, RunId)> {
        let user = self.turns.pop_front()?;
        let line = self.waiting.get_mut(&user)?;
        let run = line.pop_front()?;
        self.lined_up -= 1;
        if line.is_empty() {
            self.waiting.remove(&user);
        } else {
            self.turns.push_back(user.clone());
        }
        Some((user, run))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives turns until the queue closes.
    async fn dispatch(self: Arc<Self>) {
        loop {
            loop {
                let mut state = self.state();
                if state.closing {
                    return;
                }
                if state.running.len() >= self.limits.running {
                    break;
                }
                let Some((user, run)) = state.next() else {
                    break;
                };
                if state.running.contains_key(&run) {
                    // It was paused and resumed while its last turn still clears up.
                    state.line_up(user, run);
                    break;
                }
                let active = Active {
                    user,
                    halt: Halt::with(tokio_util::sync::CancellationToken::new()),
                    stage: Arc::default(),
                };
                let (halt, stage) = (active.halt.clone(), active.stage.clone());
                state.running.insert(run, active);
                drop(state);
                let shared = self.clone();
                self.tasks.spawn(async move {
                    // A task of its own, so that a panic leaves the queue as it is.
                    let turn = shared.clone().turn(run, halt, stage);
                    let work = tokio::spawn(turn.instrument(info_span!("run", %run)));
                    if let Err(panic) = work.await {
                        error!(%run, %panic, "a run panicked");
                        shared.fail(run, broken(&panic)).await;
                    }
                    let mut state = shared.state();
                    if let Some(active) = state.running.remove(&run) {
                        state.relieve(&active.user);
                    }
                    drop(state);
                    shared.wake.notify_one();
                });
            }
            self.wake.notified().await;
        }
    }

    async fn turn(self: Arc<Self>, run: RunId, halt: Halt, stage: Arc<Mutex<Option<String>>>) {
        let order = match self.jobs.run(run).await {
            Ok(record) => {
                let shared = self.clone();
                // Pipelines are read and templates loaded here.
                tokio::task::spawn_blocking(move || shared.orders.order(&record)).await
            }
            Err(error) => return error!(%run, %error, "a queued run cannot be read"),
        };
        let mut order = match order {
            Ok(Ok(order)) => order,
            Ok(Err(problem)) => return self.fail(run, *problem).await,
            Err(panic) => return self.fail(run, broken(&panic)).await,
        };
        order.run = Some(run);
        let observer = Arc::new(Last(stage));
        let executor = &self.executor;
        let ended = executor.run(order, observer, halt.clone(), |_| {}).await;
        let Err(error) = ended else {
            return;
        };
        let problem = problem_of(&error);
        error!(%run, %problem, "a run could not be carried out");
        match error {
            // It is none of the run's fault, which goes on once the store does.
            RunError::Store(StoreError::Failed { .. }) => self.hand_back(run, &halt).await,
            _ => self.fail(run, problem).await,
        }
    }

    async fn fail(&self, run: RunId, problem: Problem) {
        let failed = JobEvent::Ended {
            state: RunState::Failed,
            problem: Some(problem),
            at: clock::now_ms(),
        };
        self.record(run, failed).await;
    }

    /// Puts a run whose turn the store has cut short into its line again, when the store was left alone
    /// for a while, or does with it what it was halted for.
    async fn hand_back(&self, run: RunId, halt: &Halt) {
        let pause = tokio::time::sleep(STORE_PAUSE);
        halt.token().run_until_cancelled(pause).await;
        let at = clock::now_ms();
        let state = self.jobs.run(run).await.map(|record| record.state);
        let event = match halt.reason() {
            Some(HaltAs::Cancelled) => Some(cancelled(at)),
            Some(HaltAs::Paused) => Some(JobEvent::Paused { at }),
            // Where its beginning was not recorded, it is still queued.
            Some(HaltAs::HandedBack) | None => {
                matches!(state, Ok(RunState::Running)).then_some(JobEvent::Requeued { at })
            }
        };
        if let Some(event) = event {
            self.record(run, event).await;
        }
        if let Ok(record) = self.jobs.run(run).await
            && record.state == RunState::Queued
        {
            self.state().wait(&record, run);
        }
    }

    /// Records an event, however often it takes: until then nobody knows better where the run stands.
    async fn record(&self, run: RunId, event: JobEvent) {
        loop {
            let recorded = self.jobs.append(run, vec![event.clone()]).await;
            match recorded {
                Err(StoreError::Failed { .. }) if !self.state().closing => {
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => return error!(%run, %error, "the end of a turn is not recorded"),
                Ok(()) => return,
            }
        }
    }
}

const fn cancelled(at: u64) -> JobEvent {
    JobEvent::Ended {
        state: RunState::Cancelled,
        problem: None,
        at,
    }
}

fn broken(panic: &tokio::task::JoinError) -> Problem {
    Problem::new(UNMAKABLE, "the run could not be carried out").because(panic)
}

fn problem_of(error: &RunError) -> Problem {
    match error {
        RunError::Build { location, source } => {
            let mut problem = (*source.problem).clone();
            problem.message = format!("{location}: {}", problem.message);
            problem
        }
        other => {
            Problem::new(UNMAKABLE, other.to_string()).because_of(std::error::Error::source(other))
        }
    }
}

/// Keeps the stage that was last heard of.
struct Last(Arc<Mutex<Option<String>>>);

impl Observer for Last {
    fn progress(&self, event: &Progress) {
        if let Progress::Stage { stage, .. } | Progress::Delivering { stage } = event {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if last.as_ref() != Some(stage) {
                *last = Some(stage.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits = QueueLimits {
        running: 1,
        waiting: 4,
        per_user: 3,
    };

    #[test]
    fn users_take_turns() {
        let mut state = State::default();
        for (user, run) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
            state.line_up(user.to_owned(), RunId(run));
        }
        let order: Vec<u64> = std::iter::from_fn(|| Some(state.next()?.1.0)).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
        assert!(state.waiting.is_empty() && state.turns.is_empty() && state.lined_up == 0);
    }

    #[test]
    fn more_than_the_limits_is_not_taken() {
        let mut state = State::default();
        let submit = |state: &mut State, user: &str, run| {
            state.reserve(user, LIMITS).map(|()| {
                state.coming -= 1;
                state.line_up(user.to_owned(), RunId(run));
            })
        };
        for run in 1..=3 {
            submit(&mut state, "a", run).unwrap();
        }
        let quota = submit(&mut state, "a", 4);
        assert!(matches!(quota, Err(SubmitError::Quota(3))), "{quota:?}");
        submit(&mut state, "b", 5).unwrap();
        let full = submit(&mut state, "b", 6);
        assert!(matches!(full, Err(SubmitError::Full(4))), "{full:?}");
        // One that has had its turn makes room.
        let (user, _) = state.next().unwrap();
        state.relieve(&user);
        submit(&mut state, "a", 7).unwrap();
        state.closing = true;
        let closing = submit(&mut state, "c", 8);
        assert!(matches!(closing, Err(SubmitError::Closing)), "{closing:?}");
    }
}
