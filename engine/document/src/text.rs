//! What stands on the pages: characters, words, lines and blocks, with their places.

use serde::{Deserialize, Serialize};

use crate::geometry::{Rect, Size};

/// One page of a document.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Size as displayed, in points (the file's rotation and crop box are already applied).
    pub size: Size,
}

/// One character (grapheme or ligature) with its box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Character {
    /// Its text: one character, or several where one glyph shows several.
    pub text: String,
    /// Advance box from ascent to descent, in points.
    pub rect: Rect,
}

/// One word: what stands between blanks on one line. Scripts without blanks give a word per run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The text in logical order.
    pub text: String,
    /// Page, counted from 0.
    pub page: u32,
    /// Advance box from ascent to descent, in points.
    pub rect: Rect,
    /// Block on its page, in reading order, counted from 0.
    pub block: u32,
    /// Line in its block, counted from 0.
    pub line: u32,
    /// Word in its line in logical order, counted from 0.
    pub number: u32,
    /// Baseline angle in degrees, clockwise as seen, 0 for upright text.
    pub angle: f64,
    /// Whether it is written right to left.
    pub right_to_left: bool,
    /// Font size in points as displayed.
    pub font_size: f64,
    /// Its characters in logical order.
    pub characters: Vec<Character>,
}

/// The pages and all their words in reading order, page by page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// The pages, first to last.
    pub pages: Vec<Page>,
    /// The words in reading order, page by page. Other slots refer to words by their position here.
    pub words: Vec<Word>,
}

impl Words {
    /// The words of one page with their positions in `words`.
    pub fn on_page(&self, page: u32) -> impl Iterator<Item = (usize, &Word)> {
        self.words
            .iter()
            .enumerate()
            .filter(move |(_, word)| word.page == page)
    }
}

/// A line or a block: a run of words with the box around them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Page, counted from 0.
    pub page: u32,
    /// Block on its page, counted from 0.
    pub block: u32,
    /// Line in the block, counted from 0; absent for a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The box around its words, in points.
    pub rect: Rect,
    /// Positions of its words in [`Words::words`], in reading order.
    pub words: Vec<u32>,
}

/// Lines and blocks in reading order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Segments {
    /// The lines.
    pub lines: Vec<Segment>,
    /// The blocks.
    pub blocks: Vec<Segment>,
}

impl Segments {
    /// The lines and blocks that words say they stand in.
    #[must_use]
    pub fn of(words: &Words) -> Self {
        let mut segments = Self::default();
        for (position, word) in (0..).zip(&words.words) {
            extend(&mut segments.lines, position, word, Some(word.line));
            extend(&mut segments.blocks, position, word, None);
        }
        segments
    }
}

/// Adds a word to the last segment where it belongs there, else to a new one.
fn extend(segments: &mut Vec<Segment>, position: u32, word: &Word, line: Option<u32>) {
    let place = (word.page, word.block, line);
    match segments.last_mut() {
        Some(last) if (last.page, last.block, last.line) == place => {
            last.rect = last.rect.union(&word.rect);
            last.words.push(position);
        }
        _ => segments.push(Segment {
            page: word.page,
            block: word.block,
            line,
            rect: word.rect,
            words: vec![position],
        }),
    }
}
