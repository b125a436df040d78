//! `serve`: the HTTP service over this machine's pipelines.

mod orders;
mod settings;

use std::{net::IpAddr, path::Path, sync::Arc};

use docgenie_api::{Config, Keys, SECRET_KEY, Service, Vault};
use docgenie_document::Code;
use docgenie_runtime::queue::{Queue, QueueLimits};

use self::{orders::Engine, settings::Settings};
use crate::{
    app,
    args::ServeArguments,
    commands::keys::of_keys,
    report::{self, Status, Stop},
    runner::{self, Runner},
    signals::Signals,
};

/// The service would be open to strangers.
const OPEN: Code = Code::new("DG0915");
/// The service cannot listen.
const NO_LISTENER: Code = Code::new("DG0916");
/// The key for secrets cannot be had.
const NO_VAULT: Code = Code::new("DG0917");

pub(super) fn serve(arguments: &ServeArguments, home: &Path) -> Result<Status, Stop> {
    let settings = Settings::of(arguments, home)?;
    let keys = Keys::of(home);
    check_access(&settings, &keys)?;
    let secret = std::env::var(SECRET_KEY).ok();
    let vault = Vault::of(home, secret.as_deref()).map_err(|error| {
        Stop::new(Status::Environment, NO_VAULT, error.to_string())
            .because_of(std::error::Error::source(&error))
            .hint(format!("set {SECRET_KEY}, or make the home writable"))
    })?;
    let signals = Signals::listen()?;
    let runner = Runner::open(home, &signals)?;
    let engine = Arc::new(Engine::new(home, &settings, vault.clone()));
    let limits = QueueLimits {
        running: settings.runs.max(1),
        waiting: settings.queue,
        per_user: settings.runs_per_user,
    };
    let config = Config {
        listen: settings.listen,
        public_url: settings.public_url.clone(),
        home: home.to_owned(),
        version: app::VERSION,
        grace: settings.grace(),
        retention: settings.retention(),
        cors_origins: settings.cors_origins.clone(),
        no_auth: settings.no_auth,
    };
    let stop = signals.end().clone();
    let served = runner.serve(async move |executor, cancelled| {
        let queue = Queue::open(executor, engine.clone(), limits).await;
        let queue = queue.map_err(|error| runner::of_store(&error))?;
        cancelled.steer(queue.clone());
        let service = Service::new(config, queue, engine.clone(), keys, vault).await;
        let service = service.map_err(|error| runner::of_store(&error))?;
        let ready = |address| {
            report::talk(&format!(
                "listening at http://{address}, with its documentation at http://{address}/docs"
            ));
        };
        let served = docgenie_api::serve(Arc::new(service), stop, ready).await;
        engine.close().await;
        served.map_err(|error| {
            Stop::new(Status::Environment, NO_LISTENER, error.to_string())
                .because(&error.source)
                .hint("give another address with `--listen`, such as 127.0.0.1:8001")
        })
    });
    served.map(|()| Status::Done)
}

/// Refuses to listen where strangers are without asking for keys.
fn check_access(settings: &Settings, keys: &Keys) -> Result<(), Stop> {
    let own = match settings.listen.ip() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    let list = keys.list().map_err(|error| of_keys(&error))?;
    if own || settings.no_auth || list.iter().any(|key| key.revoked_at.is_none()) {
        return Ok(());
    }
    let address = settings.listen;
    let message = format!("at {address} others could use the service, and there is no API key");
    Err(Stop::new(Status::BadInput, OPEN, message).hint(
        "make a key with `docgenie-engine keys create NAME`, or let everybody in with `--no-auth`",
    ))
}
