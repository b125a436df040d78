//! `plugin test`: a plugin is tried on the cases in its `tests` folder, without a pipeline.
//!
//! A case is a JSON file. Each is run twice and must give the same; with another seed it must give
//! something else where the offer's traits say `"random": true`. What it gives is kept in a folder to
//! look at, and compared with the golden file beside the case where there is one.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use docgenie_document::{Digest, Seed, truth::GroundTruth};
use docgenie_runtime::{
    extension::{DrawRequest, Drawing, Element, Picture, TruthFormat, Unsuitable},
    files::{DatasetFolder, write_atomically},
    stage::{RunFacts, StageFailure},
};
use image::{ImageFormat, RgbaImage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    documents::{Lent, Snapshot},
    element::PluginElement,
    error::{BROKEN, PARAMS, PluginError},
    exporter::Exporter,
    library::Plugin,
    offered::Offered,
    offers::Kind,
    replay::{Asked, Replay},
    samples,
    sandbox::Sandbox,
    truth::PluginTruth,
};

/// The folder of cases.
const CASES: &str = "tests";
/// How golden files end, by the kind of the plugin.
const GOLDEN_PICTURE: &str = "png";
const GOLDEN_TEXT: &str = "golden.json";
/// By how much a picture may differ from its golden one on average, of 255: fonts differ a little
/// between machines.
const TOLERANCE: f64 = 2.0;

/// A case as its file has it. Which keys count depends on the plugin's kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    /// The offer; may be left out where there is one only.
    offer: Option<String>,
    params: Map<String, Value>,
    seed: u32,
    /// How it has to fail: `bad-params`, `unsuitable` or `broken`. Otherwise it must not.
    fails: Option<String>,
    /// For an element.
    content: String,
    area: Area,
    dpi: f64,
    language: String,
    /// For a form of ground truth: what was annotated; what the engine's templates would, where it
    /// is not given.
    draft: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    width: u32,
    height: u32,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            offer: None,
            params: Map::new(),
            seed: 1,
            fails: None,
            content: String::new(),
            area: Area {
                width: 300,
                height: 300,
            },
            dpi: 150.0,
            language: "en".to_owned(),
            draft: None,
        }
    }
}

impl Case {
    /// Params that it leaves out are at their defaults, as pipelines hand them over.
    fn with_defaults(mut self, schema: &Value) -> Self {
        let params = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in params.into_iter().flatten() {
            if let Some(default) = schema.get("default") {
                let param = self.params.entry(name);
                param.or_insert_with(|| default.clone());
            }
        }
        self
    }
}

/// How a case ended.
#[derive(Debug)]
pub struct CaseReport {
    /// The name of its file, without its ending.
    pub name: String,
    /// What is wrong; nothing where it passed.
    pub faults: Vec<String>,
    /// Worth telling all the same.
    pub notes: Vec<String>,
    /// Where to look at what it gave.
    pub kept: Option<PathBuf>,
    /// How long a call took, instance and all.
    pub spent: Duration,
}

/// What a case gives.
enum Given {
    Picture(Drawing),
    /// Of a form of ground truth, or the files of an export with their digests.
    Text(Value),
    /// It cannot be served.
    Unsuitable(String),
}

impl Plugin {
    /// Tries the plugin on its cases, in order of name. What they give is kept in `out`; with
    /// `bless` it becomes what they are expected to give.
    ///
    /// # Errors
    /// When there are no cases or the plugin cannot be loaded.
    pub async fn test(
        &self,
        sandbox: &Sandbox,
        out: &Path,
        bless: bool,
    ) -> Result<Vec<CaseReport>, PluginError> {
        self.check(sandbox)?;
        let folder = self.folder.join(CASES);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".json") && !name.ends_with(GOLDEN_TEXT)
            })
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(PluginError::NoCases { folder });
        }
        let mut reports = Vec::new();
        for file in files {
            reports.push(self.try_case(sandbox, &file, out, bless).await?);
        }
        Ok(reports)
    }

    /// Makes a call again that failed before. The answer, or how it failed.
    ///
    /// # Errors
    /// When the file cannot be read or is of another plugin.
    pub async fn replay(
        &self,
        sandbox: &Sandbox,
        file: &Path,
    ) -> Result<Result<String, StageFailure>, PluginError> {
        let replay = Replay::read(file)?;
        if replay.plugin != self.id() {
            let why = format!("it is a call of plugin `{}`", replay.plugin);
            return Err(PluginError::Manifest {
                file: file.to_owned(),
                why,
            });
        }
        let params = serde_json::from_str(&replay.params).unwrap_or_default();
        let offered = Offered::new(sandbox.clone(), self.clone(), replay.offer.clone(), params)?;
        let same = offered.loaded.digest == replay.component;
        let answer = answer(offered, replay).await;
        Ok(answer.map(|answer| {
            if same {
                answer
            } else {
                format!("{answer}; the component is another one than that which failed")
            }
        }))
    }

    async fn try_case(
        &self,
        sandbox: &Sandbox,
        file: &Path,
        out: &Path,
        bless: bool,
    ) -> Result<CaseReport, PluginError> {
        let mut report = CaseReport {
            name: file
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            faults: Vec::new(),
            notes: Vec::new(),
            kept: None,
            spent: Duration::ZERO,
        };
        let text = fs::read_to_string(file).map_err(|source| PluginError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        let case: Case = match serde_json::from_str(&text) {
            Ok(case) => case,
            Err(error) => {
                report
                    .faults
                    .push(format!("`{}` is no case: {error}", file.display()));
                return Ok(report);
            }
        };
        let Some(offer) = self.offer(case.offer.as_deref()) else {
            report
                .faults
                .push("it names no offer of the plugin".to_owned());
            return Ok(report);
        };
        let case = case.with_defaults(&offer.params_schema);
        let began = Instant::now();
        let first = self.give(sandbox, &offer.id, &case).await;
        report.spent = began.elapsed();
        let first = match (first, &case.fails) {
            (Ok(Given::Unsuitable(why)), Some(kind)) if kind == "unsuitable" => {
                report
                    .notes
                    .push(format!("unsuitable, as it should be: {why}"));
                return Ok(report);
            }
            (Err(failure), Some(kind)) if failure.problem.code == code_of(kind) => {
                report
                    .notes
                    .push(format!("{kind}, as it should be: {failure}"));
                return Ok(report);
            }
            (Ok(Given::Unsuitable(why)), _) => {
                report.faults.push(format!("it is unsuitable: {why}"));
                return Ok(report);
            }
            (Err(failure), _) => {
                report.faults.push(told(&failure));
                return Ok(report);
            }
            (Ok(_), Some(kind)) => {
                report
                    .faults
                    .push(format!("it should fail with `{kind}` and does not"));
                return Ok(report);
            }
            (Ok(given), None) => given,
        };
        match self.give(sandbox, &offer.id, &case).await {
            Ok(second) if second.same_as(&first) => {}
            Ok(_) => report.faults.push(
                "the same request gives something else the second time: draw randomness from the host"
                    .to_owned(),
            ),
            Err(failure) => report.faults.push(format!("the second time: {}", told(&failure))),
        }
        if offer.traits.get("random") == Some(&Value::Bool(true)) {
            let other = Case {
                seed: case.seed.wrapping_add(1),
                ..case.clone()
            };
            match self.give(sandbox, &offer.id, &other).await {
                Ok(second) if second.same_as(&first) => report
                    .faults
                    .push("its traits say `random`, but another seed gives the same".to_owned()),
                Ok(_) => {}
                Err(failure) => {
                    report
                        .faults
                        .push(format!("with another seed: {}", told(&failure)));
                }
            }
        }
        compare(&first, file, out, bless, &mut report).map_err(|source| {
            PluginError::Unreadable {
                file: file.to_owned(),
                source,
            }
        })?;
        Ok(report)
    }

    async fn give(
        &self,
        sandbox: &Sandbox,
        offer: &str,
        case: &Case,
    ) -> Result<Given, StageFailure> {
        let params = case.params.clone();
        let offered = Offered::new(sandbox.clone(), self.clone(), offer.to_owned(), params)?;
        let seed = Seed(case.seed.into());
        match self.offers.kind {
            Kind::VisualElement => {
                let element = PluginElement::new(offered)?;
                let request = DrawRequest {
                    content: case.content.clone(),
                    key: "test".to_owned(),
                    seed: case.seed,
                    area: (case.area.width, case.area.height),
                    dpi: case.dpi,
                    language: case.language.clone(),
                };
                Ok(match element.draw(&request).await? {
                    Ok(drawing) => Given::Picture(drawing),
                    Err(Unsuitable(why)) => Given::Unsuitable(why),
                })
            }
            Kind::GroundTruthFormat => truths(PluginTruth::new(offered)?, case, seed).await,
            Kind::DatasetExporter => {
                let export = exported(&Exporter::new(offered), seed, samples::all()?).await?;
                Ok(Given::Text(export))
            }
        }
    }
}

/// The code of the failure that a case names.
fn code_of(kind: &str) -> &'static str {
    match kind {
        "bad-params" => PARAMS.as_str(),
        "broken" => BROKEN.as_str(),
        _ => "",
    }
}

/// A failure with its hint, which holds the log.
fn told(failure: &StageFailure) -> String {
    match &failure.problem.hint {
        Some(hint) => format!("{failure}\n  {hint}"),
        None => failure.to_string(),
    }
}

/// The truth of each sample document.
async fn truths(format: PluginTruth, case: &Case, seed: Seed) -> Result<Given, StageFailure> {
    let brief = format.brief().await?;
    let mut all = Map::new();
    let mut unsuitable = Vec::new();
    for sample in samples::all()? {
        let document = Arc::new(Lent::from(sample));
        let own = || document.truth().map(GroundTruth::draft);
        let Some(draft) = case.draft.clone().or_else(own) else {
            continue;
        };
        let id = document.id().to_string();
        match format
            .annotation(&draft.to_string(), document, seed)
            .await?
        {
            Ok(annotation) => {
                let value = json!({ "truth": annotation.truth, "problems": annotation.problems });
                all.insert(id, value);
            }
            Err(why) => unsuitable.push(why),
        }
    }
    if all.is_empty() {
        return Ok(Given::Unsuitable(unsuitable.join("; ")));
    }
    all.insert("instructions".to_owned(), brief.instructions.into());
    all.insert("draft_schema".to_owned(), brief.draft_schema);
    Ok(Given::Text(Value::Object(all)))
}

/// The files that an export of these documents has, by path, each with size and digest.
async fn exported(
    exporter: &Exporter,
    seed: Seed,
    documents: Vec<Snapshot>,
) -> Result<Value, StageFailure> {
    let failed = |error: io::Error| {
        StageFailure::from(PluginError::Sandbox(format!(
            "no folder for the test: {error}"
        )))
    };
    let home = tempfile::tempdir().map_err(failed)?;
    let folder = DatasetFolder::stage_beside(&home.path().join("export"))?;
    let run = RunFacts {
        pipeline: "test".to_owned(),
        description: "Documents of a test".to_owned(),
        pipeline_digest: Digest::of(b"test"),
        params: Map::new(),
        seed,
        documents: documents.len() as u64,
        stages: Vec::new(),
        engine: "test".to_owned(),
    };
    let mut export = exporter.begun(&run, &folder).await?;
    for document in documents {
        let lent = Arc::new(Lent::from(document));
        exporter.added(&mut export, lent).await?;
    }
    let report = exporter.finished(&mut export).await?;
    let mut files = BTreeMap::new();
    list(folder.root(), folder.root(), &mut files).map_err(failed)?;
    Ok(json!({
        "counts": report["counts"],
        "left_out": report["left_out"],
        "files": files,
    }))
}

fn list(root: &Path, folder: &Path, files: &mut BTreeMap<String, Value>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else {
            let bytes = fs::read(&path)?;
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            let facts = json!({ "bytes": bytes.len(), "digest": Digest::of(&bytes) });
            files.insert(name, facts);
        }
    }
    Ok(())
}

/// Asks again what was asked.
async fn answer(offered: Offered, replay: Replay) -> Result<String, StageFailure> {
    match replay.asked {
        Asked::Draw {
            content,
            key,
            seed,
            area,
            dpi,
            language,
        } => {
            let request = DrawRequest {
                content,
                key,
                seed,
                area,
                dpi,
                language,
            };
            Ok(match PluginElement::new(offered)?.draw(&request).await? {
                Ok(drawing) => format!("it draws a {:?}", drawing.picture),
                Err(Unsuitable(why)) => format!("it is unsuitable: {why}"),
            })
        }
        Asked::Brief => {
            let brief = PluginTruth::new(offered)?.brief().await?;
            Ok(format!("it says: {}", brief.instructions))
        }
        Asked::Truth { draft, document } => {
            let document = Arc::new(Lent::from(document));
            let format = PluginTruth::new(offered)?;
            Ok(
                match format.annotation(&draft, document, replay.seed).await? {
                    Ok(annotation) => format!("it makes {}", annotation.truth),
                    Err(why) => format!("it is unsuitable: {why}"),
                },
            )
        }
        Asked::Export { document, .. } => {
            let documents = document.into_iter().collect();
            let export = exported(&Exporter::new(offered), replay.seed, documents).await?;
            Ok(format!("it exports {}", export["counts"]))
        }
    }
}

impl Given {
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Picture(a), Self::Picture(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Unsuitable(a), Self::Unsuitable(b)) => a == b,
            _ => false,
        }
    }
}

/// Keeps what a case gave, and compares it with its golden file.
fn compare(
    given: &Given,
    case: &Path,
    out: &Path,
    bless: bool,
    report: &mut CaseReport,
) -> io::Result<()> {
    let (bytes, ending) = match given {
        Given::Picture(drawing) => {
            let facts = json!({
                "words": drawing.words.iter().map(|word| json!({
                    "text": word.text, "bounds": word.bounds,
                })).collect::<Vec<_>>(),
                "content": drawing.content,
            });
            report.notes.push(facts.to_string());
            (png(&drawing.picture)?, GOLDEN_PICTURE)
        }
        Given::Text(value) => (format!("{value:#}\n").into_bytes(), GOLDEN_TEXT),
        Given::Unsuitable(_) => return Ok(()),
    };
    fs::create_dir_all(out)?;
    let kept = out.join(format!("{}.{ending}", report.name));
    write_atomically(&kept, &bytes)?;
    report.kept = Some(kept);
    let golden = case.with_file_name(format!("{}.{ending}", report.name));
    if bless {
        return write_atomically(&golden, &bytes);
    }
    let expected = match fs::read(&golden) {
        Ok(expected) => expected,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report
                .notes
                .push("nothing to compare with: look at it, then run with --bless".to_owned());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let fault = match given {
        Given::Picture(drawing) => difference(&drawing.picture, &expected),
        _ => (expected != bytes).then(|| "it gives something else".to_owned()),
    };
    report.faults.extend(fault.map(|fault| {
        format!(
            "{fault} than `{}`; --bless takes it as it is now",
            golden.display()
        )
    }));
    Ok(())
}

fn png(picture: &Picture) -> io::Result<Vec<u8>> {
    let image = RgbaImage::from_raw(picture.width, picture.height, picture.rgba.clone());
    let image = image.ok_or_else(|| io::Error::other("a picture without pixels"))?;
    let mut bytes = io::Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}

/// What is different from a golden picture, if it is more than machines differ.
fn difference(picture: &Picture, golden: &[u8]) -> Option<String> {
    let Ok(golden) = image::load_from_memory_with_format(golden, ImageFormat::Png) else {
        return Some("it cannot be compared: its golden file is another picture".to_owned());
    };
    let golden = golden.into_rgba8();
    if golden.dimensions() != (picture.width, picture.height) {
        let (width, height) = golden.dimensions();
        let (own_width, own_height) = (picture.width, picture.height);
        return Some(format!(
            "it is {own_width} × {own_height} rather than {width} × {height}"
        ));
    }
    // Colours of transparent pixels do not count.
    let seen = |pixel: &[u8]| [0, 1, 2].map(|at| i32::from(pixel[at]) * i32::from(pixel[3]) / 255);
    let pairs = picture
        .rgba
        .chunks_exact(4)
        .zip(golden.as_raw().chunks_exact(4));
    let apart: i64 = pairs
        .map(|(a, b)| {
            let colours = seen(a).into_iter().zip(seen(b)).map(|(a, b)| (a - b).abs());
            i64::from(
                colours
                    .max()
                    .unwrap_or(0)
                    .max((i32::from(a[3]) - i32::from(b[3])).abs()),
            )
        })
        .sum();
    let mean = apart as f64 / f64::from(picture.width * picture.height);
    (mean > TOLERANCE).then(|| format!("it differs by {mean:.1} of 255 a pixel"))
}
