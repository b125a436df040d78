//! {{ title }}: a round seal with a text across it.

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
}

impl Default for Params {
    fn default() -> Self {
        Self {
            colour: "#1f3f8f".to_owned(),
        }
    }
}

struct Seal;

impl Element for Seal {
    type Params = Params;
    const OFFER: Offer = Offer {
        // `label` is what its place is called in the ground truth, `places` are the kinds of
        // `data-visual-element` that it fills, and multiplying is what ink does to paper.
        traits: r#"{"label": "seal", "places": ["stamp"], "blend": "multiply"}"#,
        ..Offer::new(
            "{{ id }}",
            "{{ title }}",
            "A round seal with a text across it.",
        )
    };

    fn render(request: &Request<Params>) -> Result<Drawn> {
        let content = request.content.trim();
        if content.is_empty() {
            return Err(Failure::unsuitable("there is nothing to write on the seal"));
        }
        // Everything is in pixels of the picture, from its top left.
        let (width, height) = (
            f64::from(request.area.width),
            f64::from(request.area.height),
        );
        let (x, y) = (width / 2.0, height / 2.0);
        let radius = 0.46 * width.min(height);
        let colour = Text(&request.params.colour);
        // The host seeds chance from the run's seed and the document.
        let angle = random::between(-12.0, 12.0);
        let (text_width, size) = (1.7 * radius, radius / 3.0);
        let (left, baseline) = (x - text_width / 2.0, y + size / 3.0);
        let text = Text(content);
        let (inner, stroke) = (0.88 * radius, 0.05 * radius);
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
              <g transform="rotate({angle} {x} {y})" fill="none" stroke="{colour}" stroke-width="{stroke}">
                <circle cx="{x}" cy="{y}" r="{radius}"/>
                <circle cx="{x}" cy="{y}" r="{inner}" stroke-width="1"/>
                <text x="{left}" y="{baseline}" textLength="{text_width}" lengthAdjust="spacingAndGlyphs"
                  fill="{colour}" stroke="none" font-family="Liberation Sans" font-size="{size}">{text}</text>
              </g>
            </svg>"#
        );
        // The box around the turned text, so that it is in the ground truth where it is in the picture.
        let (sin, cos) = angle.to_radians().abs().sin_cos();
        let (w, h) = (text_width * cos + size * sin, text_width * sin + size * cos);
        let words = vec![Word {
            text: content.to_owned(),
            bounds: Rect {
                x: x - w / 2.0,
                y: y - h / 2.0,
                width: w,
                height: h,
            },
            block: 0,
            line: 0,
            angle,
            font_size: size,
        }];
        let picture = Picture::Svg(svg);
        let content = json!({ "text": content });
        Ok(Drawn {
            picture,
            words,
            regions: Vec::new(),
            content,
        })
    }
}

docgenie_plugin::elements!(Seal);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    fn draw(content: &str, seed: u32) -> Result<Drawn> {
        testing::render::<Seal>(&json!({ "colour": "red" }), content, [300, 200], seed)
    }

    #[test]
    fn a_seed_gives_one_picture() {
        assert_eq!(draw("ACME", 1), draw("ACME", 1));
        assert_ne!(draw("ACME", 1), draw("ACME", 2));
    }

    #[test]
    fn it_says_what_it_shows() {
        let drawn = draw("R&D", 1).unwrap();
        assert_eq!(drawn.words[0].text, "R&D");
        assert!(matches!(drawn.picture, Picture::Svg(svg) if svg.contains("R&amp;D")));
        assert!(draw(" ", 1).is_err());
    }
}
