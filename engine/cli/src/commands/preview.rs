//! `preview`: one document, to look at.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use docgenie_plugin_host::{Lock, Plugin};
use docgenie_runtime::{executor::RunOutcome, stage::StageConfig};
use docgenie_stages::author::AuthorConfig;

use crate::{
    app::{self, Loaded},
    args::{PipelineArguments, PreviewArguments},
    commands::run,
    find,
    report::{self, Status, Stop},
    runner::Runner,
    signals::Signals,
};

/// How often watched files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(super) fn preview(arguments: &PreviewArguments, home: &Path) -> Result<Status, Stop> {
    let signals = Signals::listen()?;
    if !arguments.watch {
        return once(arguments, home, &signals);
    }
    let pipeline = &arguments.order.pipeline;
    let file = find::pipeline(&pipeline.pipeline, home)?.file;
    report::talk("watching; Ctrl-C ends it");
    loop {
        let own = file.iter().flat_map(|it| [it.clone(), Lock::file_of(it)]);
        let places = own.chain(parts(pipeline, home));
        let places: Vec<_> = places.collect();
        let seen = times(&places);
        // A fault ends the attempt, not the watch.
        if let Err(stop) = once(arguments, home, &signals) {
            stop.report();
        }
        loop {
            if signals.pause(LOOK_EVERY) {
                return Ok(Status::Interrupted);
            }
            if times(&places) != seen {
                break;
            }
        }
    }
}

/// The home is this process's only as long as this takes, so that others run while it watches.
fn once(arguments: &PreviewArguments, home: &Path, signals: &Signals) -> Result<Status, Stop> {
    let mut order = run::order(&arguments.order, home)?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => Path::new("out/preview").join(&order.plan.name),
    };
    order.spec.out = Some(run::absolute(&out)?);
    order.limit = Some(1);
    let outcome = Runner::open(home, signals)?.run_scratch(order)?;
    tell(&outcome, &out);
    Ok(run::status(&outcome))
}

/// What was made, file by file.
fn tell(outcome: &RunOutcome, out: &Path) {
    for letter in &outcome.dead_letters {
        report::talk(&format!("{} failed in `{}`", letter.document, letter.stage));
    }
    if let Some(problem) = &outcome.problem {
        report::talk(&report::show(problem));
    }
    for remark in outcome.remarks.keys() {
        report::talk(&format!("note: {remark}"));
    }
    if !outcome.published.is_empty() {
        let mut files = BTreeMap::new();
        list(out, &mut files);
        let lines: Vec<String> = files
            .iter()
            .map(|(path, facts)| format!("{:>10}  {}", report::bytes(facts.len()), path.display()))
            .collect();
        report::data(&lines.join("\n"));
    }
}

/// The files below a folder.
fn list(folder: &Path, files: &mut BTreeMap<PathBuf, Metadata>) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    for entry in entries.filter_map(Result::ok) {
        match entry.metadata() {
            Ok(facts) if facts.is_dir() => list(&entry.path(), files),
            Ok(facts) => drop(files.insert(entry.path(), facts)),
            Err(_) => {}
        }
    }
}

/// The folders of templates and the plugins that a pipeline names, as far as it can be read.
fn parts(pipeline: &PipelineArguments, home: &Path) -> Vec<PathBuf> {
    let plugins = app::plugins(home);
    let catalogue = app::registry(home).catalogue();
    let Ok(loaded) = Loaded::new(&pipeline.pipeline, home, &catalogue) else {
        return Vec::new();
    };
    let (Some(plan), _) = loaded.examine(&pipeline.set) else {
        return Vec::new();
    };
    let stages = plan.stages.iter();
    let authors = stages.filter(|stage| stage.uses == AuthorConfig::NAME);
    let templates = authors
        .filter_map(|stage| stage.options.get("templates")?.as_str())
        .map(|folder| loaded.found.dir.join(folder));
    // What is built, not what it is built from.
    let named = plan.plugins.iter();
    let built = named
        .filter_map(|named| plugins.library().get(&named.plugin))
        .flat_map(Plugin::files);
    templates.chain(built).collect()
}

/// When the files at and below these places were changed.
pub(super) fn times(places: &[PathBuf]) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let mut files = BTreeMap::new();
    for place in places {
        match fs::metadata(place) {
            Ok(facts) if facts.is_dir() => list(place, &mut files),
            Ok(facts) => drop(files.insert(place.clone(), facts)),
            Err(_) => {}
        }
    }
    let files = files.into_iter();
    files
        .map(|(path, facts)| (path, facts.modified().ok()))
        .collect()
}
