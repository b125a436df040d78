//! The thread that writes: a group of requests at a time.

use std::{
    collections::BTreeMap,
    fs, io, iter, mem,
    path::PathBuf,
    sync::{
        Arc, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use docgenie_document::DocumentId;
use docgenie_runtime::job::{DocumentRecord, IllegalMove, JobEvent, RunId, RunRecord, StoreError};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    IndexError, Shared, failed,
    flusher::Flusher,
    index::{Changes, Index},
    journal::{self, Append},
    recovery,
};

/// How often an index that could not be written is tried to be made anew.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// Where the result of a request goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(super) enum Request {
    Create(JobEvent, Reply<RunId>),
    Append(RunId, Vec<JobEvent>, Reply<()>),
    Remove(RunId, Reply<()>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Where the index lies.
    folder: PathBuf,
    last_run: u64,
    flusher: Flusher,
    /// When an index that is behind was last tried to be made anew.
    tried: Option<Instant>,
    /// Set when journals hold what nobody was told of: only opening the store again clears that up.
    ahead: bool,
}

/// What a group of requests adds to one run.
struct Addition {
    record: RunRecord,
    events: Vec<JobEvent>,
    /// It begins anew: what is known of its documents is forgotten.
    anew: bool,
    documents: BTreeMap<DocumentId, DocumentRecord>,
    replies: Vec<Acknowledge>,
}

/// What a group adds to one run, in its journal.
struct Journalled {
    run: RunId,
    addition: Addition,
    append: Append,
}

/// Tells whoever waits how it went.
type Acknowledge = Box<dyn FnOnce(Result<(), Cause>)>;

/// Why a group was not recorded, for all who have asked for a part of it.
type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The runs that a group of requests adds to.
type Group = BTreeMap<RunId, Addition>;

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, folder: PathBuf, last_run: u64) -> io::Result<Self> {
        let flusher = Flusher::start(shared.clone())?;
        Ok(Self {
            shared,
            folder,
            last_run,
            flusher,
            tried: None,
            ahead: false,
        })
    }

    /// Works until nobody can ask any more. Requests that come while a group is being written form
    /// the next group.
    pub(super) fn run(mut self, queue: &mpsc::Receiver<Request>) {
        loop {
            let first = queue.recv_timeout(TRY_EVERY);
            self.catch_up();
            let first = match first {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut group = Group::new();
            for request in iter::once(first).chain(queue.try_iter()) {
                match request {
                    Request::Create(first, reply) => self.create(&mut group, first, reply),
                    Request::Append(run, events, reply) => {
                        match self.extend(&mut group, run, events) {
                            Ok(addition) => {
                                let doing = "recording events";
                                addition.replies.push(acknowledge(doing, reply, ()));
                            }
                            Err(error) => answer(reply, Err(error)),
                        }
                    }
                    Request::Remove(run, reply) => {
                        self.commit(mem::take(&mut group));
                        answer(reply, self.remove(run));
                    }
                }
            }
            self.commit(group);
        }
    }

    fn create(&mut self, group: &mut Group, first: JobEvent, reply: Reply<RunId>) {
        let run = RunId(self.last_run + 1);
        let Some(record) = RunRecord::begin(run, &first) else {
            return answer(reply, Err(StoreError::NotStarted));
        };
        self.last_run = run.0;
        let addition = Addition {
            record,
            events: vec![first],
            anew: false,
            documents: BTreeMap::new(),
            replies: vec![acknowledge("creating a run", reply, run)],
        };
        group.insert(run, addition);
    }

    /// Adds events to the group, all or none.
    fn extend<'a>(
        &self,
        group: &'a mut Group,
        run: RunId,
        events: Vec<JobEvent>,
    ) -> Result<&'a mut Addition, StoreError> {
        let waiting = group.get(&run);
        let mut record = match waiting {
            Some(addition) => addition.record.clone(),
            None => self.shared.run(run)?,
        };
        let (mut documents, mut anew) = (BTreeMap::new(), false);
        for event in &events {
            record.apply(event)?;
            if matches!(event, JobEvent::Begun { .. }) {
                anew = true;
                documents.clear();
            }
            let Some(document) = DocumentRecord::of(event) else {
                continue;
            };
            let id = document.document;
            let known = !anew
                && (waiting.is_some_and(|addition| addition.documents.contains_key(&id))
                    || (!waiting.is_some_and(|addition| addition.anew)
                        && self.has_document(run, id)?));
            if documents.insert(id, document).is_some() || known {
                return Err(StoreError::Illegal(IllegalMove::repeated(&record)));
            }
        }
        let addition = group.entry(run).or_insert_with(|| Addition {
            record: record.clone(),
            events: Vec::new(),
            anew: false,
            documents: BTreeMap::new(),
            replies: Vec::new(),
        });
        addition.record = record;
        addition.events.extend(events);
        if anew {
            addition.anew = true;
            addition.documents.clear();
        }
        addition.documents.extend(documents);
        Ok(addition)
    }

    fn has_document(&self, run: RunId, document: DocumentId) -> Result<bool, StoreError> {
        let known = |index: &Index| index.has_document(run, document.index());
        let known = self.shared.with_index(known);
        known.map_err(|error| failed("looking for a document", error))
    }

    /// Flushes the group to the journals, applies it to the index, then shows and acknowledges it. The
    /// index is flushed after that: until then the journals alone hold it.
    fn commit(&mut self, group: Group) {
        let journalled = self.journal(group);
        if journalled.is_empty() {
            return;
        }
        let indexed = self.index(&journalled);
        let indexed =
            indexed.map_err(|error| -> Cause { Arc::new(self.shared.fall_behind(error)) });
        if indexed.is_ok() {
            let records = journalled
                .iter()
                .map(|it| (it.run, it.addition.record.clone()));
            let runs = self.shared.runs.write();
            runs.unwrap_or_else(PoisonError::into_inner).extend(records);
        }
        for Journalled {
            addition, append, ..
        } in journalled
        {
            // What nobody is told of must not stand before what they will be.
            if indexed.is_err() && append.take_back().is_err() {
                self.ahead = true;
            }
            addition.acknowledge(&indexed);
        }
        self.flusher.wake();
    }

    /// Why nothing may be recorded, where that is so.
    fn shut(&self) -> Option<IndexError> {
        if self.ahead {
            return Some(IndexError::Ahead);
        }
        self.shared.behind().map(IndexError::Behind)
    }

    /// What of the group has reached the journals; the rest is told that it has not.
    fn journal(&self, group: Group) -> Vec<Journalled> {
        let (mut written, mut appends) = (Vec::new(), Vec::new());
        for (run, addition) in group {
            let before = addition.record.events - addition.events.len() as u64;
            let journals = &self.shared.journals;
            let appended = if let Some(shut) = self.shut() {
                Err(Arc::new(shut) as Cause)
            } else {
                let appended = journals.append(run, before + 1, &addition.events);
                appended.map_err(|error| -> Cause { Arc::new(error) })
            };
            match appended {
                Ok(append) => {
                    appends.push(append);
                    written.push((run, addition));
                }
                Err(cause) => addition.acknowledge(&Err(cause)),
            }
        }
        let flushed = journal::flush(&appends);
        let named = if appends.iter().any(Append::creates) {
            self.shared.journals.sync()
        } else {
            Ok(())
        };
        let named = named.map_err(|error| -> Cause { Arc::new(error) });
        let mut journalled = Vec::new();
        for (((run, addition), append), flushed) in written.into_iter().zip(appends).zip(flushed) {
            let flushed = flushed.map_err(|error| -> Cause { Arc::new(error) });
            match flushed.and_then(|()| named.clone()) {
                Ok(()) => journalled.push(Journalled {
                    run,
                    addition,
                    append,
                }),
                Err(cause) => addition.acknowledge(&Err(cause)),
            }
        }
        journalled
    }

    fn index(&self, journalled: &[Journalled]) -> Result<(), IndexError> {
        self.shared.with_index(|index| {
            let mut changes = Changes::default();
            changes.last_run(self.last_run);
            for Journalled { run, addition, .. } in journalled {
                if addition.anew {
                    index.forget_documents(*run, &mut changes)?;
                }
                changes.run(&addition.record)?;
                for document in addition.documents.values() {
                    changes.document(*run, document)?;
                }
            }
            index.apply(changes)
        })
    }

    /// Makes an index anew that is behind the journals, which hold what was acknowledged and no more.
    fn catch_up(&mut self) {
        let Some(why) = self.shared.behind() else {
            return;
        };
        if self.ahead || self.tried.is_some_and(|at| at.elapsed() < TRY_EVERY) {
            return;
        }
        self.tried = Some(Instant::now());
        let runs = self.shared.runs.read();
        let runs: Vec<_> = runs
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        let index = self.shared.index.write();
        let mut index = index.unwrap_or_else(PoisonError::into_inner);
        // Two of one folder cannot be open. The first is kept, what a try has left is not.
        let away = match mem::replace(&mut *index, Err(why)) {
            Ok(failed) => {
                drop(failed);
                recovery::set_aside(&self.folder)
            }
            Err(_) if self.folder.exists() => fs::remove_dir_all(&self.folder),
            Err(_) => Ok(()),
        };
        let anew = away.map_err(IndexError::Stuck).and_then(|()| {
            let journals = &self.shared.journals;
            recovery::index_of(&self.folder, &runs, self.last_run, journals)
        });
        match anew {
            Ok(anew) => {
                *index = Ok(anew);
                self.shared.caught_up();
                info!("the index of the job store has been made anew");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                warn!(error, "the index of the job store cannot be made anew yet");
            }
        }
    }

    /// Removes a run, its journal first: without one it is not there.
    fn remove(&self, run: RunId) -> Result<(), StoreError> {
        let record = self.shared.run(run)?;
        if !record.state.terminal() {
            return Err(StoreError::Illegal(IllegalMove::running(&record)));
        }
        if let Some(shut) = self.shut() {
            return Err(failed(&format!("removing {run}"), shut));
        }
        let gone = self.shared.journals.remove(run);
        gone.map_err(|error| failed(&format!("removing the journal of {run}"), error))?;
        let runs = self.shared.runs.write();
        runs.unwrap_or_else(PoisonError::into_inner).remove(&run);
        if let Err(error) = self.shared.with_index(|index| index.remove(run)) {
            // It is made anew without this run.
            self.shared.fall_behind(error);
        }
        Ok(())
    }
}

impl Addition {
    fn acknowledge(self, result: &Result<(), Cause>) {
        for reply in self.replies {
            reply(result.clone());
        }
    }
}

fn acknowledge<T: 'static>(doing: &'static str, reply: Reply<T>, value: T) -> Acknowledge {
    Box::new(move |result| {
        let result = result.map(|()| value);
        answer(reply, result.map_err(|cause| failed(doing, cause)));
    })
}

fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    // Whoever asked may have gone; what was recorded stays.
    drop(reply.send(result));
}
