//! The boxes stage: words, lines and blocks with their places, read from the PDF itself, and
//! everything the mark-up says tied to them.
//!
//! The way of the data: `glyphs` interprets a page and reads the ink marks, `words` joins
//! glyphs, `lines` and `columns` order them, `ground` ties meanings to words. Documents with
//! marks and foreign ones take the same path; a mark only adds which text a glyph belongs to.

use std::sync::Arc;

use async_trait::async_trait;
use docgenie_document::{
    Code, Slot,
    geometry::{Rect, Size},
    slot::{Html, Pdf},
    text::{Page, Segments, Word, Words},
    truth::{GroundTruth, Handwriting, Layout, VisualElements},
};
use docgenie_runtime::stage::{
    Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig, StageEnv,
    StageFailure, blocking,
};
use hayro::hayro_syntax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    markup::Markup,
    raster::{BAD_PDF, PDF_LIBRARY},
};
use lines::Block;
use words::Draft;

mod columns;
mod glyphs;
mod ground;
mod lines;
mod words;

/// A PDF with more pages or glyphs than the engine takes.
pub const PDF_TOO_LARGE: Code = Code::new("DG0402");

/// More pages are refused.
pub const MAX_PAGES: usize = 2_000;
/// More glyphs are refused.
pub const MAX_GLYPHS: usize = 2_000_000;

/// The library that reads how far a font reaches.
const FONT_LIBRARY: &str = "skrifa 0.49.0";

/// Options of the boxes stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BoxesConfig {}

impl StageConfig for BoxesConfig {
    const NAME: &'static str = "boxes";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Finds words, lines and blocks in the PDF and grounds the truth";
    const DOCUMENTATION: &'static str = "\
Words, characters, lines and blocks are read from the PDF itself, in points, in reading order, with \
their text in logical order. A box goes along the baseline from the first glyph's origin to the end \
of the last one's advance, and across it from the font's ascent to its descent; for turned text it \
is the box around that. All boxes lie inside their page. What a clip hides is not there.

Where the HTML is known, every word is tied to the element it was printed from: fields, questions, \
entities, regions, table cells, and the places for handwriting and visual elements get their words \
and the box around their own text: a comma that ends the word after a date is not in the date's box. \
Chinese and Japanese set no blanks: a word ends where a line or an element does. For a PDF from elsewhere the words are grouped by geometry, and what the ground truth \
says is searched for verbatim.

```toml
[[stage]]
uses = \"boxes\"
```
";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Pdf],
            reads_if_present: vec![Slot::Html, Slot::GroundTruth],
            writes: vec![
                Slot::Words,
                Slot::Segments,
                Slot::Layout,
                Slot::GroundTruth,
                Slot::Handwriting,
                Slot::VisualElements,
            ],
        }
    }

    fn build(self, _env: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for BoxesConfig {
    fn identity(&self) -> String {
        format!("{PDF_LIBRARY}, {FONT_LIBRARY}")
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let pdf = document.read::<Pdf>().await?;
        let html = document.read_if_present::<Html>().await?;
        let truth = document.read_if_present::<GroundTruth>().await?;
        let boxes = blocking(move || {
            let markup = html.map(|html| Markup::parse(&html.0)).transpose();
            let markup = markup.map_err(|error| {
                StageFailure::new(error.code(), error.to_string())
                    .because(&error)
                    .hint(error.hint())
            })?;
            let boxes = boxes(&pdf, markup.as_ref(), truth.as_deref());
            boxes.map_err(|error| {
                StageFailure::new(error.code(), error.to_string()).hint(error.hint())
            })
        });
        let boxes = boxes.await?;
        let outputs = Outputs::new()
            .with(&boxes.words)?
            .with(&boxes.segments)?
            .with(&boxes.layout)?
            .with(&boxes.handwriting)?
            .with(&boxes.visual_elements)?;
        match &boxes.truth {
            Some(truth) => outputs.with(truth),
            None => Ok(outputs),
        }
    }
}

/// A PDF that the stage does not read.
#[derive(Debug, thiserror::Error)]
pub enum BoxesError {
    /// It is not a PDF, is damaged beyond repair, or needs a password.
    #[error("the text of the PDF cannot be read: {0}")]
    Unreadable(String),
    /// It has too many pages.
    #[error("the PDF has {0} pages, more than {MAX_PAGES}")]
    Pages(usize),
    /// It has too many glyphs.
    #[error("the PDF has more than {MAX_GLYPHS} glyphs")]
    Glyphs,
}

impl BoxesError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable(_) => BAD_PDF,
            Self::Pages(_) | Self::Glyphs => PDF_TOO_LARGE,
        }
    }

    /// What the reader can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "open it in a viewer; remove its password or save it anew",
            Self::Pages(_) | Self::Glyphs => "split it into smaller documents",
        }
    }
}

/// Everything that is known about the places on a document's pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boxes {
    /// Words in reading order.
    pub words: Words,
    /// Lines and blocks.
    pub segments: Segments,
    /// Regions, from the mark-up.
    pub layout: Layout,
    /// The truth with its places.
    pub truth: Option<GroundTruth>,
    /// Places for ink, from the mark-up.
    pub handwriting: Handwriting,
    /// Places for visual elements, from the mark-up.
    pub visual_elements: VisualElements,
}

/// Reads the boxes of a PDF. `markup` is the HTML it was printed from with [`Markup::marked`];
/// `truth` is grounded in the words.
///
/// # Errors
/// When the PDF cannot be read or is too large.
pub fn boxes(
    pdf: &Pdf,
    markup: Option<&Markup>,
    truth: Option<&GroundTruth>,
) -> Result<Boxes, BoxesError> {
    let text = read(pdf, markup)?;
    let places = ground::Places::new(&text, markup.map_or(0, |markup| markup.chunks().len()));
    let (layout, handwriting, visual_elements) = match markup {
        Some(markup) => {
            let visual_elements = places.visual_elements(markup, &text);
            let layout = places.layout(markup, &text);
            (
                layout,
                markup.handwriting(|chunks| places.of(chunks)),
                visual_elements,
            )
        }
        None => Default::default(),
    };
    let truth = truth.map(|truth| places.truth(truth, markup));
    Ok(Boxes {
        segments: Segments::of(&text.words),
        words: text.words,
        layout,
        truth,
        handwriting,
        visual_elements,
    })
}

/// What stands on the pages, before it means anything.
#[derive(Default)]
struct Text {
    words: Words,
    /// The chunks that each word carries, each with the box around what it shows of it.
    chunks: Vec<Vec<(u32, Rect)>>,
    /// Numbers of visual elements with the page and the box of their fill.
    fills: Vec<(u32, u32, Rect)>,
}

fn read(pdf: &Pdf, markup: Option<&Markup>) -> Result<Text, BoxesError> {
    let pdf = hayro_syntax::Pdf::new(pdf.0.clone())
        .map_err(|error| BoxesError::Unreadable(format!("{error:?}")))?;
    let pages = pdf.pages();
    if pages.len() > MAX_PAGES {
        return Err(BoxesError::Pages(pages.len()));
    }
    let chunks = markup.map_or(&[][..], Markup::chunks);
    let exact = |chunk: u32| {
        let known = chunks.get(chunk as usize).filter(|chunk| chunk.exact);
        known.map(|chunk| &*chunk.text)
    };
    let mut reader = glyphs::Reader::new(index(chunks.len()));
    let mut text = Text::default();
    let mut room = MAX_GLYPHS;
    for (page, number) in pages.iter().zip(0..) {
        let drawing = reader.read(page, room);
        room -= drawing.clusters.len();
        if room == 0 {
            return Err(BoxesError::Glyphs);
        }
        let (width, height) = page.render_dimensions();
        let size = Size {
            width: width.into(),
            height: height.into(),
        };
        text.words.pages.push(Page { size });
        let fills = drawing.fills.into_iter();
        let inside =
            fills.filter_map(|(visual, rect)| Some((visual, number, rect.clamp_to(size)?)));
        text.fills.extend(inside);
        let words = words::words(drawing.clusters, exact);
        add_page(&mut text, number, size, lines::blocks(words, chunks));
    }
    Ok(text)
}

/// Adds the words of a page; what lies outside the page is not there.
fn add_page(text: &mut Text, page: u32, size: Size, blocks: Vec<Block>) {
    let mut number_of_block = 0;
    for block in blocks {
        let mut number_of_line = 0;
        for line in block {
            let first = text.words.words.len();
            for draft in line {
                let number = index(text.words.words.len() - first);
                let at = (number_of_block, number_of_line, number);
                if let Some(word) = word(&draft, page, size, at) {
                    text.words.words.push(word);
                    let chunks = draft.chunks().into_iter();
                    let inside =
                        chunks.filter_map(|(chunk, rect)| Some((chunk, rect.clamp_to(size)?)));
                    text.chunks.push(inside.collect());
                }
            }
            number_of_line += u32::from(text.words.words.len() > first);
        }
        number_of_block += u32::from(number_of_line > 0);
    }
}

/// A word at its block, line and number; `None` if none of it lies on the page.
fn word(draft: &Draft, page: u32, size: Size, at: (u32, u32, u32)) -> Option<Word> {
    let (block, line, number) = at;
    let head = draft.head();
    let characters = draft.characters().into_iter().filter_map(|mut character| {
        character.rect = character.rect.clamp_to(size)?;
        Some(character)
    });
    Some(Word {
        text: draft.text.clone(),
        page,
        rect: draft.rect()?.clamp_to(size)?,
        block,
        line,
        number,
        angle: upright(head.angle.to_degrees()),
        right_to_left: draft.right_to_left,
        font_size: head.size,
        characters: characters.collect(),
    })
}

/// An angle without the traces of rounding.
fn upright(angle: f64) -> f64 {
    let rounded = (angle * 1000.0).round() / 1000.0;
    // Adding zero makes a negative zero positive.
    rounded + 0.0
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results are remembered under these names: they must be those of what is linked.
    #[test]
    fn libraries_are_those_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        for library in [PDF_LIBRARY, FONT_LIBRARY] {
            let (name, version) = library.split_once(' ').unwrap();
            let package = format!("name = \"{name}\"\nversion = \"{version}\"");
            assert!(lock.contains(&package), "{library}");
        }
    }
}
