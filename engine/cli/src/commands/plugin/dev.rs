//! `plugin dev`: builds a plugin whenever its source changes, tries its cases, and installs it for this
//! user. A `preview --watch` that uses it takes the new one up at once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_plugin_host::{Bundle, Plugin, Plugins, Sandbox};

use super::test;
use crate::{
    app,
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
pub(super) fn dev(plugins: &Plugins, folder: &Path, home: &Path) -> Result<Status, Stop> {
    let sandbox = plugins.sandbox().map_err(super::stopped)?;
    let signals = Signals::listen()?;
    report::talk("watching; Ctrl-C ends it");
    loop {
        let places = sources(folder);
        let seen = times(&places);
        // A fault ends the attempt, not the watch.
        if let Err(stop) = once(sandbox, folder, home) {
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

fn once(sandbox: &Sandbox, folder: &Path, home: &Path) -> Result<(), Stop> {
    let plugin = Plugin::build(sandbox, folder, folder).map_err(super::stopped)?;
    report::talk(&format!("built plugin `{}`", plugin.id()));
    // Cases are no duty while one is trying things out.
    if folder.join("tests").is_dir() {
        test::test(sandbox, folder, None, false)?;
    }
    let bundle = Bundle::of(&plugin).map_err(super::refused)?;
    let place = app::user_plugins(home);
    bundle
        .install(sandbox, &place, true)
        .map_err(super::refused)?;
    let first = app::plugins(home).library().get(plugin.id()).cloned();
    if let Some(first) = first.filter(|it| !it.folder.starts_with(&place)) {
        let (id, folder) = (first.id(), first.folder.display());
        report::talk(&format!(
            "warning: pipelines here take `{folder}` for `plugin:{id}`; remove it to try this one"
        ));
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
