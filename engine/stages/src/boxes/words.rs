//! From glyphs to words.

use std::collections::{BTreeMap, HashMap};

use docgenie_document::{geometry::Rect, text::Character};
use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};

use super::glyphs::Cluster;

/// Clusters of one word lie closer than this, in ems. Blanks are wider in any font, and
/// `pdftotext` draws the line at a similar width.
const WORD_GAP: f64 = 0.15;

/// Letters of one word that are spaced evenly lie closer than this, in ems.
const LETTER_SPACING: f64 = 0.6;

/// Baselines of letters and of their marks lie closer than this, in ems.
const MARK_SHIFT: f64 = 0.6;

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

    /// The chunks it carries, ascending, each with the box around what the word shows of it.
    pub(super) fn chunks(&self) -> BTreeMap<u32, Rect> {
        let mut chunks: BTreeMap<u32, Rect> = BTreeMap::new();
        for cluster in &self.clusters {
            if let Some((chunk, rect)) = cluster.chunk.zip(cluster.rect()) {
                let known = chunks.entry(chunk).or_insert(rect);
                *known = known.union(&rect);
            }
        }
        chunks
    }

    /// How many characters of a chunk it shows.
    fn painted(&self, chunk: u32) -> usize {
        let own = self.clusters.iter().filter(|it| it.chunk == Some(chunk));
        own.map(|cluster| cluster.text.chars().count()).sum()
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
    /// gaps without one are letter spacing; `exact` whether its chunk is the whole or a part of a
    /// word.
    fn takes(&self, next: &Cluster, then: Option<&Cluster>, blanks: bool, exact: bool) -> bool {
        let Some(last) = self.clusters.last() else {
            return false;
        };
        if last.chunk != next.chunk && (divides(last, next) || exact && !self.adjoins(next)) {
            return false;
        }
        let size = last.size.max(next.size);
        // Marks above and below letters have baselines of their own.
        let marked = |cluster: &Cluster| {
            let mut classes = cluster.text.chars().map(bidi_class);
            classes.any(|class| class == BidiClass::NSM)
        };
        let tolerance = if marked(last) || marked(next) {
            MARK_SHIFT * size
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

    /// Whether a cluster's chunk stands next to those of this word in the document.
    fn adjoins(&self, next: &Cluster) -> bool {
        let mut chunks = self.clusters.iter().filter_map(|cluster| cluster.chunk);
        chunks.any(|chunk| next.chunk.is_some_and(|next| next.abs_diff(chunk) <= 1))
    }

    /// Whether a cluster stands on the same line, raised or lowered as letters with marks are.
    fn lines_up(&self, next: &Cluster) -> bool {
        let head = self.head();
        head.level_with(next, MARK_SHIFT * head.size.max(next.size))
    }

    fn push(&mut self, cluster: Cluster) {
        self.gap = Some(cluster.start - self.end);
        self.start = self.start.min(cluster.start);
        self.end = self.end.max(cluster.end);
        self.clusters.push(cluster);
    }

    /// Brings the clusters into logical order and joins their texts. `exact` tells which chunks are
    /// words that no glyph can be trusted to spell, `known` what this word shows of them.
    fn spell<'t>(&mut self, exact: impl Fn(u32) -> bool, known: impl Fn(u32) -> Option<&'t str>) {
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
        let mut chunks = self.clusters.iter().map(|cluster| cluster.chunk);
        if chunks.all(|chunk| chunk.is_some_and(&exact)) {
            self.clusters.sort_by_key(|cluster| cluster.chunk);
        }
        let mut spelt: Vec<Cluster> = Vec::new();
        for part in self.clusters.chunk_by(|a, b| a.chunk == b.chunk) {
            let text: String = part.iter().map(|cluster| &*cluster.text).collect();
            // Style sheets may change the case of letters.
            let differs = |known: &&str| known.to_lowercase() != text.to_lowercase();
            match part[0].chunk.and_then(&known).filter(differs) {
                Some(known) => spelt.extend(Cluster::merged(part, known)),
                None => spelt.extend_from_slice(part),
            }
        }
        self.clusters = spelt;
        self.text = self.clusters.iter().map(|cluster| &*cluster.text).collect();
    }
}

/// The words of one page in the order of painting. `exact` gives the text of chunks that are words
/// and that no glyph can be trusted to spell.
pub(super) fn words<'t>(
    clusters: Vec<Cluster>,
    exact: impl Fn(u32) -> Option<&'t str>,
) -> Vec<Draft> {
    let blank = |cluster: &Cluster| cluster.text.trim().is_empty();
    let blanks = clusters.iter().filter(|cluster| blank(cluster)).count() * 20 > clusters.len();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut open = None;
    // Where each chunk that is a word was painted last: it stays one, in whatever order, as long
    // as it stays on its line.
    let mut homes: HashMap<u32, usize> = HashMap::new();
    let mut rest = clusters.into_iter().peekable();
    while let Some(cluster) = rest.next() {
        if blank(&cluster) {
            open = None;
            continue;
        }
        let (then, word) = (rest.peek(), cluster.chunk.filter(|it| exact(*it).is_some()));
        let home = word.and_then(|chunk| homes.get(&chunk).copied());
        let home = home.filter(|at| drafts[*at].lines_up(&cluster));
        let takes = |at: &usize| drafts[*at].takes(&cluster, then, blanks, word.is_some());
        let at = home.or_else(|| open.filter(takes)).unwrap_or(drafts.len());
        match drafts.get_mut(at) {
            Some(draft) => draft.push(cluster),
            None => drafts.push(Draft::new(cluster)),
        }
        homes.extend(word.map(|chunk| (chunk, at)));
        open = Some(at);
    }
    let known = shares(&drafts, &exact);
    for (at, draft) in drafts.iter_mut().enumerate() {
        let known = |chunk| known.get(&(at, chunk)).copied();
        draft.spell(|chunk| exact(chunk).is_some(), known);
    }
    without_shadows(drafts)
}

/// What each word shows of the chunks that no glyph can be trusted to spell. A word that is broken
/// over lines has as many characters of it on each as glyphs stand there.
fn shares<'t>(
    drafts: &[Draft],
    exact: impl Fn(u32) -> Option<&'t str>,
) -> HashMap<(usize, u32), &'t str> {
    let mut carriers: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        for chunk in draft.chunks().into_keys() {
            carriers.entry(chunk).or_default().push(at);
        }
    }
    let mut shares = HashMap::new();
    for (chunk, drawn) in carriers {
        let Some(mut rest) = exact(chunk) else {
            continue;
        };
        let painted = |at: &usize| drafts[*at].painted(chunk);
        if let [whole] = drawn[..] {
            shares.insert((whole, chunk), rest);
        } else if drawn.iter().map(painted).sum::<usize>() == rest.chars().count() {
            for at in drawn {
                let end = rest.char_indices().nth(drafts[at].painted(chunk));
                let (share, after) = rest.split_at(end.map_or(rest.len(), |(end, _)| end));
                shares.insert((at, chunk), share);
                rest = after;
            }
        }
    }
    shares
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

/// Whether a word ends between two clusters of different elements although no blank does: where
/// one of them is of a script that has no blanks, elements say where a word ends.
fn divides(last: &Cluster, next: &Cluster) -> bool {
    let around = [last.text.chars().next_back(), next.text.chars().next()];
    around.into_iter().flatten().any(without_blanks)
}

/// Whether a character is of a script that sets no blanks between words: kana, ideographs and their
/// punctuation.
pub(super) fn without_blanks(c: char) -> bool {
    match c {
        '\u{3000}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}' => true,
        '\u{ff01}'..='\u{ff65}' => !c.is_alphanumeric(),
        _ => false,
    }
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
