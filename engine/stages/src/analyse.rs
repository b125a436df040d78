//! Figures about a whole run.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{
    Slot,
    ocr::Ocr,
    slot::{Analysis, TokenUsage},
    text::Words,
    truth::{GroundTruth, Handwriting, Layout, Verification, VisualElements},
};
use docgenie_runtime::{
    files::DatasetFolder,
    stage::{
        BROKEN_ARTIFACT, Built, DatasetContext, DatasetStage, DocumentContext, Outputs, RunFacts,
        Scope, SlotUse, StageConfig, StageEnv, StageFailure, blocking,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod diversity;
mod tally;

pub use diversity::TypeDiversity;
pub use tally::{Figures, OcrFigures, VerificationFigures};

use diversity::Diversity;
use tally::Tally;

/// Options of the stage `analyse`: none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnalyseConfig {}

impl StageConfig for AnalyseConfig {
    const NAME: &'static str = "analyse";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Counts what the run made and measures how diverse it is.";
    const DOCUMENTATION: &'static str = "\
The figures are one JSON object, which the stage `package` writes as `analysis/dataset.json`: \
documents (asked for, valid, failed by error code), pages, words, fields, questions, entities, \
regions by label, languages, document types, the outcome of `verify`, the character error rate of \
OCR (mean, and median to a thousandth), and `token_usage`: what language models took for the \
documents of the dataset, null where none wrote. A document is valid if it is in the dataset and, where \
`verify` ran, passed with valid labels.

**Layout diversity** says for each document type how much the first pages differ, from 0 (all \
alike) to 1 (nothing in common):

- A page becomes a grid of 24 × 32 cells with four layers: words, headings, tables, other regions. \
A cell holds the share of its area that boxes of the layer cover, in steps of 1/255.
- The distance of two pages a, b is 1 − Σ min(aᵢ, bᵢ) / Σ max(aᵢ, bᵢ), the weighted Jaccard \
distance (Ružička 1958).
- `mean_distance` is the mean over all pairs; `nearest_distance` the mean over pages of the \
distance to the most similar other page; `near_duplicates` the share of pages whose most similar \
other page is nearer than 0.1.
- At most 256 pages of a type are compared, drawn evenly by the run's seed (reservoir sampling), \
so that memory does not grow with the run.

```toml
[[stage]]
uses = \"analyse\"
```
";
    const SCOPE: Scope = Scope::Dataset;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads_if_present: vec![
                Slot::Words,
                Slot::Layout,
                Slot::GroundTruth,
                Slot::TokenUsage,
                Slot::Handwriting,
                Slot::VisualElements,
                Slot::Ocr,
                Slot::Verification,
            ],
            writes: vec![Slot::Analysis],
            ..SlotUse::default()
        }
    }

    fn build(self, _env: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Dataset(Box::new(Stage::default())))
    }
}

/// What of a document is counted.
#[derive(Default)]
struct Facts {
    words: Option<Arc<Words>>,
    layout: Option<Arc<Layout>>,
    truth: Option<Arc<GroundTruth>>,
    handwriting: Option<Arc<Handwriting>>,
    elements: Option<Arc<VisualElements>>,
    ocr: Option<Arc<Ocr>>,
    verification: Option<Arc<Verification>>,
    usage: Option<Arc<TokenUsage>>,
}

impl Facts {
    /// The document's class; empty where it has none.
    fn document_type(&self) -> &str {
        let truth = self.truth.as_deref();
        truth.map_or("", |truth| &truth.document_type)
    }
}

#[derive(Default)]
struct Stage(Option<Figuring>);

/// What is known of the run so far.
struct Figuring {
    documents: u64,
    tally: Tally,
    diversity: Diversity,
}

#[async_trait]
impl DatasetStage for Stage {
    async fn begin(&mut self, run: &RunFacts, _folder: &DatasetFolder) -> Result<(), StageFailure> {
        self.0 = Some(Figuring {
            documents: run.documents,
            tally: Tally::default(),
            diversity: Diversity::new(run.seed.derive("layout diversity")),
        });
        Ok(())
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        _folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let Some(figuring) = &mut self.0 else {
            return Ok(());
        };
        let facts = Facts {
            words: document.read_if_present().await?,
            layout: document.read_if_present().await?,
            truth: document.read_if_present().await?,
            handwriting: document.read_if_present().await?,
            elements: document.read_if_present().await?,
            ocr: document.read_if_present().await?,
            verification: document.read_if_present().await?,
            usage: document.read_if_present().await?,
        };
        figuring.tally.add(&facts);
        if let Some(words) = &facts.words {
            let layout = facts.layout.as_deref();
            figuring.diversity.add(facts.document_type(), words, layout);
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        dataset: &DatasetContext,
        _folder: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        let Some(figuring) = self.0.take() else {
            return Ok(Outputs::new());
        };
        let Figuring {
            documents,
            tally,
            diversity,
        } = figuring;
        let layout_diversity = blocking(move || Ok(diversity.figures())).await?;
        let errors = dataset.dead_letters.iter();
        let codes = errors.map(|letter| letter.problem.code.as_str());
        let figures = tally.figures(documents, codes, layout_diversity);
        Outputs::new().with(&as_analysis(&figures)?)
    }
}

fn as_analysis(figures: &Figures) -> Result<Analysis, StageFailure> {
    match serde_json::to_value(figures) {
        Ok(Value::Object(object)) => Ok(Analysis(object)),
        Ok(_) => Ok(Analysis::default()),
        Err(error) => Err(StageFailure::new(
            BROKEN_ARTIFACT,
            "the figures of the run do not encode",
        )
        .because(&error)),
    }
}

/// A map from names to figures, in order of name.
type ByName<T> = BTreeMap<String, T>;

#[cfg(test)]
mod tests;
