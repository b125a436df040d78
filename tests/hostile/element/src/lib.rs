//! A visual element that misbehaves on purpose, as its option `misdeed` says. It goes below the SDK's
//! traits, which do not let a plugin say what is no JSON.

#![cfg(target_family = "wasm")]

use docgenie_hostile::{Common, forged_bytes, lone_surrogate, offer, params};
use docgenie_plugin::{
    Failure, Point, Problem, Raster, Rect, Region, Size, Word,
    bindings::{
        docgenie::plugin::types::Offer,
        visual_element::exports::docgenie::plugin::element::{Drawn, Guest, Picture, Request},
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What it does wrong.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
struct Params {
    misdeed: Misdeed,
    /// In which call.
    #[serde(default)]
    during: Call,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Misdeed {
    Common(Common),
    Own(Own),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Call {
    CheckParams,
    Measure,
    #[default]
    Render,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Own {
    /// Wants more room than there is.
    MeasureTooLarge,
    /// Wants no room.
    MeasureNothing,
    /// A word whose box is not a number.
    BoxNan,
    /// A word whose box has no end.
    BoxInfinite,
    /// A word whose box has a negative size.
    BoxNegative,
    /// A word that stands outside of the picture.
    WordOutside,
    /// A region that stands outside of the picture.
    RegionOutside,
    /// An outline with corners that are not numbers.
    OutlineNan,
    /// A region with words that are not there.
    RegionWords,
    /// A region of a kind that there is not, without a label.
    RegionKind,
    /// A region whose attributes are no JSON.
    RegionAttributes,
    /// An angle and a size of letters that are not numbers.
    WordAngle,
    /// Text of a word that moves the cursor and turns the line around.
    WordEscapes,
    /// Text of a word that is no UTF-8.
    WordSurrogate,
    /// 200,000 words.
    ManyWords,
    /// 100,000,000 regions.
    ManyRegions,
    /// Facts about the content that are no JSON.
    ContentNoJson,
    /// A raster with fewer bytes than its size needs.
    RasterShort,
    /// A raster of 4,000,000,000 pixels across.
    RasterHuge,
    /// A raster without pixels.
    RasterNothing,
    /// A raster whose list says to be of 4 GiB.
    RasterForged,
    /// A raster of another size than was asked for.
    RasterOtherSize,
    /// Text that is no SVG.
    SvgNonsense,
    /// An SVG of 1,000,000,000 pixels across.
    SvgHuge,
    /// An SVG that shows files and fetches pictures.
    SvgExternal,
    /// An SVG with a script.
    SvgScript,
    /// Entities that grow to gigabytes.
    SvgEntities,
    /// 100,000 groups in one another.
    SvgNested,
    /// Shapes that use one another many times over.
    SvgUses,
    /// A filter over 100,000 pixels of blur.
    SvgFilter,
}

struct Hostile;

impl Params {
    fn act(self, call: Call) -> Result<(), Failure> {
        match self.misdeed {
            Misdeed::Common(common) if self.during == call => common.commit(),
            _ => Ok(()),
        }
    }

    fn own(self) -> Option<Own> {
        match self.misdeed {
            Misdeed::Own(own) => Some(own),
            Misdeed::Common(_) => None,
        }
    }
}

impl Guest for Hostile {
    fn describe() -> Vec<Offer> {
        offer::<Params>(
            "hostile-element",
            r#"{"label": "stamp", "places": ["stamp"], "blend": "normal"}"#,
        )
    }

    fn check_params(_: String, text: String) -> Vec<Problem> {
        let acted = params::<Params>(&text).and_then(|params| params.act(Call::CheckParams));
        acted
            .err()
            .map(|failure| Problem::new("", failure.to_string()))
            .into_iter()
            .collect()
    }

    fn measure(request: Request) -> Result<Size, Failure> {
        let params = params::<Params>(&request.params)?;
        params.act(Call::Measure)?;
        Ok(match params.own() {
            Some(Own::MeasureTooLarge) => size(u32::MAX, u32::MAX),
            Some(Own::MeasureNothing) => size(0, 0),
            _ => request.area,
        })
    }

    fn render(request: Request) -> Result<Drawn, Failure> {
        let params = params::<Params>(&request.params)?;
        params.act(Call::Render)?;
        let Size { width, height } = request.area;
        let mut drawn = Drawn {
            picture: Picture::Svg(svg(width, height, "")),
            words: vec![word()],
            regions: Vec::new(),
            content: "{}".to_owned(),
        };
        if let Some(own) = params.own() {
            own.spoil(&mut drawn, request.area);
        }
        Ok(drawn)
    }
}

impl Own {
    fn spoil(self, drawn: &mut Drawn, area: Size) {
        let Size { width, height } = area;
        match self {
            Self::MeasureTooLarge | Self::MeasureNothing => {}
            Self::BoxNan => drawn.words[0].bounds.x = f64::NAN,
            Self::BoxInfinite => drawn.words[0].bounds.width = f64::INFINITY,
            Self::BoxNegative => drawn.words[0].bounds.height = -5.0,
            Self::WordOutside => drawn.words[0].bounds.x = f64::from(width) + 1000.0,
            Self::RegionOutside => drawn.regions.push(Region {
                bounds: rect(-1e9, 0.0, 2e9, 1.0),
                ..region(0)
            }),
            Self::OutlineNan => drawn.regions.push(Region {
                outline: vec![
                    Point {
                        x: f64::NAN,
                        y: f64::NEG_INFINITY
                    };
                    3
                ],
                ..region(0)
            }),
            Self::RegionWords => drawn.regions.push(Region {
                words: vec![1, u32::MAX],
                ..region(0)
            }),
            Self::RegionKind => drawn.regions.push(Region {
                kind: "\u{1b}[2J".to_owned(),
                label: String::new(),
                ..region(0)
            }),
            Self::RegionAttributes => drawn.regions.push(Region {
                attributes: "{".to_owned(),
                ..region(0)
            }),
            Self::WordAngle => {
                drawn.words[0].angle = f64::NAN;
                drawn.words[0].font_size = f64::INFINITY;
            }
            Self::WordEscapes => drawn.words[0].text = "\u{1b}[2J\0\u{202e}x\ny".to_owned(),
            Self::WordSurrogate => drawn.words[0].text = lone_surrogate(),
            Self::ManyWords => drawn.words = vec![word(); 200_000],
            Self::ManyRegions => drawn.regions.extend((0..100_000_000).map(region)),
            Self::ContentNoJson => drawn.content = "{\"a\": \u{1b}".to_owned(),
            Self::RasterShort => drawn.picture = raster(area, vec![0; 7]),
            Self::RasterHuge => {
                drawn.picture = raster(size(4_000_000_000, 4_000_000_000), vec![0; 16])
            }
            Self::RasterNothing => drawn.picture = raster(size(0, 0), Vec::new()),
            Self::RasterForged => drawn.picture = raster(area, forged_bytes()),
            Self::RasterOtherSize => drawn.picture = raster(size(3, 3), vec![255; 36]),
            Self::SvgNonsense => drawn.picture = Picture::Svg("<svg><g></svg>\u{1b}[2J".to_owned()),
            Self::SvgHuge => drawn.picture = Picture::Svg(svg(1_000_000_000, 1_000_000_000, "")),
            Self::SvgExternal => {
                drawn.picture = Picture::Svg(svg(
                    width,
                    height,
                    r#"<image href="file:///etc/passwd" width="9" height="9"/><image href="http://127.0.0.1:1/x.png" width="9" height="9"/><use href="../other.svg#a"/>"#,
                ));
            }
            Self::SvgScript => {
                drawn.picture = Picture::Svg(svg(width, height, "<script>alert(1)</script>"))
            }
            Self::SvgEntities => {
                let mut entities = "<!ENTITY a0 \"ha\">".to_owned();
                for level in 1..30 {
                    let before = format!("&a{};", level - 1).repeat(10);
                    entities.push_str(&format!("<!ENTITY a{level} \"{before}\">"));
                }
                let body = svg(width, height, "<text>&a29;</text>");
                drawn.picture = Picture::Svg(format!("<!DOCTYPE svg [{entities}]>{body}"));
            }
            Self::SvgNested => {
                let depth = 100_000;
                let body = "<g>".repeat(depth) + &"</g>".repeat(depth);
                drawn.picture = Picture::Svg(svg(width, height, &body));
            }
            Self::SvgUses => {
                let mut body = r#"<rect id="u0" width="1" height="1"/>"#.to_owned();
                for level in 1..12 {
                    let uses = format!(r##"<use href="#u{}"/>"##, level - 1).repeat(20);
                    body.push_str(&format!(r#"<g id="u{level}">{uses}</g>"#));
                }
                drawn.picture = Picture::Svg(svg(width, height, &body));
            }
            Self::SvgFilter => {
                let body = r##"<filter id="f" x="-9999" y="-9999" width="99999" height="99999"><feGaussianBlur stdDeviation="100000"/><feTurbulence baseFrequency="9" numOctaves="1000000000"/></filter><rect width="9" height="9" filter="url(#f)"/>"##;
                drawn.picture = Picture::Svg(svg(width, height, body));
            }
        }
    }
}

fn svg(width: u32, height: u32, body: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{body}</svg>"#
    )
}

fn raster(size: Size, rgba: Vec<u8>) -> Picture {
    Picture::Raster(Raster { size, rgba })
}

fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

fn rect(x: f64, y: f64, width: f64, height: f64) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

fn word() -> Word {
    Word {
        text: "word".to_owned(),
        bounds: rect(1.0, 1.0, 9.0, 9.0),
        block: 0,
        line: 0,
        angle: 0.0,
        font_size: 9.0,
    }
}

fn region(number: u32) -> Region {
    Region {
        id: format!("region-{number}"),
        kind: "visual-element".to_owned(),
        label: "stamp".to_owned(),
        bounds: rect(1.0, 1.0, 9.0, 9.0),
        outline: Vec::new(),
        words: Vec::new(),
        attributes: "{}".to_owned(),
    }
}

docgenie_plugin::bindings::visual_element::export_element!(
    Hostile with_types_in docgenie_plugin::bindings::visual_element
);
