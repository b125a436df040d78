//! The colours a page is remembered by.

use image::RgbImage;

/// How many there are at most.
const MOST: usize = 5;
/// A lighter pixel with less colour than this is paper, tinted or yellowed as it may be.
const PAPER: (u8, u8) = (168, 64);
/// A pixel with less colour than this is ink or its soft edge: black, white or a grey between.
const GREY: u8 = 40;
/// A darker pixel is ink.
const INK: u8 = 48;
/// Colours nearer than this (sum over the channels) are taken as one.
const ALIKE: u32 = 96;
/// Of so many pixels one has to have the colour: fewer are dirt.
const RARE: u64 = 2_000;
/// Of so many pixels of the first colour: fewer are its soft edge.
const EDGE: u64 = 50;

/// The dominant colours but paper and ink, the most frequent first.
pub(super) fn dominant(pixels: &RgbImage) -> Vec<[u8; 3]> {
    // Sixteen steps a channel; of each box how many pixels there are and the sums of their channels.
    let mut boxes = vec![(0_u64, [0_u64; 3]); 1 << 12];
    for pixel in pixels.pixels().filter(|pixel| is_colour(pixel.0)) {
        let [red, green, blue] = pixel.0.map(|channel| usize::from(channel >> 4));
        if let Some((count, sums)) = boxes.get_mut(red << 8 | green << 4 | blue) {
            *count += 1;
            for (sum, channel) in sums.iter_mut().zip(pixel.0) {
                *sum += u64::from(channel);
            }
        }
    }
    let all = u64::from(pixels.width()) * u64::from(pixels.height());
    let first = boxes.iter().map(|(count, _)| *count).max().unwrap_or(0);
    boxes.retain(|(count, _)| *count > all / RARE && *count > first / EDGE);
    // The sort is stable: of equals the darker box is first.
    boxes.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let mut colours: Vec<[u8; 3]> = Vec::new();
    for (count, sums) in boxes {
        let colour = sums.map(|sum| (sum / count) as u8);
        let fresh = colours.iter().all(|known| distance(*known, colour) > ALIKE);
        if fresh && colours.len() < MOST {
            colours.push(colour);
        }
    }
    colours
}

fn is_colour(pixel: [u8; 3]) -> bool {
    let [red, green, blue] = pixel;
    let (least, most) = (red.min(green).min(blue), red.max(green).max(blue));
    let chroma = most - least;
    let (light, pale) = PAPER;
    let paper = least >= light && chroma < pale;
    chroma >= GREY && most >= INK && !paper
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let channels = a.into_iter().zip(b);
    channels.map(|(a, b)| u32::from(a.abs_diff(b))).sum()
}
