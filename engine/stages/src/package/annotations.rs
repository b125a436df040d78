//! The files below `annotations/`, `layout/`, `handwriting/` and `visual_elements/`: what the text
//! means, with places in pixels of the shipped images.

use docgenie_document::truth::{
    Cell, Entity, Field, GroundTruth, Grounding, InkRegion, KeyVerdict, Question, Region,
    Verification, VisualPlace,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::parts::Grids;

/// Where something stands: page counted from 0, `bbox` as `[x0, y0, x1, y1]` in pixels, `words` as
/// positions in the files of words.
#[derive(Serialize)]
pub(super) struct Place<'a> {
    page: u32,
    bbox: [f64; 4],
    words: &'a [u32],
}

fn places<'a>(groundings: &'a [Grounding], grids: &Grids) -> Vec<Place<'a>> {
    let place = |grounding: &'a Grounding| Place {
        page: grounding.page,
        bbox: grids.pixels(grounding.page, &grounding.rect),
        words: &grounding.words,
    };
    groundings.iter().map(place).collect()
}

/// The object an author answered with; where there is none, question → answer.
pub(super) fn answers<'a>(
    truth: &GroundTruth,
    questions: impl Iterator<Item = &'a Question>,
) -> Map<String, Value> {
    if !truth.answers.is_empty() {
        return truth.answers.clone();
    }
    let pairs = questions.map(|it| (it.question.clone(), Value::from(it.answer.as_str())));
    pairs.collect()
}

#[derive(Serialize)]
pub(super) struct QuestionItem<'a> {
    question: &'a str,
    answer: &'a str,
    field: Option<&'a str>,
    places: Vec<Place<'a>>,
}

impl<'a> QuestionItem<'a> {
    pub(super) fn new(question: &'a Question, grids: &Grids) -> Self {
        Self {
            question: &question.question,
            answer: &question.answer,
            field: question.field.as_deref(),
            places: places(&question.places, grids),
        }
    }
}

#[derive(Serialize)]
pub(super) struct FieldItem<'a> {
    name: &'a str,
    value: &'a str,
    /// The value in a machine's form where it has one.
    normalised: Option<&'a str>,
    /// Such as `line_item`.
    group: Option<&'a str>,
    /// Which one of its group, counted from 0.
    group_no: Option<u32>,
    places: Vec<Place<'a>>,
}

impl<'a> FieldItem<'a> {
    pub(super) fn new(field: &'a Field, grids: &Grids) -> Self {
        let group = field.group.as_ref();
        Self {
            name: &field.name,
            value: &field.value,
            normalised: field.normalised.as_deref(),
            group: group.map(|(name, _)| name.as_str()),
            group_no: group.map(|(_, number)| *number),
            places: places(&field.places, grids),
        }
    }
}

#[derive(Serialize)]
pub(super) struct EntityItem<'a> {
    label: &'a str,
    text: &'a str,
    places: Vec<Place<'a>>,
}

impl<'a> EntityItem<'a> {
    pub(super) fn new(entity: &'a Entity, grids: &Grids) -> Self {
        Self {
            label: &entity.label,
            text: &entity.text,
            places: places(&entity.places, grids),
        }
    }
}

/// A word with its label for sequence tagging.
#[derive(Serialize)]
pub(super) struct TagItem<'a> {
    pub(super) text: &'a str,
    pub(super) label: &'a str,
}

#[derive(Serialize)]
pub(super) struct ClassItem<'a> {
    pub(super) document_type: &'a str,
    pub(super) language: &'a str,
}

#[derive(Serialize)]
pub(super) struct RegionItem<'a> {
    label: &'a str,
    /// Place in the reading order, counted from 0.
    order: u32,
    /// Position of the region around it in this list.
    parent: Option<u32>,
    places: Vec<Place<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cells: Vec<CellItem<'a>>,
}

#[derive(Serialize)]
struct CellItem<'a> {
    row: u32,
    column: u32,
    row_span: u32,
    column_span: u32,
    header: bool,
    text: &'a str,
    places: Vec<Place<'a>>,
}

impl<'a> RegionItem<'a> {
    pub(super) fn new(region: &'a Region, grids: &Grids) -> Self {
        let cell = |cell: &'a Cell| CellItem {
            row: cell.row,
            column: cell.column,
            row_span: cell.row_span,
            column_span: cell.column_span,
            header: cell.header,
            text: &cell.text,
            places: places(&cell.places, grids),
        };
        Self {
            label: &region.label,
            order: region.order,
            parent: region.parent,
            places: places(&region.places, grids),
            cells: region.cells.iter().map(cell).collect(),
        }
    }
}

/// The name of a place for handwriting in its document.
pub(super) fn ink_id(number: usize) -> String {
    format!("hw{number}")
}

/// The name of a visual element in its document.
pub(super) fn visual_id(number: usize) -> String {
    format!("ve{number}")
}

#[derive(Serialize)]
pub(super) struct InkItem<'a> {
    region_id: String,
    author: &'a str,
    signature: bool,
    text: &'a str,
    places: Vec<Place<'a>>,
}

impl<'a> InkItem<'a> {
    pub(super) fn new(number: usize, region: &'a InkRegion, grids: &Grids) -> Self {
        Self {
            region_id: ink_id(number),
            author: &region.author,
            signature: region.signature,
            text: &region.text,
            places: places(&region.places, grids),
        }
    }
}

#[derive(Serialize)]
pub(super) struct VisualItem<'a> {
    element_id: String,
    r#type: &'a str,
    content: &'a str,
    page: u32,
    /// The room for it.
    bbox: [f64; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    placed: Option<PlacedItem<'a>>,
}

/// The picture that stands in a place.
#[derive(Serialize)]
struct PlacedItem<'a> {
    /// Who drew it.
    element: &'a str,
    label: &'a str,
    /// The picture's own edges.
    bbox: [f64; 4],
    /// What it shows, by its own word.
    shows: &'a Value,
    /// Positions of the words in it.
    words: &'a [u32],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartItem<'a>>,
}

#[derive(Serialize)]
struct PartItem<'a> {
    label: &'a str,
    bbox: [f64; 4],
    words: &'a [u32],
    attributes: &'a Value,
}

impl<'a> VisualItem<'a> {
    pub(super) fn new(number: usize, place: &'a VisualPlace, grids: &Grids) -> Self {
        Self {
            element_id: visual_id(number),
            r#type: &place.kind,
            content: &place.content,
            page: place.page,
            bbox: grids.pixels(place.page, &place.rect),
            placed: place.placed.as_ref().map(|placed| PlacedItem {
                element: &placed.element,
                label: &placed.label,
                bbox: grids.pixels(place.page, &placed.rect),
                shows: &placed.shows,
                words: &placed.words,
                parts: placed
                    .parts
                    .iter()
                    .map(|part| PartItem {
                        label: &part.label,
                        bbox: grids.pixels(place.page, &part.rect),
                        words: &part.words,
                        attributes: &part.attributes,
                    })
                    .collect(),
            }),
        }
    }
}

/// The contract's summary of a check, and every verdict.
#[derive(Serialize)]
pub(super) struct VerificationItem<'a> {
    passed: bool,
    skipped: bool,
    /// Questions and fields that stand verbatim, a field of a group as `line_item[3].sku`.
    confirmed_keys: Vec<String>,
    /// One a key, in the order of `keys`.
    similarities: Vec<f64>,
    num_layout_elements: u32,
    valid_labels: bool,
    ocr_character_error_rate: Option<f64>,
    keys: Vec<VerdictItem<'a>>,
}

#[derive(Serialize)]
struct VerdictItem<'a> {
    kind: &'a str,
    key: &'a str,
    group: Option<&'a str>,
    group_no: Option<u32>,
    value: &'a str,
    exact: bool,
    similarity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ocr_similarity: Option<f64>,
}

impl<'a> VerdictItem<'a> {
    fn new(verdict: &'a KeyVerdict) -> Self {
        let group = verdict.group.as_ref();
        Self {
            kind: &verdict.kind,
            key: &verdict.key,
            group: group.map(|(name, _)| name.as_str()),
            group_no: group.map(|(_, number)| *number),
            value: &verdict.value,
            exact: verdict.exact,
            similarity: verdict.similarity,
            ocr_similarity: verdict.ocr_similarity,
        }
    }
}

impl<'a> VerificationItem<'a> {
    pub(super) fn new(verification: &'a Verification) -> Self {
        let keys = &verification.keys;
        let full_name = |verdict: &KeyVerdict| match &verdict.group {
            Some((group, number)) => format!("{group}[{number}].{}", verdict.key),
            None => verdict.key.clone(),
        };
        let confirmed = keys.iter().filter(|verdict| verdict.exact);
        Self {
            passed: verification.passed,
            skipped: false,
            confirmed_keys: confirmed.map(full_name).collect(),
            similarities: keys.iter().map(|verdict| verdict.similarity).collect(),
            num_layout_elements: verification.layout_elements,
            valid_labels: verification.valid_labels,
            ocr_character_error_rate: verification.ocr_character_error_rate,
            keys: keys.iter().map(VerdictItem::new).collect(),
        }
    }
}
