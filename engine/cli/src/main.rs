//! The binary `docgenie-engine`: the one place that names every concrete stage and store.

mod app;
mod args;
mod bars;
mod commands;
mod find;
mod pins;
mod report;
mod runner;
mod signals;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Command, LogFormat};

/// Without it the C library gives each thread memory of its own and keeps what pages have filled: at
/// 1,000 documents the engine then holds twice as much, and no document is made sooner.
const MEMORY: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

fn main() -> ExitCode {
    let environment = [docgenie_stages::ocr::ENVIRONMENT, MEMORY];
    if let Err(error) = docgenie_guard::restart::with_environment(&environment) {
        report::talk(&format!(
            "warning: recognition will be slow and memory large: {error}"
        ));
    }
    let arguments = Arguments::parse();
    log(&arguments);
    match commands::dispatch(arguments) {
        Ok(status) => status.into(),
        Err(stop) => stop.report().into(),
    }
}

fn log(arguments: &Arguments) {
    let verbose = arguments.verbose;
    let serves = match &arguments.command {
        Command::Serve(serve) => Some(serve.log.unwrap_or(LogFormat::Text)),
        _ => None,
    };
    let level = match verbose {
        0 => "warn",
        1 => "docgenie=info,warn",
        _ => "docgenie=debug,info",
    };
    // chromiumoxide logs every protocol message it does not know; none of them matters here.
    let default = format!("{level},chromiumoxide=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(report::coloured())
        .with_target(verbose > 1);
    match serves {
        Some(LogFormat::Json) => subscriber.json().init(),
        Some(LogFormat::Text) => subscriber.init(),
        None => subscriber.without_time().init(),
    }
}
