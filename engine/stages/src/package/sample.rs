//! The samples of `dataset.msgpack`: one a page.

use docgenie_document::{
    text::{Segments, Word},
    truth::{GroundTruth, Grounding},
};
use docgenie_runtime::stage::StageFailure;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    annotations::answers,
    parts::{Grids, Parts, on_page, round},
    tree::unencodable,
};

/// A page. Boxes are `[x0, y0, x1, y1]` as fractions of the page; words are referred to by their
/// position in `words`.
#[derive(Serialize)]
struct Sample<'a> {
    key: &'a str,
    sample_id: &'a str,
    document_id: String,
    page: u32,
    image_file_path: String,
    image_width: u32,
    image_height: u32,
    split: Option<&'static str>,
    words: Vec<&'a str>,
    word_bboxes: Vec<[f64; 4]>,
    segment_level_bboxes: Vec<[f64; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground_truth: Option<Truth<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layout: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ocr: Option<OcrWords<'a>>,
    /// Answers by question, as far as they do not hide anything above.
    #[serde(flatten)]
    answers: Map<String, Value>,
}

/// The names above: what ground truth never hides, whether or not this sample has them.
pub(super) const RESERVED: &[&str] = &[
    "key",
    "sample_id",
    "document_id",
    "page",
    "image_file_path",
    "image_width",
    "image_height",
    "split",
    "words",
    "word_bboxes",
    "segment_level_bboxes",
    "labels",
    "ground_truth",
    "layout",
    "ocr",
];

#[derive(Serialize)]
struct Truth<'a> {
    document_type: &'a str,
    language: &'a str,
    answers: Map<String, Value>,
    questions: Vec<Item<'a>>,
    fields: Vec<Item<'a>>,
    entities: Vec<Item<'a>>,
}

/// A question, field, entity or region as far as it stands on the page.
#[derive(Default, Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalised: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a (String, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    bboxes: Vec<[f64; 4]>,
    words: Vec<usize>,
}

/// What recognition read: noisy, beside the exact words.
#[derive(Serialize)]
struct OcrWords<'a> {
    engine: &'a str,
    words: Vec<&'a str>,
    word_bboxes: Vec<[f64; 4]>,
    confidences: Vec<f64>,
}

/// The encoded samples of a document, page by page, with their keys.
pub(super) fn samples(
    parts: &Parts,
    grids: &Grids,
    split: Option<&'static str>,
) -> Result<Vec<(String, Vec<u8>)>, StageFailure> {
    let lines = line_boxes(parts, grids);
    let pages = grids.iter().map(|(page, grid)| {
        let key = parts.id.page_name(page);
        let words: Vec<(usize, &Word)> = parts.words.on_page(page).collect();
        let first = words.first().map_or(0, |(at, _)| *at);
        let here = Here { page, first, grids };
        let truth = parts.truth.as_deref();
        let bio = truth.and_then(|truth| truth.bio.get(first..first + words.len()));
        let answers = truth.map(|truth| here.answers(truth)).unwrap_or_default();
        let sample = Sample {
            key: &key,
            sample_id: &key,
            document_id: parts.id.to_string(),
            page,
            image_file_path: parts.image_path(page),
            image_width: grid.width,
            image_height: grid.height,
            split,
            words: words.iter().map(|(_, word)| word.text.as_str()).collect(),
            word_bboxes: words
                .iter()
                .map(|(_, word)| here.bbox(&word.rect))
                .collect(),
            segment_level_bboxes: words
                .iter()
                .map(|(at, word)| {
                    lines
                        .get(*at)
                        .copied()
                        .flatten()
                        .unwrap_or_else(|| here.bbox(&word.rect))
                })
                .collect(),
            labels: bio,
            ground_truth: truth.map(|truth| here.truth(truth, answers.clone())),
            layout: here.layout(parts),
            ocr: here.ocr(parts),
            answers: without_reserved(answers),
        };
        let bytes = rmp_serde::to_vec_named(&sample).map_err(unencodable)?;
        Ok((key, bytes))
    });
    pages.collect()
}

/// For each word the box of the line it is in.
fn line_boxes(parts: &Parts, grids: &Grids) -> Vec<Option<[f64; 4]>> {
    let mut boxes = vec![None; parts.words.words.len()];
    let lines = parts
        .segments
        .as_deref()
        .map(|Segments { lines, .. }| lines);
    for line in lines.into_iter().flatten() {
        let bbox = grids.fractions(line.page, &line.rect);
        for word in &line.words {
            let word = usize::try_from(*word).ok().and_then(|at| boxes.get_mut(at));
            if let Some(word) = word {
                *word = Some(bbox);
            }
        }
    }
    boxes
}

fn without_reserved(mut answers: Map<String, Value>) -> Map<String, Value> {
    answers.retain(|key, _| !RESERVED.contains(&key.as_str()));
    answers
}

/// One page and the position of its first word in the document.
struct Here<'a> {
    page: u32,
    first: usize,
    grids: &'a Grids,
}

impl Here<'_> {
    fn bbox(&self, rect: &docgenie_document::geometry::Rect) -> [f64; 4] {
        self.grids.fractions(self.page, rect)
    }

    /// Whether something stands on this page. What has no place belongs to the first.
    fn has(&self, places: &[Grounding]) -> bool {
        if places.is_empty() {
            self.page == 0
        } else {
            on_page(places, self.page).next().is_some()
        }
    }

    /// An item's boxes and words on this page; the rest is for the caller to fill in.
    fn item<'b>(&self, places: &[Grounding]) -> Item<'b> {
        let here = || on_page(places, self.page);
        let words = here().flat_map(|place| &place.words);
        let local = |word: &u32| usize::try_from(*word).ok()?.checked_sub(self.first);
        Item {
            bboxes: here().map(|place| self.bbox(&place.rect)).collect(),
            words: words.filter_map(local).collect(),
            ..Item::default()
        }
    }

    /// Questions answered on this page. An author's own object belongs to the first.
    fn answers(&self, truth: &GroundTruth) -> Map<String, Value> {
        if !truth.answers.is_empty() && self.page > 0 {
            return Map::new();
        }
        let here = truth.questions.iter().filter(|it| self.has(&it.places));
        answers(truth, here)
    }

    fn truth<'b>(&self, truth: &'b GroundTruth, answers: Map<String, Value>) -> Truth<'b> {
        let questions = truth.questions.iter().filter(|it| self.has(&it.places));
        let fields = truth.fields.iter().filter(|it| self.has(&it.places));
        let entities = truth.entities.iter().filter(|it| self.has(&it.places));
        Truth {
            document_type: &truth.document_type,
            language: &truth.language,
            answers,
            questions: questions
                .map(|it| Item {
                    question: Some(&it.question),
                    answer: Some(&it.answer),
                    name: it.field.as_deref(),
                    ..self.item(&it.places)
                })
                .collect(),
            fields: fields
                .map(|it| Item {
                    name: Some(&it.name),
                    value: Some(&it.value),
                    normalised: it.normalised.as_deref(),
                    group: it.group.as_ref(),
                    ..self.item(&it.places)
                })
                .collect(),
            entities: entities
                .map(|it| Item {
                    label: Some(&it.label),
                    text: Some(&it.text),
                    ..self.item(&it.places)
                })
                .collect(),
        }
    }

    /// The regions that reach this page, in reading order.
    fn layout<'b>(&self, parts: &'b Parts) -> Vec<Item<'b>> {
        let regions = parts.layout.iter().flat_map(|layout| &layout.regions);
        let here = regions.filter(|region| on_page(&region.places, self.page).next().is_some());
        here.map(|region| Item {
            label: Some(&region.label),
            ..self.item(&region.places)
        })
        .collect()
    }

    fn ocr<'b>(&self, parts: &'b Parts) -> Option<OcrWords<'b>> {
        let ocr = parts.ocr.as_deref()?;
        let words = &ocr.pages.iter().find(|it| it.page == self.page)?.words;
        Some(OcrWords {
            engine: &ocr.engine,
            words: words.iter().map(|word| word.text.as_str()).collect(),
            word_bboxes: words.iter().map(|word| self.bbox(&word.rect)).collect(),
            confidences: words.iter().map(|it| round(it.confidence, 1e4)).collect(),
        })
    }
}
