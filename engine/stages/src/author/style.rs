//! How a document looks: seeded choices of fonts, sizes, colours, rules and places, handed to the
//! templates as `style` and to their style sheets as custom properties.

use std::{collections::BTreeMap, fmt::Write as _};

use docgenie_document::Seed;
use minijinja::{Value, value::Serde};
use serde::{Deserialize, Serialize};

use super::{dice::Dice, likeness, seeds::SeedPage};

/// The files of `styles/`.
#[derive(Debug)]
pub(super) struct Styles {
    /// Font stacks by script.
    pub fonts: BTreeMap<String, ScriptFonts>,
    /// Colours.
    pub palettes: Vec<Palette>,
    /// Paper sizes by name.
    pub papers: BTreeMap<String, Paper>,
}

/// Font stacks of a script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptFonts {
    /// Headings and text that go together.
    pub pairings: Vec<Pairing>,
    /// Fixed pitch.
    pub mono: Vec<String>,
    /// Handwriting.
    pub hand: Vec<String>,
    /// Appended to every stack, so that no glyph is missing.
    pub fallback: String,
    /// Line height is multiplied by this.
    #[serde(default = "unity")]
    pub leading: f64,
    /// Whether it has capitals.
    #[serde(default)]
    pub cased: bool,
}

impl ScriptFonts {
    /// All families it names.
    pub(super) fn families(&self) -> impl Iterator<Item = &str> {
        let paired = self
            .pairings
            .iter()
            .flat_map(|pair| [&pair.heading, &pair.body]);
        let named = paired.chain(&self.mono).chain(&self.hand);
        named.map(String::as_str).chain(self.fallback_families())
    }

    /// The families every stack ends in.
    pub(super) fn fallback_families(&self) -> impl Iterator<Item = &str> {
        self.fallback
            .split(',')
            .filter_map(|family| family.strip_prefix('\'')?.strip_suffix('\''))
    }
}

fn unity() -> f64 {
    1.0
}

/// Two fonts that go together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pairing {
    heading: String,
    body: String,
    /// Sizes are multiplied by this: fonts of one nominal size differ.
    #[serde(default = "unity")]
    scale: f64,
}

/// Colours that go together, as `#rrggbb`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Palette {
    /// Bands, headings, logos.
    pub accent: String,
    /// Text on the accent colour.
    pub on_accent: String,
    /// A second colour for logos and fine rules.
    pub second: String,
    /// Text.
    pub ink: String,
    /// Lesser text.
    pub muted: String,
    /// Rules.
    pub line: String,
    /// A pale ground for text.
    pub tint: String,
}

impl Palette {
    /// The accent colour where it can be read on white, else the colour that goes with it.
    pub(super) fn accent_ink(&self) -> &str {
        if self.on_accent == "#ffffff" {
            &self.accent
        } else {
            &self.on_accent
        }
    }
}

/// A paper size in millimetres.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paper {
    /// Width.
    pub width: f64,
    /// Height; absent for a roll, which is cut where the content ends.
    #[serde(default)]
    pub height: Option<f64>,
    /// Smallest and largest margin.
    pub margin: [f64; 2],
}

impl Paper {
    /// Whether it is a sheet for all purposes, rather than a roll or a label.
    pub(super) fn is_sheet(&self) -> bool {
        self.height
            .is_some_and(|height| height.min(self.width) > 120.0)
    }
}

impl Styles {
    /// A look for this seed, in the colours of the page it is to take after: the `style` of the
    /// templates.
    pub(super) fn sample(
        &self,
        seed: Seed,
        script: &str,
        paper_name: &str,
        after: Option<&SeedPage>,
    ) -> Option<Value> {
        let mut dice = Dice::new(seed);
        let fonts = self.fonts.get(script)?;
        let paper = self.papers.get(paper_name)?;
        let pairing = dice.pick(&fonts.pairings)?;
        let drawn = dice.pick(&self.palettes)?;
        let palette = after.map_or_else(|| drawn.clone(), |page| likeness::palette(page, drawn));
        // Small paper is held closer to the eye.
        let base = match paper.width {
            width if width < 120.0 => 7.5,
            width if width < 160.0 => 7.25,
            _ => 8.75,
        };
        let size = base + 0.25 * f64::from(step(&mut dice, 7));
        let leading = (1.22 + 0.04 * f64::from(step(&mut dice, 6))) * fonts.leading;
        let space = 2.2 + 0.3 * f64::from(step(&mut dice, 7));
        let [low, high] = paper.margin;
        let margin = low + (high - low) * f64::from(step(&mut dice, 11)) / 10.0;
        let capitals = fonts.cased && dice.chance(0.3);
        let stack = |font: &str| format!("'{font}',{}", fonts.fallback);
        let hand = dice.pick(&fonts.hand)?;
        let mono = dice.pick(&fonts.mono)?;
        let ink = choose(&mut dice, &["#1b2a6b", "#16307f", "#1a1a1a", "#23395d"]);
        let rule = ["0.4pt", "0.6pt", "0.9pt", "1.4pt"];
        let properties = [
            ("heading-font", stack(&pairing.heading)),
            ("body-font", stack(&pairing.body)),
            ("mono-font", stack(mono)),
            ("hand-font", stack(hand)),
            ("size", format!("{:.2}pt", size * pairing.scale)),
            ("leading", format!("{leading:.2}")),
            ("space", format!("{space:.1}mm")),
            ("margin", format!("{margin:.1}mm")),
            ("rule", choose(&mut dice, &rule).to_owned()),
            (
                "radius",
                choose(&mut dice, &["0", "0", "0", "1mm", "2mm"]).to_owned(),
            ),
            (
                "heading-case",
                if capitals { "uppercase" } else { "none" }.to_owned(),
            ),
            (
                "heading-weight",
                choose(&mut dice, &["400", "600", "700", "700", "800"]).to_owned(),
            ),
            ("tracking", if capitals { "0.05em" } else { "0" }.to_owned()),
            ("hand-ink", ink.to_owned()),
            ("accent", palette.accent.clone()),
            ("accent-ink", palette.accent_ink().to_owned()),
            ("on-accent", palette.on_accent.clone()),
            ("second", palette.second.clone()),
            ("ink", palette.ink.clone()),
            ("muted", palette.muted.clone()),
            ("line", palette.line.clone()),
            ("tint", palette.tint.clone()),
            ("page-width", format!("{}mm", paper.width)),
            (
                "page-height",
                paper
                    .height
                    .map_or("auto".to_owned(), |height| format!("{height}mm")),
            ),
        ];
        let mut css = String::from(":root{");
        for (name, value) in properties {
            // Writing to a string cannot fail.
            let _ = write!(css, "--{name}:{value};");
        }
        css.push('}');
        Some(Value::from_pairs([
            ("css", Value::from_safe_string(css)),
            ("paper", paper_name.into()),
            ("width", paper.width.into()),
            (
                "height",
                paper.height.map_or(Value::from(false), Value::from),
            ),
            ("margin", Value::from(margin)),
            ("palette", Value::from(Serde(palette))),
            (
                "table",
                choose(
                    &mut dice,
                    &[
                        "plain", "rules", "rules", "grid", "zebra", "boxed", "banded",
                    ],
                )
                .into(),
            ),
            (
                "logo",
                choose(
                    &mut dice,
                    &["mark", "mark", "badge", "word", "stack", "none"],
                )
                .into(),
            ),
            (
                "mark",
                choose(
                    &mut dice,
                    &[
                        "disc", "rings", "bars", "chevron", "leaf", "grid", "hex", "wave",
                    ],
                )
                .into(),
            ),
            (
                "logo_side",
                choose(&mut dice, &["start", "start", "end", "end", "center"]).into(),
            ),
            ("side", choose(&mut dice, &["start", "end"]).into()),
            (
                "title",
                choose(&mut dice, &["plain", "large", "ruled", "boxed", "accent"]).into(),
            ),
            (
                "labels",
                choose(&mut dice, &["beside", "above", "beside"]).into(),
            ),
            (
                "density",
                choose(&mut dice, &["tight", "normal", "normal", "airy"]).into(),
            ),
            ("ink", ink.into()),
        ]))
    }
}

fn choose<'a>(dice: &mut Dice, list: &[&'a str]) -> &'a str {
    dice.pick(list).copied().unwrap_or_default()
}

fn step(dice: &mut Dice, count: usize) -> u8 {
    u8::try_from(dice.below(count)).unwrap_or(0)
}
