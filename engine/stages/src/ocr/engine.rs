//! Tesseract itself: a pool of started engines, and the words of a page.

use std::sync::{Mutex, PoisonError};

use docgenie_document::{
    geometry::{PixelGrid, Size},
    ocr::OcrWord,
};
use fast_image_resize::{
    PixelType, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use tesseract_rs::{TessPageSegMode, TesseractAPI, TesseractError};

use super::{Language, OcrError, Tessdata};
use crate::bitmap::Bitmap;

/// Tesseract's version.
pub(super) fn version() -> String {
    TesseractAPI::version()
}

/// How pages are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// The resolution to scale pages to before they are read.
    pub(super) dpi: Option<u32>,
    /// Words of less confidence are left out.
    pub(super) min_confidence: f64,
}

/// Engines that wait for their next page. Starting one takes as long as a quarter of a page; two
/// threads never share one, since its calls belong together.
pub(super) struct Pool {
    data: Tessdata,
    /// Engines and their languages, the one that has waited longest first.
    waiting: Mutex<Vec<(String, TesseractAPI)>>,
    capacity: usize,
}

impl Pool {
    pub(super) fn new(data: Tessdata, capacity: usize) -> Self {
        Self {
            data,
            waiting: Mutex::default(),
            capacity,
        }
    }

    /// The words of a grey page image, and the pixels that were read.
    pub(super) fn read(
        &self,
        languages: &[Language],
        image: Bitmap,
        page: Size,
        reading: &Reading,
    ) -> Result<(PixelGrid, Vec<OcrWord>), OcrError> {
        for language in languages {
            self.data.require(language)?;
        }
        let names: Vec<_> = languages.iter().map(ToString::to_string).collect();
        let names = names.join("+");
        let failed = |source| OcrError::Engine {
            languages: names.clone(),
            source,
        };
        let image = match reading.dpi {
            Some(dpi) => scaled(image, page, dpi),
            None => image,
        };
        let grid = PixelGrid {
            width: image.width,
            height: image.height,
            page,
        };
        let engine = self.take(&names).map_err(failed)?;
        let tsv = recognise(&engine, &image, &grid).map_err(failed)?;
        self.give_back(names, engine);
        Ok((grid, words(&tsv, &grid, reading.min_confidence)))
    }

    pub(super) fn take(&self, languages: &str) -> Result<TesseractAPI, TesseractError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().position(|(names, _)| names == languages);
        if let Some(position) = found {
            return Ok(waiting.remove(position).1);
        }
        drop(waiting);
        start(&self.data, languages)
    }

    fn give_back(&self, languages: String, engine: TesseractAPI) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((languages, engine));
        if waiting.len() > self.capacity {
            waiting.remove(0);
        }
    }
}

fn start(data: &Tessdata, languages: &str) -> Result<TesseractAPI, TesseractError> {
    let engine = TesseractAPI::new();
    engine.init(data.folder(), languages)?;
    engine.set_page_seg_mode(TessPageSegMode::PSM_AUTO)?;
    // Remarks about single lines belong to nobody who could act on them.
    engine.set_variable("debug_file", "/dev/null")?;
    Ok(engine)
}

/// Tesseract's names for its ways to tell ink from paper.
pub(super) const OTSU: &str = "0";
const SAUVOLA: &str = "2";

/// What it reads, as tab-separated values. Otsu's single threshold loses pages that are faint or
/// lit unevenly, on which Sauvola's local one does better; elsewhere it does worse, so that it
/// comes second.
fn recognise(
    engine: &TesseractAPI,
    image: &Bitmap,
    grid: &PixelGrid,
) -> Result<String, TesseractError> {
    let tsv = recognise_once(engine, image, grid, OTSU)?;
    let found = rows(&tsv).next().is_some();
    match found {
        true => Ok(tsv),
        false => recognise_once(engine, image, grid, SAUVOLA),
    }
}

pub(super) fn recognise_once(
    engine: &TesseractAPI,
    image: &Bitmap,
    grid: &PixelGrid,
    threshold: &str,
) -> Result<String, TesseractError> {
    engine.set_variable("thresholding_method", threshold)?;
    let (width, height) = (image.width as i32, image.height as i32);
    engine.set_image(&image.data, width, height, 1, width)?;
    let (scale, _) = grid.scale();
    engine.set_source_resolution((scale * 72.0).round() as i32)?;
    engine.recognize()?;
    let tsv = engine.get_tsv_text(0)?;
    engine.clear()?;
    Ok(tsv)
}

/// A word as Tesseract tells it.
pub(super) struct Row<'a> {
    block: u32,
    /// Paragraph in the block and line in the paragraph.
    line: (u32, u32),
    pixels: [f64; 4],
    confidence: f64,
    pub(super) text: &'a str,
}

/// Words of Tesseract's TSV, which are its rows of level 5: level, page, block, paragraph, line,
/// word, left, top, width, height, confidence in percent, text.
pub(super) fn rows(tsv: &str) -> impl Iterator<Item = Row<'_>> {
    tsv.lines().filter_map(|row| {
        let columns: Vec<_> = row.split('\t').collect();
        let [
            level,
            _,
            block,
            paragraph,
            line,
            _,
            left,
            top,
            width,
            height,
            confidence,
            text,
        ] = columns[..]
        else {
            return None;
        };
        let text = text.trim();
        if level != "5" || text.is_empty() {
            return None;
        }
        let (left, top): (f64, f64) = (left.parse().ok()?, top.parse().ok()?);
        let (width, height): (f64, f64) = (width.parse().ok()?, height.parse().ok()?);
        Some(Row {
            block: block.parse().ok()?,
            line: (paragraph.parse().ok()?, line.parse().ok()?),
            pixels: [left, top, left + width, top + height],
            confidence: confidence.parse().ok()?,
            text,
        })
    })
}

/// The words in points. Blocks, lines and words are counted anew without gaps: Tesseract counts
/// pictures and rules as blocks, and lines by paragraph.
fn words(tsv: &str, grid: &PixelGrid, min_confidence: f64) -> Vec<OcrWord> {
    let mut words: Vec<OcrWord> = Vec::new();
    let mut last = None;
    for row in rows(tsv) {
        let confidence = (row.confidence / 100.0).clamp(0.0, 1.0);
        let rect = grid
            .to_points(row.pixels)
            .and_then(|rect| rect.clamp_to(grid.page));
        let Some(rect) = rect.filter(|_| confidence >= min_confidence) else {
            continue;
        };
        let (block, line, number) = match (words.last(), last) {
            (Some(word), Some((block, line))) if block == row.block => match line == row.line {
                true => (word.block, word.line, word.number + 1),
                false => (word.block, word.line + 1, 0),
            },
            (Some(word), _) => (word.block + 1, 0, 0),
            (None, _) => (0, 0, 0),
        };
        last = Some((row.block, row.line));
        words.push(OcrWord {
            text: row.text.to_owned(),
            confidence,
            rect,
            block,
            line,
            number,
        });
    }
    words
}

/// The grey image with as many pixels as the page has at this resolution.
fn scaled(image: Bitmap, page: Size, dpi: u32) -> Bitmap {
    let pixels = |points: f64| (points * f64::from(dpi) / 72.0).round().max(1.0) as u32;
    let (width, height) = (pixels(page.width), pixels(page.height));
    if (width, height) == (image.width, image.height) {
        return image;
    }
    let mut target = Image::new(width, height, PixelType::U8);
    let source = ImageRef::new(image.width, image.height, &image.data, PixelType::U8);
    let resized = source.is_ok_and(|source| {
        let options = ResizeOptions::new();
        Resizer::new()
            .resize(&source, &mut target, &options)
            .is_ok()
    });
    // Neither step can fail for grey images of matching size; were it so, the page is read as is.
    if !resized {
        return image;
    }
    Bitmap {
        width,
        height,
        data: target.into_vec(),
        ..image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::Channels;

    const GRID: PixelGrid = PixelGrid {
        width: 200,
        height: 100,
        page: Size {
            width: 100.0,
            height: 50.0,
        },
    };

    #[track_caller]
    fn check_words(tsv: &str, expected: &[(&str, u32, u32, u32)]) {
        let words = words(tsv, &GRID, 0.5);
        let found: Vec<_> = words
            .iter()
            .map(|word| (word.text.as_str(), word.block, word.line, word.number))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn rows_become_words() {
        check_words("", &[]);
        check_words("level\tpage_num\n1\t1\t0\t0\t0\t0\t0\t0\t9\t9\t-1\t\n", &[]);
        check_words(
            "5\t1\t2\t1\t1\t1\t0\t0\t10\t10\t96.5\tTotal\n\
             5\t1\t2\t1\t1\t2\t20\t0\t10\t10\t90\t12,50\n\
             5\t1\t2\t1\t1\t3\t20\t0\t10\t10\t20\tnoise\n\
             5\t1\t2\t2\t1\t1\t20\t30\t10\t10\t90\tDue\n\
             5\t1\t4\t1\t1\t1\t20\t60\t10\t10\t95\t \n\
             5\t1\t4\t1\t1\t2\t20\t60\t10\t10\t90\tnow\n",
            &[
                ("Total", 0, 0, 0),
                ("12,50", 0, 0, 1),
                ("Due", 0, 1, 0),
                ("now", 1, 0, 0),
            ],
        );
    }

    #[test]
    fn boxes_come_in_points_and_stay_on_the_page() {
        let words = words("5\t1\t1\t1\t1\t1\t180\t20\t40\t10\t87\tx", &GRID, 0.0);
        let rect = words[0].rect;
        assert_eq!(
            (rect.x0, rect.y0, rect.x1, rect.y1),
            (90.0, 10.0, 100.0, 15.0)
        );
        assert_eq!(words[0].confidence, 0.87);
    }

    #[test]
    fn pages_scale_to_a_resolution() {
        let image = Bitmap {
            width: 200,
            height: 100,
            channels: Channels::Grey,
            data: vec![255; 20_000],
        };
        for (dpi, expected) in [(144, (200, 100)), (72, (100, 50)), (300, (417, 208))] {
            let scaled = scaled(image.clone(), GRID.page, dpi);
            assert_eq!((scaled.width, scaled.height), expected);
            assert_eq!(scaled.data.len(), (expected.0 * expected.1) as usize);
        }
    }
}
