//! `README.md`: the dataset card.

use std::collections::BTreeMap;

use docgenie_runtime::stage::{DeadLetter, RunFacts, StageFailure};
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

use super::{PackageConfig, fonts, metadata::Entry, parts::Parts, tree::unencodable};

/// What the card's template is filled with.
#[derive(Serialize)]
struct Card<'a> {
    name: &'a str,
    description: &'a str,
    engine: &'a str,
    pipeline_digest: String,
    seed: u64,
    asked_for: u64,
    documents: usize,
    pages: usize,
    size_category: &'static str,
    first: Option<&'a str>,
    languages: Vec<(&'a str, usize)>,
    /// Primary subtags, for the front matter.
    language_codes: Vec<&'a str>,
    types: Vec<(&'a str, usize)>,
    splits: Vec<(&'a str, usize)>,
    missing: Vec<(String, &'a str, &'a str)>,
    params: Vec<(&'a str, String)>,
    stages: Vec<StageRow<'a>>,
    fonts: Vec<FontRow<'a>>,
    has: Contents,
}

#[derive(Serialize)]
struct StageRow<'a> {
    id: &'a str,
    uses: &'a str,
    version: u32,
    identity: &'a str,
    options: String,
}

#[derive(Serialize)]
struct FontRow<'a> {
    family: &'a str,
    licence: Option<&'static str>,
    documents: usize,
}

/// Which folders there are to explain.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Contents {
    pub(super) html: bool,
    pub(super) segments: bool,
    pub(super) layout: bool,
    pub(super) truth: bool,
    pub(super) handwriting: bool,
    pub(super) visual_elements: bool,
    pub(super) formats: bool,
    pub(super) ocr: bool,
    pub(super) verification: bool,
    pub(super) overlay: bool,
    pub(super) analysis: bool,
    pub(super) characters: bool,
    pub(super) contact_sheet: bool,
}

impl Contents {
    pub(super) fn of_options(options: &PackageConfig) -> Self {
        Self {
            characters: options.characters,
            contact_sheet: options.contact_sheet,
            ..Self::default()
        }
    }

    /// Takes note of what this document has.
    pub(super) fn add(&mut self, parts: &Parts) {
        self.html |= parts.html.is_some();
        self.segments |= parts.segments.is_some();
        self.layout |= parts.layout.is_some();
        self.truth |= parts.truth.is_some();
        self.handwriting |= parts.has_handwriting();
        self.visual_elements |= parts.has_visual_elements();
        self.formats |= parts
            .annotations
            .as_ref()
            .is_some_and(|it| !it.0.is_empty());
        self.ocr |= parts.ocr.is_some();
        self.verification |= parts.verification.is_some();
        self.overlay |= parts.overlay.is_some();
    }
}

/// The card of a dataset; `fonts` counts documents by family.
pub(super) fn card(
    run: &RunFacts,
    entries: &[Entry],
    dead_letters: &[DeadLetter],
    fonts: &BTreeMap<String, usize>,
    has: Contents,
) -> Result<String, StageFailure> {
    let mut codes: Vec<_> = entries.iter().map(|it| primary(&it.language)).collect();
    codes.sort_unstable();
    codes.dedup();
    let missing = dead_letters.iter().map(|letter| {
        let document = letter.document.to_string();
        (document, &*letter.stage, &*letter.problem.code)
    });
    let params = run.params.iter();
    let stages = run.stages.iter().map(|stage| {
        let options = serde_json::to_string(&stage.options).map_err(unencodable)?;
        Ok(StageRow {
            id: &stage.id,
            uses: &stage.uses,
            version: stage.version,
            identity: &stage.identity,
            options,
        })
    });
    let fonts = fonts.iter().map(|(family, documents)| FontRow {
        family,
        licence: fonts::licence(family),
        documents: *documents,
    });
    let card = Card {
        name: &run.pipeline,
        description: &run.description,
        engine: &run.engine,
        pipeline_digest: run.pipeline_digest.to_string(),
        seed: run.seed.0,
        asked_for: run.documents,
        documents: entries.len(),
        pages: entries.iter().map(|it| it.pages).sum(),
        size_category: size_category(entries.len()),
        first: entries.first().map(|it| it.document_id.as_str()),
        languages: counts(entries.iter().map(|it| it.language.as_str())),
        language_codes: codes.into_iter().filter(|code| !code.is_empty()).collect(),
        types: counts(entries.iter().map(|it| it.document_type.as_str())),
        splits: counts(entries.iter().filter_map(|it| it.split)),
        missing: missing.collect(),
        params: params
            .map(|(name, value)| (name.as_str(), value.to_string()))
            .collect(),
        stages: stages.collect::<Result<_, StageFailure>>()?,
        fonts: fonts.collect(),
        has,
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let template = include_str!("card.md.jinja");
    let card = environment.render_str(template, Serde(card));
    Ok(card.map_err(unencodable)? + "\n")
}

/// How many of each name there are, in order of name; what has no name is left out.
fn counts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut counts = BTreeMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        *counts.entry(name).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// The primary subtag of a language tag: `pt` of `pt-BR`.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// As the Hugging Face hub names sizes.
fn size_category(documents: usize) -> &'static str {
    match documents {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "n>1M",
    }
}
