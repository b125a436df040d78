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
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

/// Without it the C library gives each thread memory of its own and keeps what pages have filled: at
/// 1,000 documents the engine then holds twice as much, and no document is made sooner.
const MEMORY: (&str, &str) = ("MALLOC_ARENA_MAX", "2");
/// The same for the service, whose requests wait for one another where two share what many need.
const MEMORY_TO_SERVE: (&str, &str) = ("MALLOC_ARENA_MAX", "8");

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let memory = match arguments.command {
        Command::Serve(_) => MEMORY_TO_SERVE,
        _ => MEMORY,
    };
    let environment = [docgenie_stages::ocr::ENVIRONMENT, memory];
    if let Err(error) = docgenie_guard::restart::with_environment(&environment) {
        report::talk(&format!(
            "warning: recognition will be slow and memory large: {error}"
        ));
    }
    let _telemetry = telemetry::begin(&arguments);
    match commands::dispatch(arguments) {
        Ok(status) => status.into(),
        Err(stop) => stop.report().into(),
    }
}
