//! Exports of documents that no browser has printed: what their speed and memory are measured with.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use docgenie_document::{
    Digest, Seed, Slot,
    geometry::{PixelGrid, Rect, Size},
    image::{PageImage, PageImages},
    text::{Page, Word, Words},
    truth::{Entity, Field, GroundTruth, Grounding, Layout, Region},
};
use docgenie_pipeline::{Plan, PlannedStage, Scope, SlotUse};
use docgenie_runtime::{
    artifact::{ArtifactError, ArtifactStore, Memo},
    executor::{Executor, Halt, RunOrder},
    extension::NoExtensions,
    job::{Params, RunSpec, RunState, memory::MemoryJobs},
    progress::Silent,
    stage::{
        Built, DocumentContext, DocumentStage, Outputs, StageConfig, StageEnv, StageFailure,
        StageKind,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const PNG: &[u8] = include_bytes!("../plugins/sdk/src/page.png");
const PIXELS: (u32, u32) = (248, 351);
/// A4 in points.
const SIZE: Size = Size {
    width: 595.0,
    height: 842.0,
};
const WORDS_A_LINE: u32 = 12;
const LINES_A_BLOCK: u32 = 8;

/// Starts documents of one page, which are alike but for their names.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Alike {
    documents: u64,
    words: u32,
}

impl StageConfig for Alike {
    const NAME: &'static str = "alike";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Starts documents that are alike.";
    const DOCUMENTATION: &'static str = "";
    const SCOPE: Scope = Scope::Document;
    const STARTS_DOCUMENTS: bool = true;

    fn slots(&self) -> SlotUse {
        SlotUse {
            writes: vec![
                Slot::Words,
                Slot::Layout,
                Slot::GroundTruth,
                Slot::PageImages,
            ],
            ..SlotUse::default()
        }
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for Alike {
    fn documents(&self) -> Option<u64> {
        Some(self.documents)
    }

    async fn run(&self, _: &DocumentContext) -> Result<Outputs, StageFailure> {
        let words = words(self.words);
        let grid = PixelGrid {
            width: PIXELS.0,
            height: PIXELS.1,
            page: SIZE,
        };
        let image = PageImage {
            page: 0,
            grid,
            png: PNG.to_vec(),
        };
        Outputs::new()
            .with(&layout(&words))?
            .with(&truth(&words))?
            .with(&words)?
            .with(&PageImages(vec![image]))
    }
}

fn words(count: u32) -> Words {
    let words = (0..count).map(|number| {
        let (line, column) = (number / WORDS_A_LINE, number % WORDS_A_LINE);
        let (left, top) = (
            40.0 + 43.0 * f64::from(column),
            30.0 + 9.0 * f64::from(line),
        );
        Word {
            text: format!("word{number}"),
            page: 0,
            rect: Rect {
                x0: left,
                y0: top,
                x1: left + 40.3,
                y1: top + 8.1,
            },
            block: line / LINES_A_BLOCK,
            line: line % LINES_A_BLOCK,
            number: column,
            angle: 0.0,
            right_to_left: false,
            font_size: 7.5,
            characters: Vec::new(),
        }
    });
    Words {
        pages: vec![Page { size: SIZE }],
        words: words.collect(),
    }
}

/// A paragraph a block.
fn layout(words: &Words) -> Layout {
    let blocks = words.words.chunks((WORDS_A_LINE * LINES_A_BLOCK) as usize);
    let mut first = 0;
    let regions = blocks.zip(0..).map(|(block, order)| {
        let positions = first..first + block.len() as u32;
        first = positions.end;
        Region {
            label: "paragraph".to_owned(),
            order,
            parent: None,
            places: vec![place(words, positions)],
            cells: Vec::new(),
        }
    });
    Layout {
        regions: regions.collect(),
    }
}

/// The first word of each line is a field and, by turns, an entity.
fn truth(words: &Words) -> GroundTruth {
    let mut truth = GroundTruth {
        document_type: "invoice".to_owned(),
        language: "en".to_owned(),
        bio: vec!["O".to_owned(); words.words.len()],
        ..GroundTruth::default()
    };
    for (word, at) in words.words.iter().zip(0..) {
        if word.number != 0 {
            continue;
        }
        truth.fields.push(Field {
            name: format!("field_{}", word.line),
            value: word.text.clone(),
            normalised: None,
            group: Some(("block".to_owned(), word.block)),
            places: vec![place(words, at..at + 1)],
        });
        if word.line % 2 == 0 {
            truth.bio[at as usize] = "B-ORG".to_owned();
            truth.entities.push(Entity {
                label: "ORG".to_owned(),
                text: word.text.clone(),
                places: vec![place(words, at..at + 1)],
            });
        }
    }
    truth
}

fn place(words: &Words, positions: std::ops::Range<u32>) -> Grounding {
    let own = &words.words[positions.start as usize..positions.end as usize];
    Grounding {
        page: 0,
        rect: Rect::union_all(own.iter().map(|word| &word.rect)).unwrap(),
        words: positions.collect(),
    }
}

/// Runs these exporters, one after the other for each document, over so many documents of so many
/// words. The dataset appears in `folder`.
///
/// # Panics
/// When the run does not succeed as a whole.
pub async fn export(documents: u64, words: u32, exporters: &[StageKind], folder: &Path) {
    let alike = StageKind::of::<Alike>();
    let options = json!({ "documents": documents, "words": words });
    let start = planned(&alike, options, Vec::new());
    let behind = exporters
        .iter()
        .map(|exporter| planned(exporter, json!({}), vec![0]));
    let plan = Plan {
        name: "exports".to_owned(),
        description: String::new(),
        params: Map::new(),
        pipeline: Digest::of(b"exports"),
        stages: std::iter::once(start).chain(behind).collect(),
        plugins: Vec::new(),
    };
    let order = RunOrder {
        spec: RunSpec {
            pipeline: plan.name.clone(),
            file: None,
            pipeline_digest: plan.pipeline,
            params: Params::from(&Map::new()),
            seed: Seed(1),
            inputs: Vec::new(),
            out: Some(folder.join("dataset")),
            zip: None,
            origin: None,
        },
        env: StageEnv {
            home: folder.join("home"),
            pipeline_dir: folder.to_owned(),
            inputs: Vec::new(),
            jobs: 2,
            extensions: Arc::new(NoExtensions),
            secrets: docgenie_runtime::secret::Secrets::default(),
            residents: docgenie_runtime::resident::Residents::default(),
            private_addresses: false,
            program: None,
        },
        plan,
        fresh: false,
        limit: None,
        scratch: true,
        run: None,
    };
    let executor = Executor {
        registry: exporters.iter().cloned().chain([alike]).collect(),
        artifacts: Arc::new(Distinct::default()),
        jobs: Arc::new(MemoryJobs::new()),
        engine: "0".to_owned(),
    };
    let run = executor.run(
        order,
        Arc::new(Silent),
        Halt::with(Default::default()),
        |_| (),
    );
    let outcome = Box::pin(run).await.unwrap();
    let whole = (RunState::Completed, documents, None);
    assert_eq!((outcome.state, outcome.succeeded, outcome.problem), whole);
}

fn planned(kind: &StageKind, options: Value, after: Vec<usize>) -> PlannedStage {
    let options = serde_json::from_value(options).unwrap();
    PlannedStage {
        id: kind.spec.name.clone(),
        uses: kind.spec.name.clone(),
        scope: kind.spec.scope,
        slots: (kind.spec.slots)(&options),
        options: Arc::new(options),
        after,
        location: kind.spec.name.clone(),
    }
}

/// Artifacts in memory. Documents that are alike have the same, so that they are few.
#[derive(Default)]
struct Distinct(Mutex<BTreeMap<Digest, Vec<u8>>>);

#[async_trait]
impl ArtifactStore for Distinct {
    async fn put(&self, bytes: Vec<u8>) -> Result<Digest, ArtifactError> {
        let digest = Digest::of(&bytes);
        self.0.lock().unwrap().entry(digest).or_insert(bytes);
        Ok(digest)
    }

    async fn get(&self, digest: Digest) -> Result<Vec<u8>, ArtifactError> {
        let found = self.0.lock().unwrap().get(&digest).cloned();
        found.ok_or(ArtifactError::Missing(digest))
    }

    async fn remember(&self, _: Digest, _: &Memo) -> Result<(), ArtifactError> {
        Ok(())
    }

    async fn recall(&self, _: Digest) -> Result<Option<Memo>, ArtifactError> {
        Ok(None)
    }

    async fn flush(&self) -> Result<(), ArtifactError> {
        Ok(())
    }
}
