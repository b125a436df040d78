//! How many characters optical character recognition gets wrong.

use std::collections::BTreeMap;

use docgenie_document::{
    geometry::Rect,
    ocr::{Ocr, OcrWord},
    text::Words,
};

use super::similarity::squeezed;

/// Edit distance of what was read to the words of the same pages, over the number of characters of
/// those words; `None` where they have none. It exceeds 1 where far too much was read.
pub(super) fn character_error_rate(words: &Words, ocr: &Ocr) -> Option<f64> {
    let (mut errors, mut characters) = (0, 0);
    for page in &ocr.pages {
        let mut lines: BTreeMap<(u32, u32), Line> = BTreeMap::new();
        for (_, word) in words.on_page(page.page) {
            let line = lines.entry((word.block, word.line)).or_default();
            line.exact.extend(squeezed(&word.text));
        }
        for read in &page.words {
            let text = squeezed(&read.text);
            let covered = words
                .on_page(page.page)
                .map(|(position, word)| (shared_area(&word.rect, read), position, word))
                .filter(|(area, ..)| *area > 0.0)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, position, word)) = covered else {
                errors += text.len();
                continue;
            };
            // Several words read in the place of one stand in the order of its direction.
            let along = if word.right_to_left {
                -read.rect.x1
            } else {
                read.rect.x0
            };
            let line = lines.entry((word.block, word.line)).or_default();
            line.read.push((position, along, text));
        }
        for line in lines.into_values() {
            characters += line.exact.len();
            errors += line.errors();
        }
    }
    (characters > 0).then(|| errors as f64 / characters as f64)
}

/// A line of the page and what was read on it.
#[derive(Default)]
struct Line {
    exact: Vec<char>,
    /// Position of the word it covers most, place along it, text.
    read: Vec<(usize, f64, Vec<char>)>,
}

impl Line {
    fn errors(mut self) -> usize {
        self.read
            .sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let read: Vec<char> = self.read.into_iter().flat_map(|(.., text)| text).collect();
        strsim::generic_levenshtein(&self.exact, &read)
    }
}

fn shared_area(rect: &Rect, read: &OcrWord) -> f64 {
    rect.intersection(&read.rect)
        .map_or(0.0, |shared| shared.area())
}
