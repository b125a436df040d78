//! Runs: look at them, steer them, forget them.

use axum::{Json, response::IntoResponse};
use docgenie_document::code::Problem;
use docgenie_runtime::job::{Delivery, JobStore, RunId, RunRecord, RunState, StageProgress};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    access::Scope,
    error::{self, ApiError, ApiResult},
    results,
    routes::{Call, Page},
    service::Service,
};

/// A run as clients see it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RunView {
    /// Its name.
    id: String,
    /// The request that it came from, where one was named.
    request_id: Option<String>,
    pipeline: String,
    params: Map<String, Value>,
    seed: u64,
    state: &'static str,
    /// Documents asked for; 0 until the run has begun.
    documents: u64,
    succeeded: u64,
    failed: u64,
    /// In the order of the pipeline.
    stages: Vec<StageView>,
    #[schemars(with = "Option<Map<String, Value>>")]
    problem: Option<Problem>,
    /// What came of bringing its dataset elsewhere.
    #[schemars(with = "Vec<Map<String, Value>>")]
    deliveries: Vec<Delivery>,
    created_at: String,
    updated_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
}

/// What a stage has done in a run.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StageView {
    id: String,
    /// Documents it has finished.
    done: u64,
    /// Of these, how many were remembered.
    remembered: u64,
    failed: u64,
    /// Milliseconds of work, summed over documents.
    spent_ms: u64,
}

/// A page of runs.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RunList {
    runs: Vec<RunView>,
    count: usize,
    limit: usize,
    offset: usize,
}

impl RunView {
    pub(crate) fn of(run: &RunRecord) -> Self {
        let begun = !run.stages.is_empty();
        Self {
            id: run.id.to_string(),
            request_id: run.spec.origin.as_ref().map(|it| it.request.clone()),
            pipeline: run.spec.pipeline.clone(),
            params: run.spec.params.values(),
            seed: run.spec.seed.0,
            state: run.state.word(),
            documents: run.documents,
            succeeded: run.succeeded,
            failed: run.failed,
            stages: stages_of(run),
            problem: run.problem.as_ref().map(error::shown),
            deliveries: run.deliveries.iter().map(error::shown_delivery).collect(),
            created_at: time(run.created_at),
            updated_at: time(run.updated_at),
            started_at: begun.then(|| time(run.started_at)),
            ended_at: run.ended_at.map(time),
        }
    }
}

/// What each stage has done in a run, in their order.
pub(crate) fn stages_of(run: &RunRecord) -> Vec<StageView> {
    let view = |(id, progress): &(String, StageProgress)| StageView {
        id: id.clone(),
        done: progress.done,
        remembered: progress.hits,
        failed: progress.failed,
        spent_ms: progress.spent_ms,
    };
    run.stages.iter().map(view).collect()
}

/// Milliseconds since 1970 as RFC 3339 in UTC, to the second.
pub(crate) fn time(at: u64) -> String {
    let seconds = i64::try_from(at / 1_000).unwrap_or_default();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_string()
}

/// The run that a path names, where the caller may see it: another's is as one that is not there.
pub(crate) async fn of(call: &Call) -> ApiResult<RunRecord> {
    let name = call.path("id");
    let unknown = || ApiError::not_found(format!("there is no run `{name}`"));
    let id: RunId = name.parse().map_err(|_| unknown())?;
    let run = call.service.queue.jobs().run(id).await?;
    let owner = run.spec.origin.as_ref().map(|origin| origin.owner.as_str());
    if call.caller.sees(owner.unwrap_or_default()) {
        Ok(run)
    } else {
        Err(ApiError::no_such_run(id))
    }
}

pub(crate) async fn list(call: Call) -> ApiResult {
    let (page, jobs) = (call.page(), call.service.queue.jobs());
    let runs: Vec<_> = if call.caller.scope == Scope::Admin {
        let runs = jobs.runs(page.limit, page.offset).await?;
        runs.iter().map(RunView::of).collect()
    } else {
        let mut runs = Vec::new();
        for run in call.service.directory.owner(&call.caller.owner, page) {
            // One that was removed meanwhile is left out.
            if let Ok(run) = jobs.run(run).await {
                runs.push(RunView::of(&run));
            }
        }
        runs
    };
    let list = RunList {
        count: runs.len(),
        runs,
        limit: page.limit,
        offset: page.offset,
    };
    Ok(Json(list).into_response())
}

pub(crate) async fn show(call: Call) -> ApiResult {
    let run = of(&call).await?;
    Ok(Json(RunView::of(&run)).into_response())
}

pub(crate) async fn failures(call: Call) -> ApiResult {
    let run = of(&call).await?;
    let letters = call.service.queue.jobs().dead_letters(run.id).await?;
    let Page { limit, offset } = call.page();
    let shown: Vec<_> = letters
        .iter()
        .skip(offset)
        .take(limit)
        .filter_map(|letter| {
            let (stage, problem) = letter.failure.as_ref()?;
            let document = letter.document.to_string();
            Some(json!({ "document": document, "stage": stage, "problem": error::shown(problem) }))
        })
        .collect();
    let body =
        json!({ "failures": shown, "count": letters.len(), "limit": limit, "offset": offset });
    Ok(Json(body).into_response())
}

pub(crate) async fn cancel(call: Call) -> ApiResult {
    let run = of(&call).await?.id;
    call.service.queue.cancel(run).await?;
    once(&call.service, run, RunState::terminal).await
}

pub(crate) async fn pause(call: Call) -> ApiResult {
    let run = of(&call).await?.id;
    call.service.queue.pause(run).await?;
    let stopped = |state: RunState| state == RunState::Paused || state.terminal();
    once(&call.service, run, stopped).await
}

/// A run that was told to stop, once it has: one under way does within the time of the calls under way.
async fn once(service: &Service, run: RunId, stopped: impl Fn(RunState) -> bool) -> ApiResult {
    let patience = std::time::Duration::from_secs(2);
    let jobs = service.queue.jobs();
    let mut changes = jobs.watch(run);
    let wait = async {
        while !stopped(jobs.run(run).await?.state) {
            changes.changed().await.ok();
        }
        Ok::<_, ApiError>(())
    };
    // Where it takes longer, the state says so.
    drop(tokio::time::timeout(patience, wait).await);
    now(service, run).await
}

pub(crate) async fn resume(call: Call) -> ApiResult {
    let run = of(&call).await?.id;
    call.service.queue.resume(run).await?;
    now(&call.service, run).await
}

pub(crate) async fn retry(call: Call) -> ApiResult {
    let run = of(&call).await?.id;
    call.caller.count_run()?;
    call.service.queue.retry(run).await?;
    now(&call.service, run).await
}

pub(crate) async fn remove(call: Call) -> ApiResult {
    let run = of(&call).await?;
    forget(&call.service, &run).await?;
    Ok(Json(json!({ "removed": run.id.to_string() })).into_response())
}

/// Removes what a run has made and forgets it.
pub(crate) async fn forget(service: &Service, run: &RunRecord) -> ApiResult<()> {
    // Files first: nobody looks for those of a run that is forgotten. The store refuses one at work.
    if run.state.terminal() {
        results::remove(service, run).await?;
    }
    service.queue.jobs().remove(run.id).await?;
    if let Some(origin) = &run.spec.origin {
        service.directory.remove(run.id, origin);
    }
    Ok(())
}

async fn now(service: &Service, run: RunId) -> ApiResult {
    let run = service.queue.jobs().run(run).await?;
    Ok(Json(RunView::of(&run)).into_response())
}
