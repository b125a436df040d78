//! From words to lines and blocks in reading order.

use unicode_bidi::{BidiInfo, Level};

use super::{
    columns,
    words::{Direction, Draft, direction},
};
use crate::markup::Chunk;

/// A block: its lines in reading order, each with its words in logical order.
pub(super) type Block = Vec<Vec<Draft>>;

/// Words of one line of marked text are nearer than this, in ems: cells of a layout without a
/// table would run together otherwise.
const LINE_GAP: f64 = 2.5;

/// Words of one line of unknown text are nearer than this, in ems.
const COLUMN_GAP: f64 = 1.2;

/// The blocks of a page in reading order: that of the mark-up where words carry chunks, otherwise
/// as the page looks.
pub(super) fn blocks(words: Vec<Draft>, chunks: &[Chunk]) -> Vec<Block> {
    if words.iter().any(|word| word.chunk().is_some()) {
        by_markup(words, chunks)
    } else {
        by_sight(words)
    }
}

/// Where a word stands in the document: block, whether it is a stray beside it, chunk, before or
/// after the chunk.
type Position = (u32, bool, u32, i8);

fn by_markup(words: Vec<Draft>, chunks: &[Chunk]) -> Vec<Block> {
    let block = |chunk: u32| chunks.get(chunk as usize).map_or(0, |chunk| chunk.block);
    let positions = positions(&words, block);
    let mut placed: Vec<(Position, Draft)> = positions.into_iter().zip(words).collect();
    // The sort is stable: pieces of one chunk stay in the order of painting.
    placed.sort_by_key(|(position, _)| *position);
    let mut blocks: Vec<Block> = Vec::new();
    let mut before: Option<Position> = None;
    for (position, word) in placed {
        let (number, stray, ..) = position;
        let same_block = before.is_some_and(|(n, s, ..)| (n, s) == (number, stray));
        before = Some(position);
        let last = blocks.last_mut().filter(|_| same_block);
        let Some(lines) = last else {
            blocks.push(vec![vec![word]]);
            continue;
        };
        match lines.last_mut() {
            Some(line) if line.last().is_some_and(|last| follows(last, &word)) => {
                line.push(word);
            }
            // Text that goes on further up is in the next column; strays are not related.
            Some(line) if stray || line.last().is_some_and(|last| rises(last, &word)) => {
                blocks.push(vec![vec![word]]);
            }
            _ => lines.push(vec![word]),
        }
    }
    blocks
}

fn positions(words: &[Draft], block: impl Fn(u32) -> u32) -> Vec<Position> {
    let marked = |word: &&Draft| word.chunk().is_some();
    let mut ahead = Vec::with_capacity(words.len());
    let mut next = None;
    for word in words.iter().rev() {
        next = Some(word).filter(marked).or(next);
        ahead.push(next);
    }
    let mut last = None;
    let placed = words
        .iter()
        .zip(ahead.into_iter().rev())
        .map(|(word, next)| {
            let position = position(word, last, next, &block);
            last = Some(word).filter(marked).or(last);
            position
        });
    placed.collect()
}

/// The position of a word between the marked words painted before and after it. Text that the
/// browser adds (list markers, counters, generated content) has no chunk: it stands with the one
/// of them that is beside it.
fn position(
    word: &Draft,
    last: Option<&Draft>,
    next: Option<&Draft>,
    block: impl Fn(u32) -> u32,
) -> Position {
    if let Some(chunk) = word.chunk() {
        return (block(chunk), false, chunk, 0);
    }
    let beside = |other: &&Draft| follows(word, other);
    let chunk = |word: &Draft| word.chunk().unwrap_or_default();
    if let Some(next) = next.filter(beside) {
        (block(chunk(next)), false, chunk(next), -1)
    } else if let Some(last) = last.filter(beside) {
        (block(chunk(last)), false, chunk(last), 1)
    } else {
        let chunk = last.map(chunk).unwrap_or_default();
        (block(chunk), true, chunk, 1)
    }
}

/// Whether two words that follow each other in the document stand on one line. Where the direction
/// changes, they may be far apart.
fn follows(a: &Draft, b: &Draft) -> bool {
    let turns = a.right_to_left != b.right_to_left;
    continues(a, b, if turns { f64::INFINITY } else { LINE_GAP })
}

/// Whether two words stand on one line at most `gap` ems apart. Raised and lowered words do.
fn continues(a: &Draft, b: &Draft, gap: f64) -> bool {
    let (head, other) = (a.head(), b.head());
    let size = head.size.max(other.size);
    let distance = (b.start - a.end).max(a.start - b.end);
    (head.angle - other.angle).abs() < 0.02
        && (head.base - other.base).abs() < 0.6 * size
        && distance < gap * size
}

fn rises(last: &Draft, word: &Draft) -> bool {
    (last.head().angle - word.head().angle).abs() < 0.02
        && word.head().base < last.head().base - 0.5 * last.head().size
}

fn by_sight(mut words: Vec<Draft>) -> Vec<Block> {
    let turned = |word: &Draft| (word.head().angle * 50.0).round();
    words.sort_by(|a, b| {
        let row = turned(a).total_cmp(&turned(b));
        row.then(a.head().base.total_cmp(&b.head().base))
    });
    let mut lines: Vec<Vec<Draft>> = Vec::new();
    let mut row: Vec<Draft> = Vec::new();
    for word in words {
        let same_row = row.first().is_some_and(|first| {
            turned(first) == turned(&word)
                && word.head().base - first.head().base < 0.4 * first.head().size
        });
        if !same_row {
            split_row(std::mem::take(&mut row), &mut lines);
        }
        row.push(word);
    }
    split_row(row, &mut lines);
    columns::blocks(lines)
}

/// Splits the words of one row at wide gaps and adds each part in logical order.
fn split_row(mut row: Vec<Draft>, lines: &mut Vec<Vec<Draft>>) {
    row.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut line: Vec<Draft> = Vec::new();
    for word in row {
        if line
            .last()
            .is_some_and(|last| !continues(last, &word, COLUMN_GAP))
        {
            lines.push(in_logical_order(std::mem::take(&mut line)));
        }
        line.push(word);
    }
    if !line.is_empty() {
        lines.push(in_logical_order(line));
    }
}

fn in_logical_order(line: Vec<Draft>) -> Vec<Draft> {
    let rightwards = right_to_left(&line);
    if !rightwards && !line.iter().any(|word| word.right_to_left) {
        return line;
    }
    let level = |word: &Draft| match (word.right_to_left, rightwards) {
        (true, _) => Level::rtl(),
        (false, false) => Level::ltr(),
        // Numbers and foreign words run left to right inside right-to-left text.
        (false, true) => Level::new(2).unwrap_or(Level::rtl()),
    };
    let levels: Vec<Level> = line.iter().map(level).collect();
    let order = BidiInfo::reorder_visual(&levels);
    order.into_iter().map(|i| line[i].clone()).collect()
}

/// Whether most words that have a direction run right to left.
pub(super) fn right_to_left<'w>(words: impl IntoIterator<Item = &'w Draft>) -> bool {
    let (mut left, mut right) = (0, 0);
    for word in words {
        match direction(&word.text) {
            Some(Direction::Left) => left += 1,
            Some(Direction::Right) => right += 1,
            None => {}
        }
    }
    right > left
}
