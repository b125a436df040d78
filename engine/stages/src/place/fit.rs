//! From a picture's own pixels to a place on a page.

use docgenie_document::{
    geometry::Rect,
    text::{Word, Words},
    truth::{PlacedElement, PlacedPart},
};
use docgenie_runtime::extension::{Blend, Drawing};
use unicode_bidi::{BidiClass, bidi_class};

use crate::bitmap;

/// From this opacity on, of 255, a pixel hides what is beneath it.
const OPAQUE: u8 = 200;
/// Ink that is darker than this, of 255, hides what is beneath it even where it is mixed with it.
const DARK: u8 = 80;
/// The part of a word's box that must be hidden for the word to be gone.
const HIDDEN: f64 = 0.6;

/// A drawing with its place.
pub(super) struct Fitted {
    pub(super) drawing: Drawing,
    /// The picture's edges in points.
    pub(super) rect: Rect,
    /// Points per pixel of the picture.
    scale: f64,
}

impl Fitted {
    /// In the middle of the room, at its own proportions and no larger than it was drawn for.
    pub(super) fn new(drawing: Drawing, room: &Rect, dpi: f64) -> Self {
        let (width, height) = (
            f64::from(drawing.picture.width),
            f64::from(drawing.picture.height),
        );
        let scale = (room.width() / width)
            .min(room.height() / height)
            .min(72.0 / dpi);
        let (width, height) = (width * scale, height * scale);
        let x0 = (room.x0 + (room.width() - width) / 2.0).max(0.0);
        let y0 = (room.y0 + (room.height() - height) / 2.0).max(0.0);
        Self {
            drawing,
            rect: Rect {
                x0,
                y0,
                x1: x0 + width,
                y1: y0 + height,
            },
            scale,
        }
    }

    fn on_page(&self, [x0, y0, x1, y1]: [f64; 4]) -> Rect {
        let Rect {
            x0: left, y0: top, ..
        } = self.rect;
        Rect {
            x0: left + x0 * self.scale,
            y0: top + y0 * self.scale,
            x1: left + x1 * self.scale,
            y1: top + y1 * self.scale,
        }
    }

    /// Positions of the words that cannot be read any more.
    pub(super) fn hidden(&self, words: &Words, page: u32, blend: Blend) -> Vec<u32> {
        let beneath = words.on_page(page).filter(|(_, word)| {
            word.rect.intersection(&self.rect).is_some_and(|shared| {
                shared.area() >= HIDDEN * word.rect.area() && self.hides(&word.rect, blend)
            })
        });
        beneath
            .map(|(position, _)| u32::try_from(position).unwrap_or(u32::MAX))
            .collect()
    }

    fn hides(&self, rect: &Rect, blend: Blend) -> bool {
        let picture = &self.drawing.picture;
        let at = |points: f64, limit: u32| ((points / self.scale).max(0.0) as u32).min(limit);
        let columns =
            at(rect.x0 - self.rect.x0, picture.width)..at(rect.x1 - self.rect.x0, picture.width);
        let rows =
            at(rect.y0 - self.rect.y0, picture.height)..at(rect.y1 - self.rect.y0, picture.height);
        let hiding = rows.clone().map(|row| {
            let start = 4 * (row as usize * picture.width as usize);
            let pixels = picture.rgba[start..].chunks_exact(4);
            let pixels = pixels.skip(columns.start as usize).take(columns.len());
            let hides = |pixel: &&[u8]| {
                let dark = || bitmap::luma(pixel) < DARK;
                pixel[3] >= OPAQUE && (blend == Blend::Normal || dark())
            };
            pixels.filter(hides).count()
        });
        let pixels = rect.area() / (self.scale * self.scale);
        hiding.sum::<usize>() as f64 >= HIDDEN * pixels
    }

    /// The words of the drawing as words of a page that has `words` and, of other drawings,
    /// `others`: in blocks of their own, behind those that there are.
    pub(super) fn words(&self, words: &Words, others: &[Word], page: u32) -> Vec<Word> {
        let there = words.words.iter().chain(others);
        let blocks = there
            .filter(|word| word.page == page)
            .map(|word| word.block + 1);
        let first_block = blocks.max().unwrap_or_default();
        let mut placed: Vec<Word> = Vec::new();
        for drawn in &self.drawing.words {
            let (block, line) = (first_block + drawn.block, drawn.line);
            let before = placed
                .iter()
                .filter(|word| (word.block, word.line) == (block, line));
            let rect = self.on_page(drawn.bounds);
            let size = drawn.font_size * self.scale;
            placed.push(Word {
                text: drawn.text.clone(),
                page,
                rect,
                block,
                line,
                number: u32::try_from(before.count()).unwrap_or(u32::MAX),
                angle: drawn.angle,
                right_to_left: is_right_to_left(&drawn.text),
                font_size: if size > 0.0 { size } else { rect.height() },
                characters: Vec::new(),
            });
        }
        placed
    }

    /// What is remembered of it. `positions` are those of its words.
    pub(super) fn placed(self, element: &str, label: &str, positions: Vec<u32>) -> PlacedElement {
        let position = |word: &u32| positions.get(*word as usize).copied();
        let parts = self.drawing.regions.iter().map(|part| PlacedPart {
            label: part.label.clone(),
            rect: self.on_page(part.bounds),
            words: part.words.iter().filter_map(position).collect(),
            attributes: part.attributes.clone(),
        });
        let parts = parts.collect();
        PlacedElement {
            element: element.to_owned(),
            label: label.to_owned(),
            rect: self.rect,
            shows: self.drawing.content,
            words: positions,
            parts,
        }
    }
}

/// By its first letter that has a direction.
fn is_right_to_left(text: &str) -> bool {
    let mut directions = text.chars().map(bidi_class);
    let strong =
        directions.find(|class| matches!(class, BidiClass::L | BidiClass::R | BidiClass::AL));
    matches!(strong, Some(BidiClass::R | BidiClass::AL))
}
