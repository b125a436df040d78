//! `metadata.json`: what is in the dataset and what it was made from.

use std::collections::BTreeMap;

use docgenie_runtime::stage::{DeadLetter, RunFacts, StageFacts, StageFailure};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    parts::{Parts, round},
    tree::unencodable,
};

const MM_PER_POINT: f64 = 25.4 / 72.0;

/// What is said of a document.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) document_id: String,
    pub(super) pages: usize,
    /// Millimetres across and down, a pair for each page.
    page_sizes_mm: Vec<[f64; 2]>,
    pub(super) document_type: String,
    pub(super) language: String,
    pub(super) split: Option<&'static str>,
    has_handwriting: bool,
    has_visual_elements: bool,
    has_ocr: bool,
    modification_type: Option<&'static str>,
}

impl Entry {
    pub(super) fn new(parts: &Parts, split: Option<&'static str>) -> Self {
        let truth = parts.truth.as_deref();
        Self {
            document_id: parts.id.to_string(),
            pages: parts.images.0.len(),
            page_sizes_mm: parts
                .words
                .pages
                .iter()
                .map(|page| {
                    [page.size.width, page.size.height]
                        .map(|points| round(points * MM_PER_POINT, 1e3))
                })
                .collect(),
            document_type: truth.map_or_else(String::new, |it| it.document_type.clone()),
            language: truth.map_or_else(String::new, |it| it.language.clone()),
            split,
            has_handwriting: parts.has_handwriting(),
            has_visual_elements: parts.has_visual_elements(),
            has_ocr: parts.ocr.is_some(),
            modification_type: None,
        }
    }
}

/// The whole file. The mark of the generator comes first: by it a dataset is known as replaceable.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    generator: &'static str,
    structure_version: &'static str,
    structure_description: &'static str,
    dataset_name: &'a str,
    num_documents: usize,
    num_pages: usize,
    documents: &'a [Entry],
    missing_documents: Vec<Missing<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    splits: BTreeMap<&'static str, usize>,
    generation_metadata: Map<String, Value>,
}

/// A gap in the numbers: a document that failed.
#[derive(Serialize)]
struct Missing<'a> {
    document_id: String,
    stage: &'a str,
    code: &'a str,
}

#[derive(Serialize)]
struct Generation<'a> {
    pipeline: &'a str,
    pipeline_digest: String,
    seed: u64,
    engine_version: &'a str,
    documents_asked_for: u64,
    prompt_params: &'a Map<String, Value>,
    stages: &'a [StageFacts],
}

impl<'a> Metadata<'a> {
    pub(super) fn new(
        run: &'a RunFacts,
        documents: &'a [Entry],
        dead: &'a [DeadLetter],
        further: &Map<String, Value>,
    ) -> Result<Self, StageFailure> {
        let mut splits = BTreeMap::new();
        for part in documents.iter().filter_map(|entry| entry.split) {
            *splits.entry(part).or_default() += 1;
        }
        // Messages and causes may name paths and hosts, which have no place in a dataset.
        let missing = dead.iter().map(|letter| Missing {
            document_id: letter.document.to_string(),
            stage: &letter.stage,
            code: &letter.problem.code,
        });
        Ok(Self {
            generator: "docgenie-engine",
            structure_version: "2.0",
            structure_description: "one folder a kind of file, documents numbered from 1, pages after the first as document_N_pM; see README.md",
            dataset_name: &run.pipeline,
            num_documents: documents.len(),
            num_pages: documents.iter().map(|entry| entry.pages).sum(),
            documents,
            missing_documents: missing.collect(),
            splits,
            generation_metadata: generation(run, further)?,
        })
    }
}

/// What the run itself tells, and after it what the pipeline adds.
fn generation(
    run: &RunFacts,
    further: &Map<String, Value>,
) -> Result<Map<String, Value>, StageFailure> {
    let told = Generation {
        pipeline: &run.pipeline,
        pipeline_digest: run.pipeline_digest.to_string(),
        seed: run.seed.0,
        engine_version: &run.engine,
        documents_asked_for: run.documents,
        prompt_params: &run.params,
        stages: &run.stages,
    };
    let told = serde_json::to_value(&told).map_err(unencodable)?;
    let mut metadata = Map::from_iter([("api_mode".to_owned(), "pipeline".into())]);
    if let Value::Object(told) = told {
        metadata.extend(told);
    }
    for (name, value) in further {
        if name == "api_mode" || !metadata.contains_key(name) {
            metadata.insert(name.clone(), value.clone());
        }
    }
    Ok(metadata)
}
