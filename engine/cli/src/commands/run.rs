//! `run`: a pipeline into a dataset.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use docgenie_document::{Code, Seed};
use docgenie_pipeline::Plan;
use docgenie_runtime::{
    executor::{RunOrder, RunOutcome},
    job::{RunSpec, RunState},
    progress::{Observer, Progress},
    stage::StageEnv,
};
use serde_json::json;

use crate::{
    app::{self, Loaded},
    args::{Format, RunArguments},
    bars::Bars,
    report::{self, Status, Stop},
    runner::Runner,
};

/// A file given with `--input` is not there.
const NO_INPUT: Code = Code::new("DG0907");
/// Dead letters named in full by the summary.
const SHOWN_FAILURES: usize = 5;

pub(super) fn run(arguments: RunArguments, home: &Path) -> Result<Status, Stop> {
    let catalogue = app::registry().catalogue();
    let mut pipeline = arguments.pipeline;
    let count = arguments
        .count
        .map(|count| ("count".to_owned(), count.to_string()));
    pipeline.set.extend(count);
    let loaded = Loaded::new(&pipeline.pipeline, home, &catalogue)?;
    let plan = loaded.plan(&pipeline.set)?;
    let inputs = arguments
        .input
        .iter()
        .map(|path| existing(path))
        .collect::<Result<Vec<_>, _>>()?;
    let zip = arguments.zip.map(absolute).transpose()?;
    let out = match (arguments.out, &zip) {
        (Some(out), _) => Some(absolute(out)?),
        (None, Some(_)) => None,
        (None, None) => Some(absolute(Path::new("out").join(&plan.name))?),
    };
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let mut order = order(&loaded, plan, home, Seed(arguments.seed), jobs);
    order.spec.inputs.clone_from(&inputs);
    order.env.inputs = inputs;
    order.spec.out = out;
    order.spec.zip = zip;
    order.fresh = arguments.fresh;
    execute(order, arguments.format, home)
}

/// Runs an order with progress and a summary.
pub(super) fn execute(order: RunOrder, format: Format, home: &Path) -> Result<Status, Stop> {
    let runner = Runner::open(home)?;
    let began = Instant::now();
    let outcome = match format {
        Format::Json => {
            let outcome = runner.run(order, Arc::new(Lines))?;
            report::data(&finished(&outcome).to_string());
            outcome
        }
        Format::Human => {
            let bars = Arc::new(Bars::new());
            let outcome = runner.run(order, bars.clone());
            bars.clear();
            let outcome = outcome?;
            summarise(&runner, &outcome, began.elapsed())?;
            outcome
        }
    };
    Ok(status(&outcome))
}

/// An order without inputs and targets.
pub(super) fn order(loaded: &Loaded, plan: Plan, home: &Path, seed: Seed, jobs: usize) -> RunOrder {
    let spec = RunSpec {
        pipeline: plan.name.clone(),
        file: loaded.found.file.clone(),
        pipeline_digest: plan.pipeline,
        params: plan.params.clone(),
        seed,
        inputs: Vec::new(),
        out: None,
        zip: None,
    };
    let env = StageEnv {
        home: home.to_owned(),
        pipeline_dir: loaded.found.dir.clone(),
        inputs: Vec::new(),
        jobs,
    };
    RunOrder {
        plan,
        spec,
        env,
        fresh: false,
    }
}

/// How many documents are worked on at once unless it is said.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

pub(super) fn absolute(path: impl AsRef<Path>) -> Result<PathBuf, Stop> {
    let path = path.as_ref();
    std::path::absolute(path).map_err(|error| {
        let message = format!("`{}` is no path", path.display());
        Stop::new(Status::BadInput, NO_INPUT, message).because(&error)
    })
}

fn existing(path: &Path) -> Result<PathBuf, Stop> {
    std::fs::canonicalize(path).map_err(|error| {
        let message = format!("cannot read the input `{}`", path.display());
        Stop::new(Status::BadInput, NO_INPUT, message).because(&error)
    })
}

/// The exit status that an outcome means.
pub(super) fn status(outcome: &RunOutcome) -> Status {
    let nothing = docgenie_runtime::executor::NOTHING_SUCCEEDED.as_str();
    match outcome.state {
        RunState::Completed if outcome.dead_letters.is_empty() => Status::Done,
        RunState::Completed => Status::SomeFailed,
        RunState::Cancelled => Status::Interrupted,
        _ if outcome
            .problem
            .as_ref()
            .is_some_and(|problem| problem.code == nothing) =>
        {
            Status::SomeFailed
        }
        _ => Status::Environment,
    }
}

/// One JSON object a line on standard output.
struct Lines;

impl Observer for Lines {
    fn progress(&self, event: &Progress) {
        if let Ok(line) = serde_json::to_string(event) {
            report::data(&line);
        }
    }
}

fn finished(outcome: &RunOutcome) -> serde_json::Value {
    json!({
        "event": "finished",
        "run": outcome.run.to_string(),
        "state": outcome.state,
        "documents": outcome.documents,
        "succeeded": outcome.succeeded,
        "failed": outcome.dead_letters.len(),
        "problem": outcome.problem,
        "published": outcome.published,
        "up_to_date": outcome.up_to_date,
        "remarks": outcome.remarks,
    })
}

fn summarise(runner: &Runner, outcome: &RunOutcome, elapsed: Duration) -> Result<(), Stop> {
    let seconds = elapsed.as_secs_f64();
    if let Some(problem) = &outcome.problem {
        report::talk(&report::show(problem));
        report::talk(&format!(
            "{} {} after {seconds:.1} s",
            outcome.run,
            word(outcome.state)
        ));
        return Ok(());
    }
    for (remark, documents) in &outcome.remarks {
        report::talk(&format!("note: {remark} ({documents} documents)"));
    }
    for letter in outcome.dead_letters.iter().take(SHOWN_FAILURES) {
        report::talk(&format!("{} failed in `{}`", letter.document, letter.stage));
        report::talk(&report::show(&letter.problem));
    }
    if outcome.dead_letters.len() > SHOWN_FAILURES {
        report::talk(&format!(
            "… and more: docgenie-engine runs show {}",
            outcome.run
        ));
    }
    let record = runner.record(outcome.run)?;
    report::talk(&super::runs::stages(&record));
    #[allow(clippy::cast_precision_loss, reason = "it is rounded for display")]
    let rate = outcome.succeeded as f64 / seconds.max(1e-3);
    let failed = outcome.dead_letters.len();
    report::talk(&format!(
        "{} {}: {} documents in {seconds:.1} s ({rate:.1} a second), {failed} failed{}",
        outcome.run,
        word(outcome.state),
        outcome.succeeded,
        if outcome.up_to_date {
            "; the dataset was up to date"
        } else {
            ""
        },
    ));
    let bold = |text: &str| {
        if std::io::stderr().is_terminal() {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    for path in &outcome.published {
        let shown = std::env::current_dir()
            .ok()
            .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
        let shown = shown.as_deref().unwrap_or(path);
        if path.is_dir() {
            report::talk(&format!(
                "Look at {}  (pages with their boxes)",
                bold(&shown.join("index.html").display().to_string())
            ));
            report::talk(&format!(
                "and     {}  (what is in it and how to load it)",
                bold(&shown.join("README.md").display().to_string())
            ));
        } else {
            report::talk(&format!("Look at {}", bold(&shown.display().to_string())));
        }
    }
    if outcome.published.is_empty() {
        report::talk(
            "no stage of the pipeline writes files, as `package` does, so there is no dataset",
        );
    }
    Ok(())
}

pub(super) fn word(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Completed => "completed",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
        RunState::Interrupted => "interrupted",
    }
}
