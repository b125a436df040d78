//! `runs`: look at runs and steer them.

use std::path::Path;

use docgenie_document::Code;
use docgenie_runtime::job::{DocumentRecord, RunId, RunRecord};
use serde_json::json;

use crate::{
    app::{self, Loaded},
    args::{Format, RunsCommand},
    commands::run,
    report::{self, Status, Stop},
    runner::Runs,
};

/// The text names no run.
const NO_RUN: Code = Code::new("DG0910");
/// A run cannot be steered as asked.
const CANNOT_STEER: Code = Code::new("DG0911");

pub(super) fn runs(command: RunsCommand, home: &Path) -> Result<Status, Stop> {
    match command {
        RunsCommand::List { limit, format } => {
            let records = Runs::open(home)?.list(limit)?;
            report::data(&match format {
                Format::Json => json!(records).to_string(),
                Format::Human => list(&records),
            });
        }
        RunsCommand::Show { run, format } => {
            let run = id(&run)?;
            let runs = Runs::open(home)?;
            let record = runs.show(run)?;
            let failed = runs.dead_letters(run)?;
            report::data(&match format {
                Format::Json => json!({ "run": record, "failed": failed }).to_string(),
                Format::Human => show(&record, &failed),
            });
        }
        RunsCommand::Retry { run } => return retry(id(&run)?, home),
        RunsCommand::Cancel { run } => {
            let run = id(&run)?;
            Runs::open(home)?.cancel(run)?;
            report::talk(&format!("{run} is being cancelled"));
        }
        RunsCommand::Remove { run } => {
            let run = id(&run)?;
            Runs::open(home)?.remove(run)?;
            report::talk(&format!(
                "{run} is forgotten; its dataset and artifacts stay"
            ));
        }
    }
    Ok(Status::Done)
}

fn id(text: &str) -> Result<RunId, Stop> {
    text.parse().map_err(|error| {
        Stop::new(
            Status::BadInput,
            NO_RUN,
            format!("there is no run `{text}`"),
        )
        .because(&error)
        .hint("`docgenie-engine runs list` names them")
    })
}

fn retry(run: RunId, home: &Path) -> Result<Status, Stop> {
    let record = Runs::open(home)?.show(run)?;
    let spec = record.spec;
    let catalogue = app::registry(home).catalogue();
    let name = spec
        .file
        .as_ref()
        .map_or(spec.pipeline.clone(), |file| file.display().to_string());
    let loaded = Loaded::new(&name, home, &catalogue)?;
    let plan = loaded.plan_json(&spec.params.values())?;
    if plan.pipeline != spec.pipeline_digest {
        report::talk(&format!(
            "note: `{name}` has changed since {run}; what the change touches is made anew"
        ));
    }
    if spec.out.is_none() && spec.zip.is_none() {
        let message = format!("{run} had no target, so there is nothing to make again");
        return Err(Stop::new(Status::BadInput, CANNOT_STEER, message));
    }
    let mut order = run::order_of(&loaded, plan, home, spec.seed, &spec.inputs)?;
    order.spec.out = spec.out.clone();
    order.spec.zip = spec.zip.clone();
    run::execute(order, Format::Human, home)
}

fn list(records: &[RunRecord]) -> String {
    if records.is_empty() {
        return "no runs yet".to_owned();
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            vec![
                record.id.to_string(),
                record.spec.pipeline.clone(),
                record.state.word().to_owned(),
                format!("{}/{}", record.succeeded, record.documents),
                record.failed.to_string(),
                took(record),
                record.spec.seed.0.to_string(),
            ]
        })
        .collect();
    report::table(
        &["run", "pipeline", "state", "done", "failed", "took", "seed"],
        &rows,
    )
}

fn took(record: &RunRecord) -> String {
    let ended = record
        .ended_at
        .map(|ended| ended.saturating_sub(record.started_at));
    ended.map_or_else(
        || "…".to_owned(),
        |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    )
}

fn show(record: &RunRecord, failed: &[DocumentRecord]) -> String {
    let spec = &record.spec;
    let mut text = format!(
        "{}  {}  {}\n{}/{} documents succeeded, {} failed, seed {}, took {}\n",
        record.id,
        spec.pipeline,
        record.state.word(),
        record.succeeded,
        record.documents,
        record.failed,
        spec.seed.0,
        took(record),
    );
    for (label, path) in [("out", &spec.out), ("zip", &spec.zip)] {
        if let Some(path) = path {
            text.push_str(&format!("{label}  {}\n", path.display()));
        }
    }
    if let Some(problem) = &record.problem {
        text.push_str(&report::show(problem));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&stages(record));
    for record in failed {
        if let Some((stage, problem)) = &record.failure {
            text.push_str(&format!(
                "\n{} failed in `{stage}`\n{}\n",
                record.document,
                report::show(problem)
            ));
        }
    }
    text
}

/// Progress and time by stage.
pub(super) fn stages(record: &RunRecord) -> String {
    let rows: Vec<Vec<String>> = record
        .stages
        .iter()
        .map(|(id, progress)| {
            let made = progress.done.saturating_sub(progress.hits);
            let each = progress.spent_ms.checked_div(made);
            vec![
                id.clone(),
                made.to_string(),
                progress.hits.to_string(),
                progress.failed.to_string(),
                each.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
            ]
        })
        .collect();
    report::table(&["stage", "made", "remembered", "failed", "each"], &rows)
}
