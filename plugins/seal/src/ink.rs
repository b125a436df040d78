//! Colour and unevenness of ink.

use docgenie_plugin::{Size, random};

use crate::Drawing;

const INKS: &[(&str, [u8; 3])] = &[
    ("blue", [0x27, 0x41, 0x9e]),
    ("black", [0x2a, 0x2a, 0x30]),
    ("red", [0xb8, 0x24, 0x2c]),
    ("violet", [0x58, 0x34, 0x8f]),
    ("green", [0x1d, 0x6b, 0x48]),
];

/// What may be asked for.
pub(crate) enum Ink {
    /// Any of those with a name.
    Any,
    /// One with a name, of which no two pads are quite alike.
    Named([u8; 3]),
    /// This very colour.
    Exact([u8; 3]),
}

pub(crate) fn parse(name: &str) -> Option<Ink> {
    if name == "any" {
        return Some(Ink::Any);
    }
    if let Some((_, colour)) = INKS.iter().find(|(known, _)| *known == name) {
        return Some(Ink::Named(*colour));
    }
    let digits = name
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let exact = [part(0)?, part(2)?, part(4)?];
    is_hex.then_some(Ink::Exact(exact))
}

/// The colour of this seal, as `#1f3f8f`.
pub(crate) fn colour(name: &str) -> String {
    let [red, green, blue] = match parse(name) {
        Some(Ink::Exact(colour)) => colour,
        Some(Ink::Named(colour)) => varied(colour),
        Some(Ink::Any) | None => varied(random::pick(INKS).map_or([0; 3], |(_, colour)| *colour)),
    };
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn varied(colour: [u8; 3]) -> [u8; 3] {
    colour.map(|part| (f64::from(part) + random::between(-14.0, 14.0)).clamp(0.0, 255.0) as u8)
}

/// The whole SVG: the shapes in ink that is worn in spots, fainter on one side, and frayed at its
/// edges.
pub(crate) fn picture(area: Size, seal: &Drawing, colour: &str, seed: u32, shapes: &str) -> String {
    let Size { width, height } = area;
    let ((x, y), radius, tilt) = (seal.centre, seal.radius, seal.tilt);
    let noise = seed % 10_000;
    // Grain in proportion to the seal, so that it looks the same at every resolution.
    let grain = random::between(9.0, 15.0) / radius;
    let spots = random::between(2.4, 4.0) / radius;
    let wear = random::between(3.3, 3.8);
    // What is left of the ink where it is worn most: words stay legible.
    let least = random::between(0.4, 0.6);
    let fray = (0.007 * radius).clamp(0.2, 2.0);
    let blur = (0.0035 * radius).clamp(0.25, 1.0);
    // From where the hand pressed harder.
    let (sin, cos) = random::between(0.0, std::f64::consts::TAU).sin_cos();
    let ((x0, y0), (x1, y1)) = (
        (x - radius * sin, y - radius * cos),
        (x + radius * sin, y + radius * cos),
    );
    let faint = random::between(0.65, 1.0);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"><defs><linearGradient id="pressure" gradientUnits="userSpaceOnUse" x1="{x0:.2}" y1="{y0:.2}" x2="{x1:.2}" y2="{y1:.2}"><stop offset="0.2" stop-color="#fff"/><stop offset="1" stop-color="#fff" stop-opacity="{faint:.3}"/></linearGradient><mask id="hand" maskUnits="userSpaceOnUse" x="0" y="0" width="{width}" height="{height}"><rect width="{width}" height="{height}" fill="url(#pressure)"/></mask><filter id="ink" filterUnits="userSpaceOnUse" x="0" y="0" width="{width}" height="{height}" color-interpolation-filters="sRGB"><feTurbulence type="fractalNoise" baseFrequency="{grain:.5}" numOctaves="2" seed="{noise}" result="grain"/><feDisplacementMap in="SourceGraphic" in2="grain" scale="{fray:.3}" xChannelSelector="R" yChannelSelector="G" result="frayed"/><feGaussianBlur in="frayed" stdDeviation="{blur:.3}" result="soft"/><feTurbulence type="fractalNoise" baseFrequency="{spots:.5}" numOctaves="4" seed="{}" result="spots"/><feColorMatrix in="spots" type="matrix" values="0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 0 -5 0 0 {wear:.3}" result="worn"/><feComposite in="soft" in2="worn" operator="arithmetic" k1="{:.3}" k2="{least:.3}" k3="0" k4="0"/></filter></defs><g mask="url(#hand)"><g filter="url(#ink)"><g transform="rotate({tilt:.3} {x:.2} {y:.2})" fill="{colour}" stroke="{colour}">{shapes}</g></g></g></svg>"##,
        noise + 1,
        1.0 - least,
    )
}
