//! `preview`: one document, to look at.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use docgenie_document::Seed;
use docgenie_runtime::{executor::RunOutcome, progress::Silent};

use crate::{
    app::{self, Loaded},
    args::PipelineArguments,
    commands::run,
    report::{self, Status, Stop},
    runner::Runner,
};

/// How often a watched folder is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(super) fn preview(
    arguments: &PipelineArguments,
    seed: u64,
    out: Option<&Path>,
    watch: bool,
    home: &Path,
) -> Result<Status, Stop> {
    let runner = Runner::open(home)?;
    if !watch {
        return once(&runner, arguments, seed, out, home);
    }
    let mut seen = None;
    loop {
        let now = watched(arguments, home);
        if seen.as_ref() != Some(&now) {
            // A fault ends the attempt, not the watch.
            if let Err(stop) = once(&runner, arguments, seed, out, home) {
                stop.report();
            }
            report::talk("watching; Ctrl-C ends it");
            seen = Some(now);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn once(
    runner: &Runner,
    arguments: &PipelineArguments,
    seed: u64,
    out: Option<&Path>,
    home: &Path,
) -> Result<Status, Stop> {
    let catalogue = app::registry().catalogue();
    let loaded = Loaded::new(&arguments.pipeline, home, &catalogue)?;
    let mut set = arguments.set.clone();
    if loaded
        .pipeline
        .params()
        .iter()
        .any(|param| param.name == "count")
    {
        set.push(("count".to_owned(), "1".to_owned()));
    }
    let plan = loaded.plan(&set)?;
    let out = match out {
        Some(out) => out.to_owned(),
        None => Path::new("out").join("preview").join(&plan.name),
    };
    let mut order = run::order(&loaded, plan, home, Seed(seed), run::cores());
    order.spec.out = Some(run::absolute(&out)?);
    let outcome = runner.run(order, Arc::new(Silent))?;
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
        let mut files = Vec::new();
        list(out, &mut files);
        files.sort();
        let lines: Vec<String> = files
            .iter()
            .map(|(path, size)| format!("{:>10}  {}", report::bytes(*size), path.display()))
            .collect();
        report::data(&lines.join("\n"));
    }
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        match entry.metadata() {
            Ok(facts) if facts.is_dir() => list(&entry.path(), files),
            Ok(facts) => files.push((entry.path(), facts.len())),
            Err(_) => {}
        }
    }
}

/// The files beside the pipeline with their times: what a preview depends on.
fn watched(arguments: &PipelineArguments, home: &Path) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let found = crate::find::pipeline(&arguments.pipeline, home);
    let dir = found
        .ok()
        .filter(|found| found.file.is_some())
        .map(|found| found.dir);
    let mut files = Vec::new();
    if let Some(dir) = dir {
        list(&dir, &mut files);
    }
    let modified = |path: &Path| fs::metadata(path).and_then(|facts| facts.modified()).ok();
    files
        .into_iter()
        .map(|(path, _)| {
            let time = modified(&path);
            (path, time)
        })
        .collect()
}
