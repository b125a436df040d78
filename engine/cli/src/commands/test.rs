//! `test`: the cases of a pipeline's `tests.toml`. See `docs/pipeline-tests.md`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use docgenie_document::{Code, Seed};
use docgenie_runtime::{executor::RunOutcome, progress::Silent};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    app::{self, Loaded},
    commands::run,
    report::{self, Status, Stop},
    runner::Runner,
};

/// A pipeline has no tests, or its tests file makes no sense.
const BAD_TESTS: Code = Code::new("DG0908");
/// Cases of a pipeline's tests failed.
const CASES_FAILED: Code = Code::new("DG0909");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    expect: Expect,
}

/// What a case expects; an absent key is not looked at.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    documents: Option<u64>,
    #[serde(default)]
    failed: usize,
    #[serde(default)]
    files: Vec<String>,
    min_words: Option<usize>,
    verified: Option<bool>,
    max_ocr_error_rate: Option<f64>,
}

pub(super) fn test(name: &str, only: Option<&str>, home: &Path) -> Result<Status, Stop> {
    let catalogue = app::registry().catalogue();
    let loaded = Loaded::new(name, home, &catalogue)?;
    let cases = cases(&loaded, name)?;
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| only.is_none_or(|text| case.name.contains(text)))
        .collect();
    if chosen.is_empty() {
        let message = format!("no case of `{name}` was chosen, so nothing was tested");
        return Err(Stop::new(Status::BadInput, BAD_TESTS, message));
    }
    let runner = Runner::open(home)?;
    report::data(loaded.pipeline.name());
    let mut failed = 0;
    for case in &chosen {
        let faults = check(case, &loaded, &runner, home)?;
        let verdict = if faults.is_empty() { "ok  " } else { "FAIL" };
        report::data(&format!("  {verdict}  {}", case.name));
        for fault in &faults {
            report::data(&format!("        {fault}"));
        }
        failed += usize::from(!faults.is_empty());
    }
    if failed == 0 {
        return Ok(Status::Done);
    }
    let message = format!("{failed} of {} cases failed", chosen.len());
    Err(Stop::new(Status::SomeFailed, CASES_FAILED, message))
}

fn cases(loaded: &Loaded, name: &str) -> Result<Vec<Case>, Stop> {
    let Some((shown, text)) = &loaded.found.tests else {
        let message = format!("the pipeline `{name}` has no tests.toml");
        return Err(Stop::new(Status::BadInput, BAD_TESTS, message)
            .hint("docs/pipeline-tests.md shows what stands in one"));
    };
    let bad = |message: String| Stop::new(Status::BadInput, BAD_TESTS, message);
    let tests: Tests = toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        bad(format!("`{shown}:{line}` is wrong")).because(&error)
    })?;
    let mut names = BTreeSet::new();
    match tests.case.iter().find(|case| !names.insert(&case.name)) {
        Some(twice) => Err(bad(format!(
            "`{shown}` has two cases named `{}`",
            twice.name
        ))),
        None => Ok(tests.case),
    }
}

/// Runs a case and gives every expectation that does not hold.
fn check(case: &Case, loaded: &Loaded, runner: &Runner, home: &Path) -> Result<Vec<String>, Stop> {
    let folder = Scratch::new(home)?;
    let plan = loaded.plan_json(&case.params)?;
    let mut order = run::order(loaded, plan, home, Seed(case.seed), run::cores());
    let out = folder.0.join("dataset");
    order.spec.out = Some(out.clone());
    let outcome = runner.run(order, Arc::new(Silent))?;
    if let (status @ (Status::Environment | Status::Interrupted), Some(problem)) =
        (run::status(&outcome), &outcome.problem)
    {
        return Err(Stop::Problem(status, Box::new(problem.clone())));
    }
    Ok(faults_of(&case.expect, &outcome, &out))
}

fn faults_of(expect: &Expect, outcome: &RunOutcome, out: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(documents) = expect.documents
        && outcome.succeeded != documents
    {
        faults.push(format!(
            "documents = {documents}: {} succeeded",
            outcome.succeeded
        ));
    }
    if outcome.dead_letters.len() != expect.failed {
        faults.push(format!(
            "failed = {}: {} failed",
            expect.failed,
            outcome.dead_letters.len()
        ));
        faults.extend(outcome.dead_letters.iter().map(|letter| {
            format!(
                "  {} in `{}`: {}",
                letter.document, letter.stage, letter.problem
            )
        }));
    }
    for file in &expect.files {
        let there =
            fs::metadata(out.join(file)).is_ok_and(|facts| facts.is_file() && facts.len() > 0);
        if !there {
            faults.push(format!("files: `{file}` is not there or is empty"));
        }
    }
    if let Some(least) = expect.min_words {
        for (document, words) in json_files(&out.join("bbox/bbox_pdf/word")) {
            let count = words.as_array().map_or(0, Vec::len);
            if count < least {
                faults.push(format!("min_words = {least}: {document} has {count}"));
            }
        }
    }
    if let Some(verified) = expect.verified {
        let verdicts = json_files(&out.join("annotations/gt_verification"));
        if verdicts.is_empty() {
            faults.push(format!("verified = {verified}: nothing was verified"));
        }
        for (document, verdict) in verdicts {
            if verdict["passed"] != Value::Bool(verified) {
                faults.push(format!(
                    "verified = {verified}: {document} says {}",
                    verdict["passed"]
                ));
            }
        }
    }
    if let Some(most) = expect.max_ocr_error_rate {
        let analysis = json_files(&out.join("analysis"));
        let rate = analysis
            .iter()
            .find_map(|(_, analysis)| analysis.pointer("/ocr/mean_character_error_rate")?.as_f64());
        match rate {
            Some(rate) if rate <= most => {}
            Some(rate) => faults.push(format!("max_ocr_error_rate = {most}: it is {rate:.4}")),
            None => faults.push(format!(
                "max_ocr_error_rate = {most}: the analysis has no such figure"
            )),
        }
    }
    faults
}

/// The JSON files of a folder by name; what cannot be read is null.
fn json_files(folder: &Path) -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let mut files: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.path();
            let name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let text = fs::read(&path).unwrap_or_default();
            (
                name.unwrap_or_default(),
                serde_json::from_slice(&text).unwrap_or_default(),
            )
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// A folder that goes when the case is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(home: &Path) -> Result<Self, Stop> {
        let folder = home.join("tests").join(std::process::id().to_string());
        fs::create_dir_all(&folder).map_err(|error| {
            let message = format!("cannot make `{}`", folder.display());
            Stop::new(Status::Environment, BAD_TESTS, message).because(&error)
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody reads it again; a leftover only takes space.
        drop(fs::remove_dir_all(&self.0));
    }
}
