//! Programs, started as a user would.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::root;

/// The engine with a home of its own, at the root of the repository.
pub(crate) fn engine(home: &TempDir) -> Command {
    let mut command = program(binary());
    command.env("DOCGENIE_HOME", home.path());
    command
}

/// Any program, at the root of the repository.
#[allow(
    clippy::disallowed_methods,
    reason = "children of tests are not children of the engine"
)]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Runs it to its end, which must be a good one, and gives what it printed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let talk = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?} ended with {status}:\n{talk}");
    String::from_utf8(stdout).unwrap()
}

/// The engine that was built beside the tests.
pub(crate) fn binary() -> PathBuf {
    let tests = env::current_exe().unwrap();
    let binary = tests.ancestors().nth(2).unwrap().join("docgenie-engine");
    assert!(
        binary.exists(),
        "build the engine first: cargo build -p docgenie-cli, with --release for release tests"
    );
    binary
}
