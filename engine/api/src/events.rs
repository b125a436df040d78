//! What happens to a run, as server-sent events.
//!
//! An event's id is its number in the run's journal, so that a client which comes back with
//! `Last-Event-ID` misses nothing and hears nothing twice, after a restart of the service too.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    http::StatusCode,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use docgenie_runtime::job::{JobEvent, JobStore, RunId};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    error::{self, ApiError, ApiResult},
    routes::Call,
    runs,
    service::Service,
};

/// Events that are read at once.
const PAGE: usize = 500;
/// How often a silent connection is told that the service lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) async fn stream(call: Call) -> ApiResult {
    let run = runs::of(&call).await?;
    let after = match call.headers.get("last-event-id") {
        None => 0,
        Some(id) => id
            .to_str()
            .ok()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| {
                let detail = "`Last-Event-ID` is the id of an event, which is a number";
                ApiError::new(StatusCode::BAD_REQUEST, detail)
            })?,
    };
    let reader = Reader {
        changes: call.service.queue.jobs().watch(run.id),
        service: call.service,
        run: run.id,
        after,
        ready: VecDeque::new(),
        over: false,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

struct Reader {
    service: std::sync::Arc<Service>,
    changes: watch::Receiver<u64>,
    run: RunId,
    after: u64,
    ready: VecDeque<(u64, JobEvent)>,
    over: bool,
}

impl Reader {
    /// The next event; none once the run has ended or is gone.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((number, event)) = self.ready.pop_front() {
                self.after = number;
                return sent(number, &event);
            }
            if self.over {
                return None;
            }
            self.changes.mark_unchanged();
            let jobs = self.service.queue.jobs();
            let state = jobs.run(self.run).await.ok()?.state;
            self.ready = jobs.events(self.run, self.after, PAGE).await.ok()?.into();
            if self.ready.is_empty() {
                if state.terminal() {
                    self.over = true;
                } else {
                    self.changes.changed().await.ok()?;
                }
            }
        }
    }
}

fn sent(number: u64, event: &JobEvent) -> Option<Event> {
    let (name, data) = shown(event);
    let event = Event::default().id(number.to_string()).event(name);
    event.json_data(data).ok()
}

/// An event as clients see it: what the journal keeps, less who asked and where files lie.
fn shown(event: &JobEvent) -> (&'static str, Value) {
    match event {
        JobEvent::Queued { spec, at } => (
            "queued",
            json!({ "pipeline": spec.pipeline, "params": spec.params.values(), "seed": spec.seed, "at": at }),
        ),
        JobEvent::Started {
            documents,
            stages,
            at,
            ..
        }
        | JobEvent::Begun {
            documents,
            stages,
            at,
        } => (
            "running",
            json!({ "documents": documents, "stages": stages, "at": at }),
        ),
        JobEvent::Paused { at } => ("paused", json!({ "at": at })),
        JobEvent::Requeued { at } => ("queued", json!({ "at": at })),
        JobEvent::DocumentSucceeded {
            document,
            spent,
            remarks,
        } => (
            "document",
            json!({ "document": document.to_string(), "succeeded": true, "ms": spent, "remarks": remarks }),
        ),
        JobEvent::DocumentFailed {
            document,
            stage,
            problem,
        } => (
            "document",
            json!({ "document": document.to_string(), "succeeded": false, "stage": stage, "problem": error::shown(problem) }),
        ),
        JobEvent::Delivered { delivery } => ("delivered", json!(error::shown_delivery(delivery))),
        JobEvent::Ended { state, problem, at } => {
            let data = json!({ "problem": problem.as_ref().map(error::shown), "at": at });
            (state.word(), data)
        }
    }
}
