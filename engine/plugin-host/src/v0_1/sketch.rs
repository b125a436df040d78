//! What an element has drawn, checked before it is believed.

use docgenie_guard::svg;
use docgenie_runtime::extension::{Drawing, DrawnPart, DrawnText, Picture};
use serde_json::Value;

use super::{
    element_world::exports::docgenie::plugin::element::{Drawn, Picture as Given},
    types,
};
use crate::{
    error::{Reason, plain},
    limits::Exceeded,
};

/// Pixels of a picture.
const PIXELS_LIMIT: usize = 40_000_000;
/// Words, and regions, of a drawing.
const COUNT_LIMIT: usize = 10_000;
/// Bytes of a text in it.
const TEXT_LIMIT: usize = 10_000;
/// Bytes of the JSON that says what it shows.
const CONTENT_LIMIT: usize = 1 << 20;
/// How far a box may reach over the picture's edge for rounding's sake, in pixels.
const TOLERANCE: f64 = 0.5;

/// A drawing whose words and parts lie inside its picture, as far as that is known before an SVG
/// is turned into pixels.
#[derive(Debug)]
pub(crate) struct Sketch {
    picture: Given,
    words: Vec<types::Word>,
    regions: Vec<types::Region>,
    content: Value,
}

impl Sketch {
    /// Checks all but the places, for which the picture's size must be known.
    pub(super) fn checked(drawn: Drawn) -> Result<Self, Reason> {
        let Drawn {
            picture,
            words,
            regions,
            content,
        } = drawn;
        bounded("words", words.len(), COUNT_LIMIT)?;
        bounded("regions", regions.len(), COUNT_LIMIT)?;
        bounded("bytes of content", content.len(), CONTENT_LIMIT)?;
        if let Given::Raster(raster) = &picture {
            let (width, height) = (raster.size.width as usize, raster.size.height as usize);
            let pixels = width.saturating_mul(height);
            bounded("pixels", pixels, PIXELS_LIMIT)?;
            if pixels == 0 || raster.rgba.len() != 4 * pixels {
                let bytes = raster.rgba.len();
                return unbelievable(format!(
                    "a raster of {width} × {height} pixels has {bytes} bytes and not 4 a pixel"
                ));
            }
        }
        let content = match serde_json::from_str(&content) {
            Ok(content) => content,
            Err(error) => return unbelievable(format!("its content is no JSON: {error}")),
        };
        Ok(Self {
            picture,
            words,
            regions,
            content,
        })
    }

    /// The drawing in pixels. Takes long where an SVG does.
    pub(crate) fn drawing(self) -> Result<Drawing, Reason> {
        let picture = match self.picture {
            Given::Raster(raster) => Picture {
                width: raster.size.width,
                height: raster.size.height,
                rgba: raster.rgba,
            },
            Given::Svg(text) => {
                let drawn =
                    svg::draw(&text).map_err(|error| Reason::Unbelievable(error.to_string()))?;
                Picture {
                    width: drawn.width,
                    height: drawn.height,
                    rgba: drawn.rgba,
                }
            }
        };
        let size = (f64::from(picture.width), f64::from(picture.height));
        let words = self.words.into_iter().map(|word| drawn_text(word, size));
        let words: Vec<_> = words.collect::<Result<_, _>>()?;
        let regions = self.regions.into_iter();
        let regions = regions.map(|region| drawn_part(region, size, words.len()));
        let regions = regions.collect::<Result<_, _>>()?;
        Ok(Drawing {
            picture,
            words,
            regions,
            content: self.content,
        })
    }
}

fn drawn_text(word: types::Word, size: (f64, f64)) -> Result<DrawnText, Reason> {
    bounded("bytes in a word", word.text.len(), TEXT_LIMIT)?;
    let what = || format!("the word `{}`", plain(&word.text));
    let bounds = inside(&word.bounds, size, what)?;
    if !(word.angle.is_finite() && word.font_size.is_finite() && word.font_size >= 0.0) {
        return unbelievable(format!(
            "{} has an angle or a font size that is no number",
            what()
        ));
    }
    if word.text.trim().is_empty() || word.text.chars().any(char::is_control) {
        return unbelievable(format!("{} has no text that can be read", what()));
    }
    Ok(DrawnText {
        text: word.text,
        bounds,
        block: word.block.min(COUNT_LIMIT as u32),
        line: word.line.min(COUNT_LIMIT as u32),
        angle: word.angle,
        font_size: word.font_size,
    })
}

fn drawn_part(region: types::Region, size: (f64, f64), words: usize) -> Result<DrawnPart, Reason> {
    bounded("bytes in a label", region.label.len(), TEXT_LIMIT)?;
    let what = || format!("the region `{}`", plain(&region.label));
    if region.label.trim().is_empty() || region.label.chars().any(char::is_control) {
        return unbelievable(format!("{} has no label", what()));
    }
    let bounds = inside(&region.bounds, size, what)?;
    let corners = region.outline.iter();
    if !corners.flat_map(|it| [it.x, it.y]).all(f64::is_finite) {
        return unbelievable(format!("{} has corners that are no numbers", what()));
    }
    if let Some(word) = region.words.iter().find(|word| **word as usize >= words) {
        return unbelievable(format!("{} has word {word} of {words}", what()));
    }
    let Ok(attributes @ Value::Object(_)) = serde_json::from_str(&region.attributes) else {
        return unbelievable(format!("the attributes of {} are no JSON object", what()));
    };
    Ok(DrawnPart {
        label: region.label,
        bounds,
        words: region.words,
        attributes,
    })
}

/// The box as `[x0, y0, x1, y1]`, if it is one inside the picture.
fn inside(
    rect: &types::Rect,
    (width, height): (f64, f64),
    what: impl FnOnce() -> String,
) -> Result<[f64; 4], Reason> {
    let (x1, y1) = (rect.x + rect.width, rect.y + rect.height);
    let fits = rect.x >= -TOLERANCE
        && rect.y >= -TOLERANCE
        && rect.width >= 0.0
        && rect.height >= 0.0
        && x1 <= width + TOLERANCE
        && y1 <= height + TOLERANCE;
    // Comparisons with NaN are false.
    if !fits {
        return unbelievable(format!(
            "{} has its box at {}, {} with {} × {}, which is not inside the picture of {width} × {height}",
            what(),
            rect.x,
            rect.y,
            rect.width,
            rect.height
        ));
    }
    Ok([
        rect.x.max(0.0),
        rect.y.max(0.0),
        x1.min(width),
        y1.min(height),
    ])
}

fn bounded(what: &'static str, wanted: usize, limit: usize) -> Result<(), Reason> {
    if wanted > limit {
        return Err(Reason::Limit(Exceeded::Count {
            what,
            wanted,
            limit,
        }));
    }
    Ok(())
}

fn unbelievable<T>(why: String) -> Result<T, Reason> {
    Err(Reason::Unbelievable(why))
}
