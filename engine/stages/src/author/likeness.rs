//! What a document takes over from the page it is to take after: paper and colours.

use super::{
    seeds::SeedPage,
    style::{Palette, Paper},
};

/// Two sizes are the same where the logarithms of their sides' ratios add up to less: a scan that is cut
/// a little narrower is still of its paper, and A4 is not Letter.
const SAME_SIZE: f64 = 0.06;
/// Forms that differ by less are the same: A4 and A5 are, but for the rounding of their sides.
const SAME_FORM: f64 = 0.03;
/// A page so much longer than wide is of a roll.
const ROLL: f64 = 2.0;
/// Millimetres of a point.
const POINT: f64 = 25.4 / 72.0;
/// What text needs against its ground.
const CONTRAST: f64 = 4.5;
/// A lighter colour than this carries dark text; a darker one becomes a little darker still, for white.
const LIGHT: f64 = 0.3;

/// The paper nearest to the page: by its size where that is known and a paper has it, else by the form
/// of the page. Of equals the first.
pub(super) fn paper<'a>(page: &SeedPage, papers: &[(&'a str, &'a Paper)]) -> Option<&'a str> {
    let nearest = |distance: &dyn Fn(&Paper) -> f64| {
        let judged = papers.iter().map(|(name, paper)| (distance(paper), *name));
        judged.min_by(|(a, _), (b, _)| a.total_cmp(b))
    };
    if let Some((width, height)) = page.points {
        let size = (width * POINT, height * POINT);
        let (distance, name) = nearest(&|paper| by_size(size, paper))?;
        if distance < SAME_SIZE {
            return Some(name);
        }
    }
    // A resolution that makes no paper is a default of some program, but tells the form of the pixels.
    let (across, down) = page.size;
    let (width, height) = page.points.unwrap_or((f64::from(across), f64::from(down)));
    let form = height / width;
    nearest(&|paper| by_form(form, paper)).map(|(_, name)| name)
}

fn by_size((width, height): (f64, f64), paper: &Paper) -> f64 {
    let apart = |a: f64, b: f64| (a / b).ln().abs();
    match paper.height {
        Some(own) => apart(width, paper.width) + apart(height, own),
        None if height > width => apart(width, paper.width),
        None => f64::INFINITY,
    }
}

fn by_form(form: f64, paper: &Paper) -> f64 {
    let apart = match paper.height {
        Some(height) => (form * paper.width / height).ln().abs(),
        None => (ROLL / form).ln().max(0.0),
    };
    (apart / SAME_FORM).round()
}

/// The palette with the page's colours: the most frequent for bands and headings, the next beside it.
/// Text stays as it was drawn, and can be read on all of them.
pub(super) fn palette(page: &SeedPage, drawn: &Palette) -> Palette {
    let Some(&first) = page.colours.first() else {
        return drawn.clone();
    };
    let (accent, on_accent) = if luminance(first) > LIGHT {
        (first, "#000000")
    } else {
        (dark_enough(first), "#ffffff")
    };
    let second = page.colours.get(1);
    Palette {
        accent: hex(accent),
        on_accent: on_accent.to_owned(),
        second: second.map_or_else(|| drawn.ink.clone(), |colour| hex(*colour)),
        tint: hex(first.map(|channel| 255 - (255 - channel) / 12)),
        ..drawn.clone()
    }
}

/// The colour, or the lightest of its shades that white text can be read on.
fn dark_enough(colour: [u8; 3]) -> [u8; 3] {
    let shades = (0..=100)
        .rev()
        .map(|percent: u16| colour.map(|channel| (u16::from(channel) * percent / 100) as u8));
    let mut readable = shades.filter(|shade| 1.05 / (luminance(*shade) + 0.05) >= CONTRAST);
    readable.next().unwrap_or(colour)
}

/// Relative luminance, 0 black to 1 white.
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use docgenie_document::Digest;

    use super::*;
    use crate::author::set::TemplateSet;

    fn page(size: (u32, u32), points: Option<(f64, f64)>, colours: &[[u8; 3]]) -> SeedPage {
        SeedPage {
            media_type: "image/png",
            bytes: Vec::new(),
            size,
            points,
            colours: colours.to_vec(),
            digest: Digest::of(b""),
        }
    }

    #[test]
    fn the_nearest_paper_is_taken() {
        let papers = &TemplateSet::load(None).unwrap().styles.papers;
        let all = papers.iter().map(|(name, paper)| (name.as_str(), paper));
        let all: Vec<_> = all.collect();
        let check = |size, points, expected: &str| {
            let found = paper(&page(size, points, &[]), &all);
            assert_eq!(found, Some(expected), "{size:?} {points:?}");
        };
        // By size.
        check((1100, 1568), Some((595.3, 841.9)), "A4");
        check((1568, 1100), Some((841.9, 595.3)), "A4-landscape");
        check((1100, 1568), Some((419.5, 595.3)), "A5");
        check((1211, 1568), Some((612.0, 792.0)), "Letter");
        check((952, 1568), Some((612.0, 1008.0)), "Legal");
        check((400, 1568), Some((226.8, 900.0)), "roll-80");
        check((300, 1568), Some((164.0, 900.0)), "roll-58");
        check((1045, 1568), Some((283.5, 425.2)), "label-100x150");
        // By form, where the size is not known or is none of paper.
        check((1100, 1556), None, "A4");
        check((1212, 1568), None, "Letter");
        check((1568, 1100), None, "A4-landscape");
        check((500, 1568), None, "roll-58");
        check((1212, 1568), Some((1224.0, 1584.0)), "Letter");
        check((1100, 1556), Some((1654.0, 2339.0)), "A4");
    }

    #[test]
    fn text_can_be_read_on_the_colours_of_a_page() {
        let set = TemplateSet::load(None).unwrap();
        let drawn = &set.styles.palettes[0];
        let check = |colour, accent: &str, on_accent: &str| {
            let found = palette(&page((1, 1), None, &[colour]), drawn);
            assert_eq!((&*found.accent, &*found.on_accent), (accent, on_accent));
            assert_eq!(found.second, drawn.ink);
        };
        check([180, 20, 30], "#b4141e", "#ffffff");
        check([255, 0, 0], "#ed0000", "#ffffff");
        check([0, 60, 160], "#003ca0", "#ffffff");
        check([240, 200, 40], "#f0c828", "#000000");
        let two = palette(&page((1, 1), None, &[[180, 0, 0], [0, 90, 0]]), drawn);
        assert_eq!(two.second, "#005a00");
        let none = palette(&page((1, 1), None, &[]), drawn);
        assert_eq!(none.accent, drawn.accent);
    }
}
