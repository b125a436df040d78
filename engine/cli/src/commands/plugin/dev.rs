//! `plugin dev`: builds a plugin whenever its source changes. A `preview --watch` that uses it takes
//! the new one up at once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_plugin_host::{Plugin, Sandbox};

use super::test;
use crate::{
    commands::preview::times,
    report::{self, Status, Stop},
    signals::Signals,
};

/// How often the source is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// What building writes, and what is never source.
const NOT_SOURCE: &[&str] = &[
    "plugin.wasm",
    "offers.json",
    "target",
    "node_modules",
    "Cargo.lock",
];

/// Builds, and builds again, until a signal ends it.
pub(super) fn dev(sandbox: &Sandbox, folder: &Path) -> Result<Status, Stop> {
    let signals = Signals::listen()?;
    report::talk("watching; Ctrl-C ends it");
    loop {
        let places = sources(folder);
        let seen = times(&places);
        // A fault ends the attempt, not the watch.
        if let Err(stop) = once(sandbox, folder) {
            stop.report();
        }
        loop {
            if signals.pause(LOOK_EVERY) {
                return Ok(Status::Interrupted);
            }
            let places = sources(folder);
            if times(&places) != seen {
                break;
            }
        }
    }
}

fn once(sandbox: &Sandbox, folder: &Path) -> Result<(), Stop> {
    let plugin = Plugin::build(sandbox, folder, folder).map_err(super::stopped)?;
    report::talk(&format!("built plugin `{}`", plugin.id()));
    // Cases are no duty while one is trying things out.
    if folder.join("tests").is_dir() {
        test::test(sandbox, folder, None, false)?;
    }
    Ok(())
}

/// What a plugin is made of.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.starts_with('.') && !NOT_SOURCE.contains(&&*name)
        })
        .collect()
}
