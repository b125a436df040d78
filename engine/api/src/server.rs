//! The listener.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::Response,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};
use tracing::{Instrument, debug, info, info_span};

use crate::{docgenie, routes, runs, service::Service};

/// The name of a request, in its answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a client may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);
/// How long answers under way are waited for at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// The largest upload.
const BODY_LIMIT: usize = 256 << 20;
/// How often ended runs are looked through for those to remove.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// A service that cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the service cannot listen at {address}")]
pub struct ServeError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Serves until the token is cancelled, then lets requests and runs under way end within the time of
/// grace. `ready` is called with the address once it listens.
///
/// # Errors
/// When the address cannot be listened at.
pub async fn serve(
    service: Arc<Service>,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let address = service.config.listen;
    let failed = |source| ServeError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    ready(listener.local_addr().map_err(failed)?);
    let sweeper = tokio::spawn(sweep(service.clone()));
    let mut app = routes::router(service.clone()).layer(DefaultBodyLimit::max(BODY_LIMIT));
    if !service.config.cors_origins.is_empty() {
        app = app.layer(cors(&service.config.cors_origins));
    }
    let app = app.layer(middleware::from_fn(around));
    let mut server = hyper::server::conn::http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE);
    let (connections, ending) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    debug!(%error, "a client was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers do not wait for more to come.
        stream.set_nodelay(true).ok();
        let app = TowerToHyperService::new(app.clone());
        let connection = server.serve_connection(TokioIo::new(stream), app);
        let ending = ending.clone();
        connections.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = ending.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    sweeper.abort();
    let grace = service.config.grace;
    info!(?grace, "stopping: runs under way may end");
    service.queue.close(grace).await;
    ending.cancel();
    connections.close();
    // Whoever still listens to the events of a run is not waited for.
    drop(tokio::time::timeout(LAST_PATIENCE, connections.wait()).await);
    Ok(())
}

/// A name for each request, in its answer and in the log; and what every answer says.
async fn around(request: Request, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let span = info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| info!(status = response.status().as_u16(), "answered"));
    let headers = response.headers_mut();
    if !headers.contains_key(&REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        headers.insert(REQUEST_ID, id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn cors(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        // For browsers `*` would leave out `Authorization`.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::CONTENT_DISPOSITION,
            header::RETRY_AFTER,
            REQUEST_ID,
            docgenie::WARNING,
        ]);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(Any);
    }
    let origins = origins.iter().filter_map(|origin| origin.parse().ok());
    layer.allow_origin(AllowOrigin::list(origins))
}

/// Removes runs that have ended long enough ago.
async fn sweep(service: Arc<Service>) {
    let Some(retention) = service.config.retention else {
        return;
    };
    let retention = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    loop {
        let now = docgenie_runtime::clock::now_ms();
        let kept = docgenie_runtime::job::JobStore::runs(service.queue.jobs(), usize::MAX, 0).await;
        for run in kept.unwrap_or_default() {
            let over = run.state.terminal()
                && run.spec.origin.is_some()
                && run.updated_at.saturating_add(retention) < now;
            if over && runs::forget(&service, &run).await.is_ok() {
                info!(run = %run.id, "removed: it ended long ago");
            }
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}
