//! Whether the ground truth is carried by the pages and survives optical character recognition.

use std::sync::Arc;

use async_trait::async_trait;
use docgenie_document::{
    Slot,
    geometry::Rect,
    ocr::Ocr,
    text::Words,
    truth::{GroundTruth, Grounding, KeyVerdict, Layout, Verification},
};
use docgenie_runtime::stage::{
    Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig, StageEnv,
    StageFailure, blocking,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::markup::{ENTITY_LABELS, REGION_LABELS};

mod error_rate;
mod similarity;

use error_rate::character_error_rate;
use similarity::{Haystack, squeezed};

/// Options of the stage `verify`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyConfig {
    /// The similarity to the page's words, 0 to 1, from which a value counts as carried by it; 1
    /// asks for it verbatim.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_similarity: f64,
}

impl Default for VerifyConfig {
    fn default() -> Self {
        Self {
            min_similarity: 0.9,
        }
    }
}

impl StageConfig for VerifyConfig {
    const NAME: &'static str = "verify";
    const VERSION: u32 = 2;
    const SUMMARY: &'static str = "Checks the ground truth against the words of the pages.";
    const DOCUMENTATION: &'static str = "\
Every field, question and answer of the ground truth is looked for where it should stand: in the \
words it is tied to, else in the whole document. Where OCR ran, it is looked for in what OCR read \
there, too.

- *Exact*: the value stands there verbatim. Texts are compared after NFKC and without white space \
and invisible characters, since scripts and line ends use those differently.
- *Similarity*: 1 − d/n, where n is the number of characters of the value and d the least edit \
distance of the value to any part of the text (Sellers 1980).
- *Character error rate* of OCR: edit distance over the number of characters, line by line. Every \
word read is compared with the line of the page's word that it covers most, in the order of that \
line's words, so that a different reading order is no error. What covers no word counts as \
inserted.

A document passes if every key reaches `min_similarity`. Its labels are valid if they are known \
ones, word labels match the words in number, and every box lies on its page. A document that does \
not pass is reported and stays in the dataset.

```toml
[[stage]]
uses = \"verify\"
```
";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Words, Slot::GroundTruth],
            reads_if_present: vec![Slot::Layout, Slot::Ocr],
            writes: vec![Slot::Verification],
        }
    }

    fn build(self, _env: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for VerifyConfig {
    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let words = document.read::<Words>().await?;
        let truth = document.read::<GroundTruth>().await?;
        let layout = document.read_if_present::<Layout>().await?;
        let ocr = document.read_if_present::<Ocr>().await?;
        let min_similarity = self.min_similarity;
        let found = blocking(move || {
            let (layout, ocr) = (layout.as_deref(), ocr.as_deref());
            Ok(verification(&words, &truth, layout, ocr, min_similarity))
        })
        .await?;
        let mut outputs = Outputs::new().with(&found)?;
        if !found.passed {
            outputs = outputs.noting("a value of the ground truth does not stand on the pages");
        }
        if !found.valid_labels {
            outputs = outputs.noting("a label is not a known one or a box leaves its page");
        }
        Ok(outputs)
    }
}

/// Checks a ground truth.
#[must_use]
pub fn verification(
    words: &Words,
    truth: &GroundTruth,
    layout: Option<&Layout>,
    ocr: Option<&Ocr>,
    min_similarity: f64,
) -> Verification {
    let page_text = Haystack::of(words.words.iter().map(|word| word.text.as_str()));
    let ocr_text = ocr.map(|ocr| Haystack::of(ocr_words(ocr).map(|(_, _, text)| text)));
    let verdict = |key: Key<'_>| {
        let value = squeezed(&key.value);
        let stands_in = match key.places {
            [] => page_text.find(&value),
            places => Haystack::of(grounded(words, places)).find(&value),
        };
        let read_in = ocr.zip(ocr_text.as_ref());
        let ocr_similarity = read_in.map(|(ocr, everything)| match key.places {
            [] => everything.find(&value).similarity,
            places => Haystack::of(read_at(ocr, places)).find(&value).similarity,
        });
        KeyVerdict {
            kind: key.kind.to_owned(),
            key: key.name.to_owned(),
            group: key.group.cloned(),
            value: key.value,
            exact: stands_in.exact,
            similarity: stands_in.similarity,
            ocr_similarity,
        }
    };
    let keys: Vec<_> = keys(truth).map(verdict).collect();
    Verification {
        passed: keys.iter().all(|key| key.similarity >= min_similarity),
        valid_labels: valid_labels(words, truth, layout),
        keys,
        layout_elements: layout.map_or(0, |layout| layout.regions.len() as u32),
        ocr_character_error_rate: ocr.and_then(|ocr| character_error_rate(words, ocr)),
    }
}

/// Something the ground truth says.
struct Key<'a> {
    kind: &'static str,
    name: &'a str,
    group: Option<&'a (String, u32)>,
    value: String,
    places: &'a [Grounding],
}

/// Fields, questions, and those free-form answers that are plain texts or numbers and are no
/// repetition of a question.
fn keys(truth: &GroundTruth) -> impl Iterator<Item = Key<'_>> {
    let fields = truth.fields.iter().map(|field| Key {
        kind: "field",
        name: &field.name,
        group: field.group.as_ref(),
        value: field.value.clone(),
        places: &field.places,
    });
    let questions = truth.questions.iter().map(|question| Key {
        kind: "question",
        name: &question.question,
        group: None,
        value: question.answer.clone(),
        places: &question.places,
    });
    let asked = |name: &String| truth.questions.iter().any(|asked| asked.question == *name);
    let answers = truth.answers.iter().filter_map(move |(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!asked(name)).then_some(Key {
            kind: "question",
            name,
            group: None,
            value,
            places: &[],
        })
    });
    fields.chain(questions).chain(answers)
}

fn grounded<'a>(words: &'a Words, places: &'a [Grounding]) -> impl Iterator<Item = &'a str> + 'a {
    let positions = places.iter().flat_map(|place| &place.words);
    let found = positions.filter_map(|&position| words.words.get(position as usize));
    found.map(|word| word.text.as_str())
}

/// What OCR read at these places, whole words even where they reach beyond.
fn read_at<'a>(ocr: &'a Ocr, places: &'a [Grounding]) -> impl Iterator<Item = &'a str> + 'a {
    let overlaps = |page: u32, rect: &Rect| {
        places.iter().any(|place| {
            let shared = place
                .rect
                .intersection(rect)
                .map_or(0.0, |rect| rect.area());
            place.page == page && shared > 0.0
        })
    };
    ocr_words(ocr)
        .filter(move |(page, rect, _)| overlaps(*page, rect))
        .map(|(.., text)| text)
}

fn ocr_words(ocr: &Ocr) -> impl Iterator<Item = (u32, &Rect, &str)> {
    ocr.pages.iter().flat_map(|page| {
        let words = page.words.iter();
        words.map(|word| (page.page, &word.rect, word.text.as_str()))
    })
}

/// How far a box may reach over the edge of its page, in points, for rounding's sake.
const TOLERANCE: f64 = 0.01;

fn valid_labels(words: &Words, truth: &GroundTruth, layout: Option<&Layout>) -> bool {
    let on_page = |page: u32, rect: &Rect| {
        words.pages.get(page as usize).is_some_and(|page| {
            rect.x0 >= -TOLERANCE
                && rect.y0 >= -TOLERANCE
                && rect.x1 <= page.size.width + TOLERANCE
                && rect.y1 <= page.size.height + TOLERANCE
        })
    };
    let regions = || layout.into_iter().flat_map(|layout| &layout.regions);
    let cells = regions().flat_map(|region| &region.cells);
    let mut places = regions()
        .flat_map(|region| &region.places)
        .chain(cells.flat_map(|cell| &cell.places))
        .chain(truth.fields.iter().flat_map(|field| &field.places))
        .chain(truth.questions.iter().flat_map(|asked| &asked.places))
        .chain(truth.entities.iter().flat_map(|entity| &entity.places));
    let is_bio = |label: &String| {
        let entity = label
            .strip_prefix("B-")
            .or_else(|| label.strip_prefix("I-"));
        label == "O" || entity.is_some_and(|entity| ENTITY_LABELS.contains(&entity))
    };
    let mut entities = truth.entities.iter();
    let known_region = |label: &str| REGION_LABELS.contains(&label);
    let known_entity = |label: &str| ENTITY_LABELS.contains(&label);

    regions().all(|region| known_region(&region.label))
        && entities.all(|entity| known_entity(&entity.label))
        && truth.bio.iter().all(is_bio)
        && (truth.bio.is_empty() || truth.bio.len() == words.words.len())
        && places.all(|place| on_page(place.page, &place.rect))
        && words
            .words
            .iter()
            .all(|word| on_page(word.page, &word.rect))
}

#[cfg(test)]
mod tests;
