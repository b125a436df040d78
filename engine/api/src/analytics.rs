//! What has happened, as events in the form of the original. They are told from the records of the runs,
//! so that they are as durable as these, and go with them.

use axum::{Json, response::IntoResponse};
use docgenie_document::Digest;
use docgenie_runtime::job::{DeliveryOutcome, JobStore, RunRecord, RunState};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Builder;

use crate::{
    error::{ApiResult, shown},
    routes::{Call, Page},
    runs::time,
};

/// Runs that are read at once.
const AT_ONCE: usize = 1_000;
/// The types of events there are.
pub(crate) const TYPES: &[&str] = &[
    "generation_requested",
    "generation_completed",
    "generation_failed",
    "generation_cancelled",
    "delivered",
    "delivery_failed",
];

/// An event.
#[derive(Serialize, JsonSchema)]
struct Event {
    id: String,
    /// A number, where it is one.
    user_id: Value,
    event_type: &'static str,
    /// The request, or the run where it had no name.
    entity_id: String,
    event_data: Value,
    created_at: String,
    #[serde(skip)]
    at: u64,
}

/// A page of events, newest first.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EventList {
    events: Vec<Event>,
    count: usize,
    limit: usize,
    offset: usize,
}

/// `GET /analytics/events`
pub(crate) async fn list(call: Call) -> ApiResult {
    let Page { limit, offset } = call.page();
    let (user, event_type) = (call.query("user_id"), call.query("event_type"));
    let jobs = call.service.queue.jobs();
    let needed = limit.saturating_add(offset);
    let (mut events, mut from) = (Vec::new(), 0);
    loop {
        let page = jobs.runs(AT_ONCE, from).await?;
        if page.is_empty() {
            break;
        }
        from += page.len();
        for run in &page {
            let origin = run.spec.origin.as_ref();
            let owner = origin.map(|origin| origin.owner.as_str());
            let users = origin.and_then(|origin| origin.user.as_deref());
            if call.caller.sees(owner.unwrap_or_default())
                && user.is_none_or(|user| users == Some(user))
            {
                let wanted = |it: &Event| event_type.is_none_or(|wanted| it.event_type == wanted);
                events.extend(events_of(run).into_iter().filter(wanted));
            }
        }
        // A run that was asked for early may have ended late, so that all are looked at and only as
        // many kept as are shown.
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        events.truncate(needed);
    }
    let events: Vec<_> = events.into_iter().skip(offset).collect();
    let list = EventList {
        count: events.len(),
        events,
        limit,
        offset,
    };
    Ok(Json(list).into_response())
}

/// The events of a run, newest first.
fn events_of(run: &RunRecord) -> Vec<Event> {
    let origin = run.spec.origin.as_ref();
    let user = origin.and_then(|origin| origin.user.as_deref());
    let user = user.map(|user| match user.parse::<i64>() {
        Ok(number) => json!(number),
        Err(_) => json!(user),
    });
    let entity = origin.map_or_else(|| run.id.to_string(), |origin| origin.request.clone());
    let event = |event_type: &'static str, number: usize, at: u64, event_data: Value| Event {
        id: id(&format!("{} {event_type} {number} {at}", run.id)),
        user_id: json!(user),
        event_type,
        entity_id: entity.clone(),
        event_data,
        created_at: time(at),
        at,
    };
    let mut events = Vec::new();
    if let Some(at) = run.ended_at {
        let ended = match run.state {
            RunState::Completed => Some("generation_completed"),
            RunState::Cancelled => Some("generation_cancelled"),
            RunState::Failed | RunState::Interrupted => Some("generation_failed"),
            RunState::Queued | RunState::Running | RunState::Paused => None,
        };
        let data = json!({
            "pipeline": run.spec.pipeline,
            "documents": run.succeeded,
            "failed_documents": run.failed,
            "error_message": run.problem.as_ref().map(|problem| shown(problem).message),
        });
        events.extend(ended.map(|ended| event(ended, 0, at, data)));
    }
    for (number, delivery) in run.deliveries.iter().enumerate().rev() {
        let target = &delivery.target;
        let (kind, data) = match &delivery.outcome {
            DeliveryOutcome::Delivered { place, url } => (
                "delivered",
                json!({ "target": target, "place": place, "url": url }),
            ),
            DeliveryOutcome::Failed { problem } => (
                "delivery_failed",
                json!({ "target": target, "error_message": shown(problem).message }),
            ),
            DeliveryOutcome::Skipped { .. } => continue,
        };
        events.push(event(kind, number, delivery.at, data));
    }
    let requested = json!({ "pipeline": run.spec.pipeline });
    events.push(event("generation_requested", 0, run.created_at, requested));
    events
}

/// The same event has the same id, whenever it is told.
fn id(text: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Digest::of(text.as_bytes()).as_bytes()[..16]);
    let uuid = Builder::from_custom_bytes(bytes).into_uuid();
    uuid.to_string()
}
