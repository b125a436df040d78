//! `test`: the cases of a pipeline's `tests.toml`. See `docs/pipeline-tests.md`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use docgenie_document::{Code, Seed};
use docgenie_runtime::executor::RunOutcome;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    app::{self, Loaded},
    commands::run,
    find::{self, Found},
    report::{self, Status, Stop},
    runner::Runner,
    signals::Signals,
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
    let catalogue = app::registry(home).catalogue();
    let loaded = Loaded::new(name, home, &catalogue)?;
    let cases = cases(&loaded.found, name)?;
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| only.is_none_or(|text| case.name.contains(text)))
        .collect();
    if chosen.is_empty() {
        let message = format!("no case of `{name}` was chosen, so nothing was tested");
        return Err(Stop::new(Status::BadInput, BAD_TESTS, message));
    }
    let signals = Signals::listen()?;
    let runner = Runner::open(home, &signals)?;
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

/// The cases of a pipeline called so.
fn cases(found: &Found, name: &str) -> Result<Vec<Case>, Stop> {
    let Some((shown, bytes)) = found.tests() else {
        let message = format!("the pipeline `{name}` has no tests.toml");
        return Err(Stop::new(Status::BadInput, BAD_TESTS, message)
            .hint("docs/pipeline-tests.md shows what stands in one"));
    };
    let bytes = bytes.map_err(|error| find::unreadable(&shown, &error))?;
    let text = docgenie_pipeline::decode(&shown, bytes.into_owned());
    let text = text.map_err(|fault| Stop::Faults(vec![*fault]))?;
    let bad = |message: String| Stop::new(Status::BadInput, BAD_TESTS, message);
    let tests: Tests = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let place = docgenie_pipeline::location(&shown, &text, start);
        bad(format!("`{place}` is wrong")).because(&error)
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
    let mut order = run::order_of(loaded, plan, home, Seed(case.seed), &[])?;
    let out = folder.0.join("dataset");
    order.spec.out = Some(out.clone());
    let outcome = runner.run_scratch(order)?;
    if let (status @ (Status::Environment | Status::Interrupted), Some(problem)) =
        (run::status(&outcome), &outcome.problem)
    {
        return Err(Stop::Problem(status, Box::new(problem.clone())));
    }
    Ok(faults_of(&case.expect, &outcome, &out))
}

fn faults_of(expect: &Expect, outcome: &RunOutcome, out: &Path) -> Vec<String> {
    let faults = [
        expect.documents.map(|it| documents(it, outcome)),
        Some(failed(expect.failed, outcome)),
        Some(files(&expect.files, out)),
        expect.min_words.map(|it| min_words(it, out)),
        expect.verified.map(|it| verified(it, out)),
        expect.max_ocr_error_rate.map(|it| ocr_error_rate(it, out)),
    ];
    faults.into_iter().flatten().flatten().collect()
}

fn documents(expected: u64, outcome: &RunOutcome) -> Vec<String> {
    let succeeded = outcome.succeeded;
    let fault = format!("documents = {expected}: {succeeded} succeeded");
    Vec::from_iter((succeeded != expected).then_some(fault))
}

fn failed(expected: usize, outcome: &RunOutcome) -> Vec<String> {
    let dead = &outcome.dead_letters;
    if dead.len() == expected {
        return Vec::new();
    }
    let letters = dead.iter().map(|letter| {
        let (document, stage) = (&letter.document, &letter.stage);
        format!("  {document} in `{stage}`: {}", letter.problem)
    });
    let fault = format!("failed = {expected}: {} failed", dead.len());
    [fault].into_iter().chain(letters).collect()
}

fn files(expected: &[String], out: &Path) -> Vec<String> {
    let is_there = |file: &&String| {
        fs::metadata(out.join(file)).is_ok_and(|facts| facts.is_file() && facts.len() > 0)
    };
    let missing = expected.iter().filter(|file| !is_there(file));
    missing
        .map(|file| format!("files: `{file}` is not there or is empty"))
        .collect()
}

fn min_words(least: usize, out: &Path) -> Vec<String> {
    let counts = json_files(&out.join("bbox/bbox_pdf/word"))
        .into_iter()
        .map(|(document, words)| (document, words.as_array().map_or(0, Vec::len)));
    counts
        .filter(|(_, count)| *count < least)
        .map(|(document, count)| format!("min_words = {least}: {document} has {count}"))
        .collect()
}

fn verified(expected: bool, out: &Path) -> Vec<String> {
    let verdicts = json_files(&out.join("annotations/gt_verification"));
    if verdicts.is_empty() {
        return vec![format!("verified = {expected}: nothing was verified")];
    }
    let verdicts = verdicts
        .iter()
        .map(|(it, verdict)| (it, &verdict["passed"]));
    verdicts
        .filter(|(_, passed)| **passed != Value::Bool(expected))
        .map(|(document, passed)| format!("verified = {expected}: {document} says {passed}"))
        .collect()
}

fn ocr_error_rate(most: f64, out: &Path) -> Vec<String> {
    let analysis = json_files(&out.join("analysis"));
    let rate = analysis
        .iter()
        .find_map(|(_, analysis)| analysis.pointer("/ocr/mean_character_error_rate")?.as_f64());
    let fault = match rate {
        Some(rate) if rate <= most => return Vec::new(),
        Some(rate) => format!("it is {rate:.4}"),
        None => "the analysis has no such figure".to_owned(),
    };
    vec![format!("max_ocr_error_rate = {most}: {fault}")]
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
        let folder = home.join(format!("test-{}", std::process::id()));
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
