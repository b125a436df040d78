//! Behaviours of the whole engine, one file a theme.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod commands;
mod dataset;
mod hostile;
mod models;
mod pages;
mod plugins;
mod plugins_files;
mod plugins_javascript;
mod program;
mod runs;
mod service;
mod tidy;

use std::path::Path;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
