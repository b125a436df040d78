//! `run`: a pipeline into a dataset.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use docgenie_document::{Code, Seed};
use docgenie_pipeline::Plan;
use docgenie_runtime::{
    executor::{RunOrder, RunOutcome},
    job::{Delivery, DeliveryOutcome, RunSpec, RunState},
    progress::{Observer, Progress},
    stage::{StageConfig, StageEnv},
};
use docgenie_stages::input::InputConfig;
use serde_json::json;

use crate::{
    app::{self, Loaded},
    args::{Format, OrderArguments, RunArguments},
    bars::Bars,
    report::{self, Status, Stop},
    runner::Runner,
    signals::Signals,
};

/// A path given is none, or a file given with `--input` cannot be used.
const NO_INPUT: Code = Code::new("DG0907");
/// Dead letters named in full by the summary.
const SHOWN_FAILURES: usize = 5;

pub(super) fn run(arguments: RunArguments, home: &Path) -> Result<Status, Stop> {
    let mut asked = arguments.order;
    let count = arguments
        .count
        .map(|count| ("count".to_owned(), count.to_string()));
    asked.pipeline.set.extend(count);
    let mut order = order(&asked, home)?;
    order.spec.zip = arguments.zip.map(absolute).transpose()?;
    order.spec.out = match (arguments.out, &order.spec.zip) {
        (Some(out), _) => Some(absolute(out)?),
        (None, Some(_)) => None,
        (None, None) => Some(absolute(Path::new("out").join(&order.plan.name))?),
    };
    if let Some(jobs) = arguments.jobs {
        order.env.jobs = jobs.into();
    }
    order.fresh = arguments.fresh;
    execute(order, arguments.format, home)
}

/// Runs an order with progress and a summary.
pub(super) fn execute(order: RunOrder, format: Format, home: &Path) -> Result<Status, Stop> {
    let signals = Signals::listen()?;
    let runner = Runner::open(home, &signals)?;
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

/// What the arguments ask for, without targets.
pub(super) fn order(arguments: &OrderArguments, home: &Path) -> Result<RunOrder, Stop> {
    let catalogue = app::registry(home).catalogue();
    let pipeline = &arguments.pipeline;
    let loaded = Loaded::new(&pipeline.pipeline, home, &catalogue)?;
    let plan = loaded.plan(&pipeline.set)?;
    order_of(&loaded, plan, home, Seed(arguments.seed), &arguments.input)
}

/// An order of a plan, without targets.
pub(super) fn order_of(
    loaded: &Loaded,
    plan: Plan,
    home: &Path,
    seed: Seed,
    inputs: &[PathBuf],
) -> Result<RunOrder, Stop> {
    let spec = spec_of(loaded, &plan, seed, inputs)?;
    let env = StageEnv {
        home: home.to_owned(),
        pipeline_dir: loaded.found.dir.clone(),
        inputs: spec.inputs.clone(),
        jobs: std::thread::available_parallelism().map_or(2, NonZero::get),
        extensions: app::plugins(home),
        secrets: docgenie_runtime::secret::Secrets::default(),
        residents: docgenie_runtime::resident::Residents::default(),
        private_addresses: false,
        program: std::env::current_exe().ok(),
    };
    Ok(RunOrder {
        plan,
        spec,
        env,
        fresh: false,
        limit: None,
        scratch: false,
        run: None,
    })
}

/// A run as it is recorded.
pub(super) fn spec_of(
    loaded: &Loaded,
    plan: &Plan,
    seed: Seed,
    inputs: &[PathBuf],
) -> Result<RunSpec, Stop> {
    Ok(RunSpec {
        pipeline: plan.name.clone(),
        file: loaded.found.file.clone(),
        pipeline_digest: plan.pipeline,
        params: (&plan.params).into(),
        seed,
        inputs: existing(inputs, plan)?,
        out: None,
        zip: None,
        origin: None,
    })
}

pub(super) fn absolute(path: impl AsRef<Path>) -> Result<PathBuf, Stop> {
    let path = path.as_ref();
    std::path::absolute(path).map_err(|error| {
        let message = format!("`{}` is no path", path.display());
        Stop::new(Status::BadInput, NO_INPUT, message).because(&error)
    })
}

/// The files as a plan can start from them.
fn existing(inputs: &[PathBuf], plan: &Plan) -> Result<Vec<PathBuf>, Stop> {
    let taken = plan.stages.iter().any(|it| it.uses == InputConfig::NAME);
    if let (false, Some(path)) = (taken, inputs.first()) {
        let message = format!("nothing would read the input `{}`", path.display());
        return Err(Stop::new(Status::BadInput, NO_INPUT, message).hint(format!(
            "leave it out, or run a pipeline that starts with the stage `{}`",
            InputConfig::NAME
        )));
    }
    let canonical = |path: &PathBuf| {
        std::fs::canonicalize(path).map_err(|error| {
            let message = format!("cannot read the input `{}`", path.display());
            Stop::new(Status::BadInput, NO_INPUT, message).because(&error)
        })
    };
    inputs.iter().map(canonical).collect()
}

/// The exit status that an outcome means.
pub(super) fn status(outcome: &RunOutcome) -> Status {
    let nothing = docgenie_runtime::executor::NOTHING_SUCCEEDED.as_str();
    match outcome.state {
        RunState::Completed if is_whole(outcome) => Status::Done,
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

/// Whether all that was asked for has come about.
fn is_whole(outcome: &RunOutcome) -> bool {
    let failed = |it: &Delivery| matches!(it.outcome, DeliveryOutcome::Failed { .. });
    outcome.dead_letters.is_empty()
        && outcome.problem.is_none()
        && !outcome.deliveries.iter().any(failed)
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
        "deliveries": outcome.deliveries,
        "up_to_date": outcome.up_to_date,
        "remarks": outcome.remarks,
    })
}

fn summarise(runner: &Runner, outcome: &RunOutcome, elapsed: Duration) -> Result<(), Stop> {
    let seconds = elapsed.as_secs_f64();
    let RunOutcome { run, state, .. } = outcome;
    tell_deliveries(&outcome.deliveries);
    if let Some(problem) = &outcome.problem {
        report::talk(&report::show(problem));
        report::talk(&format!("{run} {} after {seconds:.1} s", state.word()));
        return Ok(());
    }
    for (remark, documents) in &outcome.remarks {
        report::talk(&format!("note: {remark} ({documents} documents)"));
    }
    tell_failures(outcome);
    let record = runner.record(*run)?;
    report::talk(&super::runs::stages(&record));
    report::talk(&in_short(outcome, seconds));
    tell_where(&outcome.published);
    Ok(())
}

fn tell_deliveries(deliveries: &[Delivery]) {
    for Delivery { stage, outcome, .. } in deliveries {
        match outcome {
            DeliveryOutcome::Delivered { place, url } => {
                let link = url
                    .as_ref()
                    .map_or_else(String::new, |url| format!(", {url}"));
                report::talk(&format!("delivered to {place}{link}"));
            }
            DeliveryOutcome::Skipped { remark } => {
                report::talk(&format!("note: `{stage}` has delivered nothing: {remark}"));
            }
            DeliveryOutcome::Failed { problem } => report::talk(&report::show(problem)),
        }
    }
}

fn tell_failures(outcome: &RunOutcome) {
    for letter in outcome.dead_letters.iter().take(SHOWN_FAILURES) {
        report::talk(&format!("{} failed in `{}`", letter.document, letter.stage));
        report::talk(&report::show(&letter.problem));
    }
    if outcome.dead_letters.len() > SHOWN_FAILURES {
        let run = outcome.run;
        report::talk(&format!("… and more: docgenie-engine runs show {run}"));
    }
}

fn in_short(outcome: &RunOutcome, seconds: f64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "it is rounded for display")]
    let rate = outcome.succeeded as f64 / seconds.max(1e-3);
    let up_to_date = if outcome.up_to_date {
        "; the dataset was up to date"
    } else {
        ""
    };
    format!(
        "{} {}: {} documents in {seconds:.1} s ({rate:.1} a second), {} failed{up_to_date}",
        outcome.run,
        outcome.state.word(),
        outcome.succeeded,
        outcome.dead_letters.len(),
    )
}

fn tell_where(published: &[PathBuf]) {
    if published.is_empty() {
        report::talk(
            "no stage of the pipeline writes files, as `package` does, so there is no dataset",
        );
    }
    let bold = |path: &Path| {
        if report::coloured() {
            format!("\x1b[1m{}\x1b[0m", path.display())
        } else {
            path.display().to_string()
        }
    };
    let here = std::env::current_dir().unwrap_or_default();
    for path in published {
        let shown = path.strip_prefix(&here).unwrap_or(path);
        if path.is_dir() {
            report::talk(&format!(
                "Look at {}  (pages with their boxes)\nand     {}  (what is in it and how to load it)",
                bold(&shown.join("index.html")),
                bold(&shown.join("README.md"))
            ));
        } else {
            report::talk(&format!("Look at {}", bold(shown)));
        }
    }
}
