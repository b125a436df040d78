//! What is in the middle of a seal.

use docgenie_plugin::{Rect, Word, random};

use crate::{
    Centre, Drawing, Text,
    arc::{ASCENT, DESCENT, adjust, width_of},
};

/// What was chosen.
pub(crate) enum Motif {
    Star,
    Anchor,
    Year(u32),
    Initials(String),
}

/// What the params ask for, or chance.
pub(crate) fn of(centre: Centre, words: &[String]) -> Motif {
    let all = [Centre::Star, Centre::Anchor, Centre::Year, Centre::Initials];
    let chosen = match centre {
        Centre::Any => *random::pick(&all).unwrap_or(&Centre::Star),
        chosen => chosen,
    };
    match chosen {
        Centre::Any | Centre::Star => Motif::Star,
        Centre::Anchor => Motif::Anchor,
        Centre::Year => Motif::Year(random::between(1880.0, 2021.0) as u32),
        Centre::Initials => Motif::Initials(initials(words)),
    }
}

/// The first letters of the first three words that have letters.
fn initials(words: &[String]) -> String {
    let firsts = words
        .iter()
        .filter_map(|word| word.chars().find(|it| it.is_alphanumeric()));
    let initials: String = firsts.take(3).flat_map(char::to_uppercase).collect();
    if initials.is_empty() {
        "S".to_owned()
    } else {
        initials
    }
}

impl Motif {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Star => "star".to_owned(),
            Self::Anchor => "anchor".to_owned(),
            Self::Year(year) => year.to_string(),
            Self::Initials(initials) => initials.clone(),
        }
    }

    /// Its drawing, and the words in it.
    pub(crate) fn draw(&self, seal: &Drawing) -> (String, Vec<Word>) {
        let core = seal.core();
        match self {
            Self::Star => (star(seal.centre, 0.72 * core, 0.0), Vec::new()),
            Self::Anchor => (anchor(seal.centre, 0.72 * core), Vec::new()),
            Self::Year(year) => {
                let (text, word) = line(&year.to_string(), seal, 1.3 * core, 0.56 * core);
                let rule = |y: f64| {
                    let (x, y) = (seal.centre.0, seal.centre.1 + y);
                    let (from, to) = (x - 0.6 * core, x + 0.6 * core);
                    format!(
                        r#"<path d="M{from:.2} {y:.2}H{to:.2}" stroke-width="{:.2}"/>"#,
                        0.05 * core
                    )
                };
                (text + &rule(-0.42 * core) + &rule(0.42 * core), vec![word])
            }
            Self::Initials(initials) => {
                let (text, word) = line(initials, seal, 1.35 * core, 0.95 * core);
                (text, vec![word])
            }
        }
    }
}

/// A line of text in the middle, at most so wide and of letters at most so large.
fn line(text: &str, seal: &Drawing, most: f64, size: f64) -> (String, Word) {
    let size = size.min(most / width_of(text));
    let width = size * width_of(text);
    let (x, y) = (seal.centre.0 - width / 2.0, seal.centre.1 + 0.36 * size);
    let svg = format!(
        r#"<text x="{x:.2}" y="{y:.2}" font-family="{}" font-weight="bold" font-size="{size:.2}" stroke="none" textLength="{width:.2}" lengthAdjust="{}">{}</text>"#,
        seal.family,
        adjust(text),
        Text(text)
    );
    let margin = 0.04 * size + 0.5;
    let (left, right) = (x - margin, x + width + margin);
    let (top, bottom) = (y - ASCENT * size - margin, y + DESCENT * size + margin);
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
    let corners = corners.map(|corner| seal.tilted(corner));
    let points = corners.map(|(x, y)| Rect {
        x,
        y,
        width: 0.0,
        height: 0.0,
    });
    let bounds = Rect::around(&points).unwrap_or(points[0]);
    (svg, seal.word(text, bounds, (2, 0), 0.0, size))
}

/// A star of five points around a centre, its first point turned by an angle from the top.
pub(crate) fn star((x, y): (f64, f64), radius: f64, turn: f64) -> String {
    let points = (0..10).map(|number| {
        let radius = if number % 2 == 0 {
            radius
        } else {
            0.382 * radius
        };
        let (sin, cos) = (36.0 * f64::from(number) + turn).to_radians().sin_cos();
        format!("{:.2},{:.2}", x + radius * sin, y - radius * cos)
    });
    let points: Vec<String> = points.collect();
    format!(r#"<polygon points="{}" stroke="none"/>"#, points.join(" "))
}

fn anchor((x, y): (f64, f64), radius: f64) -> String {
    // Drawn in a square from -10 to 10.
    let scale = radius / 10.0;
    format!(
        r#"<g transform="translate({x:.2} {y:.2}) scale({scale:.4})" fill="none" stroke-width="1.9" stroke-linecap="round"><circle cy="-7.6" r="2"/><path d="M0 -5.4V9M-4.4 -2.8H4.4M-8 2.6C-8 6.8 -4.6 9.2 0 9.2S8 6.8 8 2.6"/><path d="M-9.7 4.6L-8 1.2L-5.4 4M9.7 4.6L8 1.2L5.4 4"/></g>"#
    )
}
