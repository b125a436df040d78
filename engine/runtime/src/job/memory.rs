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

#[derive(Debug)]
struct Run {
    record: RunRecord,
    events: Vec<JobEvent>,
    /// Where in `events` the outcome of each document stands.
    outcomes: BTreeMap<DocumentId, usize>,
}

impl Run {
    /// Takes the outcomes of `events` that are to follow into account.
    fn note(&mut self, events: &[JobEvent]) -> Result<(), StoreError> {
        let mut record = self.record.clone();
        let mut forget = false;
        let mut outcomes = BTreeMap::new();
        for (position, event) in (self.events.len()..).zip(events) {
            record.apply(event)?;
            if matches!(event, JobEvent::Begun { .. }) {
                forget = true;
                outcomes.clear();
            }
            if let Some(document) = DocumentRecord::of(event) {
                let known = !forget && self.outcomes.contains_key(&document.document);
                if outcomes.insert(document.document, position).is_some() || known {
                    return Err(StoreError::Illegal(IllegalMove::repeated(&record)));
                }
            }
        }
        if forget {
            self.outcomes.clear();
        }
        self.outcomes.extend(outcomes);
        self.record = record;
        Ok(())
    }

    fn outcome(&self, position: usize) -> Option<DocumentRecord> {
        self.events.get(position).and_then(DocumentRecord::of)
    }
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
        let kept = Run {
            record,
            events: vec![first],
            outcomes: BTreeMap::new(),
        };
        state.runs.insert(run, kept);
        state.last = run.0;
        Ok(run)
    }

    async fn append(&self, run: RunId, events: Vec<JobEvent>) -> Result<(), StoreError> {
        let mut state = self.state();
        let kept = state.runs.get_mut(&run).ok_or(StoreError::NoSuchRun(run))?;
        kept.note(&events)?;
        kept.events.extend(events);
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
        let positions = kept.outcomes.range(DocumentId::from_index(from)..);
        let outcomes = positions.filter_map(|(_, position)| kept.outcome(*position));
        Ok(outcomes.take(limit).collect())
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
