//! The routes: what each takes, gives and needs, in one table.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, Method, StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use futures::future::BoxFuture;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::{
    access::{Caller, Scope},
    analytics, docgenie,
    error::{ApiError, ApiResult, Fault},
    events, integrations, openapi, pages, pipelines, results, runs,
    service::Service,
};

/// A route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    /// What a key must open; none for what anybody may see.
    pub(crate) scope: Option<Scope>,
    pub(crate) params: Vec<Param>,
    pub(crate) body: Option<Content>,
    pub(crate) gives: Content,
    /// Statuses of failure beside those that every route has.
    pub(crate) fails: &'static [u16],
    handler: Handler,
}

type Handler = fn(Call, Body) -> BoxFuture<'static, ApiResult>;

/// What a body holds.
pub(crate) enum Content {
    /// JSON of this schema.
    Json(fn(&mut SchemaGenerator) -> Value),
    /// The same as a part of a form, beside files, or without them and plainly.
    Form(fn(&mut SchemaGenerator) -> Value),
    /// A type of media that is told by its name.
    Media(&'static str),
}

impl Content {
    pub(crate) fn json<T: JsonSchema>() -> Self {
        Self::Json(|generator| generator.subschema_for::<T>().to_value())
    }

    pub(crate) fn form<T: JsonSchema>() -> Self {
        Self::Form(|generator| generator.subschema_for::<T>().to_value())
    }

    /// JSON of any shape.
    pub(crate) fn object() -> Self {
        Self::Json(|_| json!({ "type": "object" }))
    }
}

/// A parameter of a request beside its body.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    /// Handlers check it.
    Header,
}

pub(crate) enum Kind {
    Text,
    /// Text that this pattern describes.
    Pattern(&'static str),
    Integer {
        default: u64,
        min: u64,
        max: u64,
    },
    Choice(&'static [&'static str]),
}

impl Param {
    const fn path(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            place: Place::Path,
            description,
            kind: Kind::Text,
        }
    }

    const fn header(name: &'static str, pattern: &'static str, description: &'static str) -> Self {
        Self {
            name,
            place: Place::Header,
            description,
            kind: Kind::Pattern(pattern),
        }
    }

    const fn integer(
        name: &'static str,
        [default, min, max]: [u64; 3],
        description: &'static str,
    ) -> Self {
        Self {
            name,
            place: Place::Query,
            description,
            kind: Kind::Integer { default, min, max },
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            place: Place::Query,
            description,
            kind: Kind::Text,
        }
    }

    const fn choice(
        name: &'static str,
        choices: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self {
            name,
            place: Place::Query,
            description,
            kind: Kind::Choice(choices),
        }
    }
}

/// A part of a list.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

/// A request on its way to a handler.
pub(crate) struct Call {
    pub(crate) service: Arc<Service>,
    pub(crate) caller: Caller,
    pub(crate) headers: HeaderMap,
    path: Vec<(String, String)>,
    query: HashMap<String, String>,
    integers: HashMap<&'static str, u64>,
}

impl Call {
    /// A parameter of the path.
    pub(crate) fn path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(it, _)| it == name);
        found.map_or("", |(_, value)| value)
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// An integer of the query, or its default.
    fn integer(&self, name: &'static str) -> u64 {
        self.integers.get(name).copied().unwrap_or_default()
    }

    /// The part of a list that is asked for.
    pub(crate) fn page(&self) -> Page {
        let of = |name| usize::try_from(self.integer(name)).unwrap_or(usize::MAX);
        Page {
            limit: of("limit"),
            offset: of("offset"),
        }
    }

    /// The name of a request, which may hold one slash.
    pub(crate) fn request_name(&self) -> String {
        match self.path("part") {
            "" => self.path("id").to_owned(),
            part => format!("{}/{part}", self.path("id")),
        }
    }
}

fn page(what: &'static str) -> Vec<Param> {
    vec![
        Param::integer("limit", [50, 1, 1_000], what),
        Param::integer("offset", [0, 0, u64::MAX >> 12], "How many to skip"),
    ]
}

fn run_id() -> Vec<Param> {
    vec![Param::path("id", "A run, such as `run-17`")]
}

fn request_id() -> Vec<Param> {
    vec![Param::path("id", "The request's id")]
}

fn request_and_part() -> Vec<Param> {
    vec![
        Param::path("id", "The user, for ids of the form `user/uuid`"),
        Param::path("part", "The rest of the id"),
    ]
}

fn integration() -> Vec<Param> {
    vec![
        Param::path("user_id", "The user"),
        Param::path("integration_type", "`google_drive` or `dropbox`"),
    ]
}

fn event_filter() -> Vec<Param> {
    vec![
        Param::text("user_id", "The user whose events to list; all without it"),
        Param::choice("event_type", analytics::TYPES, "The type of events to list"),
    ]
}

/// What a request for documents has beside its body.
fn generate() -> Vec<Param> {
    let what = "How the ZIP is laid out; as `zip_layout` in the body";
    let layout = Param::choice("zip_layout", &["2.0", "flat"], what);
    vec![layout, idempotency_key()]
}

fn idempotency_key() -> Param {
    let what = "A name for this request: the same name with the same body gives the run that it gave before";
    Param::header("Idempotency-Key", "^[!-~]{1,255}$", what)
}

fn last_event_id() -> Param {
    let what = "The last event that was received: only those behind it are sent";
    Param::header("Last-Event-ID", "^[0-9]{1,18}$", what)
}

fn pipeline_name() -> Vec<Param> {
    vec![Param::path("name", "The pipeline")]
}

macro_rules! handler {
    ($handler:path) => {
        |call, _| Box::pin($handler(call))
    };
    ($handler:path, body) => {
        |call, body| Box::pin($handler(call, body))
    };
}

/// Every route there is.
#[allow(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn table() -> Vec<Route> {
    let route = |method: Method,
                 path: &'static str,
                 tag: &'static str,
                 summary: &'static str,
                 scope: Option<Scope>,
                 handler: Handler| Route {
        method,
        path,
        tag,
        summary,
        scope,
        params: Vec::new(),
        body: None,
        gives: Content::object(),
        fails: &[],
        handler,
    };
    let get =
        |path, tag, summary, scope, handler| route(Method::GET, path, tag, summary, scope, handler);
    let post = |path, tag, summary, scope, handler| {
        route(Method::POST, path, tag, summary, scope, handler)
    };
    let (read, run, admin) = (Some(Scope::Read), Some(Scope::Run), Some(Scope::Admin));
    let (documents, generic, about) = ("documents", "pipelines and runs", "about the service");
    let steer = |path, summary, handler| Route {
        params: run_id(),
        gives: Content::json::<runs::RunView>(),
        fails: &[409],
        ..post(path, generic, summary, run, handler)
    };
    vec![
        get(
            "/",
            about,
            "What this service is",
            None,
            handler!(pages::root),
        ),
        get(
            "/health",
            about,
            "Whether it is well, as the original answers",
            None,
            handler!(pages::health),
        ),
        get(
            "/livez",
            about,
            "Whether the process answers",
            None,
            handler!(pages::live),
        ),
        Route {
            fails: &[503],
            ..get(
                "/readyz",
                about,
                "Whether it takes work",
                None,
                handler!(pages::ready),
            )
        },
        get(
            "/version",
            about,
            "Its version",
            None,
            handler!(pages::version),
        ),
        Route {
            gives: Content::Media("text/plain"),
            ..get(
                "/metrics",
                about,
                "Figures for Prometheus",
                read,
                handler!(pages::metrics),
            )
        },
        get(
            "/openapi.json",
            about,
            "This description",
            None,
            handler!(openapi::get),
        ),
        Route {
            gives: Content::Media("text/html"),
            ..get("/docs", about, "Swagger UI", None, handler!(pages::swagger))
        },
        Route {
            gives: Content::Media("text/html"),
            ..get("/redoc", about, "ReDoc", None, handler!(pages::redoc))
        },
        Route {
            gives: Content::Media("*/*"),
            params: vec![Param::path("file", "A file of the pages above")],
            ..get(
                "/assets/{file}",
                about,
                "Files of the pages above",
                None,
                handler!(pages::asset),
            )
        },
        Route {
            gives: Content::Media("text/markdown"),
            params: vec![Param::path("code", "A code such as `DG0301`")],
            ..get(
                "/errors/{code}",
                about,
                "What an error code means",
                None,
                handler!(pages::explain),
            )
        },
        Route {
            params: vec![idempotency_key()],
            body: Some(Content::json::<docgenie::GenerateRequest>()),
            gives: Content::json::<docgenie::GenerateResponse>(),
            fails: &[400, 409, 500, 503],
            ..post(
                "/generate",
                documents,
                "Make documents and give them as JSON",
                run,
                handler!(docgenie::generate, body),
            )
        },
        Route {
            params: generate(),
            body: Some(Content::json::<docgenie::GenerateRequest>()),
            gives: Content::Media("application/zip"),
            fails: &[400, 409, 500, 503],
            ..post(
                "/generate/pdf",
                documents,
                "Make documents and give them as a ZIP",
                run,
                handler!(docgenie::generate_pdf, body),
            )
        },
        Route {
            params: generate(),
            body: Some(Content::json::<docgenie::GenerateRequest>()),
            gives: Content::json::<docgenie::Accepted>(),
            fails: &[409, 503],
            ..post(
                "/generate/async",
                documents,
                "Queue documents to be made",
                run,
                handler!(docgenie::generate_async, body),
            )
        },
        Route {
            params: request_id(),
            gives: Content::json::<docgenie::Status>(),
            ..get(
                "/jobs/{id}/status",
                documents,
                "Where a request stands",
                read,
                handler!(docgenie::status),
            )
        },
        Route {
            params: request_and_part(),
            gives: Content::json::<docgenie::Status>(),
            ..get(
                "/jobs/{id}/{part}/status",
                documents,
                "Where a request of a user stands",
                read,
                handler!(docgenie::status),
            )
        },
        Route {
            params: request_id(),
            gives: Content::json::<docgenie::Status>(),
            ..get(
                "/generate/async/status/{id}",
                documents,
                "Where a request stands, by its old address",
                read,
                handler!(docgenie::status),
            )
        },
        Route {
            params: request_id(),
            gives: Content::Media("application/zip"),
            fails: &[409],
            ..get(
                "/jobs/{id}/download",
                documents,
                "The ZIP of a request",
                read,
                handler!(docgenie::download),
            )
        },
        Route {
            params: request_and_part(),
            gives: Content::Media("application/zip"),
            fails: &[409],
            ..get(
                "/jobs/{id}/{part}/download",
                documents,
                "The ZIP of a request of a user",
                read,
                handler!(docgenie::download),
            )
        },
        Route {
            params: request_id(),
            gives: Content::Media("application/zip"),
            fails: &[409],
            ..get(
                "/generate/async/result/{id}",
                documents,
                "The ZIP of a request, by its old address",
                read,
                handler!(docgenie::download),
            )
        },
        Route {
            params: [
                vec![Param::path("user_id", "The user")],
                page("How many requests to list"),
            ]
            .into_iter()
            .flatten()
            .collect(),
            gives: Content::json::<docgenie::UserJobs>(),
            ..get(
                "/jobs/user/{user_id}",
                documents,
                "The requests of a user, newest first",
                read,
                handler!(docgenie::user_jobs),
            )
        },
        Route {
            params: integration(),
            body: Some(Content::json::<integrations::Tokens>()),
            gives: Content::json::<integrations::Integration>(),
            fails: &[404, 503],
            ..route(
                Method::PUT,
                "/users/{user_id}/integrations/{integration_type}",
                documents,
                "Connect a storage of a user",
                run,
                handler!(integrations::connect, body),
            )
        },
        Route {
            params: integration(),
            gives: Content::json::<integrations::Integration>(),
            fails: &[404, 503],
            ..get(
                "/users/{user_id}/integrations/{integration_type}",
                documents,
                "Whether a user has connected a storage",
                read,
                handler!(integrations::show),
            )
        },
        Route {
            params: integration(),
            fails: &[404, 503],
            ..route(
                Method::DELETE,
                "/users/{user_id}/integrations/{integration_type}",
                documents,
                "Forget the tokens for a storage of a user",
                run,
                handler!(integrations::disconnect),
            )
        },
        Route {
            params: [event_filter(), page("How many events to list")]
                .into_iter()
                .flatten()
                .collect(),
            gives: Content::json::<analytics::EventList>(),
            ..get(
                "/analytics/events",
                documents,
                "What has happened, newest first",
                read,
                handler!(analytics::list),
            )
        },
        Route {
            gives: Content::json::<Vec<crate::service::Summary>>(),
            ..get(
                "/pipelines",
                generic,
                "The pipelines there are",
                read,
                handler!(pipelines::list),
            )
        },
        Route {
            params: pipeline_name(),
            gives: Content::json::<crate::service::Description>(),
            ..get(
                "/pipelines/{name}",
                generic,
                "A pipeline with its parameters and its text",
                read,
                handler!(pipelines::show),
            )
        },
        Route {
            params: pipeline_name(),
            body: Some(Content::Media("text/plain")),
            fails: &[409, 413],
            ..route(
                Method::PUT,
                "/pipelines/{name}",
                generic,
                "Upload a pipeline",
                admin,
                handler!(pipelines::upload, body),
            )
        },
        Route {
            params: pipeline_name(),
            ..route(
                Method::DELETE,
                "/pipelines/{name}",
                generic,
                "Remove an uploaded pipeline",
                admin,
                handler!(pipelines::remove),
            )
        },
        Route {
            params: vec![Param::path("name", "The pipeline"), idempotency_key()],
            body: Some(Content::form::<pipelines::RunRequest>()),
            gives: Content::json::<runs::RunView>(),
            fails: &[409, 503],
            ..post(
                "/pipelines/{name}/runs",
                generic,
                "Queue a run of a pipeline",
                run,
                handler!(pipelines::run, body),
            )
        },
        Route {
            params: page("How many runs to list"),
            gives: Content::json::<runs::RunList>(),
            ..get(
                "/runs",
                generic,
                "Runs, newest first",
                read,
                handler!(runs::list),
            )
        },
        Route {
            params: run_id(),
            gives: Content::json::<runs::RunView>(),
            ..get("/runs/{id}", generic, "A run", read, handler!(runs::show))
        },
        Route {
            params: vec![
                Param::path("id", "A run, such as `run-17`"),
                last_event_id(),
            ],
            gives: Content::Media("text/event-stream"),
            ..get(
                "/runs/{id}/events",
                generic,
                "What happens to a run, as it happens",
                read,
                handler!(events::stream),
            )
        },
        Route {
            params: [run_id(), page("How many failed documents to list")]
                .into_iter()
                .flatten()
                .collect(),
            ..get(
                "/runs/{id}/failures",
                generic,
                "The documents of a run that failed, and why",
                read,
                handler!(runs::failures),
            )
        },
        Route {
            params: run_id(),
            gives: Content::json::<Vec<results::Artifact>>(),
            fails: &[409],
            ..get(
                "/runs/{id}/artifacts",
                generic,
                "The files that a run has made",
                read,
                handler!(results::list),
            )
        },
        Route {
            params: vec![
                Param::path("id", "A run, such as `run-17`"),
                Param::path("path", "A file's path in the dataset"),
            ],
            gives: Content::Media("*/*"),
            fails: &[409],
            ..get(
                "/runs/{id}/artifacts/{*path}",
                generic,
                "A file that a run has made",
                read,
                handler!(results::file),
            )
        },
        Route {
            params: run_id(),
            gives: Content::Media("application/zip"),
            fails: &[409],
            ..get(
                "/runs/{id}/download",
                generic,
                "All files of a run as a ZIP",
                read,
                handler!(results::zip),
            )
        },
        steer("/runs/{id}/cancel", "End a run", handler!(runs::cancel)),
        steer(
            "/runs/{id}/pause",
            "Stop a run until it is resumed",
            handler!(runs::pause),
        ),
        steer(
            "/runs/{id}/resume",
            "Let a paused run go on",
            handler!(runs::resume),
        ),
        steer(
            "/runs/{id}/retry",
            "Run an ended run once more",
            handler!(runs::retry),
        ),
        Route {
            params: run_id(),
            fails: &[409],
            ..route(
                Method::DELETE,
                "/runs/{id}",
                generic,
                "Forget an ended run and remove its files",
                run,
                handler!(runs::remove),
            )
        },
    ]
}

/// The routes as axum serves them.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let mut router = Router::new();
    for route in table() {
        let route: &'static Route = Box::leak(Box::new(route));
        let filter = if route.method == Method::GET {
            MethodFilter::GET
        } else if route.method == Method::POST {
            MethodFilter::POST
        } else if route.method == Method::PUT {
            MethodFilter::PUT
        } else {
            MethodFilter::DELETE
        };
        let handle =
            move |State(service): State<Arc<Service>>, path: PathParams, request: Request| {
                answer(route, service, path, request)
            };
        router = router.route(route.path, on(filter, handle));
    }
    router
        .fallback(async || no_such_page())
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .with_state(service)
}

type PathParams = Result<RawPathParams, RawPathParamsRejection>;

fn no_such_page() -> ApiError {
    ApiError::not_found("Not Found")
}

async fn answer(
    route: &'static Route,
    service: Arc<Service>,
    path: PathParams,
    request: Request,
) -> Response {
    // What is no UTF-8 names nothing.
    let Ok(path) = path else {
        return no_such_page().into_response();
    };
    let (head, body) = request.into_parts();
    match call(route, service, &path, head) {
        Ok(call) => (route.handler)(call, body).await.into_response(),
        Err(error) => error.into_response(),
    }
}

fn call(
    route: &Route,
    service: Arc<Service>,
    path: &RawPathParams,
    head: Parts,
) -> ApiResult<Call> {
    let caller = match route.scope {
        Some(scope) => service.gate.admit(&head.headers, scope)?,
        None => Caller::nobody(),
    };
    let query = head.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes());
    let query: HashMap<String, String> = query.into_owned().collect();
    let mut faults = Vec::new();
    let mut integers = HashMap::new();
    for param in route.params.iter().filter(|it| it.place == Place::Query) {
        match param.check(query.get(param.name)) {
            Ok(Some(number)) => drop(integers.insert(param.name, number)),
            Ok(None) => {}
            Err(fault) => faults.push(*fault),
        }
    }
    if !faults.is_empty() {
        return Err(ApiError::invalid(faults));
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(Call {
        service,
        caller,
        headers: head.headers,
        path: path.iter().map(owned).collect(),
        query,
        integers,
    })
}

impl Param {
    /// The number that a value of the query stands for, where it is one.
    fn check(&self, value: Option<&String>) -> Result<Option<u64>, Box<Fault>> {
        let fault = |kind, message| {
            Box::new(Fault {
                kind,
                at: vec![json!("query"), json!(self.name)],
                message,
                input: json!(value),
            })
        };
        match (&self.kind, value) {
            (Kind::Integer { default, .. }, None) => Ok(Some(*default)),
            (Kind::Integer { min, max, .. }, Some(text)) => {
                let number: i128 = text.parse().map_err(|_| {
                    let message =
                        "Input should be a valid integer, unable to parse string as an integer";
                    fault("int_parsing", message.to_owned())
                })?;
                if number < i128::from(*min) {
                    let message = format!("Input should be greater than or equal to {min}");
                    return Err(fault("greater_than_equal", message));
                }
                match u64::try_from(number) {
                    Ok(number) if number <= *max => Ok(Some(number)),
                    _ => {
                        let message = format!("Input should be less than or equal to {max}");
                        Err(fault("less_than_equal", message))
                    }
                }
            }
            (Kind::Choice(choices), Some(text)) if !choices.contains(&text.as_str()) => {
                let message = format!("Input should be one of: {}", choices.join(", "));
                Err(fault("enum", message))
            }
            _ => Ok(None),
        }
    }
}
