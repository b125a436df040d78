//! {{ title }}: a round seal with a text in its middle.

use docgenie_plugin::{
    Drawn, Element, Failure, Offer, Picture, Rect, Request, Result, Word, random, xml::Text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a pipeline can set under `with`. The comments are what its users read.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// Colour of the ink, as CSS writes it.
    colour: String,
    /// What it says where the place itself says nothing.
    text: String,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            colour: "#1f3f8f".to_owned(),
            text: "{{ title }}".to_owned(),
        }
    }
}

struct Seal;

impl Element for Seal {
    type Params = Params;
    const OFFER: Offer = Offer {
        // `label` is what it is called in the ground truth, `places` are the kinds of
        // `data-visual-element` that it fills, multiplying is what ink does to paper, and `random`
        // says that another seed gives another picture.
        traits: r#"{"label": "seal", "places": ["stamp"], "blend": "multiply", "random": true}"#,
        ..Offer::new(
            "{{ id }}",
            "{{ title }}",
            "A round seal with a text in its middle.",
        )
    };

    fn render(request: &Request<Params>) -> Result<Drawn> {
        let content = match request.content.trim() {
            "" => request.params.text.trim(),
            content => content,
        };
        let texts: Vec<&str> = content.split_whitespace().collect();
        if texts.is_empty() {
            return Err(Failure::unsuitable("there is nothing to write on the seal"));
        }
        // Everything is in pixels of the picture, from its top left.
        let (width, height) = (request.area.width, request.area.height);
        let (x, y) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        let radius = 0.46 * f64::from(width.min(height));
        // The host seeds chance from the run's seed and the document.
        let angle = random::between(-12.0, 12.0);
        // A line a word. Each is given its width, so that its box is known whatever the font.
        let size = 1.2 * radius / texts.len().max(3) as f64;
        let mut lines = String::new();
        let mut words = Vec::new();
        for (line, text) in (0..).zip(&texts) {
            let length = (0.65 * size * text.chars().count() as f64).min(1.4 * radius);
            let bounds = Rect {
                x: x - length / 2.0,
                y: y + size * (f64::from(line) - texts.len() as f64 / 2.0),
                width: length,
                height: size,
            };
            let (left, baseline) = (bounds.x, bounds.y + 0.78 * size);
            lines += &format!(
                r#"<text x="{left}" y="{baseline}" textLength="{length}" lengthAdjust="spacingAndGlyphs">{}</text>"#,
                Text(text)
            );
            words.push(Word {
                text: (*text).to_owned(),
                bounds: turned(bounds, angle, (x, y)),
                block: 0,
                line,
                angle,
                font_size: size,
            });
        }
        let colour = Text(&request.params.colour);
        let (inner, stroke) = (0.88 * radius, 0.05 * radius);
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
              <g transform="rotate({angle} {x} {y})" stroke="{colour}" fill="none">
                <circle cx="{x}" cy="{y}" r="{radius}" stroke-width="{stroke}"/>
                <circle cx="{x}" cy="{y}" r="{inner}"/>
                <g fill="{colour}" stroke="none" font-family="Liberation Sans, sans-serif" font-size="{size}">{lines}</g>
              </g>
            </svg>"#
        );
        Ok(Drawn {
            picture: Picture::Svg(svg),
            words,
            regions: Vec::new(),
            content: json!({ "text": texts.join(" ") }),
        })
    }
}

/// The box around a box that is turned about a point, by degrees clockwise.
fn turned(bounds: Rect, angle: f64, (x, y): (f64, f64)) -> Rect {
    let (sin, cos) = angle.to_radians().sin_cos();
    let (dx, dy) = (
        bounds.x + bounds.width / 2.0 - x,
        bounds.y + bounds.height / 2.0 - y,
    );
    let (across, down) = (x + dx * cos - dy * sin, y + dx * sin + dy * cos);
    let width = bounds.width * cos + bounds.height * sin.abs();
    let height = bounds.width * sin.abs() + bounds.height * cos;
    Rect {
        x: across - width / 2.0,
        y: down - height / 2.0,
        width,
        height,
    }
}

docgenie_plugin::elements!(Seal);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    fn draw(content: &str, seed: u32) -> Result<Drawn> {
        testing::render::<Seal>(&json!({ "text": "NOBODY" }), content, [300, 200], seed)
    }

    #[test]
    fn a_seed_gives_one_picture() {
        assert_eq!(draw("ACME", 1), draw("ACME", 1));
        assert_ne!(draw("ACME", 1), draw("ACME", 2));
    }

    #[test]
    fn it_says_what_it_shows() {
        let drawn = draw("Acme R&D", 1).unwrap();
        let words = drawn.words.iter().map(|word| word.text.as_str());
        assert_eq!(words.collect::<Vec<_>>(), ["Acme", "R&D"]);
        assert!(matches!(drawn.picture, Picture::Svg(svg) if svg.contains("R&amp;D")));
        assert_eq!(draw(" ", 1).unwrap().words[0].text, "NOBODY");
    }
}
