//! From glyphs to words.

use std::collections::HashMap;

use docgenie_document::{geometry::Rect, text::Character};
use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};

use super::glyphs::Cluster;

/// Clusters of one word lie closer than this, in ems. Blanks are wider in any font, and
/// `pdftotext` draws the line at a similar width.
const WORD_GAP: f64 = 0.15;

/// Letters of one word that are spaced evenly lie closer than this, in ems.
const LETTER_SPACING: f64 = 0.6;

/// Clusters of one word may overlap by this, in ems (kerning, negative letter spacing).
const OVERLAP: f64 = 0.5;

/// A word whose neighbours are not known yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Its clusters: in logical order once [`Draft::spell`] has run, before that as painted.
    pub(super) clusters: Vec<Cluster>,
    pub(super) text: String,
    pub(super) right_to_left: bool,
    /// Extent along the baseline.
    pub(super) start: f64,
    pub(super) end: f64,
    /// Gap before the cluster that was added last.
    gap: Option<f64>,
}

impl Draft {
    fn new(cluster: Cluster) -> Self {
        Self {
            start: cluster.start,
            end: cluster.end,
            clusters: vec![cluster],
            text: String::new(),
            right_to_left: false,
            gap: None,
        }
    }

    /// The cluster that stands for the word: size, angle and baseline are the same in all.
    pub(super) fn head(&self) -> &Cluster {
        &self.clusters[0]
    }

    /// The first chunk it carries.
    pub(super) fn chunk(&self) -> Option<u32> {
        self.clusters
            .iter()
            .filter_map(|cluster| cluster.chunk)
            .min()
    }

    /// The chunks it carries, ascending.
    pub(super) fn chunks(&self) -> Vec<u32> {
        let mut chunks: Vec<u32> = self.clusters.iter().filter_map(|c| c.chunk).collect();
        chunks.sort_unstable();
        chunks.dedup();
        chunks
    }

    pub(super) fn rect(&self) -> Option<Rect> {
        let rects: Vec<Rect> = self.clusters.iter().filter_map(Cluster::rect).collect();
        Rect::union_all(&rects)
    }

    /// Its characters in logical order.
    pub(super) fn characters(&self) -> Vec<Character> {
        let read = self.clusters.iter().filter_map(|cluster| {
            let text = cluster.text.clone();
            Some(Character {
                text,
                rect: cluster.rect()?,
            })
        });
        read.collect()
    }

    /// Whether the next cluster that is painted, with no blank before it, belongs to this word.
    /// `then` is the one after it; `blanks` tells whether the page writes its blanks, so that wide
    /// gaps without one are letter spacing.
    fn takes(&self, next: &Cluster, then: Option<&Cluster>, blanks: bool) -> bool {
        let Some(last) = self.clusters.last() else {
            return false;
        };
        let size = last.size.max(next.size);
        // Marks above and below letters have baselines of their own, and so has a letter that is
        // painted as one with its mark.
        let marked = |cluster: &Cluster| {
            let mut classes = cluster.text.chars().map(bidi_class);
            classes.any(|class| class == BidiClass::NSM)
        };
        let tolerance = if marked(last) || marked(next) {
            0.6 * size
        } else {
            (0.05 * size).max(0.5)
        };
        if !last.level_with(next, tolerance) || (last.size - next.size).abs() > 0.05 * size {
            return false;
        }
        let after = next.start - self.end;
        let even = |gap: f64| (after - gap).abs() < WORD_GAP * size;
        // A single letter tells nothing yet: the gap after the next one decides.
        let ahead = then.map(|then| then.start - next.end);
        let spaced_evenly = match (last.chunk, next.chunk) {
            (Some(one), Some(other)) => one == other && self.gap.is_none_or(even),
            (None, None) => blanks && self.gap.or(ahead).is_some_and(even),
            _ => false,
        };
        let most = if spaced_evenly {
            LETTER_SPACING
        } else {
            WORD_GAP
        };
        let near = |distance: f64, most: f64| (-OVERLAP * size..most * size).contains(&distance);
        // Some programs write right-to-left text in logical order.
        near(after, most)
            || direction(&next.text) == Some(Direction::Right)
                && near(self.start - next.end, WORD_GAP)
    }

    fn push(&mut self, cluster: Cluster) {
        self.gap = Some(cluster.start - self.end);
        self.start = self.start.min(cluster.start);
        self.end = self.end.max(cluster.end);
        self.clusters.push(cluster);
    }

    /// Brings the clusters into logical order and joins their texts. `exact` gives the text of a
    /// chunk that only this word carries and that no glyph can be trusted to spell.
    fn spell<'t>(&mut self, exact: impl Fn(u32) -> Option<&'t str>) {
        let painted: String = self.clusters.iter().map(|cluster| &*cluster.text).collect();
        self.right_to_left = direction(&painted) == Some(Direction::Right);
        let leftwards = match (self.clusters.first(), self.clusters.last()) {
            (Some(first), Some(last)) => last.start < first.start,
            _ => false,
        };
        if self.right_to_left && !leftwards {
            let order = logical_order(&painted, &self.clusters);
            self.clusters = order
                .into_iter()
                .map(|i| self.clusters[i].clone())
                .collect();
        }
        let mut spelt: Vec<Cluster> = Vec::new();
        for part in self.clusters.chunk_by(|a, b| a.chunk == b.chunk) {
            let text: String = part.iter().map(|cluster| &*cluster.text).collect();
            // Style sheets may change the case of letters.
            let differs = |known: &&str| known.to_lowercase() != text.to_lowercase();
            match part[0].chunk.and_then(&exact).filter(differs) {
                Some(known) => spelt.push(Cluster {
                    text: known.to_owned(),
                    start: part.iter().map(|c| c.start).fold(f64::INFINITY, f64::min),
                    end: part.iter().map(|c| c.end).fold(f64::NEG_INFINITY, f64::max),
                    ..part[0].clone()
                }),
                None => spelt.extend_from_slice(part),
            }
        }
        self.clusters = spelt;
        self.text = self.clusters.iter().map(|cluster| &*cluster.text).collect();
    }
}

/// The words of one page in the order of painting. `exact` gives the text of chunks that no glyph
/// can be trusted to spell.
pub(super) fn words<'t>(
    clusters: Vec<Cluster>,
    exact: impl Fn(u32) -> Option<&'t str>,
) -> Vec<Draft> {
    let blank = |cluster: &Cluster| cluster.text.trim().is_empty();
    let blanks = clusters.iter().filter(|cluster| blank(cluster)).count() * 20 > clusters.len();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut ended = true;
    let mut rest = clusters.into_iter().peekable();
    while let Some(cluster) = rest.next() {
        if blank(&cluster) {
            ended = true;
            continue;
        }
        let then = rest.peek();
        match drafts.last_mut() {
            Some(draft) if !ended && draft.takes(&cluster, then, blanks) => draft.push(cluster),
            _ => drafts.push(Draft::new(cluster)),
        }
        ended = false;
    }
    let mut carriers: HashMap<u32, usize> = HashMap::new();
    for chunk in drafts.iter().flat_map(Draft::chunks) {
        *carriers.entry(chunk).or_default() += 1;
    }
    for draft in &mut drafts {
        draft.spell(|chunk| exact(chunk).filter(|_| carriers.get(&chunk) == Some(&1)));
    }
    without_shadows(drafts)
}

/// Drops words painted again at the same place: shadows and imitated bold type. Of two, the one
/// with a mark stays.
fn without_shadows(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut by_text: HashMap<String, Vec<usize>> = HashMap::new();
    let mut kept: Vec<Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let twins = by_text.entry(draft.text.clone()).or_default();
        let twin = twins
            .iter()
            .copied()
            .find(|twin| covers(&kept[*twin], &draft));
        match twin {
            Some(twin) if kept[twin].chunk().is_none() => kept[twin] = draft,
            Some(_) => {}
            None => {
                twins.push(kept.len());
                kept.push(draft);
            }
        }
    }
    kept
}

fn covers(a: &Draft, b: &Draft) -> bool {
    let (head, other) = (a.head(), b.head());
    let size = head.size.max(other.size);
    (head.angle - other.angle).abs() < 0.02
        && (a.start - b.start).abs() < 0.1 * size
        && (a.end - b.end).abs() < 0.1 * size
        && (head.base - other.base).abs() < 0.2 * size
}

/// Which way a text runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Left,
    Right,
}

/// The direction of the first strong character: [`Direction::Right`] for right-to-left scripts.
pub(super) fn direction(text: &str) -> Option<Direction> {
    text.chars().find_map(|c| match bidi_class(c) {
        BidiClass::L => Some(Direction::Left),
        BidiClass::R | BidiClass::AL => Some(Direction::Right),
        _ => None,
    })
}

/// The logical order of clusters that are painted in visual order, in right-to-left text.
fn logical_order(painted: &str, clusters: &[Cluster]) -> Vec<usize> {
    let bidi = BidiInfo::new(painted, Some(Level::rtl()));
    let mut levels = Vec::with_capacity(clusters.len());
    let mut at = 0;
    for cluster in clusters {
        levels.push(bidi.levels.get(at).copied().unwrap_or(Level::rtl()));
        at += cluster.text.len();
    }
    // Reordering by levels is its own inverse.
    BidiInfo::reorder_visual(&levels)
}
