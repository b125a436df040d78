//! What a model is asked. The words are in `prompt.md`.

use std::{error::Error, sync::LazyLock};

use docgenie_document::{Digest, Seed};
use docgenie_runtime::{extension::TruthBrief, stage::StageFailure};
use minijinja::{Environment, UndefinedBehavior, context, value::Serde};
use serde_json::json;

use super::{super::dice::Dice, UNUSABLE_ANSWER};
use crate::author::seeds::SeedPage;

/// The words for the model's role, a line, the words for one set of documents.
const WORDS: &str = include_str!("prompt.md");
const BORDER: &str = "\n=====\n";

/// The most tokens a document may take.
const TOKENS_A_DOCUMENT: u32 = 7_000;
/// The most tokens of an answer: what a model writes within the ten minutes that a connection is
/// held open.
const MOST_TOKENS: u32 = 21_000;

/// Where a set may begin from, so that sets differ though they are asked for in the same words.
const SETTINGS: &[&str] = &[
    "a family business in a small town",
    "the office of a mid-sized manufacturer",
    "a public authority",
    "a hospital or a medical practice",
    "a school or a university",
    "a craftsman's workshop",
    "an online shop",
    "a shipping company",
    "a restaurant or a hotel",
    "a law firm or a notary",
    "a bank or an insurance company",
    "a sports club or another association",
    "a farm or a food producer",
    "a software company",
    "a property manager",
    "an energy supplier",
    "a research laboratory",
    "a theatre or a museum",
];
const LOOKS: &[&str] = &[
    "plain and typewritten",
    "modern, with much white and one strong colour",
    "dense, with small type and many lines and boxes",
    "a printed form with entries filled in",
    "old-fashioned, with serifs and ornaments",
    "two columns under a letterhead",
    "large type and few words",
    "a grid of tables",
    "an informal sheet made in a hurry",
    "a corporate look with a coloured band",
];

/// What is wanted of a group of documents.
pub(super) struct Wanted<'a> {
    pub(super) doc_type: &'a str,
    pub(super) language: &'a str,
    /// A paper's name, where one is asked for.
    pub(super) paper: Option<&'a str>,
    pub(super) gt_type: &'a str,
    pub(super) gt_format: &'a str,
    /// Other forms of ground truth.
    pub(super) forms: &'a [(String, TruthBrief)],
    pub(super) pages: &'a [SeedPage],
    /// The group, counted from 0, and its seed.
    pub(super) group: u64,
    pub(super) seed: Seed,
    pub(super) documents: u64,
    /// Whether it is asked for what an earlier answer did not give.
    pub(super) again: bool,
}

/// A question to a model.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) system: String,
    pub(super) text: String,
    pub(super) pages: Vec<SeedPage>,
    pub(super) max_tokens: u32,
    /// Where chance comes from that has to do with it.
    pub(super) seed: Seed,
}

impl Prompt {
    /// # Errors
    /// When the words do not render, which is a defect.
    pub(super) fn new(wanted: &Wanted<'_>) -> Result<Self, StageFailure> {
        static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
            environment
        });
        let (system, words) = WORDS.split_once(BORDER).unwrap_or(("", WORDS));
        let mut dice = Dice::new(wanted.seed);
        let draw =
            |dice: &mut Dice, list: &[&'static str]| dice.pick(list).copied().unwrap_or_default();
        let idea = format!("{}; {}", draw(&mut dice, SETTINGS), draw(&mut dice, LOOKS));
        let forms: Vec<_> = wanted
            .forms
            .iter()
            .map(|(name, brief)| {
                json!({
                    "name": name,
                    "instructions": brief.instructions.trim(),
                    "schema": brief.draft_schema.to_string(),
                })
            })
            .collect();
        let rendered = ENVIRONMENT.render_str(
            words,
            context! {
                documents => wanted.documents,
                doc_type => wanted.doc_type,
                language => wanted.language,
                paper => wanted.paper,
                gt_type => wanted.gt_type,
                gt_format => wanted.gt_format,
                pages => wanted.pages.len(),
                group => wanted.group + 1,
                again => wanted.again,
                forms => Serde(forms),
                idea,
            },
        );
        let text = rendered.map_err(|error| {
            StageFailure::new(UNUSABLE_ANSWER, "the prompt does not render")
                .because_of(Some(&error as &dyn Error))
        })?;
        let documents = u32::try_from(wanted.documents).unwrap_or(u32::MAX);
        Ok(Self {
            system: system.to_owned(),
            text: text.trim().to_owned(),
            pages: wanted.pages.to_vec(),
            max_tokens: TOKENS_A_DOCUMENT.saturating_mul(documents).min(MOST_TOKENS),
            seed: wanted.seed,
        })
    }

    /// What its answer is kept under: all that a model sees of it, and the seed, so that another run
    /// asks anew.
    pub(super) fn digest(&self, model: &str) -> Digest {
        let seed = self.seed.0.to_le_bytes();
        let words = [model, &self.system, &self.text].map(str::as_bytes);
        let pages = self.pages.iter().map(|page| &page.digest.as_bytes()[..]);
        Digest::of_parts([&seed[..]].into_iter().chain(words).chain(pages))
    }
}

/// What prompts depend on besides what they are told.
pub(super) fn identity() -> Digest {
    Digest::of(WORDS.as_bytes())
}
