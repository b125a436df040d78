//! A job store that forgets everything when it is dropped: for tests and for runs that keep nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use docgenie_document::DocumentId;

use super::{DocumentRecord, IllegalMove, JobEvent, JobStore, RunId, RunRecord, StoreError};

/// Jobs in memory.
#[derive(Debug, Default)]
pub struct MemoryJobs {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    runs: BTreeMap<RunId, Run>,
}

#[derive(Clone, Debug)]
struct Run {
    record: RunRecord,
    events: Vec<JobEvent>,
    documents: BTreeMap<DocumentId, DocumentRecord>,
}

impl MemoryJobs {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl JobStore for MemoryJobs {
    async fn create(&self, first: JobEvent) -> Result<RunId, StoreError> {
        let mut state = self.state();
        let run = RunId(state.last + 1);
        let record = RunRecord::begin(run, &first).ok_or(StoreError::NotStarted)?;
        let documents = BTreeMap::new();
        let kept = Run {
            record,
            events: vec![first],
            documents,
        };
        state.runs.insert(run, kept);
        state.last = run.0;
        Ok(run)
    }

    async fn append(&self, run: RunId, events: Vec<JobEvent>) -> Result<(), StoreError> {
        let mut state = self.state();
        let kept = state.runs.get_mut(&run).ok_or(StoreError::NoSuchRun(run))?;
        let mut next = kept.clone();
        for event in &events {
            next.record.apply(event)?;
            if matches!(event, JobEvent::Begun { .. }) {
                next.documents.clear();
            }
            if let Some(document) = DocumentRecord::of(event) {
                let before = next.documents.insert(document.document, document);
                if before.is_some() {
                    return Err(StoreError::Illegal(IllegalMove::repeated(&next.record)));
                }
            }
        }
        next.events.extend(events);
        *kept = next;
        Ok(())
    }

    async fn run(&self, run: RunId) -> Result<RunRecord, StoreError> {
        let state = self.state();
        let kept = state.runs.get(&run).ok_or(StoreError::NoSuchRun(run))?;
        Ok(kept.record.clone())
    }

    async fn runs(&self, limit: usize, skip: usize) -> Result<Vec<RunRecord>, StoreError> {
        let state = self.state();
        let newest_first = state.runs.values().rev().skip(skip).take(limit);
        Ok(newest_first.map(|kept| kept.record.clone()).collect())
    }

    async fn documents(
        &self,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<DocumentRecord>, StoreError> {
        let state = self.state();
        let kept = state.runs.get(&run).ok_or(StoreError::NoSuchRun(run))?;
        let range = kept.documents.range(DocumentId::from_index(from)..);
        Ok(range
            .take(limit)
            .map(|(_, document)| document.clone())
            .collect())
    }

    async fn dead_letters(&self, run: RunId) -> Result<Vec<DocumentRecord>, StoreError> {
        let mut documents = self.documents(run, 0, usize::MAX).await?;
        documents.retain(|document| document.failure.is_some());
        Ok(documents)
    }

    async fn events(
        &self,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        let state = self.state();
        let kept = state.runs.get(&run).ok_or(StoreError::NoSuchRun(run))?;
        let numbered = (1..).zip(&kept.events).skip(after as usize).take(limit);
        Ok(numbered
            .map(|(number, event)| (number, event.clone()))
            .collect())
    }

    async fn remove(&self, run: RunId) -> Result<(), StoreError> {
        let mut state = self.state();
        let kept = state.runs.get(&run).ok_or(StoreError::NoSuchRun(run))?;
        if !kept.record.state.terminal() {
            return Err(StoreError::Illegal(IllegalMove::running(&kept.record)));
        }
        state.runs.remove(&run);
        Ok(())
    }
}
