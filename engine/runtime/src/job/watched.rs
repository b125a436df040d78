//! A job store that tells of its changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{DocumentRecord, JobEvent, JobStore, RunId, RunRecord, StoreError};

/// Runs are watched by so many at once at most before those that nobody watches are forgotten.
const SWEEP_AT: usize = 256;

/// A job store through which all changes go, so that whoever waits for one hears of it.
pub struct WatchedJobs {
    jobs: Arc<dyn JobStore>,
    watched: Mutex<HashMap<RunId, watch::Sender<u64>>>,
}

impl WatchedJobs {
    /// Tells of changes that go through it.
    #[must_use]
    pub fn new(jobs: Arc<dyn JobStore>) -> Self {
        Self {
            jobs,
            watched: Mutex::default(),
        }
    }

    /// Changes whenever something happens to the run.
    #[must_use]
    pub fn watch(&self, run: RunId) -> watch::Receiver<u64> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= SWEEP_AT {
            watched.retain(|_, sender| sender.receiver_count() > 0);
        }
        let sender = watched.entry(run).or_insert_with(|| watch::channel(0).0);
        sender.subscribe()
    }

    fn tell(&self, run: RunId) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watched.get(&run) {
            sender.send_modify(|changes| *changes += 1);
        }
    }
}

#[async_trait]
impl JobStore for WatchedJobs {
    async fn create(&self, first: JobEvent) -> Result<RunId, StoreError> {
        self.jobs.create(first).await
    }

    async fn append(&self, run: RunId, events: Vec<JobEvent>) -> Result<(), StoreError> {
        let appended = self.jobs.append(run, events).await;
        self.tell(run);
        appended
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
        let removed = self.jobs.remove(run).await;
        self.tell(run);
        removed
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.jobs.ready().await
    }
}
