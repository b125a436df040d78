//! Where requests stand, in the words of the protocol.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use docgenie_runtime::job::{Delivery, DeliveryOutcome, JobStore, RunRecord, RunState};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{delivery_failure, request_of, told, warnings_of};
use crate::{results, routes::Page, runs::time, service::Service};

/// Minutes a document is reckoned with before any has been made.
const FIRST_GUESS_MS: u64 = 10_000;
/// How often the estimate of a document is made anew.
const RECKONED_EVERY: Duration = Duration::from_secs(2);
/// Ended requests whose times an estimate is made of.
const LOOKED_AT: usize = 20;

/// What a document has taken lately, which is not reckoned for each request anew.
#[derive(Default)]
pub(crate) struct Pace(Mutex<Option<(Instant, u64)>>);

impl Pace {
    /// In milliseconds.
    async fn each(&self, jobs: &dyn JobStore) -> u64 {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, each)) = known
            && at.elapsed() < RECKONED_EVERY
        {
            return each;
        }
        let runs = jobs.runs(LOOKED_AT, 0).await.unwrap_or_default();
        let taken = runs.iter().filter_map(|run| {
            let ended = run.ended_at.filter(|_| run.succeeded > 0)?;
            Some(ended.saturating_sub(run.started_at) / run.succeeded)
        });
        let taken: Vec<u64> = taken.collect();
        let each = match taken.len() as u64 {
            0 => FIRST_GUESS_MS,
            count => taken.iter().sum::<u64>() / count,
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), each));
        each
    }
}

/// A request that was queued.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Accepted {
    request_id: String,
    status: &'static str,
    estimated_time_minutes: u64,
    poll_url: String,
    created_at: String,
    warnings: Vec<String>,
}

impl Accepted {
    pub(super) fn of(record: &RunRecord, minutes: u64) -> Self {
        let request = request_of(record);
        Self {
            request_id: request.to_owned(),
            status: "queued",
            estimated_time_minutes: minutes,
            poll_url: format!("/jobs/{request}/status"),
            created_at: time(record.created_at),
            warnings: warnings_of(record),
        }
    }
}

/// Where a request stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Status {
    request_id: String,
    /// `queued`, `pending`, `processing`, `generating`, `ocr`, `validation`, `zipping`, `uploading`,
    /// `completed`, `completed_gdrive_failed` or `failed`.
    status: &'static str,
    created_at: String,
    updated_at: String,
    /// What is going on, while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    /// Where the ZIP is, once there is one: at the storage that it was to go to, else here.
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_count: Option<u64>,
    /// Why it failed, or was not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    /// What was asked and is done otherwise.
    warnings: Vec<String>,
}

impl Status {
    pub(super) fn of(record: &RunRecord, stage: Option<&str>, base: &str) -> Self {
        let request = request_of(record);
        let completed = record.state == RunState::Completed;
        let size = completed.then(|| results::zip_size(record)).flatten();
        #[allow(clippy::cast_precision_loss, reason = "it is rounded for display")]
        let megabytes = |bytes: u64| (bytes as f64 / 1e4).round() / 100.0;
        Self {
            request_id: request.to_owned(),
            status: word(record, stage),
            created_at: time(record.created_at),
            updated_at: time(record.updated_at),
            progress: progress(record, stage),
            download_url: completed.then(|| {
                let here = || format!("{base}/jobs/{request}/download");
                delivered_at(record).unwrap_or_else(here)
            }),
            file_size_mb: size.map(megabytes),
            document_count: completed.then_some(record.succeeded),
            error_message: error_message(record),
            warnings: warnings_of(record),
        }
    }
}

fn word(record: &RunRecord, stage: Option<&str>) -> &'static str {
    match record.state {
        RunState::Queued => "queued",
        RunState::Paused => "pending",
        RunState::Running => match stage {
            Some("author") => "generating",
            Some("ocr") => "ocr",
            Some("verify" | "overlay") => "validation",
            Some("handwriting") => "handwriting",
            Some("deliver") => "uploading",
            _ => "processing",
        },
        RunState::Completed if drive_failed(record) => "completed_gdrive_failed",
        RunState::Completed => "completed",
        RunState::Failed | RunState::Cancelled | RunState::Interrupted => "failed",
    }
}

/// Whether the documents were to go to Google Drive and have not arrived there.
fn drive_failed(record: &RunRecord) -> bool {
    let failed = |it: &Delivery| matches!(it.outcome, DeliveryOutcome::Failed { .. });
    let mut deliveries = record.deliveries.iter();
    deliveries.any(|it| it.target == "google_drive" && failed(it))
}

/// The link that a storage has given.
fn delivered_at(record: &RunRecord) -> Option<String> {
    record.deliveries.iter().find_map(|it| match &it.outcome {
        DeliveryOutcome::Delivered { url, .. } => url.clone(),
        _ => None,
    })
}

fn progress(record: &RunRecord, stage: Option<&str>) -> Option<String> {
    match record.state {
        RunState::Queued => Some("waiting for its turn".to_owned()),
        RunState::Paused => Some("paused".to_owned()),
        RunState::Running => {
            let done = record.succeeded + record.failed;
            let stage = stage.map_or_else(String::new, |stage| format!(", last stage `{stage}`"));
            Some(format!("{done} of {} documents{stage}", record.documents))
        }
        _ => None,
    }
}

fn error_message(record: &RunRecord) -> Option<String> {
    match record.state {
        RunState::Failed => Some(
            record
                .problem
                .as_ref()
                .map_or_else(|| "the request failed".to_owned(), told),
        ),
        RunState::Completed => delivery_failure(record),
        RunState::Cancelled => Some("the request was cancelled".to_owned()),
        RunState::Interrupted => Some("the service was stopped".to_owned()),
        _ => None,
    }
}

/// The requests of a user.
#[derive(Serialize, JsonSchema)]
pub(crate) struct UserJobs {
    /// A number, where it is one.
    user_id: Value,
    jobs: Vec<UserJob>,
    count: usize,
    limit: usize,
    offset: usize,
}

/// A request in a list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct UserJob {
    request_id: String,
    status: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_count: Option<u64>,
}

impl UserJob {
    pub(super) fn of(record: &RunRecord, base: &str) -> Self {
        let status = Status::of(record, None, base);
        Self {
            request_id: status.request_id,
            status: status.status,
            created_at: status.created_at,
            download_url: status.download_url,
            document_count: status.document_count,
        }
    }
}

impl UserJobs {
    pub(super) fn of(user: &str, jobs: Vec<UserJob>, page: Page) -> Self {
        let number = user.parse::<i64>().ok();
        Self {
            user_id: number.map_or_else(|| json!(user), |number| json!(number)),
            count: jobs.len(),
            jobs,
            limit: page.limit,
            offset: page.offset,
        }
    }
}

/// Minutes that a request for so many documents will take: what documents have taken lately, times
/// those that are before it.
pub(super) async fn estimate(service: &Service, documents: u64) -> u64 {
    let each = service.pace.each(service.queue.jobs()).await;
    let (waiting, running) = service.queue.load();
    let before = (waiting + running).saturating_sub(1) as u64;
    ((before + 1) * documents * each).div_ceil(60_000).max(1)
}
