//! Words on a circle.

use docgenie_plugin::{Rect, Word};

use crate::{Drawing, Text};

/// Which way a text runs: along the top with its letters' feet inwards, or along the bottom with
/// their heads inwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    Top,
    Bottom,
}

/// A text on a circle. Each word is drawn on an arc of its own whose length is the word's, so that
/// its place does not depend on the font.
pub(crate) struct Arc {
    side: Side,
    centre: (f64, f64),
    /// Of the baseline.
    radius: f64,
    /// Of the letters, in pixels.
    pub(crate) size: f64,
    words: Vec<Placed>,
}

struct Placed {
    text: String,
    /// Where it begins and ends, in degrees clockwise from the top.
    from: f64,
    to: f64,
}

/// Of fonts in general, as parts of the letters' size.
pub(crate) const ASCENT: f64 = 0.93;
pub(crate) const DESCENT: f64 = 0.25;
/// Half the height of capitals: the line that should run in the middle of the ring.
const WAIST: f64 = 0.35;
const BLANK: f64 = 0.42;

impl Arc {
    /// A text in the middle of a ring, in letters as large as the ring's width and `most` degrees of
    /// it allow.
    pub(crate) fn fit(
        words: &[String],
        side: Side,
        centre: (f64, f64),
        band: f64,
        width: f64,
        most: f64,
    ) -> Self {
        let widths: Vec<f64> = words.iter().map(|word| width_of(word)).collect();
        let blanks = BLANK * words.len().saturating_sub(1) as f64;
        let whole = widths.iter().sum::<f64>() + blanks;
        // The baseline's radius depends on the size of the letters, and that on the radius.
        let baseline = |size: f64| match side {
            Side::Top => band - WAIST * size,
            Side::Bottom => band + WAIST * size,
        };
        let mut size = 0.78 * width;
        for _ in 0..4 {
            let room = most.to_radians() * baseline(size);
            size = size.min(room / whole.max(1.0));
        }
        let radius = baseline(size);
        let degrees = |width: f64| (width * size / radius).to_degrees();
        let mut next = -degrees(whole) / 2.0;
        let is_leftwards = words.iter().any(|word| word.chars().any(is_leftward));
        let mut order: Vec<(&String, f64)> = words.iter().zip(widths).collect();
        if is_leftwards {
            order.reverse();
        }
        let place = |(text, width): (&String, f64)| {
            let (from, to) = (next, next + degrees(width));
            next = to + degrees(BLANK);
            let (from, to) = match side {
                Side::Top => (from, to),
                Side::Bottom => (180.0 - from, 180.0 - to),
            };
            Placed {
                text: text.clone(),
                from,
                to,
            }
        };
        let mut words: Vec<Placed> = order.into_iter().map(place).collect();
        if is_leftwards {
            words.reverse();
        }
        Self {
            side,
            centre,
            radius,
            size,
            words,
        }
    }

    /// How much of the circle the text takes, in degrees.
    pub(crate) fn span(&self) -> f64 {
        let angles = self.words.iter().flat_map(|word| [word.from, word.to]);
        let (least, most) = angles.fold((f64::MAX, f64::MIN), |(least, most), it| {
            (least.min(it), most.max(it))
        });
        (most - least).max(0.0)
    }

    pub(crate) fn svg(&self, id: &str, family: &str) -> String {
        let each = self.words.iter().enumerate();
        let draw = |(number, word): (usize, &Placed)| {
            let (r, sweep) = (self.radius, u8::from(self.side == Side::Top));
            let length = (word.to - word.from).abs().to_radians() * r;
            let large = u8::from((word.to - word.from).abs() > 178.0);
            // A little longer than the word, since a letter beyond the end would not be drawn.
            let beyond = word.to + (word.to - word.from).signum();
            let ((x0, y0), (x1, y1)) = (at(self.centre, r, word.from), at(self.centre, r, beyond));
            format!(
                r##"<path id="{id}{number}" d="M{x0:.3} {y0:.3}A{r:.3} {r:.3} 0 {large} {sweep} {x1:.3} {y1:.3}" fill="none" stroke="none"/><text font-family="{family}" font-weight="bold" font-size="{:.2}" stroke="none"><textPath href="#{id}{number}" textLength="{length:.3}" lengthAdjust="{}">{}</textPath></text>"##,
                self.size,
                adjust(&word.text),
                Text(&word.text),
            )
        };
        each.map(draw).collect()
    }

    /// The words with the boxes around their glyphs.
    pub(crate) fn words(&self, block: u32, seal: &Drawing) -> Vec<Word> {
        let each = self.words.iter().map(|word| {
            let turn = match self.side {
                Side::Top => 0.0,
                Side::Bottom => 180.0,
            };
            let middle = f64::midpoint(word.from, word.to);
            seal.word(
                &word.text,
                self.bounds(word, seal.tilt),
                (block, 0),
                middle + turn,
                self.size,
            )
        });
        each.collect()
    }

    /// The box around a part of a ring. A letter stands on a tangent and not on the circle itself, so
    /// its corners reach out of the ring by a little, as does the ink.
    fn bounds(&self, word: &Placed, tilt: f64) -> Rect {
        let (least, most) = match self.side {
            Side::Top => (
                self.radius - DESCENT * self.size,
                self.radius + ASCENT * self.size,
            ),
            Side::Bottom => (
                self.radius - ASCENT * self.size,
                self.radius + DESCENT * self.size,
            ),
        };
        let margin = if is_composed(&word.text) { 0.3 } else { 0.06 } * self.size + 0.5;
        let (from, to) = (word.from.min(word.to) + tilt, word.from.max(word.to) + tilt);
        let mut edges = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
        // Where a circle reaches furthest, or the arc ends.
        let turns = (-8..=8).map(|quarter| 90.0 * f64::from(quarter));
        for angle in turns.filter(|it| from < *it && *it < to).chain([from, to]) {
            for radius in [least, most] {
                let (x, y) = at(self.centre, radius, angle);
                edges = [
                    edges[0].min(x),
                    edges[1].min(y),
                    edges[2].max(x),
                    edges[3].max(y),
                ];
            }
        }
        let [left, top, right, bottom] = edges;
        Rect::from_edges(left - margin, top - margin, right + margin, bottom + margin)
    }
}

/// A point on a circle, at an angle in degrees clockwise from the top.
pub(crate) fn at((x, y): (f64, f64), radius: f64, angle: f64) -> (f64, f64) {
    let (sin, cos) = angle.to_radians().sin_cos();
    (x + radius * sin, y - radius * cos)
}

/// What is stretched so that a word has its length. Letters are, but for those of scripts that
/// compose them of several glyphs, which the renderer would stretch too far; there the gaps are.
pub(crate) fn adjust(word: &str) -> &'static str {
    if is_composed(word) {
        "spacing"
    } else {
        "spacingAndGlyphs"
    }
}

/// Whether a word is of a script that composes letters of several glyphs.
fn is_composed(word: &str) -> bool {
    word.chars().any(|letter| {
        matches!(letter, '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
    })
}

/// How wide a word is in letters of size 1, as bold letters of common fonts are on average.
pub(crate) fn width_of(word: &str) -> f64 {
    let width = |letter: char| match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | '\'' | '!' | ':' | ';' | '|' => 0.33,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '&' | 'Æ' | 'Œ' | 'Ш' | 'Щ' | 'Ж' | 'Ю' => 0.9,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' => 0.0,
        '\u{5d0}'..='\u{8ff}' => 0.52,
        '\u{900}'..='\u{dff}' => 0.52,
        '\u{e00}'..='\u{eff}' => 0.5,
        '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{ff00}'..='\u{ffef}' => 1.0,
        it if it.is_uppercase() => 0.76,
        _ => 0.61,
    };
    word.chars().map(width).sum::<f64>().max(0.3)
}

/// Whether a letter is of a script that runs from right to left.
fn is_leftward(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}
