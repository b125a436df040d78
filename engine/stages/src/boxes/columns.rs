//! Blocks of unknown text: the page is cut along its white space, again and again.

use docgenie_document::geometry::Rect;

use super::{
    lines::{Block, right_to_left},
    words::Draft,
};

/// Gaps between blocks are wider than these, in ems.
const ROW_GAP: f64 = 0.6;
const GUTTER: f64 = 1.0;

/// Columns of running text have lines at least this long, in ems; those of tables are shorter.
const PROSE: f64 = 12.0;

/// Pages are not nested deeper; only hostile ones would be.
const MAX_DEPTH: usize = 64;

struct Line {
    rect: Rect,
    words: Vec<Draft>,
}

/// Groups lines into blocks in reading order.
pub(super) fn blocks(lines: Vec<Vec<Draft>>) -> Vec<Block> {
    let rightwards = right_to_left(lines.iter().flatten());
    let boxed = lines.into_iter().filter_map(|words| {
        let rects: Vec<Rect> = words.iter().filter_map(Draft::rect).collect();
        Some(Line {
            rect: Rect::union_all(&rects)?,
            words,
        })
    });
    let boxed: Vec<Line> = boxed.collect();
    let mut heights: Vec<f64> = boxed.iter().map(|line| line.words[0].head().size).collect();
    heights.sort_by(f64::total_cmp);
    let Some(em) = heights.get(heights.len() / 2).copied() else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    cut(boxed, &Cutter { em, rightwards }, 0, &mut blocks);
    blocks
}

struct Cutter {
    /// The usual font size of the page.
    em: f64,
    rightwards: bool,
}

fn cut(lines: Vec<Line>, cutter: &Cutter, depth: usize, blocks: &mut Vec<Block>) {
    let rows = || split(&lines, ROW_GAP * cutter.em, |rect| (rect.y0, rect.y1));
    let columns = || split(&lines, GUTTER * cutter.em, |rect| (rect.x0, rect.x1));
    let prose = |parts: &[Vec<usize>]| {
        parts.iter().all(|part| {
            let width: f64 = part.iter().map(|i| lines[*i].rect.width()).sum();
            part.len() > 1 && width > PROSE * cutter.em * part.len() as f64
        })
    };
    let side_by_side = columns();
    let parts = if side_by_side.len() > 1 && prose(&side_by_side) {
        (side_by_side, true)
    } else {
        let stacked = rows();
        if stacked.len() > 1 {
            (stacked, false)
        } else {
            (side_by_side, true)
        }
    };
    let (mut parts, across) = parts;
    if parts.len() < 2 || depth == MAX_DEPTH {
        blocks.push(in_order(lines));
        return;
    }
    if across && cutter.rightwards {
        parts.reverse();
    }
    let mut lines: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    for part in parts {
        let part = part.into_iter().filter_map(|i| lines[i].take()).collect();
        cut(part, cutter, depth + 1, blocks);
    }
}

/// The lines between gaps of at least `gap` in the projection on one axis, ascending.
fn split(lines: &[Line], gap: f64, axis: impl Fn(&Rect) -> (f64, f64)) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|a, b| axis(&lines[*a].rect).0.total_cmp(&axis(&lines[*b].rect).0));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut reach = f64::NEG_INFINITY;
    for i in order {
        let (start, end) = axis(&lines[i].rect);
        match parts.last_mut() {
            Some(part) if start < reach + gap => part.push(i),
            _ => parts.push(vec![i]),
        }
        reach = reach.max(end);
    }
    parts
}

fn in_order(mut lines: Vec<Line>) -> Block {
    lines.sort_by(|a, b| {
        let row = a.words[0].head().base.total_cmp(&b.words[0].head().base);
        row.then(a.rect.x0.total_cmp(&b.rect.x0))
    });
    lines.into_iter().map(|line| line.words).collect()
}
