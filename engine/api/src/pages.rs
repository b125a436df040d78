//! What the service says about itself, and the pages that people look at.

use std::{
    fmt::Write as _,
    io::{Cursor, Read},
};

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use docgenie_runtime::job::{JobStore, RunState};
use serde_json::json;
use zip::ZipArchive;

use crate::{
    error::{ApiError, ApiResult},
    routes::Call,
};

/// The version of the original's interface that this speaks.
const INTERFACE: &str = "1.0.0";
/// ReDoc 2.5.4, MIT; `assets/redoc.LICENSE`.
static REDOC: &[u8] = include_bytes!("../assets/redoc.standalone.js");

pub(crate) async fn root(call: Call) -> ApiResult {
    Ok(Json(json!({
        "message": "docgenie-engine",
        "version": call.service.config.version,
        "docs": "/docs",
        "redoc": "/redoc",
        "openapi": "/openapi.json",
    }))
    .into_response())
}

pub(crate) async fn health(_: Call) -> ApiResult {
    Ok(Json(json!({ "status": "healthy", "version": INTERFACE })).into_response())
}

pub(crate) async fn live(_: Call) -> ApiResult {
    Ok(Json(json!({ "status": "live" })).into_response())
}

pub(crate) async fn ready(call: Call) -> ApiResult {
    if call.service.queue.is_closing() {
        let detail = "the service is about to stop";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(10));
    }
    call.service.queue.jobs().ready().await?;
    let (waiting, running) = call.service.queue.load();
    let body = json!({ "status": "ready", "waiting": waiting, "running": running });
    Ok(Json(body).into_response())
}

pub(crate) async fn version(call: Call) -> ApiResult {
    let body = json!({ "engine": call.service.config.version, "interface": INTERFACE });
    Ok(Json(body).into_response())
}

/// In the text format of Prometheus.
pub(crate) async fn metrics(call: Call) -> ApiResult {
    let (waiting, running) = call.service.queue.load();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# HELP docgenie_{name} {help}\n# TYPE docgenie_{name} gauge\ndocgenie_{name} {value}"
        );
    };
    gauge(
        "runs_waiting",
        "Runs that wait for their turn.",
        waiting as u64,
    );
    gauge("runs_running", "Runs under way.", running as u64);
    let kept = call.service.queue.jobs().runs(usize::MAX, 0).await?;
    let sum = |of: fn(&docgenie_runtime::job::RunRecord) -> u64| kept.iter().map(of).sum::<u64>();
    gauge(
        "documents_succeeded",
        "Documents of kept runs that succeeded.",
        sum(|run| run.succeeded),
    );
    gauge(
        "documents_failed",
        "Documents of kept runs that failed.",
        sum(|run| run.failed),
    );
    text.push_str(
        "# HELP docgenie_runs Runs that are kept, by state.\n# TYPE docgenie_runs gauge\n",
    );
    for state in [
        RunState::Queued,
        RunState::Running,
        RunState::Paused,
        RunState::Completed,
        RunState::Failed,
        RunState::Cancelled,
        RunState::Interrupted,
    ] {
        let count = kept.iter().filter(|run| run.state == state).count();
        let _ = writeln!(text, "docgenie_runs{{state=\"{}\"}} {count}", state.word());
    }
    Ok(media(
        "text/plain; version=0.0.4; charset=utf-8",
        text.into(),
    ))
}

pub(crate) async fn explain(call: Call) -> ApiResult {
    let code = call.path("code");
    let page = call.service.pipelines.explain(code);
    let page = page.ok_or_else(|| ApiError::not_found(format!("there is no code `{code}`")))?;
    Ok(media("text/markdown; charset=utf-8", page.into()))
}

const SWAGGER_PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>docgenie-engine: Swagger UI</title>
<link rel="stylesheet" href="/assets/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/assets/swagger-ui-bundle.js"></script>
<script src="/assets/swagger-start.js"></script>
</html>
"#;
const SWAGGER_START: &str =
    "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true });\n";
const REDOC_PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>docgenie-engine: ReDoc</title>
<redoc spec-url="/openapi.json"></redoc>
<script src="/assets/redoc.standalone.js"></script>
</html>
"#;
/// Scripts come from here alone; the pages make styles and a worker of their own.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src blob:; base-uri 'none'";

pub(crate) async fn swagger(_: Call) -> ApiResult {
    Ok(page(SWAGGER_PAGE))
}

pub(crate) async fn redoc(_: Call) -> ApiResult {
    Ok(page(REDOC_PAGE))
}

fn page(text: &'static str) -> Response {
    let mut response = media("text/html; charset=utf-8", text.into());
    let policy = HeaderValue::from_static(PAGE_POLICY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

pub(crate) async fn asset(call: Call) -> ApiResult {
    let script = "text/javascript; charset=utf-8";
    match call.path("file") {
        "redoc.standalone.js" => Ok(media(script, REDOC.into())),
        "swagger-start.js" => Ok(media(script, SWAGGER_START.into())),
        name @ "swagger-ui-bundle.js" => Ok(media(script, of_swagger(name)?.into())),
        name @ "swagger-ui.css" => Ok(media("text/css; charset=utf-8", of_swagger(name)?.into())),
        _ => Err(ApiError::not_found("there is no such file")),
    }
}

/// A file of Swagger UI.
fn of_swagger(name: &str) -> ApiResult<Vec<u8>> {
    let archive = Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED);
    let read = || {
        let mut archive = ZipArchive::new(archive)?;
        let wanted = format!("/dist/{name}");
        let path = {
            let mut names = archive.file_names().filter_map(Result::ok);
            let found = names.find(|path| path.ends_with(&wanted));
            found.unwrap_or_default().into_owned()
        };
        let mut bytes = Vec::new();
        archive.by_name(&path)?.read_to_end(&mut bytes)?;
        Ok::<_, zip::result::ZipError>(bytes)
    };
    read().map_err(|_| ApiError::not_found("there is no such file"))
}

fn media(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
