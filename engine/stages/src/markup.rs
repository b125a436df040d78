//! The semantic mark-up of a document's HTML: what it says, and the marks that tie the words of
//! the printed PDF to it. `docs/markup.md` is the reference for people who write templates.
//!
//! ```
//! use docgenie_stages::markup::Markup;
//!
//! let markup = Markup::parse(r#"<p>No. <b data-field="invoice_number">A 17</b></p>"#)?;
//! let truth = markup.truth();
//! assert_eq!(truth.fields[0].value, "A 17");
//! # Ok::<(), docgenie_stages::markup::MarkupError>(())
//! ```

use std::ops::Range;

use docgenie_document::{
    Code,
    truth::{
        Cell, Entity, Field, GroundTruth, Grounding, Handwriting, InkRegion, Layout, Question,
        Region,
    },
};
use ego_tree::NodeId;
use scraper::Html;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) mod ink;
mod outline;
mod print;
mod script;
mod table;

use outline::{Meaning, Outline};

/// The HTML's ground-truth script cannot be used.
pub const BAD_GROUND_TRUTH: Code = Code::new("DG0401");

/// Labels of `data-region`.
pub const REGION_LABELS: &[&str] = &[
    "title",
    "heading",
    "paragraph",
    "list",
    "table",
    "figure",
    "caption",
    "header",
    "footer",
    "page-number",
    "key-value",
    "address",
    "signature",
    "form",
    "footnote",
    "formula",
    "logo",
    "stamp",
    "barcode",
    "photo",
    "total",
];

/// Labels of `data-entity`.
pub const ENTITY_LABELS: &[&str] = &[
    "PERSON", "ORG", "LOC", "DATE", "MONEY", "ID", "EMAIL", "PHONE", "PRODUCT", "QUANTITY",
    "PERCENT", "IBAN", "TIME",
];

/// Values of `data-visual-element`.
pub const VISUAL_KINDS: &[&str] = &["stamp", "logo", "figure", "barcode", "photo"];

/// HTML whose mark-up cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MarkupError {
    /// The ground-truth script is not JSON of its shape.
    #[error("the script `ground-truth` of the HTML does not parse")]
    GroundTruth(#[source] serde_json::Error),
    /// A question has neither a field nor an answer, or its field is not in the HTML.
    #[error("the question \"{question}\" is answered by no text of the HTML")]
    Unanswered {
        /// The question.
        question: String,
    },
}

impl MarkupError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        BAD_GROUND_TRUTH
    }

    /// What the template's writer can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::GroundTruth(_) => {
                "it holds one JSON object with document_type, language, questions and answers"
            }
            Self::Unanswered { .. } => {
                "name a `data-field` of the document in `field`, or give a verbatim `answer`"
            }
        }
    }
}

/// A parsed HTML document with its semantic mark-up.
///
/// It is a function of the HTML alone: parsing what [`Self::clean`] returns gives the same words,
/// numbers and meanings, so that the render stage may print the marks and the boxes stage read
/// them without passing anything but the clean HTML.
#[derive(Debug)]
pub struct Markup {
    dom: Html,
    declared: Declared,
    outline: Outline,
}

/// The ground-truth script.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    #[serde(default)]
    document_type: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    questions: Vec<DeclaredQuestion>,
    #[serde(default)]
    answers: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredQuestion {
    question: String,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    answer: Option<String>,
}

/// A piece of text that can be recognised in the PDF: the text of one text node, or one word of it
/// in documents with scripts whose text a PDF does not hold in logical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its text, white space collapsed.
    pub(crate) text: String,
    /// Whether it is one word of a document whose PDF cannot be trusted to spell its words.
    pub(crate) exact: bool,
    /// The block-level element it stands in, counted in document order.
    pub(crate) block: u32,
}

/// A place where a visual element may go, before its room is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visual {
    pub(crate) kind: String,
    pub(crate) content: String,
    /// Position of the region around it or at the same element.
    pub(crate) region: Option<u32>,
    /// The text inside the element, as positions of chunks.
    pub(crate) chunks: Range<u32>,
}

impl Markup {
    /// Reads an HTML document, which may be a fragment or broken as browsers allow.
    ///
    /// # Errors
    /// When its ground-truth script does not parse or holds a question without an answer.
    pub fn parse(html: &str) -> Result<Self, MarkupError> {
        let mut dom = Html::parse_document(html);
        let declared = match take_script(&mut dom) {
            Some(json) => serde_json::from_str(&json).map_err(MarkupError::GroundTruth)?,
            None => Declared::default(),
        };
        let outline = Outline::of(&dom);
        let markup = Self {
            dom,
            declared,
            outline,
        };
        for question in &markup.declared.questions {
            if markup.answer(question).is_none() {
                let question = question.question.clone();
                return Err(MarkupError::Unanswered { question });
            }
        }
        Ok(markup)
    }

    /// The HTML without its ground-truth script.
    #[must_use]
    pub fn clean(&self) -> String {
        self.dom.html()
    }

    /// The HTML for printing: it looks the same, and every chunk of text and every place for a visual
    /// element can be recognised in the PDF.
    #[must_use]
    pub fn marked(&self) -> String {
        print::marked(&self.dom, &self.outline)
    }

    /// Whether the page ends where its content ends, as paper from a roll does:
    /// `<html data-page="content">`.
    #[must_use]
    pub fn is_as_long_as_content(&self) -> bool {
        self.dom.root_element().value().attr("data-page") == Some("content")
    }

    /// The contents of its `<style>` elements.
    #[must_use]
    pub fn css(&self) -> String {
        let nodes = self.dom.tree.nodes();
        let styles = nodes.filter(|node| outline::is(*node, "style"));
        let sheets: Vec<String> = styles.map(outline::text_of).collect();
        sheets.join("\n")
    }

    /// The ground truth, without places.
    #[must_use]
    pub fn truth(&self) -> GroundTruth {
        let question = |asked: &DeclaredQuestion| Question {
            question: asked.question.clone(),
            answer: self.answer(asked).unwrap_or_default(),
            field: asked.field.clone(),
            places: Vec::new(),
        };
        let language = &self.declared.language;
        GroundTruth {
            document_type: self.declared.document_type.clone(),
            language: if language.is_empty() {
                self.outline.language.clone()
            } else {
                language.clone()
            },
            answers: self.declared.answers.clone(),
            fields: self.fields(nowhere),
            questions: self.declared.questions.iter().map(question).collect(),
            entities: self.entities(nowhere),
            bio: Vec::new(),
        }
    }

    /// The chunks of text in document order. [`ink`] ties them to the PDF.
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.outline.chunks
    }

    /// The fields in document order, with the places that `ground` knows for their chunks.
    pub(crate) fn fields(&self, ground: impl Fn(Range<u32>) -> Vec<Grounding>) -> Vec<Field> {
        let fields = self.outline.items.iter().filter_map(|item| {
            let Meaning::Field {
                name,
                normalised,
                group,
            } = &item.meaning
            else {
                return None;
            };
            Some(Field {
                name: name.clone(),
                normalised: normalised.clone(),
                value: self.outline.text(item),
                group: group.clone(),
                places: ground(item.chunks.clone()),
            })
        });
        fields.collect()
    }

    /// The entities in document order, with the places that `ground` knows for their chunks.
    pub(crate) fn entities(&self, ground: impl Fn(Range<u32>) -> Vec<Grounding>) -> Vec<Entity> {
        let entities = self.outline.items.iter().filter_map(|item| {
            let Meaning::Entity { label } = &item.meaning else {
                return None;
            };
            Some(Entity {
                label: label.clone(),
                text: self.outline.text(item),
                places: ground(item.chunks.clone()),
            })
        });
        entities.collect()
    }

    /// The regions in document order, with the places that `ground` knows for their chunks.
    pub(crate) fn layout(&self, ground: impl Fn(Range<u32>) -> Vec<Grounding>) -> Layout {
        let mut regions: Vec<Region> = Vec::new();
        for item in &self.outline.items {
            let places = || ground(item.chunks.clone());
            match &item.meaning {
                Meaning::Region { label, parent } => regions.push(Region {
                    label: label.clone(),
                    order: u32::try_from(regions.len()).unwrap_or(u32::MAX),
                    parent: *parent,
                    places: places(),
                    cells: Vec::new(),
                }),
                Meaning::Cell { region, slot } => {
                    if let Some(region) = regions.get_mut(*region as usize) {
                        region.cells.push(Cell {
                            row: slot.row,
                            column: slot.column,
                            row_span: slot.row_span,
                            column_span: slot.column_span,
                            header: slot.header,
                            text: self.outline.text(item),
                            places: places(),
                        });
                    }
                }
                _ => {}
            }
        }
        Layout { regions }
    }

    /// The places for ink in document order, with the places that `ground` knows.
    pub(crate) fn handwriting(&self, ground: impl Fn(Range<u32>) -> Vec<Grounding>) -> Handwriting {
        let regions = self.outline.items.iter().filter_map(|item| {
            let Meaning::Ink { author, signature } = &item.meaning else {
                return None;
            };
            Some(InkRegion {
                author: author.clone(),
                signature: *signature,
                text: self.outline.text(item),
                places: ground(item.chunks.clone()),
            })
        });
        Handwriting {
            regions: regions.collect(),
        }
    }

    /// The places for visual elements in document order.
    pub(crate) fn visuals(&self) -> Vec<Visual> {
        let visuals = self.outline.items.iter().filter_map(|item| {
            let Meaning::Visual {
                kind,
                content,
                region,
            } = &item.meaning
            else {
                return None;
            };
            Some(Visual {
                kind: kind.clone(),
                content: content.clone(),
                region: *region,
                chunks: item.chunks.clone(),
            })
        });
        visuals.collect()
    }

    fn answer(&self, question: &DeclaredQuestion) -> Option<String> {
        let Some(name) = &question.field else {
            return question.answer.as_deref().map(outline::collapsed);
        };
        let fields = self.outline.items.iter();
        let mut named = fields
            .filter(|item| matches!(&item.meaning, Meaning::Field { name: n, .. } if n == name));
        named.next().map(|item| self.outline.text(item))
    }
}

fn nowhere(_: Range<u32>) -> Vec<Grounding> {
    Vec::new()
}

/// Removes the ground-truth script and returns its text.
fn take_script(dom: &mut Html) -> Option<String> {
    let found = dom.tree.nodes().find(|node| {
        let id = node.value().as_element().and_then(|element| element.id());
        outline::is(*node, "script") && id == Some("ground-truth")
    })?;
    let (id, text): (NodeId, String) = (found.id(), outline::text_of(found));
    dom.tree.get_mut(id)?.detach();
    Some(text)
}

#[cfg(test)]
mod tests;
