//! A small catalogue with options of every kind.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use docgenie_document::Slot;
use docgenie_pipeline::{
    Catalogue, Diagnostic, Implied, Pipeline, Plan, Scope, SlotUse, StageSpec, Variants, in_order,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of `author`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Author {
    /// Who writes the documents.
    #[serde(default)]
    provider: Provider,
    /// What kind of document to write.
    doc_type: String,
    /// Language of the text, by English name or ISO code.
    #[serde(default = "english")]
    language: String,
    /// How many documents to make.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    count: u32,
    /// Folder with templates of your own.
    #[serde(default)]
    templates: Option<PathBuf>,
    /// Further forms of ground truth.
    #[serde(default)]
    ground_truth: Vec<String>,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Provider {
    /// Templates that come with the engine.
    #[default]
    Template,
    /// A language model.
    Model,
}

fn english() -> String {
    "English".into()
}

const fn one() -> u32 {
    1
}

/// Options of `raster`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Raster {
    /// Pixels per inch.
    #[schemars(range(min = 36, max = 600))]
    dpi: u16,
    /// Pages to draw, by number.
    pages: Vec<u32>,
}

impl Default for Raster {
    fn default() -> Self {
        Self {
            dpi: 150,
            pages: Vec::new(),
        }
    }
}

/// Options of `scan`.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Scan {
    /// How worn the paper is, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    wear: f64,
    /// What the light does.
    light: Light,
    /// Stains by name and strength.
    stains: BTreeMap<String, f64>,
    /// Where the sheet lies, in points.
    offset: Option<Offset>,
    /// A second lamp.
    lamp: Option<Light>,
    /// Whether the scanner keeps colour.
    colour: bool,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Light {
    #[default]
    Even,
    Gradient {
        /// Degrees, clockwise.
        angle: f64,
    },
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Offset {
    /// To the right.
    x: f64,
    /// Down.
    y: f64,
}

/// Options of `ocr`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Ocr {
    /// Languages to read.
    #[schemars(length(min = 1))]
    languages: Vec<String>,
    /// Least confidence of a word, in per cent, or `auto`.
    confidence: Confidence,
}

impl Default for Ocr {
    fn default() -> Self {
        Self {
            languages: vec!["eng".into()],
            confidence: Confidence::default(),
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Confidence {
    Auto(Auto),
    Percent(u8),
}

impl Default for Confidence {
    fn default() -> Self {
        Self::Auto(Auto::Auto)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Auto {
    Auto,
}

/// No options.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Options of `place` whatever the element.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Place {
    /// What is placed.
    element: String,
    /// The element's own.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Options of `place` with the element `plugin:stamp`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlaceStamp {
    /// What is placed.
    element: String,
    /// Colour of the ink.
    #[serde(default = "red")]
    colour: String,
}

fn red() -> String {
    "red".to_owned()
}

/// An author asks for the forms of ground truth that it annotates for.
fn author() -> StageSpec {
    let forms = |options: &Map<String, Value>| {
        let forms = options.get("ground_truth").and_then(Value::as_array);
        let names = forms.into_iter().flatten().filter_map(Value::as_str);
        let asked = names.map(|name| Implied {
            uses: name.to_owned(),
            options: Map::new(),
            asked_by: "ground_truth",
        });
        asked.collect()
    };
    StageSpec {
        implies: Arc::new(forms),
        ..stage::<Author>(
            "author",
            Scope::Document,
            &[],
            &[],
            &[Slot::Html, Slot::GroundTruth],
        )
    }
}

/// Which options there are depends on what is placed.
fn place() -> StageSpec {
    let stamp = schemars::schema_for!(PlaceStamp).to_value();
    StageSpec {
        variants: Some(Variants {
            option: "element".to_owned(),
            schemas: BTreeMap::from([("plugin:stamp".to_owned(), stamp)]),
        }),
        ..stage::<Place>(
            "place",
            Scope::Document,
            &[Slot::Pdf, Slot::Words],
            &[],
            &[Slot::Pdf],
        )
    }
}

fn stage<C: JsonSchema>(
    name: &str,
    scope: Scope,
    reads: &[Slot],
    reads_if_present: &[Slot],
    writes: &[Slot],
) -> StageSpec {
    let slots = SlotUse {
        reads: reads.to_vec(),
        reads_if_present: reads_if_present.to_vec(),
        writes: writes.to_vec(),
    };
    StageSpec {
        name: name.to_owned(),
        summary: format!("Does the work of `{name}`"),
        documentation: format!("What `{name}` does, at length."),
        scope,
        starts_documents: reads.is_empty(),
        options: schemars::schema_for!(C).to_value(),
        variants: None,
        implies: Arc::new(|_| Vec::new()),
        slots: Arc::new(move |_| slots.clone()),
    }
}

/// The catalogue.
pub(crate) fn catalogue() -> Catalogue {
    use Scope::{Dataset, Document};
    use Slot::{
        Analysis, GroundTruth, Ocr as OcrText, Overlay, PageImages, Pdf, Source, Verification,
        Words,
    };
    [
        author(),
        place(),
        stage::<Nothing>("plugin:kie", Document, &[Words], &[], &[Slot::Annotations]),
        stage::<Nothing>("input", Document, &[], &[], &[Source]),
        stage::<Nothing>("render", Document, &[Slot::Html], &[], &[Pdf]),
        stage::<Nothing>("boxes", Document, &[Pdf], &[GroundTruth], &[Words]),
        stage::<Raster>("raster", Document, &[Pdf], &[], &[PageImages]),
        stage::<Scan>(
            "scan",
            Document,
            &[PageImages],
            &[Words],
            &[PageImages, Words],
        ),
        stage::<Ocr>("ocr", Document, &[PageImages], &[], &[OcrText]),
        stage::<Nothing>(
            "verify",
            Document,
            &[GroundTruth, Words],
            &[OcrText],
            &[Verification],
        ),
        stage::<Nothing>("analyse", Dataset, &[Words], &[Verification], &[Analysis]),
        stage::<Nothing>("poster", Document, &[Analysis], &[], &[Overlay]),
        stage::<Nothing>(
            "package",
            Dataset,
            &[Pdf],
            &[PageImages, Words, Analysis],
            &[],
        ),
    ]
    .into_iter()
    .collect()
}

/// The plan of a file over this catalogue, and everything that is found, in order of place.
pub(crate) fn planned(
    path_shown: &str,
    text: &str,
    set: &[(String, String)],
) -> (Option<Plan>, Vec<Diagnostic>) {
    let (pipeline, mut found) = Pipeline::parse(path_shown, text, &catalogue());
    let Some(pipeline) = pipeline else {
        return (None, found);
    };
    let (plan, more) = pipeline.plan(set);
    found.extend(more);
    (plan, in_order(found))
}
