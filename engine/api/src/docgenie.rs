//! The protocol of the DocGenie service: each request is a run of the pipeline `docgenie`.

mod request;
mod response;
mod status;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode},
    response::IntoResponse,
};
use docgenie_document::{Digest, code::Problem};
use docgenie_runtime::{
    executor::NOTHING_SUCCEEDED,
    job::{DeliveryOutcome, Idempotency, JobStore, Origin, RunId, RunRecord, RunState},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    access::Caller,
    body,
    error::{ApiError, ApiResult, Fault, shown},
    pipelines::{idempotency_key, submit},
    results,
    routes::Call,
    server::REQUEST_ID,
    service::Service,
};

pub(crate) use request::GenerateRequest;
use request::{Asked, GENERATE_REQUEST, Mode, ZipLayout};
pub(crate) use response::GenerateResponse;
pub(crate) use status::{Accepted, Pace, Status, UserJobs};

/// The pipeline that requests are runs of.
const PIPELINE: &str = "docgenie";
/// What was asked and is done otherwise, where the answer is a file.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("x-docgenie-warning");
/// The face, as runs remember it.
const FACE: &str = "docgenie";

/// How a request wants its documents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A folder of files, of which JSON is made.
    Folder,
    /// A ZIP.
    Zip,
}

/// Takes a request on; tells its run and what was asked.
async fn take(
    call: Call,
    body: Body,
    form: Form,
    mode: Mode,
) -> ApiResult<(Arc<Service>, RunId, Asked)> {
    let (service, caller) = (call.service.clone(), call.caller.clone());
    let key = idempotency_key(&call.headers)?;
    let layout = call.query("zip_layout").and_then(ZipLayout::named);
    let bytes = body::json_bytes(&call.headers, body).await?;
    let request: GenerateRequest = GENERATE_REQUEST.read(&bytes)?;
    let mut asked = request.checked(layout, mode)?;
    sign_in(&service, &caller, &mut asked)?;
    let name = asked.request_id.clone();
    let request = name.unwrap_or_else(|| Uuid::new_v4().to_string());
    let digest = || {
        let mut digested = format!("{}\n", mode.name()).into_bytes();
        digested.extend(body::canonical(&bytes));
        Digest::of(&digested)
    };
    let origin = Origin {
        request: request.clone(),
        owner: caller.owner.clone(),
        user: asked.user(),
        face: FACE.to_owned(),
        body: json!({ "mode": mode.name(), "warnings": asked.warnings }),
        idempotency: key.map(|key| Idempotency {
            key,
            body: digest(),
        }),
        sealed: sealed(&service, &asked)?,
    };
    let folder: PathBuf = service.results().join(Uuid::new_v4().to_string());
    let params = asked.params(&request, mode);
    let seed = asked
        .seed
        .unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let make = move |service: &Service| {
        let mut spec = service
            .pipelines
            .spec(PIPELINE, &params, seed, Vec::new())?;
        match form {
            Form::Folder => spec.out = Some(folder.join("dataset")),
            Form::Zip => spec.zip = Some(folder.join("documents.zip")),
        }
        Ok(spec)
    };
    let (run, _) = submit(&service, &caller, origin, make).await?;
    Ok((service, run, asked))
}

/// Puts the tokens of the user's own storage to the secrets of a request that names it without any.
fn sign_in(service: &Service, caller: &Caller, asked: &mut Asked) -> ApiResult<()> {
    let Some(storage) = asked.unsigned() else {
        return Ok(());
    };
    let user = asked.user().unwrap_or_default();
    let sealed = service.integrations.sealed(&caller.owner, &user, storage)?;
    let Some(sealed) = sealed else {
        let name = storage.name();
        return Err(ApiError::invalid(vec![Fault {
            kind: "value_error",
            at: vec![json!("body"), json!("deliver_to")],
            message: format!(
                "Value error, the user has not connected {name}: PUT /users/{{user_id}}/integrations/{name}"
            ),
            input: json!(name),
        }]));
    };
    let opened = service.vault.open(&sealed).map_err(|error| {
        ApiError::new(StatusCode::CONFLICT, error.to_string()).hint("connect the storage again")
    })?;
    asked.secrets.extend(opened);
    Ok(())
}

/// The secrets of a request as the job store keeps them.
fn sealed(service: &Service, asked: &Asked) -> ApiResult<Option<String>> {
    if asked.secrets.is_empty() {
        return Ok(None);
    }
    let sealed = service.vault.seal(&asked.secrets);
    sealed
        .map(Some)
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// `POST /generate`
pub(crate) async fn generate(call: Call, body: Body) -> ApiResult {
    let (service, run, asked) = take(call, body, Form::Folder, Mode::Sync).await?;
    let record = finished(&service, run).await?;
    let made = results::blocking(move || response::of(&record, &asked));
    Ok(Json(made.await?).into_response())
}

/// `POST /generate/pdf`
pub(crate) async fn generate_pdf(call: Call, body: Body) -> ApiResult {
    let (service, run, _) = take(call, body, Form::Zip, Mode::Sync).await?;
    let record = finished(&service, run).await?;
    let mut response = results::zip_of(&service, &record).await?;
    let request = request_of(&record);
    if let Ok(value) = HeaderValue::from_str(request) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    for warning in warnings_of(&record) {
        if let Ok(value) = HeaderValue::from_str(&warning) {
            response.headers_mut().append(WARNING, value);
        }
    }
    Ok(response)
}

/// `POST /generate/async`
pub(crate) async fn generate_async(call: Call, body: Body) -> ApiResult {
    let (service, run, asked) = take(call, body, Form::Zip, Mode::Async).await?;
    let record = service.queue.jobs().run(run).await?;
    let minutes = status::estimate(&service, asked.documents()).await;
    Ok(Json(Accepted::of(&record, minutes)).into_response())
}

/// `GET /jobs/{id}/status`
pub(crate) async fn status(call: Call) -> ApiResult {
    let record = of(&call).await?;
    let stage = call.service.queue.stage(record.id);
    let base = base_of(&call);
    Ok(Json(Status::of(&record, stage.as_deref(), &base)).into_response())
}

/// `GET /jobs/{id}/download`
pub(crate) async fn download(call: Call) -> ApiResult {
    let record = of(&call).await?;
    results::zip_of(&call.service, &record).await
}

/// `GET /jobs/user/{user_id}`
pub(crate) async fn user_jobs(call: Call) -> ApiResult {
    let (user, page) = (call.path("user_id"), call.page());
    let base = base_of(&call);
    let mut jobs = Vec::new();
    for run in call.service.directory.user(user, &call.caller, page) {
        // One that was removed meanwhile is left out.
        if let Ok(record) = call.service.queue.jobs().run(run).await {
            jobs.push(status::UserJob::of(&record, &base));
        }
    }
    Ok(Json(UserJobs::of(user, jobs, page)).into_response())
}

/// The run of the request that a path names.
async fn of(call: &Call) -> ApiResult<RunRecord> {
    let name = call.request_name();
    let unknown = || ApiError::not_found(format!("Request {name} not found"));
    let run = call.service.directory.run(&name, &call.caller);
    let run = run.ok_or_else(unknown)?;
    Ok(call.service.queue.jobs().run(run).await?)
}

/// The address that links begin with.
fn base_of(call: &Call) -> String {
    if let Some(url) = &call.service.config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = call.headers.get("host");
    let host = host.and_then(|host| host.to_str().ok()).filter(|host| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        !host.is_empty() && host.chars().all(plain)
    });
    host.map_or_else(String::new, |host| format!("http://{host}"))
}

/// Waits for a run and turns its failure into the response that fits.
async fn finished(service: &Service, run: RunId) -> ApiResult<RunRecord> {
    let record = service.queue.ended(run).await?;
    if record.state == RunState::Completed && record.succeeded > 0 {
        return Ok(record);
    }
    if record.state != RunState::Failed {
        let detail = format!("the request was {}", record.state.word());
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    }
    let mut problem = record.problem.clone();
    // Where all documents failed, the first of them tells why.
    if problem
        .as_ref()
        .is_some_and(|it| it.code == NOTHING_SUCCEEDED.as_str())
    {
        let letters = service.queue.jobs().dead_letters(run).await?;
        let first = letters.into_iter().find_map(|letter| letter.failure);
        problem = first.map(|(_, problem)| problem).or(problem);
    }
    Err(match problem {
        Some(problem) => ApiError::problem(status_of(&problem), &problem),
        None => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed"),
    })
}

/// Whose fault a problem is, by its code.
fn status_of(problem: &Problem) -> StatusCode {
    match problem.code.as_str() {
        // Seeds that cannot be fetched or looked at; languages, types and looks that are not known.
        "DG0602" | "DG0603" | "DG0604" | "DG0620" | "DG0621" => StatusCode::BAD_REQUEST,
        // No key for the model, or one that it refuses.
        "DG0630" | "DG0631" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn request_of(record: &RunRecord) -> &str {
    let origin = record.spec.origin.as_ref();
    origin.map_or("", |origin| origin.request.as_str())
}

fn warnings_of(record: &RunRecord) -> Vec<String> {
    let origin = record.spec.origin.as_ref();
    let warnings = origin.and_then(|origin| origin.body["warnings"].as_array());
    let warnings = warnings.into_iter().flatten();
    let asked = warnings.filter_map(|it| it.as_str().map(str::to_owned));
    let failed = delivery_failure(record);
    let failed = failed.map(|failed| format!("the documents are not there: {failed}"));
    asked.chain(failed).collect()
}

/// Why the documents of a request that were to go elsewhere have not arrived there.
fn delivery_failure(record: &RunRecord) -> Option<String> {
    record.deliveries.iter().find_map(|it| match &it.outcome {
        DeliveryOutcome::Failed { problem } => Some(told(problem)),
        _ => None,
    })
}

/// A problem in one line.
fn told(problem: &Problem) -> String {
    let problem = shown(problem);
    let causes = problem.causes.first();
    let cause = causes.map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{}{cause} ({})", problem.message, problem.code)
}
