//! What every [`JobStore`] must do, as one suite that the tests of each implementation call.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test suite fails by panicking"
)]

use std::{collections::BTreeMap, sync::Arc};

use docgenie_document::{Digest, DocumentId, Seed, code::Problem};
use serde_json::{Map, json};

use super::{
    Delivery, DeliveryOutcome, DocumentRecord, Idempotency, JobEvent, JobStore, Origin, Params,
    RunId, RunRecord, RunSpec, RunState, StageProgress, StoreError,
};
use crate::stage::PANIC;

/// Runs the whole suite on an empty store.
pub async fn suite(store: &dyn JobStore) {
    an_empty_store_has_no_runs(store).await;
    a_run_is_the_sum_of_its_events(store).await;
    documents_come_in_index_order(store).await;
    a_refused_call_changes_nothing(store).await;
    ended_runs_are_final_and_removable(store).await;
    runs_come_newest_first(store).await;
    runs_do_not_mix(store).await;
    a_queued_run_takes_turns(store).await;
}

/// The first event of a run over stages `author` and `render`.
#[must_use]
pub fn started(documents: u64) -> JobEvent {
    let spec = RunSpec {
        pipeline: "invoices".to_owned(),
        file: Some("/pipelines/invoices/pipeline.toml".into()),
        pipeline_digest: Digest::of(b"pipeline"),
        params: Params::from(&Map::from_iter([("count".to_owned(), documents.into())])),
        seed: Seed(7),
        inputs: Vec::new(),
        out: Some("/out".into()),
        zip: None,
        origin: None,
    };
    JobEvent::Started {
        spec: spec.into(),
        documents,
        stages: vec!["author".to_owned(), "render".to_owned()],
        at: 1_000,
    }
}

/// The first event of a run that waits, asked for by a service.
#[must_use]
pub fn queued() -> JobEvent {
    let JobEvent::Started { mut spec, at, .. } = started(3) else {
        unreachable!("it is the event that it started");
    };
    Arc::make_mut(&mut spec).origin = Some(Origin {
        request: "7/4c1f".to_owned(),
        owner: "local".to_owned(),
        user: Some("7".to_owned()),
        face: "docgenie".to_owned(),
        body: json!({ "seed_images": [] }),
        idempotency: Some(Idempotency {
            key: "once".to_owned(),
            body: Digest::of(b"body"),
        }),
        sealed: None,
    });
    JobEvent::Queued { spec, at }
}

/// The turn of a queued run over stages `author` and `render`.
#[must_use]
pub fn begun(documents: u64) -> JobEvent {
    JobEvent::Begun {
        documents,
        stages: vec!["author".to_owned(), "render".to_owned()],
        at: 1_500,
    }
}

/// A document that took 5 ms in `author` and was a hit in `render`.
#[must_use]
pub fn succeeded(index: u64) -> JobEvent {
    JobEvent::DocumentSucceeded {
        document: DocumentId::from_index(index),
        spent: BTreeMap::from([("author".to_owned(), 5)]),
        remarks: vec!["two\nlines".to_owned()],
    }
}

/// A document that failed in `render`.
#[must_use]
pub fn failed(index: u64) -> JobEvent {
    JobEvent::DocumentFailed {
        document: DocumentId::from_index(index),
        stage: "render".to_owned(),
        problem: problem(),
    }
}

/// A delivery that has not arrived.
#[must_use]
pub fn delivered() -> JobEvent {
    JobEvent::Delivered {
        delivery: Delivery {
            stage: "deliver".to_owned(),
            target: "s3".to_owned(),
            outcome: DeliveryOutcome::Failed { problem: problem() },
            at: 1_900,
        },
    }
}

/// The end of a run.
#[must_use]
pub fn ended(state: RunState) -> JobEvent {
    JobEvent::Ended {
        state,
        problem: (state == RunState::Failed).then(problem),
        at: 2_000,
    }
}

fn problem() -> Problem {
    let cause = std::io::Error::other("time is up");
    Problem::new(PANIC, "the page does not load").because(&cause)
}

async fn create(store: &dyn JobStore) -> RunId {
    store.create(started(3)).await.expect("a run is created")
}

async fn append(store: &dyn JobStore, run: RunId, events: Vec<JobEvent>) {
    store
        .append(run, events)
        .await
        .expect("events are recorded");
}

async fn run(store: &dyn JobStore, run: RunId) -> RunRecord {
    store.run(run).await.expect("the run is there")
}

async fn indices(store: &dyn JobStore, run: RunId, from: u64, limit: usize) -> Vec<u64> {
    let documents = store.documents(run, from, limit).await;
    let documents = documents.expect("documents can be read");
    documents.iter().map(|it| it.document.index()).collect()
}

async fn an_empty_store_has_no_runs(store: &dyn JobStore) {
    let nobody = RunId(99);
    assert_eq!(store.runs(10, 0).await.expect("runs can be read"), []);
    let missing = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::NoSuchRun(run)) if run == nobody));
    };
    missing(store.run(nobody).await.map(drop));
    missing(store.documents(nobody, 0, 1).await.map(drop));
    missing(store.dead_letters(nobody).await.map(drop));
    missing(store.events(nobody, 0, 1).await.map(drop));
    missing(store.append(nobody, vec![succeeded(0)]).await);
    missing(store.remove(nobody).await);
}

async fn a_run_is_the_sum_of_its_events(store: &dyn JobStore) {
    let id = create(store).await;
    let events = [
        succeeded(0),
        failed(2),
        delivered(),
        ended(RunState::Completed),
    ];
    let mut expected = RunRecord::begin(id, &started(3)).expect("a first event");
    assert_eq!(run(store, id).await, expected);
    for event in events {
        expected.apply(&event).expect("a legal move");
        append(store, id, vec![event]).await;
        assert_eq!(run(store, id).await, expected);
    }
    let told = store.events(id, 1, 2).await.expect("events");
    assert_eq!(told, [(2, succeeded(0)), (3, failed(2))]);
    assert_eq!(store.events(id, 5, 2).await.expect("events"), []);
    let author = StageProgress {
        done: 1,
        hits: 0,
        failed: 0,
        spent_ms: 5,
    };
    assert_eq!(expected.stages[0], ("author".to_owned(), author));
}

async fn documents_come_in_index_order(store: &dyn JobStore) {
    let id = create(store).await;
    append(store, id, vec![succeeded(300), failed(2), succeeded(0)]).await;
    append(store, id, vec![failed(70_000), succeeded(1)]).await;
    assert_eq!(indices(store, id, 0, 10).await, [0, 1, 2, 300, 70_000]);
    assert_eq!(indices(store, id, 1, 3).await, [1, 2, 300]);
    assert_eq!(indices(store, id, 301, 10).await, [70_000]);
    assert_eq!(indices(store, id, 70_001, 10).await, [0; 0]);
    let first = store.documents(id, 0, 1).await.expect("documents");
    assert_eq!(first, [DocumentRecord::of(&succeeded(0)).expect("one")]);
    let letters = store.dead_letters(id).await.expect("dead letters");
    let expected = [2, 70_000].map(|index| DocumentRecord::of(&failed(index)).expect("one"));
    assert_eq!(letters, expected);
}

async fn a_refused_call_changes_nothing(store: &dyn JobStore) {
    let id = create(store).await;
    append(store, id, vec![succeeded(0)]).await;
    let before = run(store, id).await;
    for refused in [
        vec![succeeded(1), started(3)],
        vec![succeeded(1), ended(RunState::Running)],
        vec![ended(RunState::Completed), succeeded(1)],
        vec![succeeded(1), succeeded(1)],
        vec![succeeded(1), failed(0)],
    ] {
        let result = store.append(id, refused).await;
        assert!(matches!(result, Err(StoreError::Illegal(_))), "{result:?}");
        assert_eq!(run(store, id).await, before);
        assert_eq!(indices(store, id, 0, 10).await, [0]);
    }
    let result = store.create(succeeded(0)).await;
    assert!(matches!(result, Err(StoreError::NotStarted)), "{result:?}");
}

async fn ended_runs_are_final_and_removable(store: &dyn JobStore) {
    let mut last = RunId(0);
    for state in [
        RunState::Completed,
        RunState::Failed,
        RunState::Cancelled,
        RunState::Interrupted,
    ] {
        let id = create(store).await;
        append(store, id, vec![succeeded(0)]).await;
        let early = store.remove(id).await;
        assert!(matches!(early, Err(StoreError::Illegal(_))), "{early:?}");
        append(store, id, vec![ended(state)]).await;
        assert_eq!(run(store, id).await.state, state);
        for late in [succeeded(1), delivered(), ended(RunState::Cancelled)] {
            let result = store.append(id, vec![late]).await;
            assert!(matches!(result, Err(StoreError::Illegal(_))), "{result:?}");
        }
        store.remove(id).await.expect("an ended run is removed");
        let gone = store.run(id).await;
        assert!(matches!(gone, Err(StoreError::NoSuchRun(_))), "{gone:?}");
        assert!(id > last, "{id} comes after {last}");
        last = id;
    }
}

async fn runs_come_newest_first(store: &dyn JobStore) {
    let ids = [
        create(store).await,
        create(store).await,
        create(store).await,
    ];
    let named = |runs: Vec<RunRecord>| runs.iter().map(|run| run.id).collect::<Vec<_>>();
    let two = store.runs(2, 0).await.expect("runs");
    assert_eq!(named(two), [ids[2], ids[1]]);
    let next = store.runs(1, 2).await.expect("runs");
    assert_eq!(named(next), [ids[0]]);
    let none = store.runs(5, 10_000).await.expect("runs");
    assert_eq!(named(none), []);
}

async fn runs_do_not_mix(store: &dyn JobStore) {
    let (one, other) = (create(store).await, create(store).await);
    let both = futures::join!(
        store.append(one, vec![succeeded(0), succeeded(1)]),
        store.append(other, vec![failed(5)]),
    );
    assert!(matches!(both, (Ok(()), Ok(()))), "{both:?}");
    assert_eq!(indices(store, one, 0, 10).await, [0, 1]);
    assert_eq!(indices(store, other, 0, 10).await, [5]);
    append(store, other, vec![ended(RunState::Cancelled)]).await;
    store.remove(other).await.expect("removed");
    assert_eq!(indices(store, one, 0, 10).await, [0, 1]);
    assert_eq!(run(store, one).await.succeeded, 2);
}

async fn a_queued_run_takes_turns(store: &dyn JobStore) {
    let refused = async |run, event: JobEvent| {
        let before = store.run(run).await.expect("the run is there");
        let result = store.append(run, vec![event]).await;
        assert!(matches!(result, Err(StoreError::Illegal(_))), "{result:?}");
        assert_eq!(store.run(run).await.expect("it stays"), before);
    };
    let (again, pause) = (
        JobEvent::Requeued { at: 1_800 },
        JobEvent::Paused { at: 1_700 },
    );
    let id = store.create(queued()).await.expect("a run is queued");
    let mut expected = RunRecord::begin(id, &queued()).expect("a first event");
    assert_eq!(run(store, id).await, expected);
    assert_eq!(expected.state, RunState::Queued);
    refused(id, succeeded(0)).await;
    refused(id, again.clone()).await;
    for events in [
        vec![begun(3), succeeded(0), failed(1)],
        vec![pause.clone()],
        vec![again.clone()],
        vec![begun(3), succeeded(0)],
        vec![succeeded(1), succeeded(2), ended(RunState::Failed)],
        vec![again.clone(), pause],
        vec![again, begun(2), succeeded(0)],
    ] {
        for event in &events {
            expected.apply(event).expect("a legal move");
        }
        append(store, id, events).await;
        assert_eq!(run(store, id).await, expected);
        let outcomes = indices(store, id, 0, 10).await.len() as u64;
        assert_eq!(outcomes, expected.succeeded + expected.failed);
    }
    assert_eq!(store.dead_letters(id).await.expect("letters"), []);
    refused(id, begun(3)).await;
    append(store, id, vec![ended(RunState::Completed)]).await;
    store.remove(id).await.expect("an ended run is removed");
}
