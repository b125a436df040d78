//! The files below `bbox/` and `ocr_results/`: word, character and line boxes in the contract's
//! shapes.

use docgenie_document::{
    geometry::{PixelGrid, Rect},
    ocr::{Ocr, OcrPage, OcrWord},
    text::{Segment, Segments, Word, Words},
};
use serde::Serialize;

use super::parts::{Grids, round};

/// A box in points or pixels, `bbox` as `[x0, y0, x1, y1]`, page counted from 0.
#[derive(Serialize)]
pub(super) struct BoxItem<'a> {
    text: &'a str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    bbox: [f64; 4],
    block_no: u32,
    line_no: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    word_no: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    char_no: Option<usize>,
    page: u32,
}

impl<'a> BoxItem<'a> {
    fn new(text: &'a str, word: &Word, [x0, y0, x1, y1]: [f64; 4]) -> Self {
        Self {
            text,
            x: x0,
            y: y0,
            width: round(x1 - x0, 1e4),
            height: round(y1 - y0, 1e4),
            bbox: [x0, y0, x1, y1],
            block_no: word.block,
            line_no: word.line,
            word_no: Some(word.number),
            char_no: None,
            page: word.page,
        }
    }
}

/// Words in points.
pub(super) fn word_points(words: &Words) -> impl Iterator<Item = BoxItem<'_>> {
    words
        .words
        .iter()
        .map(|word| BoxItem::new(&word.text, word, points(&word.rect)))
}

/// Characters in points.
pub(super) fn character_points(words: &Words) -> impl Iterator<Item = BoxItem<'_>> {
    words.words.iter().flat_map(|word| {
        let characters = word.characters.iter().enumerate();
        characters.map(|(number, character)| BoxItem {
            char_no: Some(number),
            ..BoxItem::new(&character.text, word, points(&character.rect))
        })
    })
}

/// Words in pixels of the shipped images.
pub(super) fn word_pixels<'a>(
    words: &'a Words,
    grids: &'a Grids,
) -> impl Iterator<Item = BoxItem<'a>> {
    let words = words.words.iter();
    words.map(|word| BoxItem::new(&word.text, word, grids.pixels(word.page, &word.rect)))
}

fn points(rect: &Rect) -> [f64; 4] {
    [rect.x0, rect.y0, rect.x1, rect.y1].map(|value| round(value, 1e4))
}

/// A box as fractions of its page. The names of the far corner are the contract's.
#[derive(Serialize)]
pub(super) struct FractionItem<'a> {
    text: &'a str,
    x0: f64,
    y0: f64,
    x2: f64,
    y2: f64,
    block_no: u32,
    line_no: Option<u32>,
    word_no: Option<u32>,
    page: u32,
}

/// Words as fractions of their pages.
pub(super) fn word_fractions<'a>(
    words: &'a Words,
    grids: &'a Grids,
) -> impl Iterator<Item = FractionItem<'a>> {
    words.words.iter().map(|word| {
        let [x0, y0, x2, y2] = grids.fractions(word.page, &word.rect);
        FractionItem {
            text: &word.text,
            x0,
            y0,
            x2,
            y2,
            block_no: word.block,
            line_no: Some(word.line),
            word_no: Some(word.number),
            page: word.page,
        }
    })
}

/// A line with its text and the positions of its words in the files of words.
pub(super) struct Line<'a> {
    segment: &'a Segment,
    text: String,
}

/// The lines in reading order.
pub(super) fn lines<'a>(segments: &'a Segments, words: &'a Words) -> Vec<Line<'a>> {
    let text = |segment: &Segment| {
        let positions = segment.words.iter();
        let words = positions.filter_map(|at| words.words.get(usize::try_from(*at).ok()?));
        let texts: Vec<&str> = words.map(|word| word.text.as_str()).collect();
        texts.join(" ")
    };
    let lines = segments.lines.iter();
    lines
        .map(|segment| Line {
            segment,
            text: text(segment),
        })
        .collect()
}

/// A line in pixels of the shipped images.
#[derive(Serialize)]
pub(super) struct LineItem<'a> {
    text: &'a str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    bbox: [f64; 4],
    block_no: u32,
    line_no: Option<u32>,
    page: u32,
    words: &'a [u32],
}

impl Line<'_> {
    pub(super) fn pixels(&self, grids: &Grids) -> LineItem<'_> {
        let segment = self.segment;
        let bbox = grids.pixels(segment.page, &segment.rect);
        let [x, y, x1, y1] = bbox;
        LineItem {
            text: &self.text,
            x,
            y,
            width: round(x1 - x, 1e4),
            height: round(y1 - y, 1e4),
            bbox,
            block_no: segment.block,
            line_no: segment.line,
            page: segment.page,
            words: &segment.words,
        }
    }

    pub(super) fn fractions(&self, grids: &Grids) -> FractionItem<'_> {
        let [x0, y0, x2, y2] = grids.fractions(self.segment.page, &self.segment.rect);
        FractionItem {
            text: &self.text,
            x0,
            y0,
            x2,
            y2,
            block_no: self.segment.block,
            line_no: self.segment.line,
            word_no: None,
            page: self.segment.page,
        }
    }
}

/// What recognition read on one page, in pixels of the shipped image.
#[derive(Serialize)]
pub(super) struct OcrResults<'a> {
    image_width: u32,
    image_height: u32,
    angle: f64,
    engine: &'a str,
    languages: &'a [String],
    words: Vec<OcrItem<'a>>,
    lines: Vec<OcrLine>,
}

#[derive(Serialize)]
struct OcrItem<'a> {
    text: &'a str,
    confidence: f64,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

#[derive(Serialize)]
struct OcrLine {
    text: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Positions in `words`.
    words: Vec<usize>,
}

impl<'a> OcrResults<'a> {
    /// The results of a page whose shipped image has this grid. Recognition may have read another
    /// image of the page, a finer one say; its boxes are in points, so one grid is enough.
    pub(super) fn new(ocr: &'a Ocr, page: &'a OcrPage, grid: &PixelGrid, grids: &Grids) -> Self {
        let place = |rect: &Rect| grids.pixels(page.page, rect);
        let item = |word: &'a OcrWord| {
            let [x, y, x1, y1] = place(&word.rect);
            OcrItem {
                text: &word.text,
                confidence: round(word.confidence, 1e4),
                x,
                y,
                width: round(x1 - x, 1e3),
                height: round(y1 - y, 1e3),
            }
        };
        let numbered: Vec<_> = page.words.iter().enumerate().collect();
        let lines = numbered.chunk_by(|(_, a), (_, b)| (a.block, a.line) == (b.block, b.line));
        let line = |words: &[(usize, &OcrWord)]| {
            let rect = Rect::union_all(words.iter().map(|(_, word)| &word.rect))?;
            let [x, y, x1, y1] = place(&rect);
            let texts: Vec<&str> = words.iter().map(|(_, word)| word.text.as_str()).collect();
            Some(OcrLine {
                text: texts.join(" "),
                x,
                y,
                width: round(x1 - x, 1e3),
                height: round(y1 - y, 1e3),
                words: words.iter().map(|(at, _)| *at).collect(),
            })
        };
        Self {
            image_width: grid.width,
            image_height: grid.height,
            angle: page.angle,
            engine: &ocr.engine,
            languages: &ocr.languages,
            words: page.words.iter().map(item).collect(),
            lines: lines.filter_map(line).collect(),
        }
    }
}
