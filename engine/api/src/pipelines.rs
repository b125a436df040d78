//! Pipelines: list them, upload them, run them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Request},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use docgenie_document::{Digest, code::Problem};
use docgenie_runtime::{
    files,
    job::{Idempotency, JobStore, Origin, RunId, RunSpec},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    access::Caller,
    body::{self, Schema},
    directory::Known,
    error::{ApiError, ApiResult, Fault},
    results,
    routes::Call,
    runs::RunView,
    service::{Refusal, Service},
};

/// The largest pipeline that is taken, in bytes.
const TOML_LIMIT: usize = 256 << 10;
/// The largest upload of input files, in bytes.
const UPLOAD_LIMIT: usize = 256 << 20;
/// How long a client may take for them.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(600);
/// Input files of one run.
const MOST_FILES: usize = 100;
/// The longest idempotency key.
const KEY_LIMIT: usize = 255;

/// What a run is to be. As `multipart/form-data` it is the part `request`, beside parts `file` with
/// the files that the pipeline starts from.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunRequest {
    /// Values of the pipeline's parameters; the others keep their defaults.
    #[serde(default)]
    params: Map<String, Value>,
    /// What all chance is drawn from; a random number without it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    seed: Option<u64>,
    /// The name that the run is to be found by, beside its own.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    request_id: Option<String>,
    /// On whose behalf it is asked for: users take turns.
    #[serde(default)]
    #[schemars(length(max = 100))]
    user_id: Option<String>,
}

static RUN_REQUEST: LazyLock<Schema> = LazyLock::new(Schema::of::<RunRequest>);

pub(crate) async fn list(call: Call) -> ApiResult {
    Ok(Json(call.service.pipelines.list()).into_response())
}

pub(crate) async fn show(call: Call) -> ApiResult {
    let described = call.service.pipelines.describe(call.path("name"));
    Ok(Json(described.map_err(|refusal| refused(refusal, "name"))?).into_response())
}

pub(crate) async fn upload(call: Call, body: Body) -> ApiResult {
    let (service, name) = (call.service.clone(), call.path("name").to_owned());
    let bytes = body::read(body, TOML_LIMIT).await?;
    let text = String::from_utf8(bytes.into())
        .map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "the pipeline is not text in UTF-8"))?;
    let pipelines = service.pipelines.clone();
    let kept = results::blocking(move || Ok(pipelines.upload(&name, &text).map(|()| name)));
    let name = kept.await?.map_err(|refusal| refused(refusal, "body"))?;
    Ok(Json(json!({ "uploaded": name })).into_response())
}

pub(crate) async fn remove(call: Call) -> ApiResult {
    let removed = call.service.pipelines.remove(call.path("name"));
    removed.map_err(|refusal| refused(refusal, "name"))?;
    Ok(Json(json!({ "removed": call.path("name") })).into_response())
}

pub(crate) async fn run(call: Call, body: Body) -> ApiResult {
    let (service, caller) = (call.service.clone(), call.caller.clone());
    let name = call.path("name").to_owned();
    let key = idempotency_key(&call.headers)?;
    let folder = service.results().join(Uuid::new_v4().to_string());
    let mut given = Given::new(&folder);
    let taken = tokio::time::timeout(UPLOAD_PATIENCE, given.take(&call.headers, body)).await;
    taken.map_err(|_| body::too_slow())??;
    let asked: RunRequest = RUN_REQUEST.read(&given.request)?;
    let request = asked
        .request_id
        .unwrap_or_else(|| Uuid::new_v4().to_string());
    let mut digested = format!("{name}\n").into_bytes();
    digested.extend(body::canonical(&given.request));
    digested.extend(
        given
            .digests
            .iter()
            .flat_map(|digest| digest.to_string().into_bytes()),
    );
    let origin = Origin {
        request,
        owner: caller.owner.clone(),
        user: asked.user_id,
        face: "runs".to_owned(),
        body: Value::Null,
        idempotency: key.map(|key| Idempotency {
            key,
            body: Digest::of(&digested),
        }),
        sealed: None,
    };
    let seed = asked.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let own = folder.clone();
    let make = move |service: &Service| {
        let inputs = given.inputs.clone();
        let mut spec = service.pipelines.spec(&name, &asked.params, seed, inputs)?;
        spec.out = Some(own.join("dataset"));
        given.kept = true;
        Ok(spec)
    };
    let submitted = submit(&service, &caller, origin, make).await;
    if submitted.is_err() {
        removed(folder);
    }
    let (run, _) = submitted?;
    let record = service.queue.jobs().run(run).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(&record))).into_response())
}

/// Records a run once: the same key with the same body gives the run that it gave before. Tells
/// whether it is new.
pub(crate) async fn submit(
    service: &Arc<Service>,
    caller: &Caller,
    origin: Origin,
    make: impl FnOnce(&Service) -> Result<RunSpec, Refusal> + Send + 'static,
) -> ApiResult<(RunId, bool)> {
    let conflict = |detail: &str| ApiError::new(StatusCode::CONFLICT, detail);
    match service.directory.reserve(&origin) {
        Known::Reserved => {}
        Known::Run(run) => return Ok((run, false)),
        Known::OtherBody => {
            return Err(ApiError::invalid(vec![Fault {
                kind: "idempotency_key_reused",
                at: vec![json!("header"), json!("Idempotency-Key")],
                message: "this key was used for another request".to_owned(),
                input: json!(origin.idempotency.map(|it| it.key)),
            }]));
        }
        Known::InFlight => {
            return Err(conflict("the same request is being taken just now").retry_after(1));
        }
        Known::Taken(run) => {
            let detail = format!(
                "the request `{}` was taken before, as {run}",
                origin.request
            );
            return Err(conflict(&detail)
                .hint("send the header `Idempotency-Key` to repeat a request safely"));
        }
    }
    // It is settled however this ends, also where the client goes away.
    let mut reservation = Reservation {
        service: service.clone(),
        origin: Some(origin.clone()),
        run: None,
    };
    caller.count_run()?;
    let maker = service.clone();
    let spec = tokio::task::spawn_blocking(move || make(&maker)).await;
    let spec = spec.map_err(|error| {
        tracing::error!(%error, "a run could not be planned");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the run could not be planned",
        )
    })?;
    let mut spec = spec.map_err(|refusal| refused(refusal, "params"))?;
    spec.origin = Some(origin);
    let queue = service.queue.clone();
    // Once begun it is carried through, so that what is recorded is also known.
    let submitted = tokio::spawn(async move {
        let run = queue.submit(spec).await;
        reservation.becomes(run.as_ref().ok().copied());
        run
    });
    match submitted.await {
        Ok(run) => Ok((run?, true)),
        Err(error) => {
            tracing::error!(%error, "a run could not be recorded");
            Err(ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the run could not be recorded",
            ))
        }
    }
}

struct Reservation {
    service: Arc<Service>,
    origin: Option<Origin>,
    run: Option<RunId>,
}

impl Reservation {
    fn becomes(&mut self, run: Option<RunId>) {
        self.run = run;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(origin) = self.origin.take() {
            self.service.directory.settle(&origin, self.run);
        }
    }
}

/// The idempotency key of a request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().ok();
    let visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.filter(|key| (1..=KEY_LIMIT).contains(&key.len()) && visible(key));
    let bad = || {
        let detail = format!("`Idempotency-Key` has 1 to {KEY_LIMIT} visible characters");
        ApiError::new(StatusCode::BAD_REQUEST, detail)
    };
    key.map(|key| Some(key.to_owned())).ok_or_else(bad)
}

/// The JSON of a request and the files that came with it. They go with it unless they are kept.
struct Given {
    folder: PathBuf,
    request: Bytes,
    inputs: Vec<PathBuf>,
    digests: Vec<Digest>,
    kept: bool,
}

impl Given {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            request: Bytes::from_static(b"{}"),
            inputs: Vec::new(),
            digests: Vec::new(),
            kept: false,
        }
    }

    async fn take(&mut self, headers: &HeaderMap, body: Body) -> ApiResult<()> {
        let kind = headers.get(header::CONTENT_TYPE);
        let multipart = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("multipart/form-data"));
        if !multipart {
            self.request = body::json_bytes(headers, body).await?;
            return Ok(());
        }
        let broken = |error: axum::extract::multipart::MultipartError| {
            ApiError::new(error.status(), error.body_text())
        };
        let mut request = Request::new(body);
        *request.headers_mut() = headers.clone();
        let mut parts = Multipart::from_request(request, &())
            .await
            .map_err(|error| ApiError::new(error.status(), error.body_text()))?;
        let mut total = 0;
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            let (field, name) = (
                part.name().unwrap_or_default().to_owned(),
                part.file_name().unwrap_or("file").to_owned(),
            );
            let bytes = part.bytes().await.map_err(broken)?;
            total += bytes.len();
            if total > UPLOAD_LIMIT || self.inputs.len() >= MOST_FILES {
                let detail =
                    format!("a run takes {MOST_FILES} files of together {UPLOAD_LIMIT} bytes");
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            match field.as_str() {
                "request" if bytes.len() > body::JSON_LIMIT => {
                    return Err(body::too_large(body::JSON_LIMIT));
                }
                "request" => self.request = bytes,
                "file" => self.keep(&name, bytes).await?,
                other => {
                    let detail =
                        format!("there is no part `{other}`: parts are `request` and `file`");
                    return Err(ApiError::new(StatusCode::BAD_REQUEST, detail));
                }
            }
        }
        Ok(())
    }

    async fn keep(&mut self, name: &str, bytes: Bytes) -> ApiResult<()> {
        let folder = self.folder.join("inputs");
        let path = folder.join(format!("{:03}-{}", self.inputs.len() + 1, plain(name)));
        self.inputs.push(path.clone());
        let digest = results::blocking(move || {
            std::fs::create_dir_all(&folder)?;
            files::write_atomically(&path, &bytes)?;
            Ok(Digest::of(&bytes))
        });
        self.digests.push(digest.await?);
        Ok(())
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if !self.kept && !self.inputs.is_empty() {
            removed(std::mem::take(&mut self.folder));
        }
    }
}

/// Removes the files of a run that is not to be. One that is left is in nobody's way.
fn removed(folder: PathBuf) {
    tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder).ok());
}

/// A name of a file with nothing in it that a file system could take for more.
fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = name.chars().map(|c| {
        if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') {
            c
        } else {
            '_'
        }
    });
    let kept: String = kept.take(60).collect();
    let kept = kept.trim_start_matches('.');
    if kept.is_empty() { "file" } else { kept }.to_owned()
}

/// A refusal as a response; `place` is where in the request the fault lies.
pub(crate) fn refused(refusal: Refusal, place: &'static str) -> ApiError {
    match refusal {
        Refusal::Unknown => ApiError::not_found("there is no such pipeline")
            .hint("GET /pipelines lists those there are"),
        Refusal::Name(why) => ApiError::new(StatusCode::CONFLICT, why),
        Refusal::Environment(problem) => {
            ApiError::problem(StatusCode::SERVICE_UNAVAILABLE, &problem)
        }
        Refusal::Faults(problems) => {
            let fault = |problem: Problem| Fault {
                kind: "pipeline_fault",
                at: vec![json!("body"), json!(place)],
                message: [
                    Some(problem.message),
                    problem.hint.map(|hint| format!("({hint})")),
                ]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
                input: json!(problem.code),
            };
            ApiError::invalid(problems.into_iter().map(fault).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_uploads_are_plain() {
        for (name, expected) in [
            ("scan.pdf", "scan.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\a\\b.png", "b.png"),
            ("..", "file"),
            (".hidden", "hidden"),
            ("a b\0c\n.pdf", "a_b_c_.pdf"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }
}
