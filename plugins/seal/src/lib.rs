//! A round company seal: rings, the company's name on a circle, something in the middle, in uneven
//! ink.
//!
//! What the seal says is the request's content or the param `text`; behind a `|` is what stands along
//! the bottom. The picture is an SVG of the requested area with the seal in its middle. Each word has
//! the box around its glyphs as they stand on the circle, the seal's tilt included.

mod arc;
mod ink;
mod motif;

use std::f64::consts::TAU;

use docgenie_plugin::{
    Drawn, Element, Failure, Offer, Picture, Problem, Request, Result, Size, Word, random,
    xml::Text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::arc::{Arc, Side};

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The ink: `blue`, `black`, `red`, `violet`, `green`, a colour such as `#1f3f8f`, or `any`.
    #[schemars(
        default = "any",
        regex(pattern = r"^(any|blue|black|red|violet|green|#[0-9a-fA-F]{6})$")
    )]
    colour: Colour,
    /// What the seal says instead of the place's own content. Behind a `|` is what stands along the
    /// bottom.
    text: Option<String>,
    /// What is in the middle.
    centre: Centre,
    /// The rings.
    style: Style,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
struct Colour(String);

impl Default for Colour {
    fn default() -> Self {
        any()
    }
}

fn any() -> Colour {
    Colour("any".to_owned())
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Centre {
    /// One of the others, by chance.
    #[default]
    Any,
    /// A star of five points.
    Star,
    /// An anchor.
    Anchor,
    /// A year, drawn by chance.
    Year,
    /// The initials of what the seal says.
    Initials,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Style {
    /// One of the others, by chance.
    #[default]
    Any,
    /// A thick ring with a thin one beside it.
    Double,
    /// One ring and nothing around the middle.
    Single,
    /// A ring of beads.
    Beaded,
    /// A ring of rays, as of an embosser.
    Notched,
}

struct Seal;

/// A seal smaller than this, in pixels across, cannot be read.
const SMALLEST: u32 = 64;
/// Letters smaller than this, in pixels, cannot be read.
const SMALLEST_LETTERS: f64 = 6.5;

impl Element for Seal {
    type Params = Params;
    const OFFER: Offer = Offer {
        traits: r#"{"label": "seal", "places": ["stamp"], "blend": "multiply", "random": true}"#,
        ..Offer::new(
            "seal",
            "Company seal",
            "A round company seal with the name on a circle.",
        )
    };

    fn check(params: &Params) -> Vec<Problem> {
        let unknown = ink::parse(&params.colour.0).is_none();
        let colour = unknown.then(|| {
            let message = format!("`{}` is no ink", params.colour.0);
            Problem::new("/colour", message)
                .hint("use a name such as `blue` or a colour such as `#1f3f8f`")
        });
        let silent = params
            .text
            .as_deref()
            .is_some_and(|text| said(text).is_none());
        let text = silent.then(|| Problem::new("/text", "it says nothing"));
        colour.into_iter().chain(text).collect()
    }

    /// The largest square.
    fn measure(request: &Request<Params>) -> Result<Size> {
        let side = request.area.width.min(request.area.height);
        Ok(Size {
            width: side,
            height: side,
        })
    }

    fn render(request: &Request<Params>) -> Result<Drawn> {
        let Size { width, height } = request.area;
        let side = width.min(height);
        if side < SMALLEST {
            let reason = format!("{side} pixels are too few for a seal, it needs {SMALLEST}");
            return Err(Failure::unsuitable(reason));
        }
        let text = request.params.text.as_deref().unwrap_or(&request.content);
        let said = said(text)
            .ok_or_else(|| Failure::unsuitable("there is nothing for the seal to say"))?;
        let colour = ink::colour(&request.params.colour.0);
        let style = request.params.style.drawn();
        let motif = motif::of(request.params.centre, &said.top);
        let seal = Drawing {
            centre: (f64::from(width) / 2.0, f64::from(height) / 2.0),
            radius: f64::from(side) / 2.0 * 0.94,
            tilt: random::between(-14.0, 14.0),
            family: random::pick(FAMILIES).unwrap_or(&"sans-serif"),
        };
        let bottom = seal.arc(&said.bottom, Side::Bottom, 125.0);
        let room = if said.bottom.is_empty() {
            290.0
        } else {
            320.0 - bottom.span()
        };
        let top = seal.arc(&said.top, Side::Top, room);
        let letters = top.size.min(if said.bottom.is_empty() {
            top.size
        } else {
            bottom.size
        });
        if letters < SMALLEST_LETTERS {
            let reason = format!("`{text}` is too long to be read on a seal of {side} pixels");
            return Err(Failure::unsuitable(reason));
        }
        let (middle, middle_words) = motif.draw(&seal);
        let shapes = [
            seal.rings(style),
            seal.ornaments(&top, &bottom),
            top.svg("t", seal.family),
            bottom.svg("b", seal.family),
            middle,
        ];
        let svg = ink::picture(request.area, &seal, &colour, request.seed, &shapes.concat());
        let mut words = top.words(0, &seal);
        words.extend(bottom.words(1, &seal));
        words.extend(middle_words);
        Ok(Drawn {
            picture: Picture::Svg(svg),
            words,
            regions: Vec::new(),
            content: json!({ "text": said.whole(), "centre": motif.name(), "colour": colour }),
        })
    }
}

/// Families, and what stands in where there are none of that name.
const FAMILIES: &[&str] = &[
    "Liberation Sans, sans-serif",
    "Liberation Serif, serif",
    "DejaVu Sans, sans-serif",
    "DejaVu Serif, serif",
];

/// What a seal says, as words.
struct Said {
    top: Vec<String>,
    bottom: Vec<String>,
}

impl Said {
    fn whole(&self) -> String {
        let words: Vec<&str> = self
            .top
            .iter()
            .chain(&self.bottom)
            .map(String::as_str)
            .collect();
        words.join(" ")
    }
}

/// The words of a text; `None` where there is nothing to be seen of it.
fn said(text: &str) -> Option<Said> {
    let words = |text: &str| -> Vec<String> {
        let seen = text
            .split_whitespace()
            .map(|word| word.replace(char::is_control, ""));
        seen.filter(|word| !word.is_empty()).collect()
    };
    let (top, bottom) = text.split_once('|').unwrap_or((text, ""));
    let (top, bottom) = (words(top), words(bottom));
    (!top.is_empty()).then_some(Said { top, bottom })
}

/// Where the seal is. Angles are in degrees clockwise from the top.
struct Drawing {
    centre: (f64, f64),
    /// Of the outermost ink.
    radius: f64,
    tilt: f64,
    family: &'static str,
}

impl Drawing {
    /// The middle of the ring in which the text runs.
    fn band(&self) -> f64 {
        0.755 * self.radius
    }

    /// How far what is in the middle may reach.
    fn core(&self) -> f64 {
        0.5 * self.radius
    }

    fn arc(&self, words: &[String], side: Side, most: f64) -> Arc {
        Arc::fit(
            words,
            side,
            self.centre,
            self.band(),
            0.27 * self.radius,
            most,
        )
    }

    fn circle(&self, radius: f64, stroke: f64, more: &str) -> String {
        let (x, y) = self.centre;
        format!(
            r#"<circle cx="{x:.2}" cy="{y:.2}" r="{radius:.2}" fill="none" stroke-width="{stroke:.2}" {more}/>"#
        )
    }

    fn rings(&self, style: Style) -> String {
        let r = self.radius;
        let (outer, inner) = (0.925 * r, 0.58 * r);
        match style {
            Style::Any | Style::Double => {
                self.circle(0.97 * r, 0.05 * r, "")
                    + &self.circle(0.915 * r, 0.014 * r, "")
                    + &self.circle(inner, 0.02 * r, "")
            }
            Style::Single => self.circle(0.965 * r, 0.045 * r, ""),
            Style::Beaded => {
                let bead = 0.05 * r;
                let around = TAU * 0.965 * r;
                // As many as go around without a seam.
                let gap = around / (around / (1.7 * bead)).round();
                let dots = format!(
                    r#"stroke-linecap="round" stroke-dasharray="0.01 {:.3}""#,
                    gap - 0.01
                );
                self.circle(0.965 * r, bead, &dots)
                    + &self.circle(outer - 0.01 * r, 0.014 * r, "")
                    + &self.circle(inner, 0.02 * r, "")
            }
            Style::Notched => {
                let notch = TAU * 0.96 * r / 180.0;
                let rays = format!(r#"stroke-dasharray="{notch:.3} {notch:.3}""#);
                self.circle(0.96 * r, 0.07 * r, &rays)
                    + &self.circle(outer - 0.005 * r, 0.016 * r, "")
                    + &self.circle(inner + 0.02 * r, 0.012 * r, "")
                    + &self.circle(inner - 0.02 * r, 0.03 * r, "")
            }
        }
    }

    /// Stars where the text leaves room.
    fn ornaments(&self, top: &Arc, bottom: &Arc) -> String {
        let size = 0.075 * self.radius;
        let star = |angle: f64| motif::star(arc::at(self.centre, self.band(), angle), size, angle);
        let gap = 360.0 - top.span() - bottom.span();
        if bottom.span() > 0.0 {
            // In the middle between the ends of the two texts.
            let side = (180.0 - bottom.span() / 2.0 + top.span() / 2.0) / 2.0;
            if gap < 40.0 {
                String::new()
            } else {
                star(side) + &star(-side)
            }
        } else if gap > 110.0 {
            star(180.0) + &star(180.0 - 22.0) + &star(180.0 + 22.0)
        } else if gap > 36.0 {
            star(180.0)
        } else {
            String::new()
        }
    }

    /// A word whose baseline is turned by an angle besides the tilt.
    fn word(
        &self,
        text: &str,
        bounds: docgenie_plugin::Rect,
        place: (u32, u32),
        angle: f64,
        size: f64,
    ) -> Word {
        let turned = angle + self.tilt;
        Word {
            text: text.to_owned(),
            bounds,
            block: place.0,
            line: place.1,
            angle: turned - 360.0 * (turned / 360.0).round(),
            font_size: size,
        }
    }

    /// Corners on the page of something that is drawn untilted.
    fn tilted(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (sin, cos) = self.tilt.to_radians().sin_cos();
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        (
            self.centre.0 + dx * cos - dy * sin,
            self.centre.1 + dx * sin + dy * cos,
        )
    }
}

impl Style {
    fn drawn(self) -> Self {
        let all = [Self::Double, Self::Single, Self::Beaded, Self::Notched];
        match self {
            Self::Any => *random::pick(&all).unwrap_or(&Self::Double),
            chosen => chosen,
        }
    }
}

docgenie_plugin::elements!(Seal);

#[cfg(test)]
mod tests;
