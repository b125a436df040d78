//! Page images with the boxes drawn on them: what people look at first.

use std::sync::Arc;

use async_trait::async_trait;
use docgenie_document::{
    Slot,
    geometry::{PixelGrid, Rect, Size},
    image::{PageImage, PageImages},
    ocr::Ocr,
    slot::Overlay as Drawn,
    text::{Segments, Words},
    truth::{GroundTruth, Grounding, Handwriting, Layout, VisualElements},
};
use docgenie_runtime::stage::{
    Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig, StageEnv,
    StageFailure, blocking,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bitmap::Bitmap;

mod canvas;

use canvas::{Canvas, Colour, PixelRect};

/// Options of the stage `overlay`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayConfig {
    /// What is drawn, where the document has it.
    pub kinds: Vec<Kind>,
}

/// A kind of box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Blocks of text.
    Blocks,
    /// Lines of text.
    Lines,
    /// Words.
    Words,
    /// Labelled layout regions.
    Regions,
    /// Places for visual elements.
    VisualElements,
    /// Places for handwriting.
    Handwriting,
    /// Key information.
    Fields,
    /// Answers to questions.
    Answers,
    /// Named entities.
    Entities,
    /// Words that optical character recognition read.
    Ocr,
}

impl Default for OverlayConfig {
    fn default() -> Self {
        Self {
            kinds: vec![
                Kind::Words,
                Kind::Regions,
                Kind::VisualElements,
                Kind::Handwriting,
                Kind::Fields,
                Kind::Entities,
                Kind::Ocr,
            ],
        }
    }
}

impl StageConfig for OverlayConfig {
    const NAME: &'static str = "overlay";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Draws the boxes on the page images.";
    const DOCUMENTATION: &'static str = "\
Every page image is repeated with its boxes, a colour for each kind, and a legend below the page. \
Tints darken the page without hiding the text. Kinds are drawn in the order given; a kind the \
document does not have is left out.

```toml
[[stage]]
uses = \"overlay\"
with = { kinds = [\"words\", \"regions\", \"fields\"] }
```
";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        let slots = [
            (Slot::Segments, &[Kind::Blocks, Kind::Lines][..]),
            (Slot::Layout, &[Kind::Regions]),
            (
                Slot::GroundTruth,
                &[Kind::Fields, Kind::Answers, Kind::Entities],
            ),
            (Slot::Handwriting, &[Kind::Handwriting]),
            (Slot::VisualElements, &[Kind::VisualElements]),
            (Slot::Ocr, &[Kind::Ocr]),
        ];
        let wanted = slots
            .into_iter()
            .filter(|(_, kinds)| kinds.iter().any(|kind| self.kinds.contains(kind)));
        SlotUse {
            reads: vec![Slot::PageImages, Slot::Words],
            reads_if_present: wanted.map(|(slot, _)| slot).collect(),
            writes: vec![Slot::Overlay],
        }
    }

    fn build(self, _env: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for OverlayConfig {
    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let images = document.read::<PageImages>().await?;
        let content = Content {
            words: document.read().await?,
            segments: document.read_if_present().await?,
            layout: document.read_if_present().await?,
            truth: document.read_if_present().await?,
            handwriting: document.read_if_present().await?,
            elements: document.read_if_present().await?,
            ocr: document.read_if_present().await?,
        };
        let kinds = self.kinds.clone();
        let drawn = blocking(move || draw(&images, &content, &kinds)).await?;
        Outputs::new().with(&drawn)
    }
}

/// What a document has to show.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Its words.
    pub words: Arc<Words>,
    /// Its lines and blocks.
    pub segments: Option<Arc<Segments>>,
    /// Its regions.
    pub layout: Option<Arc<Layout>>,
    /// Its fields, questions and entities.
    pub truth: Option<Arc<GroundTruth>>,
    /// Its places for handwriting.
    pub handwriting: Option<Arc<Handwriting>>,
    /// Its places for visual elements.
    pub elements: Option<Arc<VisualElements>>,
    /// What was read from its images.
    pub ocr: Option<Arc<Ocr>>,
}

/// Draws the boxes of these kinds on every page.
///
/// # Errors
/// When a page image is not a sound PNG.
pub fn draw(images: &PageImages, content: &Content, kinds: &[Kind]) -> Result<Drawn, StageFailure> {
    let layers: Vec<_> = kinds
        .iter()
        .map(|&kind| (kind.look(), content.boxes(kind)))
        .filter(|(_, boxes)| !boxes.is_empty())
        .collect();
    let pages = images.0.iter().map(|image| {
        let mut canvas = Canvas::over(Bitmap::from_png(&image.png)?);
        for (look, boxes) in &layers {
            for shown in boxes.iter().filter(|shown| shown.page == image.page) {
                look.draw(&mut canvas, pixels(&image.grid, &shown.rect));
            }
        }
        // Tags come last, so that no later box crosses one out.
        for (look, boxes) in layers.iter().filter(|(look, _)| look.tagged) {
            for shown in boxes.iter().filter(|shown| shown.page == image.page) {
                let PixelRect { x0, y0, .. } = pixels(&image.grid, &shown.rect);
                canvas.tag(x0, y0, &shown.label, look.colour);
            }
        }
        let legend: Vec<_> = layers
            .iter()
            .map(|(look, _)| (look.name, look.colour))
            .collect();
        let bitmap = canvas.with_legend(&legend);
        // The legend lengthens the picture; the page it stands for grows with it, so that
        // the scale, and with it every box, stays what it was.
        let (_, scale) = image.grid.scale();
        let grid = PixelGrid {
            height: bitmap.height,
            page: Size {
                height: f64::from(bitmap.height) / scale,
                ..image.grid.page
            },
            ..image.grid
        };
        Ok(PageImage {
            page: image.page,
            grid,
            png: bitmap.to_png()?,
        })
    });
    let pages = pages.collect::<Result<_, StageFailure>>()?;
    Ok(Drawn(PageImages(pages)))
}

/// The pixels that a rectangle touches.
fn pixels(grid: &PixelGrid, rect: &Rect) -> PixelRect {
    let [x0, y0, x1, y1] = grid.to_pixels(rect);
    PixelRect {
        x0: x0.floor() as i64,
        y0: y0.floor() as i64,
        x1: x1.ceil() as i64,
        y1: y1.ceil() as i64,
    }
}

/// One box to draw.
struct Shown {
    page: u32,
    rect: Rect,
    label: String,
}

impl Content {
    fn boxes(&self, kind: Kind) -> Vec<Shown> {
        let plain = |page, rect| Shown {
            page,
            rect,
            label: String::new(),
        };
        let segments = self.segments.as_deref();
        let truth = self.truth.as_deref();
        match kind {
            Kind::Blocks => segments
                .into_iter()
                .flat_map(|segments| &segments.blocks)
                .map(|block| plain(block.page, block.rect))
                .collect(),
            Kind::Lines => segments
                .into_iter()
                .flat_map(|segments| &segments.lines)
                .map(|line| plain(line.page, line.rect))
                .collect(),
            Kind::Words => self
                .words
                .words
                .iter()
                .map(|word| plain(word.page, word.rect))
                .collect(),
            Kind::Regions => self
                .layout
                .iter()
                .flat_map(|layout| &layout.regions)
                .flat_map(|region| labelled(&region.label, &region.places))
                .collect(),
            Kind::VisualElements => self
                .elements
                .iter()
                .flat_map(|elements| &elements.places)
                .map(|place| Shown {
                    page: place.page,
                    rect: *place.seen().0,
                    label: place.seen().1.to_owned(),
                })
                .collect(),
            Kind::Handwriting => self
                .handwriting
                .iter()
                .flat_map(|handwriting| &handwriting.regions)
                .flat_map(|ink| labelled(&ink.author, &ink.places))
                .collect(),
            Kind::Fields => truth
                .into_iter()
                .flat_map(|truth| &truth.fields)
                .flat_map(|field| labelled(&field.name, &field.places))
                .collect(),
            Kind::Answers => truth
                .into_iter()
                .flat_map(|truth| &truth.questions)
                .flat_map(|question| labelled(&question.question, &question.places))
                .collect(),
            Kind::Entities => truth
                .into_iter()
                .flat_map(|truth| &truth.entities)
                .flat_map(|entity| labelled(&entity.label, &entity.places))
                .collect(),
            Kind::Ocr => self
                .ocr
                .iter()
                .flat_map(|ocr| &ocr.pages)
                .flat_map(|page| page.words.iter().map(|word| plain(page.page, word.rect)))
                .collect(),
        }
    }
}

fn labelled<'a>(label: &'a str, places: &'a [Grounding]) -> impl Iterator<Item = Shown> + 'a {
    places.iter().map(|place| Shown {
        page: place.page,
        rect: place.rect,
        label: label.to_owned(),
    })
}

/// How a kind is drawn.
struct Look {
    name: &'static str,
    colour: Colour,
    line: Line,
    /// How much of its colour the inside takes, 0 to 255.
    tint: u8,
    /// Whether its labels are written.
    tagged: bool,
}

#[derive(Clone, Copy)]
enum Line {
    Thin,
    Thick,
    Dashed,
    Under,
}

impl Kind {
    const fn look(self) -> Look {
        let (name, colour, line, tint, tagged) = match self {
            Self::Blocks => ("blocks", [121, 85, 72], Line::Thin, 0, false),
            Self::Lines => ("lines", [0, 150, 167], Line::Thin, 0, false),
            Self::Words => ("words", [150, 156, 166], Line::Thin, 0, false),
            Self::Regions => ("regions", [37, 99, 235], Line::Thick, 14, true),
            Self::VisualElements => ("visual elements", [190, 24, 93], Line::Thick, 36, true),
            Self::Handwriting => ("handwriting", [124, 58, 237], Line::Thick, 40, false),
            Self::Fields => ("fields", [22, 163, 74], Line::Thick, 64, false),
            Self::Answers => ("answers", [202, 138, 4], Line::Thick, 64, false),
            Self::Entities => ("entities", [234, 88, 12], Line::Under, 0, false),
            Self::Ocr => ("ocr", [220, 38, 38], Line::Dashed, 0, false),
        };
        Look {
            name,
            colour,
            line,
            tint,
            tagged,
        }
    }
}

impl Look {
    fn draw(&self, canvas: &mut Canvas, rect: PixelRect) {
        canvas.tint(rect, self.colour, self.tint);
        match self.line {
            Line::Thin => canvas.outline(rect, self.colour, 1),
            Line::Thick => canvas.outline(rect, self.colour, 2),
            Line::Dashed => canvas.dashes(rect, self.colour),
            Line::Under => canvas.fill(
                PixelRect {
                    y0: rect.y1,
                    y1: rect.y1 + 3,
                    ..rect
                },
                self.colour,
            ),
        }
    }
}

#[cfg(test)]
mod tests;
