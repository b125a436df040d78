//! Opening: index and journals are compared, and each is made whole from the other.

use std::{
    collections::BTreeMap,
    error::Error,
    fs, io, iter,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use docgenie_document::code::chain;
use docgenie_runtime::{
    clock,
    job::{DocumentRecord, JobEvent, RunId, RunRecord, RunState},
};
use tracing::warn;

use super::{
    IndexError, LOST, OpenJobsError, REBUILT, UNREADABLE, bytes_below,
    index::{Changes, Contents, Index},
    journal::Journals,
};

/// An index may take eight times the bytes of the journals and these beside: sled keeps segments of
/// half a mebibyte and leaves gaps in them.
const GROWTH_LIMIT: u64 = 64 << 20;

/// What opening a job store had to put right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Why the index was moved aside and made anew from the journals.
    pub rebuilt: Option<String>,
    /// Runs whose journal was damaged and has been written anew.
    pub repaired: Vec<RunId>,
    /// Runs of which index and journal have both lost something.
    pub lost: Vec<RunId>,
    /// Runs whose journal cannot be read, and why. They are left out, and left as they are.
    pub unreadable: Vec<(RunId, String)>,
    /// Runs that were under way when their process died.
    pub interrupted: Vec<RunId>,
}

/// A job store, whole.
pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) journals: Journals,
    pub(super) runs: BTreeMap<RunId, RunRecord>,
    pub(super) last_run: u64,
    pub(super) recovery: Recovery,
}

pub(super) fn recover(folder: &Path) -> Result<Recovered, OpenJobsError> {
    let journals = Journals::open(folder.join("journal"));
    let (journals, missing) = journals.map_err(OpenJobsError::while_doing("making its folder"))?;
    let (index, contents, rebuilt) = open_index(&index_in(folder), &journals)?;
    let mut recovery = Recovery {
        rebuilt,
        ..Recovery::default()
    };

    let known = contents.runs.into_iter().map(|run| (run.id, run));
    let mut known: BTreeMap<_, _> = known.collect();
    let mut ids = journals
        .runs()
        .map_err(OpenJobsError::while_doing("listing its journals"))?;
    if missing {
        ids.extend(known.keys());
    }
    let highest = ids.last().map_or(0, |id| id.0);
    let mut runs = BTreeMap::new();
    for id in ids {
        let run = merge(&index, &journals, id, known.remove(&id), &mut recovery);
        let run = run.map_err(OpenJobsError::while_doing(format!("reading {id}")))?;
        runs.extend(run.map(|run| (id, run)));
    }
    // A removal that was cut short, or that a damaged index has forgotten.
    for id in known.into_keys() {
        let removed = index.remove(id);
        removed.map_err(OpenJobsError::while_doing(format!("removing {id}")))?;
    }
    recovery.report();
    Ok(Recovered {
        index,
        journals,
        runs,
        last_run: highest.max(contents.last_run),
        recovery,
    })
}

/// Where in the folder of a job store its index lies.
pub(super) fn index_in(folder: &Path) -> PathBuf {
    folder.join("index")
}

/// An index made anew of what the journals hold of these runs, where there is none.
pub(super) fn index_of(
    folder: &Path,
    runs: &[RunRecord],
    last_run: u64,
    journals: &Journals,
) -> Result<Index, IndexError> {
    let (index, _) = Index::open(folder)?;
    let mut changes = Changes::default();
    changes.last_run(last_run);
    index.apply(changes)?;
    for run in runs {
        let mut changes = Changes::default();
        let mut unfit = Ok(());
        let read = journals.read(run.id, 0, |_, event| {
            if matches!(event, JobEvent::Begun { .. }) {
                changes = Changes::default();
            }
            if let Some(document) = DocumentRecord::of(&event) {
                unfit = changes.document(run.id, &document);
            }
            if unfit.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        read.map_err(IndexError::Journal)?;
        unfit?;
        changes.run(run)?;
        index.apply(changes)?;
    }
    index.flush()?;
    Ok(index)
}

/// Opens the index; one that is damaged is moved aside for an empty one, and the reason returned.
fn open_index(
    folder: &Path,
    journals: &Journals,
) -> Result<(Index, Contents, Option<String>), OpenJobsError> {
    let opened = match overgrown(folder, journals) {
        Ok(false) => Index::open(folder),
        Ok(true) => Err(IndexError::Overgrown),
        Err(error) => return Err(OpenJobsError::while_doing("measuring its index")(error)),
    };
    let why = match opened {
        Ok((index, contents)) => return Ok((index, contents, None)),
        Err(error) if error.is_environmental() => {
            return Err(OpenJobsError::while_doing("reading its index")(error));
        }
        Err(error) => describe(&error),
    };
    let moved = set_aside(folder);
    moved.map_err(OpenJobsError::while_doing("moving its damaged index aside"))?;
    let (index, contents) =
        Index::open(folder).map_err(OpenJobsError::while_doing("making its index"))?;
    Ok((index, contents, Some(why)))
}

fn overgrown(folder: &Path, journals: &Journals) -> io::Result<bool> {
    match bytes_below(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        bytes => Ok(bytes? > GROWTH_LIMIT + 8 * journals.bytes()?),
    }
}

/// Keeps one damaged index for whoever wants to look at it.
pub(super) fn set_aside(folder: &Path) -> io::Result<()> {
    let aside = folder.with_extension("corrupt");
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    fs::rename(folder, aside)
}

/// One run from what the index knows of it and what its journal holds; `None` for one that was
/// never acknowledged or whose journal cannot be read.
fn merge(
    index: &Index,
    journals: &Journals,
    id: RunId,
    known: Option<RunRecord>,
    recovery: &mut Recovery,
) -> Result<Option<RunRecord>, Box<dyn Error + Send + Sync>> {
    let mut events = Vec::new();
    let after = known.as_ref().map_or(0, |run| run.events);
    let condition = match journals.read(id, after, |_, event| {
        events.push(event);
        ControlFlow::Continue(())
    }) {
        Ok(condition) => condition,
        Err(error) => {
            recovery.unreadable.push((id, describe(&error)));
            return Ok(None);
        }
    };

    let mut changes = Changes::default();
    let mut record = known;
    for event in events {
        match &mut record {
            None => record = RunRecord::begin(id, &event),
            Some(record) => {
                // What does not follow from what is left of a damaged journal is left out.
                if record.apply(&event).is_err() {
                    continue;
                }
                if matches!(event, JobEvent::Begun { .. }) {
                    changes = Changes::default();
                    index.forget_documents(id, &mut changes)?;
                }
                if let Some(document) = DocumentRecord::of(&event) {
                    changes.document(id, &document)?;
                }
            }
        }
    }
    if condition.missing > after {
        recovery.lost.push(id);
    } else if condition.missing > 0 || condition.last < after {
        recovery.repaired.push(id);
    }
    let Some(mut record) = record else {
        // Without its first event a run cannot be told; one that has no line was never acknowledged.
        if condition.missing > 0 {
            journals.set_aside(id)?;
        } else {
            journals.remove(id)?;
        }
        return Ok(None);
    };
    let sum = record.events;
    let sound = condition.sound(sum);
    let end = JobEvent::Ended {
        state: RunState::Interrupted,
        problem: None,
        at: clock::now_ms(),
    };
    let interrupted = record.state == RunState::Running && record.apply(&end).is_ok();
    if interrupted {
        recovery.interrupted.push(id);
    }
    if !sound {
        index.apply(changes)?;
        let documents: Result<Vec<_>, _> = index.documents(id, 0).collect();
        let events = events_from(&record, documents?);
        record.events = events.len() as u64;
        journals.rewrite(id, &events)?;
        changes = Changes::default();
    } else if interrupted {
        journals.append(id, sum + 1, &[end])?.flush()?;
    }
    if interrupted || sum > after || !sound {
        changes.run(&record)?;
        index.apply(changes)?;
        index.flush()?;
    }
    Ok(Some(record))
}

/// Events that add up to this record, but for turns before its last.
fn events_from(record: &RunRecord, documents: Vec<DocumentRecord>) -> Vec<JobEvent> {
    let spec = record.spec.clone();
    let stages: Vec<_> = record.stages.iter().map(|(id, _)| id.clone()).collect();
    let (documents_asked, at) = (record.documents, record.started_at);
    let begun = !stages.is_empty();
    let first = if begun && record.created_at == at {
        vec![JobEvent::Started {
            spec,
            documents: documents_asked,
            stages,
            at,
        }]
    } else {
        let begun = begun.then_some(JobEvent::Begun {
            documents: documents_asked,
            stages,
            at,
        });
        let at = record.created_at;
        iter::once(JobEvent::Queued { spec, at })
            .chain(begun)
            .collect()
    };
    let outcomes = documents.into_iter().map(|it| match it.failure {
        None => JobEvent::DocumentSucceeded {
            document: it.document,
            spent: it.spent,
            remarks: it.remarks,
        },
        Some((stage, problem)) => JobEvent::DocumentFailed {
            document: it.document,
            stage,
            problem,
        },
    });
    let delivered = |delivery| JobEvent::Delivered { delivery };
    let deliveries = record.deliveries.iter().cloned().map(delivered);
    let at = record.updated_at;
    let last = match record.state {
        RunState::Running => None,
        RunState::Queued => begun.then_some(JobEvent::Requeued { at }),
        RunState::Paused => Some(JobEvent::Paused { at }),
        state => Some(JobEvent::Ended {
            state,
            problem: record.problem.clone(),
            at,
        }),
    };
    let all = first.into_iter().chain(outcomes).chain(deliveries);
    all.chain(last).collect()
}

impl Recovery {
    fn report(&self) {
        if let Some(why) = &self.rebuilt {
            warn!(code = %REBUILT, why, "the job store was damaged and has been made anew from its journals");
        }
        if !self.repaired.is_empty() {
            warn!(code = %REBUILT, runs = names(&self.repaired), "damaged journals have been written anew, nothing is lost");
        }
        if !self.lost.is_empty() {
            warn!(code = %LOST, runs = names(&self.lost), "the job store and the journals of these runs were both damaged: some of their documents may be missing");
        }
        for (run, why) in &self.unreadable {
            warn!(code = %UNREADABLE, %run, why, "the journal of a run cannot be read: the run is left out");
        }
    }
}

fn names(runs: &[RunId]) -> String {
    let names: Vec<_> = runs.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn describe(error: &(dyn Error + 'static)) -> String {
    let messages: Vec<_> = chain(Some(error)).collect();
    messages.join(": ")
}
