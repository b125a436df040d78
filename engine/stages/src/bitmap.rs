//! Pixels in memory and their way to PNG and back.

use std::io::Cursor;

use docgenie_document::Code;
use docgenie_runtime::stage::StageFailure;
use png::{
    BitDepth, ColorType, Decoder, DeflateCompression, Encoder, Filter, Limits, Transformations,
};

/// A page image that cannot be encoded or decoded.
pub const BAD_IMAGE: Code = Code::new("DG0452");

/// The most pixels an image may have: an A4 page at 600 dpi has 35 million.
pub const MAX_PIXELS: u64 = 80_000_000;

/// Samples of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One byte, 0 black to 255 white.
    Grey,
    /// Three bytes: red, green, blue (sRGB).
    Rgb,
}

impl Channels {
    /// Bytes of a pixel.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }

    const fn png(self) -> ColorType {
        match self {
            Self::Grey => ColorType::Grayscale,
            Self::Rgb => ColorType::Rgb,
        }
    }
}

/// An opaque image with eight bits a sample, rows from top to bottom without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// What a pixel holds.
    pub channels: Channels,
    /// `width × height` pixels of [`Channels::count`] bytes.
    pub data: Vec<u8>,
}

/// An image that does not become a PNG or does not come from one.
#[derive(Debug, thiserror::Error)]
pub enum BitmapError {
    /// The encoder refuses it.
    #[error("an image of {width} × {height} pixels cannot be written as PNG")]
    Encode {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Why.
        #[source]
        source: png::EncodingError,
    },
    /// The bytes are not a sound PNG.
    #[error("the page image is not a sound PNG")]
    Decode(#[source] png::DecodingError),
    /// It has more than [`MAX_PIXELS`].
    #[error("the page image has {width} × {height} pixels, more than {MAX_PIXELS}")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl From<BitmapError> for StageFailure {
    fn from(error: BitmapError) -> Self {
        let cause = std::error::Error::source(&error);
        let failure = Self::new(BAD_IMAGE, error.to_string());
        match cause {
            Some(cause) => failure.because(cause),
            None => failure,
        }
    }
}

impl Bitmap {
    /// The PNG of it.
    ///
    /// Pages are large even areas with sharp edges. Without filters the fastest level of deflate
    /// takes no longer on them than an encoder made for speed, and the files are less than half as
    /// large.
    ///
    /// # Errors
    /// When width or height is 0.
    pub fn to_png(&self) -> Result<Vec<u8>, BitmapError> {
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, self.width, self.height);
        encoder.set_color(self.channels.png());
        encoder.set_depth(BitDepth::Eight);
        encoder.set_deflate_compression(DeflateCompression::Level(1));
        encoder.set_filter(Filter::NoFilter);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.data)?;
            writer.finish()
        });
        written.map_err(|source| BitmapError::Encode {
            width: self.width,
            height: self.height,
            source,
        })?;
        Ok(png)
    }

    /// The image of a PNG of any colour type; transparency and the low halves of 16-bit samples
    /// are dropped.
    ///
    /// # Errors
    /// When the bytes are no PNG or it has more than [`MAX_PIXELS`].
    pub fn from_png(png: &[u8]) -> Result<Self, BitmapError> {
        let mut decoder = Decoder::new_with_limits(
            Cursor::new(png),
            Limits {
                bytes: 8 * MAX_PIXELS as usize,
            },
        );
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(BitmapError::Decode)?;
        let (width, height) = reader.info().size();
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(BitmapError::TooLarge { width, height });
        }
        let mut data = vec![0; reader.output_buffer_size().unwrap_or_default()];
        let frame = reader.next_frame(&mut data).map_err(BitmapError::Decode)?;
        data.truncate(frame.buffer_size());
        let (channels, data) = match frame.color_type {
            ColorType::Grayscale => (Channels::Grey, data),
            ColorType::GrayscaleAlpha => (Channels::Grey, keep_first(&data, 2, 1)),
            ColorType::Rgba => (Channels::Rgb, keep_first(&data, 4, 3)),
            ColorType::Rgb | ColorType::Indexed => (Channels::Rgb, data),
        };
        Ok(Self {
            width,
            height,
            channels,
            data,
        })
    }

    /// The same picture with one sample a pixel: its luma by ITU-R BT.601.
    #[must_use]
    pub fn into_grey(self) -> Self {
        let data = match self.channels {
            Channels::Grey => self.data,
            Channels::Rgb => self.data.chunks_exact(3).map(luma).collect(),
        };
        Self {
            channels: Channels::Grey,
            data,
            ..self
        }
    }

    /// The same picture with three samples a pixel.
    #[must_use]
    pub fn into_rgb(self) -> Self {
        let data = match self.channels {
            Channels::Grey => self.data.iter().flat_map(|&grey| [grey; 3]).collect(),
            Channels::Rgb => self.data,
        };
        Self {
            channels: Channels::Rgb,
            data,
            ..self
        }
    }
}

/// Luma of a pixel whose first three samples are red, green and blue, by ITU-R BT.601 in 16-bit
/// fixed point; the weights add up to 2^16, so that white stays white.
#[must_use]
pub(crate) fn luma(pixel: &[u8]) -> u8 {
    let sum =
        19_595 * u32::from(pixel[0]) + 38_470 * u32::from(pixel[1]) + 7_471 * u32::from(pixel[2]);
    ((sum + 0x8000) >> 16) as u8
}

/// The first `keep` bytes of every `stride` bytes.
pub(crate) fn keep_first(data: &[u8], stride: usize, keep: usize) -> Vec<u8> {
    let mut kept = Vec::with_capacity(data.len() / stride * keep);
    for pixel in data.chunks_exact(stride) {
        kept.extend_from_slice(&pixel[..keep]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_round_trip(channels: Channels, width: u32, height: u32) {
        let bytes = width as usize * height as usize * channels.count();
        let bitmap = Bitmap {
            width,
            height,
            channels,
            data: (0..bytes).map(|i| (i * 37 % 251) as u8).collect(),
        };
        let png = bitmap.to_png().unwrap();
        assert_eq!(Bitmap::from_png(&png).unwrap(), bitmap);
    }

    #[test]
    fn pixels_survive_png() {
        for (width, height) in [(1, 1), (7, 5), (640, 3)] {
            check_round_trip(Channels::Grey, width, height);
            check_round_trip(Channels::Rgb, width, height);
        }
    }

    #[test]
    fn bad_bytes_are_refused() {
        let png = Bitmap {
            width: 9,
            height: 9,
            channels: Channels::Grey,
            data: vec![7; 81],
        }
        .to_png()
        .unwrap();
        for bytes in [&b""[..], b"no image", &png[..png.len() / 2]] {
            let error = Bitmap::from_png(bytes).unwrap_err();
            assert!(matches!(error, BitmapError::Decode(_)), "{error}");
        }
    }

    /// A header alone must not make the decoder take memory.
    #[test]
    fn a_huge_image_is_refused_by_its_header() {
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, 100_000, 100_000);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::One);
        drop(encoder.write_header().unwrap());
        let error = Bitmap::from_png(&png).unwrap_err();
        assert!(
            matches!(error, BitmapError::TooLarge { .. } | BitmapError::Decode(_)),
            "{error}"
        );
    }

    #[test]
    fn grey_and_rgb() {
        let rgb = Bitmap {
            width: 3,
            height: 1,
            channels: Channels::Rgb,
            data: vec![255, 255, 255, 0, 0, 0, 255, 0, 0],
        };
        let grey = rgb.into_grey();
        assert_eq!(grey.data, [255, 0, 76]);
        assert_eq!(grey.into_rgb().data, [255, 255, 255, 0, 0, 0, 76, 76, 76]);
    }
}
