//! What a page's content stream draws: glyphs with their text and place, and the invisible fills
//! behind visual elements.

use std::collections::HashMap;

use docgenie_document::geometry::Rect;
use hayro::{
    hayro_interpret::{
        BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
        InterpreterCache, InterpreterSettings, Paint, SoftMask,
        font::{Glyph, GlyphRun},
        hayro_cmap::BfString,
        interpret_page,
        util::TransformExt,
    },
    hayro_syntax::{
        object::{Dict, String as PdfString},
        page::Page,
    },
    kurbo::{Affine, BezPath, Point, Rect as Area, Shape},
};
use skrifa::{FontRef, MetadataProvider, instance::Size};
use unicode_normalization::UnicodeNormalization;

use crate::markup::ink;

/// Glyph space has 1000 units to the em.
const EM: f64 = 1000.0;

/// One glyph, or the glyphs that one `ActualText` covers.
///
/// Its place is given in a frame that is turned by `angle`: `start` to `end` along the baseline,
/// `base` across it, growing downwards as seen. The frame's origin is that of the page.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Its text in logical order; white space alone separates words.
    pub(super) text: String,
    /// Position of its chunk in the mark-up.
    pub(super) chunk: Option<u32>,
    /// Direction of the baseline in radians, clockwise as seen.
    pub(super) angle: f64,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) base: f64,
    /// Font size in points as displayed.
    pub(super) size: f64,
    /// How far it reaches above and below the baseline, both positive.
    pub(super) above: f64,
    pub(super) below: f64,
}

impl Cluster {
    /// One that stands for several of a line and shows this text. The widest of them stands on the
    /// baseline: marks have baselines of their own.
    pub(super) fn merged(clusters: &[Self], text: &str) -> Option<Self> {
        let mut rest = clusters.iter();
        let mut all = rest.next()?.clone();
        rest.for_each(|cluster| all.widen(cluster));
        text.clone_into(&mut all.text);
        Some(all)
    }

    /// The box around it on the page.
    pub(super) fn rect(&self) -> Option<Rect> {
        let (sin, cos) = self.angle.sin_cos();
        let on_page =
            |along: f64, across: f64| (along * cos - across * sin, along * sin + across * cos);
        let (top, bottom) = (self.base - self.above, self.base + self.below);
        let corners = [
            on_page(self.start, top),
            on_page(self.end, top),
            on_page(self.start, bottom),
            on_page(self.end, bottom),
        ];
        let rects = corners.map(|(x, y)| Rect::new(x, y, x, y));
        rects.into_iter().reduce(|a, b| Some(a?.union(&b?)))?
    }

    /// Whether another one runs in the same direction with its baseline at most this far away.
    pub(super) fn level_with(&self, other: &Self, tolerance: f64) -> bool {
        (self.angle - other.angle).abs() < 0.02 && (self.base - other.base).abs() < tolerance
    }

    /// Takes in another glyph of the same text, unless it is on another line. The wider of the two
    /// stands on the baseline: a mark beside a letter has one of its own.
    fn widen(&mut self, other: &Self) {
        if self.level_with(other, self.size) {
            if other.end - other.start > self.end - self.start {
                self.base = other.base;
            }
            self.start = self.start.min(other.start);
            self.end = self.end.max(other.end);
        }
    }
}

/// What a page draws, in the order of painting.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) clusters: Vec<Cluster>,
    /// Numbers of visual elements and the boxes of their fills; an element may have several.
    pub(super) fills: Vec<(u32, Rect)>,
}

/// Reads the pages of one document; fonts are interpreted once.
pub(super) struct Reader<'a> {
    cache: InterpreterCache<'a>,
    fonts: HashMap<u128, Extent>,
    /// Number of chunks of the mark-up, and the one that was painted last.
    chunks: u32,
    last_chunk: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(chunks: u32) -> Self {
        Self {
            cache: InterpreterCache::new(),
            fonts: HashMap::new(),
            chunks,
            last_chunk: 0,
        }
    }

    /// What a page draws, at most about this many glyphs.
    pub(super) fn read(&mut self, page: &Page<'a>, limit: usize) -> Drawing {
        let (width, height) = page.render_dimensions();
        let area = Area::new(0.0, 0.0, width.into(), height.into());
        let upright = page.initial_transform(true).to_kurbo();
        let cache = self.cache.clone();
        let settings = InterpreterSettings::default();
        let mut context = Context::new(upright, area, &cache, page.xref(), settings);
        let mut pen = Pen {
            reader: self,
            drawing: Drawing::default(),
            spans: Vec::new(),
            shown: vec![area],
            limit,
        };
        interpret_page(page, &mut context, &mut pen);
        pen.drawing
    }

    /// How far the font of a glyph reaches, from its font file.
    fn extent(&mut self, glyph: &Glyph<'_>) -> Extent {
        let outline = match glyph {
            Glyph::Outline(outline) => outline,
            Glyph::Type3(_) if is_ideograph(glyph) => return Extent::IDEOGRAPH,
            Glyph::Type3(_) => return Extent::USUAL,
        };
        let Some(font) = outline.font_data() else {
            return Extent::USUAL;
        };
        let measure = || {
            let font = FontRef::new(font.data.as_ref().as_ref()).ok()?;
            let metrics = font.metrics(Size::new(1.0), skrifa::instance::LocationRef::default());
            Extent::checked(metrics.ascent.into(), metrics.descent.into())
        };
        *self
            .fonts
            .entry(font.cache_key)
            .or_insert_with(|| measure().unwrap_or(Extent::USUAL))
    }
}

/// Ascent and descent of a font in ems, both positive.
///
/// They are those of the font file's `hhea` table, which is also what Chromium writes into the font
/// descriptor and what poppler takes from there: boxes agree with those of `pdftotext -bbox`.
#[derive(Clone, Copy, Debug)]
struct Extent {
    above: f64,
    below: f64,
}

impl Extent {
    /// Where the font tells nothing: near Helvetica and Times.
    const USUAL: Self = Self {
        above: 0.75,
        below: 0.25,
    };

    /// The em box, for Chinese and Japanese in fonts that are drawings (Type 3). Chromium makes
    /// such fonts of those with PostScript outlines; their height is lost, and poppler guesses it
    /// from the width of a glyph.
    const IDEOGRAPH: Self = Self {
        above: 0.88,
        below: 0.12,
    };

    /// `None` where a broken font gives values that no text can have.
    fn checked(ascent: f64, descent: f64) -> Option<Self> {
        let (above, below) = (ascent.abs(), descent.abs());
        (above > 0.0 && above < 3.0 && below < 3.0).then_some(Self { above, below })
    }
}

/// The device that the interpreter draws on.
struct Pen<'r, 'a> {
    reader: &'r mut Reader<'a>,
    drawing: Drawing,
    /// The open marked-content sequences.
    spans: Vec<Span>,
    /// The area that each of the clips around lets through, the page's own first.
    shown: Vec<Area>,
    limit: usize,
}

enum Span {
    Plain,
    /// Its glyphs together show this text.
    Actual {
        text: String,
        begun: bool,
    },
}

impl Pen<'_, '_> {
    fn chunk(&mut self, paint: &Paint<'_>) -> Option<u32> {
        let number = ink::text_number(components(paint)?)?;
        let chunk = ink::chunk(number, self.reader.last_chunk, self.reader.chunks)?;
        self.reader.last_chunk = chunk;
        Some(chunk)
    }

    /// The area of the page in which paint shows.
    fn shown(&self) -> Area {
        self.shown.last().copied().unwrap_or_default()
    }

    /// Whether a cluster can be seen. Browsers paint a line at the end of a page once more where
    /// its ink reaches over, clipped to that ink.
    fn shows(&self, cluster: &Cluster) -> bool {
        let (shown, rect) = (self.shown(), cluster.rect());
        rect.is_some_and(|rect| {
            let (x, y) = ((rect.x0 + rect.x1) / 2.0, (rect.y0 + rect.y1) / 2.0);
            (shown.x0..=shown.x1).contains(&x) && (shown.y0..=shown.y1).contains(&y)
        })
    }

    /// Adds a glyph, or widens the cluster of the `ActualText` around it.
    fn add(&mut self, mut cluster: Cluster) {
        let actual = self.spans.iter_mut().rev().find_map(|span| match span {
            Span::Actual { text, begun } => Some((text, begun)),
            Span::Plain => None,
        });
        if let Some((text, begun)) = actual {
            if *begun {
                if let Some(first) = self.drawing.clusters.last_mut() {
                    first.widen(&cluster);
                }
                return;
            }
            *begun = true;
            cluster.text.clone_from(text);
        }
        if !cluster.text.is_empty() {
            self.drawing.clusters.push(cluster);
        }
    }
}

impl<'a> Device<'a> for Pen<'_, 'a> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        let Some(first) = run.glyphs().first() else {
            return;
        };
        let chunk = self.chunk(&props.paint);
        let extent = self.reader.extent(first);
        for glyph in run.glyphs() {
            if self.drawing.clusters.len() >= self.limit {
                return;
            }
            let place = props.transform * glyph.transform();
            let cluster = cluster(glyph, place, extent, chunk);
            if let Some(cluster) = cluster.filter(|cluster| self.shows(cluster)) {
                self.add(cluster);
            }
        }
    }

    fn begin_marked_content(&mut self, _: &[u8], properties: Option<&Dict<'_>>) {
        let text = properties.and_then(|dict| dict.get::<PdfString<'_>>(b"ActualText"));
        self.spans
            .push(text.map_or(Span::Plain, |text| Span::Actual {
                text: readable(&decode(text.as_bytes())),
                begun: false,
            }));
    }

    fn end_marked_content(&mut self) {
        self.spans.pop();
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, _: &DrawMode) {
        let Some(visual) = components(&props.paint).and_then(ink::fill_number) else {
            return;
        };
        let area = (props.transform * path).bounding_box();
        if let Some(rect) = Rect::new(area.x0, area.y0, area.x1, area.y1) {
            self.drawing.fills.push((visual, rect));
        }
    }

    fn push_clip_path(&mut self, clip: &ClipPath) {
        let shown = self.shown().intersect(clip.path.bounding_box());
        self.shown.push(shown);
    }

    fn pop_clip(&mut self) {
        self.shown.pop();
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn pop_transparency_group(&mut self) {}
}

/// The three operands of a plain colour.
fn components(paint: &Paint<'_>) -> Option<[f32; 3]> {
    let Paint::Color(color) = paint else {
        return None;
    };
    color.components().try_into().ok()
}

/// One glyph in page space; `None` if it has no place there.
fn cluster(
    glyph: &Glyph<'_>,
    place: Affine,
    extent: Extent,
    chunk: Option<u32>,
) -> Option<Cluster> {
    let text = match glyph.as_unicode() {
        Some(BfString::Char(c)) => readable(c.encode_utf8(&mut [0; 4])),
        Some(BfString::String(text)) => readable(&text),
        None => char::REPLACEMENT_CHARACTER.into(),
    };
    let advance = match glyph {
        Glyph::Outline(outline) => outline.advance_width(),
        Glyph::Type3(drawn) => drawn.advance_width(),
    };
    let origin = place * Point::ZERO;
    let ahead = place * Point::new(EM, 0.0) - origin;
    let size = (place * Point::new(0.0, EM) - origin).hypot();
    let angle = ahead.y.atan2(ahead.x);
    let (sin, cos) = angle.sin_cos();
    let start = origin.x * cos + origin.y * sin;
    let width = f64::from(advance.unwrap_or_default()) / EM * ahead.hypot();
    let base = origin.y * cos - origin.x * sin;
    let sound = [start, width, base, size]
        .iter()
        .all(|value| value.is_finite());
    (sound && size > 0.0).then(|| Cluster {
        text,
        chunk,
        angle,
        start: start.min(start + width),
        end: start.max(start + width),
        base,
        size,
        above: extent.above * size,
        below: extent.below * size,
    })
}

/// Whether a glyph shows a character of the blocks from the CJK radicals on.
fn is_ideograph(glyph: &Glyph<'_>) -> bool {
    let first = match glyph.as_unicode() {
        Some(BfString::Char(c)) => Some(c),
        Some(BfString::String(text)) => text.chars().next(),
        None => None,
    };
    first.is_some_and(|c| c >= '\u{2e80}' && !('\u{fb00}'..='\u{fb06}').contains(&c))
}

/// Text as people type it: without presentation forms and characters that show nothing.
fn readable(text: &str) -> String {
    let shown = |c: char| {
        let formats = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        !formats && (!c.is_control() || c.is_whitespace())
    };
    if text.is_ascii() {
        return text.chars().filter(|c| shown(*c)).collect();
    }
    let plain = |c: char| match c {
        '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => c.to_string().nfkc().collect(),
        c => c.to_string(),
    };
    text.chars().filter(|c| shown(*c)).map(plain).collect()
}

/// A PDF text string: UTF-16 or UTF-8 with its mark, otherwise Latin-1, which agrees with
/// PDFDocEncoding wherever it matters.
fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => {
            let pairs = rest
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(pairs)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}
