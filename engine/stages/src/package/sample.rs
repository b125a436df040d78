//! The samples of `dataset.msgpack`: one a page.

use docgenie_document::{
    text::{Segments, Word},
    truth::{Cell, GroundTruth, Grounding, Region},
};
use docgenie_runtime::stage::StageFailure;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    annotations::{answers, ink_id, visual_id},
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
    layout: Vec<RegionItem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handwriting: Vec<InkItem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    visual_elements: Vec<VisualItem<'a>>,
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
    "handwriting",
    "visual_elements",
    "ocr",
];

#[derive(Serialize)]
struct Truth<'a> {
    document_type: &'a str,
    language: &'a str,
    answers: Map<String, Value>,
    questions: Vec<QuestionItem<'a>>,
    fields: Vec<FieldItem<'a>>,
    entities: Vec<EntityItem<'a>>,
}

/// Where something stands on the page.
#[derive(Serialize)]
struct Here {
    bboxes: Vec<[f64; 4]>,
    words: Vec<usize>,
}

// Names are those of the files of annotations.

#[derive(Serialize)]
struct QuestionItem<'a> {
    question: &'a str,
    answer: &'a str,
    field: Option<&'a str>,
    #[serde(flatten)]
    here: Here,
}

#[derive(Serialize)]
struct FieldItem<'a> {
    name: &'a str,
    value: &'a str,
    normalised: Option<&'a str>,
    group: Option<&'a str>,
    group_no: Option<u32>,
    #[serde(flatten)]
    here: Here,
}

#[derive(Serialize)]
struct EntityItem<'a> {
    label: &'a str,
    text: &'a str,
    #[serde(flatten)]
    here: Here,
}

#[derive(Serialize)]
struct RegionItem<'a> {
    label: &'a str,
    order: u32,
    /// Position of the region around it in the sample's own list.
    parent: Option<usize>,
    #[serde(flatten)]
    here: Here,
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
    #[serde(flatten)]
    here: Here,
}

#[derive(Serialize)]
struct InkItem<'a> {
    region_id: String,
    author: &'a str,
    signature: bool,
    text: &'a str,
    #[serde(flatten)]
    here: Here,
}

#[derive(Serialize)]
struct VisualItem<'a> {
    element_id: String,
    r#type: &'a str,
    content: &'a str,
    bbox: [f64; 4],
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
        let sheet = Sheet { page, first, grids };
        let truth = parts.truth.as_deref();
        let bio = truth.and_then(|truth| truth.bio.get(first..first + words.len()));
        let answers = truth.map(|truth| sheet.answers(truth)).unwrap_or_default();
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
                .map(|(_, word)| sheet.bbox(&word.rect))
                .collect(),
            segment_level_bboxes: words
                .iter()
                .map(|(at, word)| {
                    lines
                        .get(*at)
                        .copied()
                        .flatten()
                        .unwrap_or_else(|| sheet.bbox(&word.rect))
                })
                .collect(),
            labels: bio,
            ground_truth: truth.map(|truth| sheet.truth(truth, answers.clone())),
            layout: sheet.layout(parts),
            handwriting: sheet.handwriting(parts),
            visual_elements: sheet.visual_elements(parts),
            ocr: sheet.ocr(parts),
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
struct Sheet<'a> {
    page: u32,
    first: usize,
    grids: &'a Grids,
}

impl Sheet<'_> {
    fn bbox(&self, rect: &docgenie_document::geometry::Rect) -> [f64; 4] {
        self.grids.fractions(self.page, rect)
    }

    /// Whether something stands on this page. What has no place belongs to the first.
    fn has(&self, places: &[Grounding]) -> bool {
        if places.is_empty() {
            self.page == 0
        } else {
            self.reaches(places)
        }
    }

    fn reaches(&self, places: &[Grounding]) -> bool {
        on_page(places, self.page).next().is_some()
    }

    /// Boxes and words on this page.
    fn here(&self, places: &[Grounding]) -> Here {
        let here = || on_page(places, self.page);
        let words = here().flat_map(|place| &place.words);
        let local = |word: &u32| usize::try_from(*word).ok()?.checked_sub(self.first);
        Here {
            bboxes: here().map(|place| self.bbox(&place.rect)).collect(),
            words: words.filter_map(local).collect(),
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
                .map(|it| QuestionItem {
                    question: &it.question,
                    answer: &it.answer,
                    field: it.field.as_deref(),
                    here: self.here(&it.places),
                })
                .collect(),
            fields: fields
                .map(|it| FieldItem {
                    name: &it.name,
                    value: &it.value,
                    normalised: it.normalised.as_deref(),
                    group: it.group.as_ref().map(|(name, _)| name.as_str()),
                    group_no: it.group.as_ref().map(|(_, number)| *number),
                    here: self.here(&it.places),
                })
                .collect(),
            entities: entities
                .map(|it| EntityItem {
                    label: &it.label,
                    text: &it.text,
                    here: self.here(&it.places),
                })
                .collect(),
        }
    }

    /// The regions that reach this page, in reading order, with their cells that do.
    fn layout<'b>(&self, parts: &'b Parts) -> Vec<RegionItem<'b>> {
        let regions = (0..).zip(parts.layout.iter().flat_map(|layout| &layout.regions));
        let here: Vec<(u32, &Region)> =
            regions.filter(|(_, it)| self.reaches(&it.places)).collect();
        let local = |region: u32| here.binary_search_by_key(&region, |(at, _)| *at).ok();
        let items = here.iter().map(|(_, region)| {
            let cells = region.cells.iter().filter(|it| self.reaches(&it.places));
            RegionItem {
                label: &region.label,
                order: region.order,
                parent: region.parent.and_then(local),
                here: self.here(&region.places),
                cells: cells.map(|cell| self.cell(cell)).collect(),
            }
        });
        items.collect()
    }

    fn cell<'b>(&self, cell: &'b Cell) -> CellItem<'b> {
        CellItem {
            row: cell.row,
            column: cell.column,
            row_span: cell.row_span,
            column_span: cell.column_span,
            header: cell.header,
            text: &cell.text,
            here: self.here(&cell.places),
        }
    }

    fn handwriting<'b>(&self, parts: &'b Parts) -> Vec<InkItem<'b>> {
        let regions = parts.handwriting.iter().flat_map(|it| &it.regions);
        let here = regions
            .enumerate()
            .filter(|(_, it)| self.reaches(&it.places));
        here.map(|(number, region)| InkItem {
            region_id: ink_id(number),
            author: &region.author,
            signature: region.signature,
            text: &region.text,
            here: self.here(&region.places),
        })
        .collect()
    }

    fn visual_elements<'b>(&self, parts: &'b Parts) -> Vec<VisualItem<'b>> {
        let places = parts.visual_elements.iter().flat_map(|it| &it.places);
        let here = places.enumerate().filter(|(_, it)| it.page == self.page);
        here.map(|(number, place)| VisualItem {
            element_id: visual_id(number),
            r#type: &place.kind,
            content: &place.content,
            bbox: self.bbox(&place.rect),
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
