//! What the text means: ground truth for question answering, key information extraction, named
//! entities, classification and layout analysis.
//!
//! An author makes it without places; once the boxes are known every item is *grounded*: it gets
//! the words that carry it and the box around its own part of them, page by page.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::geometry::Rect;

/// Where something stands: some words of one page and the box around them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grounding {
    /// Page, counted from 0.
    pub page: u32,
    /// The box around what those words show of it, in points.
    pub rect: Rect,
    /// Positions in [`crate::text::Words::words`], in reading order.
    pub words: Vec<u32>,
}

/// A value to extract, such as an invoice number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Name in snake case, such as `invoice_number`.
    pub name: String,
    /// The text exactly as it stands in the document, white space collapsed.
    pub value: String,
    /// The value in a machine's form (ISO date, plain decimal) where it has one, printed so or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalised: Option<String>,
    /// The group it belongs to, such as `line_item`, and its number in it, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<(String, u32)>,
    /// Where it stands, once boxes are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Grounding>,
}

/// A question whose answer stands verbatim in the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The question, in the document's language.
    pub question: String,
    /// The answer, verbatim.
    pub answer: String,
    /// The field that answers it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where the answer stands, once boxes are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Grounding>,
}

/// A named entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Its label, such as `ORG` or `DATE`.
    pub label: String,
    /// Its text, white space collapsed.
    pub text: String,
    /// Where it stands, once boxes are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Grounding>,
}

/// The ground truth of a document for every task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// The document's class, such as `invoice`.
    pub document_type: String,
    /// BCP 47 language tag, such as `de`.
    pub language: String,
    /// The free-form object an author answered with (question → answer, or any `gt_format`).
    pub answers: Map<String, Value>,
    /// Key information.
    pub fields: Vec<Field>,
    /// Questions and answers.
    pub questions: Vec<Question>,
    /// Named entities.
    pub entities: Vec<Entity>,
    /// One BIO label a word (`B-ORG`, `I-ORG`, `O`), in the order of the words, once they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bio: Vec<String>,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// First row, counted from 0.
    pub row: u32,
    /// First column, counted from 0.
    pub column: u32,
    /// Rows covered, at least 1.
    pub row_span: u32,
    /// Columns covered, at least 1.
    pub column_span: u32,
    /// Whether it is a header cell.
    pub header: bool,
    /// Its text, white space collapsed.
    pub text: String,
    /// The box around its words, by page; empty for an empty cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Grounding>,
}

/// A labelled part of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its label, such as `title`, `paragraph`, `table`.
    pub label: String,
    /// Place in the reading order of the document, counted from 0.
    pub order: u32,
    /// Position in [`Layout::regions`] of the region around it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Where it stands; one entry a page it reaches.
    pub places: Vec<Grounding>,
    /// Its cells, if it is a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
}

/// The labelled regions of a document, in reading order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The regions.
    pub regions: Vec<Region>,
}

/// A place where handwriting may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InkRegion {
    /// Who writes: the same name is the same hand everywhere in the document.
    pub author: String,
    /// Whether it is a signature.
    pub signature: bool,
    /// The text, white space collapsed.
    pub text: String,
    /// Where its words stand.
    pub places: Vec<Grounding>,
}

/// The places where handwriting may go, in document order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Handwriting {
    /// The places.
    pub regions: Vec<InkRegion>,
}

/// A place where a visual element may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisualPlace {
    /// `stamp`, `logo`, `figure`, `barcode` or `photo`.
    pub kind: String,
    /// What it should show: a stamp's text, a barcode's number.
    pub content: String,
    /// Page, counted from 0.
    pub page: u32,
    /// The room for it, in points.
    pub rect: Rect,
    /// What stands there, once something has been placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<PlacedElement>,
}

impl VisualPlace {
    /// What is seen there: the picture's edges and its label, else the room and its kind.
    #[must_use]
    pub fn seen(&self) -> (&Rect, &str) {
        match &self.placed {
            Some(placed) => (&placed.rect, &placed.label),
            None => (&self.rect, &self.kind),
        }
    }
}

/// The places where visual elements may go, in document order, and then those that were added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VisualElements {
    /// The places.
    pub places: Vec<VisualPlace>,
}

/// A picture on a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedElement {
    /// Who drew it, such as `plugin:seal`.
    pub element: String,
    /// What it is, such as `seal`.
    pub label: String,
    /// The picture's own edges, in points.
    pub rect: Rect,
    /// What it shows, by its own word.
    pub shows: Value,
    /// Positions in [`crate::text::Words::words`] of the words that can be read in it.
    pub words: Vec<u32>,
    /// Its labelled parts.
    pub parts: Vec<PlacedPart>,
}

/// A labelled part of a placed element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedPart {
    /// Its label.
    pub label: String,
    /// Its edges, in points.
    pub rect: Rect,
    /// Positions of its words.
    pub words: Vec<u32>,
    /// Further facts, an object.
    pub attributes: Value,
}

/// What the writer of a document annotated for a form of ground truth, as yet without places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The form, such as `plugin:kie`.
    pub format: String,
    /// What was annotated.
    pub value: Value,
}

/// What was annotated for each form of ground truth that the writer was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drafts(pub Vec<Draft>);

/// The final ground truth in one form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// The form, such as `plugin:kie`.
    pub format: String,
    /// The ground truth.
    pub truth: Value,
    /// What of it is not true of the document, each with its place in it. Empty: all is.
    pub problems: Vec<String>,
}

/// The final ground truth in each form that a pipeline makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Annotations(pub Vec<Annotation>);

impl GroundTruth {
    /// What its writer annotated, as a draft for other forms of ground truth: everything but the
    /// places, which are not known when a document is written.
    #[must_use]
    pub fn draft(&self) -> Value {
        let fields = self.fields.iter().map(|field| Field {
            places: Vec::new(),
            ..field.clone()
        });
        let questions = self.questions.iter().map(|question| Question {
            places: Vec::new(),
            ..question.clone()
        });
        let entities = self.entities.iter().map(|entity| Entity {
            places: Vec::new(),
            ..entity.clone()
        });
        json!({
            "document_type": self.document_type,
            "language": self.language,
            "answers": self.answers,
            "fields": fields.collect::<Vec<_>>(),
            "questions": questions.collect::<Vec<_>>(),
            "entities": entities.collect::<Vec<_>>(),
        })
    }
}

/// How one key of the ground truth was found in the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyVerdict {
    /// `question` or `field`.
    pub kind: String,
    /// The question or the field's name.
    pub key: String,
    /// The field's group and its number in it, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<(String, u32)>,
    /// The value that was looked for.
    pub value: String,
    /// Whether the page's own words carry it verbatim.
    pub exact: bool,
    /// Best similarity to the page's words, 0 to 1.
    pub similarity: f64,
    /// Best similarity to what OCR read, 0 to 1; absent where OCR did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocr_similarity: Option<f64>,
}

/// The outcome of checking a document's ground truth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether every key is carried by the page.
    pub passed: bool,
    /// Whether every label is one of the known ones and every box lies on its page.
    pub valid_labels: bool,
    /// The keys.
    pub keys: Vec<KeyVerdict>,
    /// Number of layout regions.
    pub layout_elements: u32,
    /// Character error rate of OCR against the page's words; absent where OCR did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocr_character_error_rate: Option<f64>,
}
