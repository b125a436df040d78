//! Lines, tints and letters on a bitmap.

use font8x8::legacy::BASIC_LEGACY;

use crate::bitmap::{Bitmap, Channels};

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels from `(x0, y0)` up to, not including, `(x1, y1)`; may reach over the edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelRect {
    pub(super) x0: i64,
    pub(super) y0: i64,
    pub(super) x1: i64,
    pub(super) y1: i64,
}

impl PixelRect {
    pub(super) const fn new(x0: i64, y0: i64, x1: i64, y1: i64) -> Self {
        Self { x0, y0, x1, y1 }
    }

    const fn overlaps(&self, other: &Self) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }

    /// With this many pixels more on each side.
    const fn grown(self, by: i64) -> Self {
        Self::new(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)
    }
}

/// An image to draw on. What would fall outside is left out.
pub(super) struct Canvas {
    bitmap: Bitmap,
    tags: Vec<PixelRect>,
}

const BLACK: Colour = [17, 24, 39];
const WHITE: Colour = [255, 255, 255];
/// A letter's width and height in pixels.
const LETTER: i64 = 8;
/// Pixels around the letters of a tag.
const PADDING: i64 = 2;
/// Height of a row of the legend.
const LEGEND_ROW: i64 = 28;
const DASH: i64 = 3;

impl Canvas {
    pub(super) fn over(bitmap: Bitmap) -> Self {
        Self {
            bitmap: bitmap.into_rgb(),
            tags: Vec::new(),
        }
    }

    pub(super) fn fill(&mut self, rect: PixelRect, colour: Colour) {
        self.change(rect, |pixel| pixel.copy_from_slice(&colour));
    }

    /// Multiplies the inside by a colour thinned to `strength` of 255, as ink on paper would: white
    /// takes the tint, black stays black.
    pub(super) fn tint(&mut self, rect: PixelRect, colour: Colour, strength: u8) {
        if strength == 0 {
            return;
        }
        let ink = colour.map(|sample| 255 - (255 - u32::from(sample)) * u32::from(strength) / 255);
        self.change(rect, |pixel| {
            for (sample, ink) in pixel.iter_mut().zip(ink) {
                *sample = (u32::from(*sample) * ink / 255) as u8;
            }
        });
    }

    /// A frame of this width around the rectangle, so that no ink in it is hidden.
    pub(super) fn outline(&mut self, rect: PixelRect, colour: Colour, width: i64) {
        let outer = rect.grown(width);
        let sides = [
            PixelRect {
                y1: rect.y0,
                ..outer
            },
            PixelRect {
                y0: rect.y1,
                ..outer
            },
            PixelRect {
                x1: rect.x0,
                ..outer
            },
            PixelRect {
                x0: rect.x1,
                ..outer
            },
        ];
        for side in sides {
            self.fill(side, colour);
        }
    }

    /// A dashed frame one pixel wide around the rectangle.
    pub(super) fn dashes(&mut self, rect: PixelRect, colour: Colour) {
        let PixelRect { x0, y0, x1, y1 } = rect.grown(1);
        for x in (x0..x1).step_by(2 * DASH as usize) {
            let end = (x + DASH).min(x1);
            for y in [y0, y1 - 1] {
                self.fill(PixelRect::new(x, y, end, y + 1), colour);
            }
        }
        for y in (y0..y1).step_by(2 * DASH as usize) {
            let end = (y + DASH).min(y1);
            for x in [x0, x1 - 1] {
                self.fill(PixelRect::new(x, y, x + 1, end), colour);
            }
        }
    }

    /// White letters on a coloured ground that stands on the point, or hangs from it at the top of
    /// the image; to the right of earlier tags where they would cover each other.
    pub(super) fn tag(&mut self, x: i64, y: i64, text: &str, colour: Colour) {
        let (width, height) = (text_width(text) + 2 * PADDING, LETTER + 2 * PADDING);
        let top = if y < height { y } else { y - height };
        let mut ground = PixelRect::new(x, top, x + width, top + height);
        while let Some(earlier) = self.tags.iter().find(|tag| tag.overlaps(&ground)) {
            ground.x0 = earlier.x1 + 1;
            ground.x1 = ground.x0 + width;
        }
        self.fill(ground, colour);
        self.write(ground.x0 + PADDING, top + PADDING, text, WHITE);
        self.tags.push(ground);
    }

    /// The image with a legend below it: a patch of colour and a name for each entry.
    pub(super) fn with_legend(mut self, entries: &[(&str, Colour)]) -> Bitmap {
        let width = i64::from(self.bitmap.width);
        let mut places = Vec::new();
        let (mut x, mut row) = (LETTER, 0);
        for (name, colour) in entries {
            let needed = 5 * LETTER + text_width(name);
            if x + needed > width && x > LETTER {
                (x, row) = (LETTER, row + 1);
            }
            places.push((x, row, name, colour));
            x += needed;
        }
        if entries.is_empty() {
            return self.bitmap;
        }
        let top = i64::from(self.bitmap.height);
        self.bitmap.height += ((row + 1) * LEGEND_ROW) as u32;
        let bytes =
            self.bitmap.width as usize * self.bitmap.height as usize * Channels::Rgb.count();
        self.bitmap.data.resize(bytes, 243);
        for (x, row, name, colour) in places {
            let y = top + row * LEGEND_ROW + (LEGEND_ROW - LETTER) / 2;
            let patch = PixelRect::new(x, y - 2, x + 2 * LETTER, y + LETTER + 2);
            self.fill(patch, *colour);
            self.write(x + 3 * LETTER, y, name, BLACK);
        }
        self.bitmap
    }

    fn write(&mut self, x: i64, y: i64, text: &str, colour: Colour) {
        for (letter, left) in text.chars().zip((x..).step_by(LETTER as usize)) {
            let rows = BASIC_LEGACY
                .get(letter as usize)
                .unwrap_or(&BASIC_LEGACY[usize::from(b'?')]);
            for (bits, top) in rows.iter().zip(y..) {
                for (bit, x) in (0..LETTER).zip(left..) {
                    if bits >> bit & 1 == 1 {
                        self.fill(PixelRect::new(x, top, x + 1, top + 1), colour);
                    }
                }
            }
        }
    }

    fn change(&mut self, rect: PixelRect, mut change: impl FnMut(&mut [u8])) {
        let clamp = |value: i64, limit: u32| value.clamp(0, i64::from(limit)) as usize;
        let (x0, x1) = (
            clamp(rect.x0, self.bitmap.width),
            clamp(rect.x1, self.bitmap.width),
        );
        let (y0, y1) = (
            clamp(rect.y0, self.bitmap.height),
            clamp(rect.y1, self.bitmap.height),
        );
        let (row, pixel) = (self.bitmap.width as usize * 3, Channels::Rgb.count());
        if x0 >= x1 {
            return;
        }
        for y in y0..y1 {
            let span = &mut self.bitmap.data[y * row + x0 * pixel..y * row + x1 * pixel];
            span.chunks_exact_mut(pixel).for_each(&mut change);
        }
    }
}

fn text_width(text: &str) -> i64 {
    text.chars().count() as i64 * LETTER
}
