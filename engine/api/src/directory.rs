//! Which run a request has become: by the names that clients gave, by user, by idempotency key.
//!
//! All of it is in the records of the runs, so it is made anew when the service starts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use docgenie_document::Digest;
use docgenie_runtime::job::{JobStore, Origin, RunId, StoreError};

use crate::{access::Caller, routes::Page};

/// Runs that came from requests.
pub(crate) struct Directory {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// By request.
    runs: HashMap<String, Entry>,
    /// By user, newest last, with their owners.
    users: HashMap<String, BTreeMap<RunId, String>>,
    /// By owner, newest last.
    owners: HashMap<String, BTreeSet<RunId>>,
    /// By owner and key.
    keys: HashMap<(String, String), (RunId, Digest)>,
    /// Keys and request names of submissions that are being recorded.
    coming: HashSet<String>,
}

#[derive(Clone)]
struct Entry {
    run: RunId,
    owner: String,
}

/// What is known about a submission before it is recorded.
pub(crate) enum Known {
    /// Nothing; it is now reserved.
    Reserved,
    /// It became this run.
    Run(RunId),
    /// Its key was used for another body.
    OtherBody,
    /// The same is being recorded just now.
    InFlight,
    /// The request's name is taken.
    Taken(RunId),
}

impl Directory {
    /// The runs of a job store.
    pub(crate) async fn of(jobs: &dyn JobStore) -> Result<Self, StoreError> {
        let mut state = State::default();
        let mut runs = jobs.runs(usize::MAX, 0).await?;
        runs.reverse();
        for run in runs {
            if let Some(origin) = &run.spec.origin {
                state.add(run.id, origin);
            }
        }
        Ok(Self {
            state: RwLock::new(state),
        })
    }

    /// The run of a request, where the caller may see it.
    pub(crate) fn run(&self, request: &str, caller: &Caller) -> Option<RunId> {
        let state = self.read();
        let entry = state.runs.get(request)?;
        caller.sees(&entry.owner).then_some(entry.run)
    }

    /// A page of the runs of a user that the caller may see, newest first.
    pub(crate) fn user(&self, user: &str, caller: &Caller, page: Page) -> Vec<RunId> {
        let state = self.read();
        let runs = state.users.get(user).into_iter().flatten();
        let seen = runs.filter(|(_, owner)| caller.sees(owner));
        let seen = seen.rev().map(|(run, _)| *run);
        seen.skip(page.offset).take(page.limit).collect()
    }

    /// A page of the runs of an owner, newest first.
    pub(crate) fn owner(&self, owner: &str, page: Page) -> Vec<RunId> {
        let state = self.read();
        let runs = state.owners.get(owner).into_iter().flatten();
        let runs = runs.rev().copied();
        runs.skip(page.offset).take(page.limit).collect()
    }

    /// Reserves the name and the key of a request that is about to be recorded.
    pub(crate) fn reserve(&self, origin: &Origin) -> Known {
        let mut state = self.write();
        if let Some(idempotency) = &origin.idempotency {
            let key = (origin.owner.clone(), idempotency.key.clone());
            if let Some((run, body)) = state.keys.get(&key) {
                return if *body == idempotency.body {
                    Known::Run(*run)
                } else {
                    Known::OtherBody
                };
            }
        }
        if let Some(entry) = state.runs.get(&origin.request) {
            return Known::Taken(entry.run);
        }
        let marks = marks(origin);
        if marks.iter().any(|mark| state.coming.contains(mark)) {
            return Known::InFlight;
        }
        state.coming.extend(marks);
        Known::Reserved
    }

    /// Ends a reservation, with the run that it has become.
    pub(crate) fn settle(&self, origin: &Origin, run: Option<RunId>) {
        let mut state = self.write();
        for mark in marks(origin) {
            state.coming.remove(&mark);
        }
        if let Some(run) = run {
            state.add(run, origin);
        }
    }

    /// Forgets a run.
    pub(crate) fn remove(&self, run: RunId, origin: &Origin) {
        let mut state = self.write();
        state.runs.remove(&origin.request);
        if let Some(runs) = state.owners.get_mut(&origin.owner) {
            runs.remove(&run);
        }
        if let Some(runs) = origin
            .user
            .as_ref()
            .and_then(|user| state.users.get_mut(user))
        {
            runs.remove(&run);
        }
        if let Some(idempotency) = &origin.idempotency {
            let key = (origin.owner.clone(), idempotency.key.clone());
            state.keys.remove(&key);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn marks(origin: &Origin) -> Vec<String> {
    let key = origin.idempotency.as_ref();
    let key = key.map(|it| format!("key {} {}", origin.owner, it.key));
    let name = format!("name {}", origin.request);
    key.into_iter().chain([name]).collect()
}

impl State {
    fn add(&mut self, run: RunId, origin: &Origin) {
        let owner = || origin.owner.clone();
        let entry = Entry {
            run,
            owner: owner(),
        };
        self.runs.insert(origin.request.clone(), entry);
        self.owners.entry(owner()).or_default().insert(run);
        if let Some(user) = &origin.user {
            let runs = self.users.entry(user.clone()).or_default();
            runs.insert(run, owner());
        }
        if let Some(idempotency) = &origin.idempotency {
            let key = (origin.owner.clone(), idempotency.key.clone());
            self.keys.insert(key, (run, idempotency.body));
        }
    }
}
