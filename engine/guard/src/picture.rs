//! Pictures of strangers, read into pixels within limits.
//!
//! What a file is is told by how it begins, never by its name or by what a server says. How large its
//! picture is is read from its head before any pixel is, and a small file that says it is huge goes no
//! further. Of several frames the first is read.

use std::{
    io::Cursor,
    panic::{self, AssertUnwindSafe},
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
    metadata::Orientation,
};

/// Pixels of a picture.
const MAX_PIXELS: u64 = 80_000_000;
/// Pixels of a picture that its library holds twice: of WebP and of progressive JPEG.
const MAX_PIXELS_TWICE: u64 = 40_000_000;
/// Pixels of a side.
const MAX_SIDE: u32 = 30_000;
/// Bytes of memory for the pixels.
const MAX_MEMORY: u64 = 4 * MAX_PIXELS;
/// Resolutions beyond these are slips of a program rather than sizes of paper.
const RESOLUTIONS: std::ops::RangeInclusive<f64> = 30.0..=2400.0;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A PNG.
    Png,
    /// A JPEG.
    Jpeg,
    /// A GIF.
    Gif,
    /// A WebP.
    WebP,
    /// A PDF, which is not read here.
    Pdf,
}

/// What a file is by how it begins; `None` for all that is not known here.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Kind::Png,
        [0xff, 0xd8, 0xff, ..] => Kind::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Gif,
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Kind::WebP,
        [b'%', b'P', b'D', b'F', b'-', ..] => Kind::Pdf,
        _ => return None,
    })
}

/// A picture, upright and on white.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its pixels.
    pub pixels: RgbImage,
    /// Points across and down (72 to an inch), where the file says how large its pixels are.
    pub points: Option<(f64, f64)>,
}

/// Why a picture is not read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It is something else.
    #[error("it is no PNG, JPEG, GIF or WebP")]
    Unknown,
    /// It is too large.
    #[error(
        "it is {width} × {height} pixels, more than {MAX_SIDE} a side or {} megapixels", .most / 1_000_000
    )]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Pixels that such a picture may have.
        most: u64,
    },
    /// It is not what it begins as.
    #[error("it is broken")]
    Broken(#[source] ImageError),
    /// The library panicked.
    #[error("it is broken, and the library that reads it panicked")]
    Panicked,
}

/// Reads a picture and makes it smaller where its longer side has more than `longest` pixels.
///
/// # Errors
/// When it is no picture of a known kind, too large or broken.
pub fn read(bytes: &[u8], longest: u32) -> Result<Picture, PictureError> {
    let format = match sniff(bytes) {
        Some(Kind::Png) => ImageFormat::Png,
        Some(Kind::Jpeg) => ImageFormat::Jpeg,
        Some(Kind::Gif) => ImageFormat::Gif,
        Some(Kind::WebP) => ImageFormat::WebP,
        Some(Kind::Pdf) | None => return Err(PictureError::Unknown),
    };
    panic::catch_unwind(AssertUnwindSafe(|| decoded(bytes, format, longest)))
        .unwrap_or(Err(PictureError::Panicked))
}

fn decoded(bytes: &[u8], format: ImageFormat, longest: u32) -> Result<Picture, PictureError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(PictureError::Broken)?;
    let (width, height) = decoder.dimensions();
    let facts = match format {
        ImageFormat::Png => png_facts(bytes),
        ImageFormat::Jpeg => jpeg_facts(bytes),
        _ => Facts::default(),
    };
    let most = if facts.progressive || format == ImageFormat::WebP {
        MAX_PIXELS_TWICE
    } else {
        MAX_PIXELS
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels > most || width.max(height) > MAX_SIDE || decoder.total_bytes() > MAX_MEMORY {
        return Err(PictureError::TooLarge {
            width,
            height,
            most,
        });
    }
    // What stands in its further metadata is no reason to do without the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(PictureError::Broken)?;
    let mut image = if width.max(height) > longest {
        image.thumbnail(longest, longest)
    } else {
        image
    };
    image.apply_orientation(orientation);
    let points = facts.resolution.map(|(across, down)| {
        let points = |pixels: u32, resolution: f64| f64::from(pixels) * 72.0 / resolution;
        let (x, y) = (points(width, across), points(height, down));
        if lies(orientation) { (y, x) } else { (x, y) }
    });
    Ok(Picture {
        pixels: on_white(&image),
        points,
    })
}

/// Whether width and height change places on the way to upright.
fn lies(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(
        orientation,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

fn on_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let over = |colour: u32| ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        *to = Rgb([over(red), over(green), over(blue)]);
    }
    rgb
}

/// What the library does not tell of a file's head.
#[derive(Default)]
struct Facts {
    /// Pixels to an inch, across and down.
    resolution: Option<(f64, f64)>,
    progressive: bool,
}

/// The resolution of the chunk `pHYs`, which stands before the pixels.
fn png_facts(bytes: &[u8]) -> Facts {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((&[a, b, c, d, ref name @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        match (name, after) {
            (b"pHYs", &[x0, x1, x2, x3, y0, y1, y2, y3, 1, ..]) => {
                let to_an_inch = |metre: [u8; 4]| f64::from(u32::from_be_bytes(metre)) * 0.0254;
                let (across, down) = (to_an_inch([x0, x1, x2, x3]), to_an_inch([y0, y1, y2, y3]));
                return Facts {
                    resolution: plausible(across, down),
                    progressive: false,
                };
            }
            (b"IDAT", _) => break,
            _ => rest = after.get(length.saturating_add(4)..).unwrap_or_default(),
        }
    }
    Facts::default()
}

/// The resolution of the segment `JFIF`, and whether the frame is a progressive one.
fn jpeg_facts(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, after @ ..] = rest {
        // A marker may be padded.
        if *marker == 0xff {
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let [high, low, body @ ..] = after else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match (marker, body) {
            (0xe0, [b'J', b'F', b'I', b'F', 0, _, _, unit, x0, x1, y0, y1, ..]) => {
                let inch = match unit {
                    1 => 1.0,
                    2 => 2.54,
                    _ => 0.0,
                };
                let density = |bytes| f64::from(u16::from_be_bytes(bytes)) * inch;
                facts.resolution = plausible(density([*x0, *x1]), density([*y0, *y1]));
            }
            (0xc2 | 0xc6 | 0xca | 0xce, _) => facts.progressive = true,
            // The pixels begin.
            (0xda, _) => break,
            _ => {}
        }
        rest = after.get(length.max(2)..).unwrap_or_default();
    }
    facts
}

fn plausible(across: f64, down: f64) -> Option<(f64, f64)> {
    let plausible = RESOLUTIONS.contains(&across) && RESOLUTIONS.contains(&down);
    plausible.then_some((across, down))
}

#[cfg(test)]
mod tests {
    use image::{
        ExtendedColorType, ImageEncoder, Rgba, RgbaImage,
        codecs::{gif::GifEncoder, jpeg::JpegEncoder, jpeg::PixelDensity, webp::WebPEncoder},
    };

    use super::*;

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn red(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_pixel(width, height, Rgb([200, 0, 0])).into()
    }

    /// A PNG of these chunks; their check sums are right.
    fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, body) in chunks {
            let named = [name.as_slice(), body].concat();
            bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            bytes.extend(&named);
            bytes.extend(crc32fast::hash(&named).to_be_bytes());
        }
        bytes
    }

    fn head(width: u32, height: u32) -> (&'static [u8; 4], Vec<u8>) {
        let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
        (b"IHDR", [sizes.as_slice(), &[8, 2, 0, 0, 0]].concat())
    }

    fn zeros(count: usize) -> Vec<u8> {
        use std::io::Write;
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        let block = vec![0; 1 << 20];
        for _ in 0..count >> 20 {
            packer.write_all(&block).unwrap();
        }
        packer.finish().unwrap()
    }

    #[test]
    fn every_kind_is_read() {
        for (format, kind) in [
            (ImageFormat::Png, Kind::Png),
            (ImageFormat::Jpeg, Kind::Jpeg),
            (ImageFormat::Gif, Kind::Gif),
            (ImageFormat::WebP, Kind::WebP),
        ] {
            let bytes = encoded(&red(40, 20), format);
            assert_eq!(sniff(&bytes), Some(kind));
            let picture = read(&bytes, 20).unwrap();
            assert_eq!(picture.pixels.dimensions(), (20, 10), "{format:?}");
            let [red, green, _] = picture.pixels.get_pixel(5, 5).0;
            assert!(red.abs_diff(200) < 6 && green < 10, "{format:?}");
        }
        assert_eq!(sniff(b"%PDF-1.7\n"), Some(Kind::Pdf));
    }

    #[test]
    fn small_pictures_stay_as_they_are_and_clear_ones_are_on_white() {
        let half = RgbaImage::from_pixel(3, 2, Rgba([0, 0, 0, 128]));
        let picture = read(&encoded(&half.into(), ImageFormat::Png), 100).unwrap();
        assert_eq!(picture.pixels.dimensions(), (3, 2));
        assert_eq!(picture.pixels.get_pixel(0, 0).0, [127; 3]);
        assert_eq!(picture.points, None);
    }

    #[test]
    fn resolutions_tell_the_size() {
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new(&mut jpeg);
        encoder.set_pixel_density(PixelDensity::dpi(100));
        encoder.encode_image(&red(850, 1100)).unwrap();
        assert_eq!(read(&jpeg, 99).unwrap().points, Some((612.0, 792.0)));

        let drawn = encoded(&red(100, 200), ImageFormat::Png);
        let metre = 3937_u32.to_be_bytes();
        let density = png(&[(
            b"pHYs",
            [metre, metre].concat().into_iter().chain([1]).collect(),
        )]);
        let (start, rest) = drawn.split_at(33);
        let with = [start, &density[8..], rest].concat();
        let (across, down) = read(&with, 99).unwrap().points.unwrap();
        assert!((across - 72.0).abs() < 0.01 && (down - 144.0).abs() < 0.01);
    }

    #[track_caller]
    fn refused(bytes: &[u8], because: &str) {
        let error = read(bytes, 100).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(because), "{text}");
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        refused(b"", "no PNG");
        refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG");
        refused(b"<html>", "no PNG");
        refused(b"%PDF-1.7", "no PNG");
        refused(b"BM\x46\0\0\0\0\0\0\0", "no PNG");
        refused(b"II*\0\x08\0\0\0", "no PNG");
        refused(b"\x89PNG\r\n\x1a\n", "broken");
        refused(b"\xff\xd8\xff", "broken");
        refused(b"GIF89a", "broken");
        refused(b"RIFF\x04\0\0\0WEBPVP8 ", "broken");
        let whole = encoded(&red(300, 300), ImageFormat::Png);
        refused(&whole[..whole.len() / 2], "broken");
    }

    #[test]
    fn bombs_are_refused_by_their_heads() {
        refused(
            &png(&[head(60_000, 60_000), (b"IDAT", zeros(1 << 20))]),
            "60000",
        );
        refused(&png(&[head(u32::MAX, 1), (b"IDAT", zeros(1 << 20))]), "");
        refused(&png(&[head(30_001, 1), (b"IDAT", zeros(1 << 20))]), "30001");
        refused(
            &png(&[head(9_000, 9_000), (b"IDAT", zeros(1 << 20))]),
            "9000",
        );
        let gif = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08";
        refused(gif, "65535");
        let mut jpeg = encoded(&red(8, 8), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        refused(&jpeg, "60000");
        let size = [0xf0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        let canvas = [
            b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".as_slice(),
            &size,
        ]
        .concat();
        refused(&canvas, "");
    }

    /// What is folded up beside the pixels is not unfolded, or not far.
    #[test]
    fn text_and_profiles_are_no_way_in() {
        let drawn = encoded(&red(4, 4), ImageFormat::Png);
        let (start, rest) = drawn.split_at(33);
        for (name, before) in [
            (b"zTXt", b"Comment\0\0".as_slice()),
            (b"iCCP", b"icc\0\0"),
            (b"iTXt", b"Comment\0\x01\0\0\0"),
        ] {
            let bomb = png(&[(name, [before, &zeros(1 << 30)].concat())]);
            let bytes = [start, &bomb[8..], rest].concat();
            assert!(bytes.len() < 2 << 20);
            if let Ok(picture) = read(&bytes, 100) {
                assert_eq!(picture.pixels.dimensions(), (4, 4));
            }
        }
    }

    #[test]
    fn only_the_first_frame_is_read() {
        let mut gif = Vec::new();
        let mut encoder = GifEncoder::new(&mut gif);
        for shade in [200, 0] {
            let pixels = [shade, 0, 0, 255].repeat(64);
            encoder
                .encode(&pixels, 8, 8, ExtendedColorType::Rgba8)
                .unwrap();
        }
        drop(encoder);
        let picture = read(&gif, 100).unwrap();
        assert_eq!(picture.pixels.get_pixel(1, 1).0, [200, 0, 0]);
    }

    #[test]
    fn pictures_are_turned_upright() {
        let mut lying = RgbImage::from_pixel(16, 8, Rgb([255, 255, 255]));
        lying.put_pixel(0, 0, Rgb([0, 0, 0]));
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut bytes = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut bytes);
        encoder.set_exif_metadata(exif[6..].to_vec()).unwrap();
        encoder
            .write_image(lying.as_raw(), 16, 8, ExtendedColorType::Rgb8)
            .unwrap();
        let picture = read(&bytes, 100).unwrap();
        assert_eq!(picture.pixels.dimensions(), (8, 16));
        assert_eq!(picture.pixels.get_pixel(7, 0).0, [0, 0, 0]);
    }
}
