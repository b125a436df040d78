//! Ink marks: numbers hidden in colours that survive Chromium's printing and that no eye sees.
//!
//! A PDF colour operand has four decimals while a display shows 256 steps, so a text colour can be
//! moved by up to 18 units of 0.0001 towards the middle without changing a pixel: three channels
//! in base 19 give the numbers 1 to [`NUMBERS`], and 0 is text without a mark. The browser itself
//! paginates, shapes and transforms, hence every glyph of the PDF names its chunk of the HTML.

/// How many different numbers a text colour can carry; chunks beyond it use them again.
pub(crate) const NUMBERS: u32 = BASE * BASE * BASE - 1;

const BASE: u32 = 19;

/// Red and green of the invisible fills behind visual elements; blue is the element's number.
const FILL_TAG: [u32; 2] = [1234, 4321];

/// Style rules of the marking elements. `dg-w` holds one chunk and its number as three custom
/// properties; `dg-t` keeps the chunks of a text node together, so that it stays one item in a
/// flex or grid container. Colours that are not 8-bit (`oklch()`, `color()`) are rounded first.
pub(crate) const STYLE: &str = "dg-t,dg-w{all:unset!important}\
dg-w{color:color(from currentcolor srgb \
calc(round(r*255)/255 + .0001*var(--r,0)*sign(.5 - r)) \
calc(round(g*255)/255 + .0001*var(--g,0)*sign(.5 - g)) \
calc(round(b*255)/255 + .0001*var(--b,0)*sign(.5 - b))/alpha)!important}";

/// The declarations that give a `dg-w` the number of the chunk at this position.
pub(crate) fn text_style(chunk: u32) -> String {
    let number = chunk % NUMBERS + 1;
    let digits = [number / (BASE * BASE), number / BASE % BASE, number % BASE];
    let named = ["--r", "--g", "--b"].into_iter().zip(digits);
    let given = named.filter(|(_, digit)| *digit > 0);
    let declared: Vec<String> = given
        .map(|(name, digit)| format!("{name}:{digit}"))
        .collect();
    declared.join(";")
}

/// The declaration that gives the place of the visual element at this position its invisible fill.
pub(crate) fn fill_style(visual: u32) -> String {
    let [r, g, b] =
        [FILL_TAG[0], FILL_TAG[1], fill_number_of(visual)].map(|v| f64::from(v) / 10_000.0);
    format!("background-color:color(srgb {r} {g} {b}/.001)")
}

/// The number in the fill of the visual element at this position.
pub(crate) fn fill_number_of(visual: u32) -> u32 {
    visual % 10_000
}

/// The number in a text colour, 1 to [`NUMBERS`]; `None` for text without a mark.
pub(crate) fn text_number(rgb: [f32; 3]) -> Option<u32> {
    let mut number = 0;
    for value in rgb {
        let operand = (f64::from(value) * 10_000.0).round();
        let step = (f64::from(value) * 255.0).round() / 255.0;
        let moved = operand - (step * 10_000.0).round();
        // A mark moves every colour towards the middle.
        let digit = if step < 0.5 { moved } else { -moved };
        if !(0.0..f64::from(BASE)).contains(&digit) {
            return None;
        }
        number = number * BASE + digit as u32;
    }
    (number > 0).then_some(number)
}

/// The number in the fill of a visual element; `None` for other fills.
pub(crate) fn fill_number(rgb: [f32; 3]) -> Option<u32> {
    let [r, g, b] = rgb.map(|value| (f64::from(value) * 10_000.0).round() as u32);
    ([r, g] == FILL_TAG).then_some(b)
}

/// The chunk that a number stands for. Numbers repeat after [`NUMBERS`] chunks; text is painted
/// nearly in document order, so the chunk nearest to the one before is meant.
pub(crate) fn chunk(number: u32, before: u32, chunks: u32) -> Option<u32> {
    let first = number - 1;
    let candidates = (first..chunks).step_by(NUMBERS as usize);
    candidates.min_by_key(|candidate| candidate.abs_diff(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Chromium writes for a colour of 8-bit channels moved by a mark.
    fn printed(rgb: [u8; 3], digits: [u32; 3]) -> [f32; 3] {
        std::array::from_fn(|i| {
            let step = f64::from(rgb[i]) / 255.0;
            let moved = step + 0.0001 * f64::from(digits[i]) * (0.5 - step).signum();
            (moved * 10_000.0).round() as f32 / 10_000.0
        })
    }

    #[test]
    fn every_number_survives_every_grey() {
        for number in (0..=NUMBERS).step_by(7) {
            let digits = [number / (BASE * BASE), number / BASE % BASE, number % BASE];
            for grey in [0, 1, 51, 127, 128, 200, 254, 255] {
                let read = text_number(printed([grey, 255 - grey, grey], digits));
                assert_eq!(read.unwrap_or(0), number, "grey {grey}");
            }
        }
    }

    #[test]
    fn marks_never_change_a_pixel() {
        for grey in 0..=255 {
            let [r, ..] = printed([grey; 3], [BASE - 1; 3]);
            assert_eq!((r * 255.0).round() as u8, grey);
        }
    }

    #[test]
    fn fills_name_their_element() {
        assert_eq!(fill_number([0.1234, 0.4321, 0.0017]), Some(17));
        assert_eq!(fill_number([0.1235, 0.4321, 0.0017]), None);
    }

    #[test]
    fn repeated_numbers_mean_the_nearest_chunk() {
        let check = |number, before, expected| {
            assert_eq!(chunk(number, before, 3 * NUMBERS), expected);
        };
        check(1, 0, Some(0));
        check(1, NUMBERS - 1, Some(NUMBERS));
        check(NUMBERS, NUMBERS, Some(NUMBERS - 1));
        assert_eq!(chunk(9, 0, 3), None);
    }
}
