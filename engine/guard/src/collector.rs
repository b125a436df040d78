//! The way to an OpenTelemetry collector that whoever runs the engine has named.

use std::{io, time::Duration};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect::Policy};
use tokio::runtime::{Builder, Runtime};

use crate::fetch;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of an answer.
const MOST_BYTES: usize = 4 << 20;

/// Sends from whatever thread the exporter works on, on a thread of its own.
#[derive(Debug)]
pub struct Collector {
    http: Client,
    runtime: Runtime,
}

impl Collector {
    /// A way that is ready. It must be dropped outside of asynchronous code.
    ///
    /// # Errors
    /// When this machine cannot make HTTP calls or start a thread.
    pub fn new() -> io::Result<Self> {
        fetch::install_tls();
        let http = Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(io::Error::other)?;
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(1).thread_name("telemetry");
        Ok(Self {
            http,
            runtime: runtime.enable_all().build()?,
        })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.try_into()?;
        let http = self.http.clone();
        let sent = self
            .runtime
            .spawn(async move { send(&http, request).await });
        sent.await?
    }
}

async fn send(http: &Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let mut response = http.execute(request).await?;
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > MOST_BYTES {
            return Err("the answer of the collector is too large".into());
        }
        body.extend_from_slice(&part);
    }
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}
