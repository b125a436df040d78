//! PDF → page images.

use std::sync::Arc;

use async_trait::async_trait;
use docgenie_document::{
    Code, Slot,
    geometry::{PixelGrid, Size},
    image::{PageImage, PageImages},
    slot::Pdf,
};
use docgenie_runtime::stage::{
    Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig, StageEnv,
    StageFailure, blocking,
};
use hayro::{
    RenderCache, RenderSettings,
    hayro_interpret::{InterpreterSettings, util::TransformExt},
    hayro_syntax::{self, page::Page},
    kurbo::Affine,
    vello_cpu::{
        Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit,
        color::palette::css::WHITE,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bitmap::{self, Bitmap, Channels, MAX_PIXELS};

/// A PDF that cannot be read.
pub const BAD_PDF: Code = Code::new("DG0450");
/// The library that reads PDFs: what its pages look like and where its glyphs stand depends on it.
pub(crate) const PDF_LIBRARY: &str = "hayro 0.9.0";
/// Points of a page's longer side: 200 inches, as viewers have it.
const MAX_POINTS: f32 = 14_400.0;
/// A page with too many pixels.
pub const PAGE_TOO_LARGE: Code = Code::new("DG0451");

/// Options of the stage `raster`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RasterConfig {
    /// Resolution in dots per inch.
    #[schemars(range(min = 36, max = 600))]
    pub dpi: u32,
    /// Whether the images keep their colours.
    pub colour: Colour,
}

/// Colours of a page image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// Red, green and blue.
    Rgb,
    /// 256 greys: a third of the memory and smaller files.
    Grey,
}

impl Default for RasterConfig {
    fn default() -> Self {
        Self {
            dpi: 150,
            colour: Colour::Rgb,
        }
    }
}

impl StageConfig for RasterConfig {
    const NAME: &'static str = "raster";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Draws the pages of the PDF as PNG images.";
    const DOCUMENTATION: &'static str = "\
Every page becomes one opaque PNG at the given resolution, drawn as a viewer shows it (rotation \
and crop box applied). Width and height are rounded to whole pixels, and the page is stretched by \
less than half a pixel to fill them exactly; the image carries its pixel counts, from which all \
later boxes are scaled.

```toml
[[stage]]
uses = \"raster\"
with = { dpi = 150, colour = \"rgb\" }
```
";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Pdf],
            writes: vec![Slot::PageImages],
            ..SlotUse::default()
        }
    }

    fn build(self, _env: &StageEnv) -> Result<Built, StageFailure> {
        Ok(Built::Document(Arc::new(self)))
    }
}

#[async_trait]
impl DocumentStage for RasterConfig {
    fn identity(&self) -> String {
        PDF_LIBRARY.to_owned()
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let pdf = document.read::<Pdf>().await?;
        let Self { dpi, colour } = *self;
        let images = blocking(move || page_images(&pdf, dpi, colour)).await?;
        Outputs::new().with(&images)
    }
}

/// Draws all pages of a PDF.
///
/// # Errors
/// When the PDF cannot be read or a page would have more than [`MAX_PIXELS`].
pub fn page_images(pdf: &Pdf, dpi: u32, colour: Colour) -> Result<PageImages, StageFailure> {
    let pdf = opened(pdf.0.clone())?;
    // Glyphs and fonts are interpreted once a document, not once a page.
    let cache = RenderCache::new();
    let pages = pdf.pages().iter().zip(0..);
    let images = pages.map(|(page, number)| {
        let grid = page_grid(page, number, dpi)?;
        let png = draw(page, &cache, &grid, colour).to_png()?;
        Ok(PageImage {
            page: number,
            grid,
            png,
        })
    });
    images.collect::<Result<_, _>>().map(PageImages)
}

/// Draws the first page of a PDF with `longest` pixels on its longer side, and tells its points across
/// and down.
///
/// # Errors
/// When the PDF cannot be read or has no page of a drawable size.
pub(crate) fn first_page(pdf: Vec<u8>, longest: u32) -> Result<(Bitmap, Size), StageFailure> {
    let pdf = opened(pdf)?;
    let page = pdf.pages().first();
    let page = page.ok_or_else(|| StageFailure::new(BAD_PDF, "the PDF has no page"))?;
    let (width, height) = page.render_dimensions();
    let (shorter, longer) = (width.min(height), width.max(height));
    if !(shorter >= 1.0 && longer <= MAX_POINTS) {
        let message = format!("the first page is {width} × {height} points");
        return Err(StageFailure::new(PAGE_TOO_LARGE, message));
    }
    let size = Size {
        width: f64::from(width),
        height: f64::from(height),
    };
    let pixels = |points: f64| {
        let pixels = points * f64::from(longest) / f64::from(longer);
        pixels.round().max(1.0) as u32
    };
    let grid = PixelGrid {
        width: pixels(size.width),
        height: pixels(size.height),
        page: size,
    };
    let bitmap = draw(page, &RenderCache::new(), &grid, Colour::Rgb);
    Ok((bitmap, size))
}

fn opened(pdf: Vec<u8>) -> Result<hayro_syntax::Pdf, StageFailure> {
    hayro_syntax::Pdf::new(pdf).map_err(|error| {
        let mut failure = StageFailure::new(BAD_PDF, "the PDF cannot be read");
        failure.problem.causes.push(format!("{error:?}"));
        failure.hint("open it in a viewer; remove its password or save it anew")
    })
}

/// The pixels for a page: the nearest whole numbers.
fn page_grid(page: &Page<'_>, number: u32, dpi: u32) -> Result<PixelGrid, StageFailure> {
    let (width, height) = page.render_dimensions();
    let size = Size {
        width: f64::from(width),
        height: f64::from(height),
    };
    let pixels = |points: f64| (points * f64::from(dpi) / 72.0).round().max(1.0);
    let (width, height) = (pixels(size.width), pixels(size.height));
    let longest = f64::from(u16::MAX);
    if width * height > MAX_PIXELS as f64 || width.max(height) > longest {
        let page = number + 1;
        let message = format!("page {page} would have {width} × {height} pixels at {dpi} dpi");
        let hint = format!(
            "lower `dpi`: an image has at most {} megapixels and {longest} pixels a side",
            MAX_PIXELS / 1_000_000
        );
        return Err(StageFailure::new(PAGE_TOO_LARGE, message).hint(hint));
    }
    Ok(PixelGrid {
        width: width as u32,
        height: height as u32,
        page: size,
    })
}

/// Draws a page so that [`PixelGrid::to_pixels`] says where everything on it stands.
fn draw<'a>(
    page: &'a Page<'a>,
    cache: &RenderCache<'a>,
    grid: &PixelGrid,
    colour: Colour,
) -> Bitmap {
    let (width, height) = (grid.width as u16, grid.height as u16);
    let (scale_x, scale_y) = grid.scale();
    let transform =
        Affine::scale_non_uniform(scale_x, scale_y) * page.initial_transform(true).to_kurbo();
    let mut context = RenderContext::new(width, height);
    hayro::render_into(
        page,
        cache,
        &InterpreterSettings::default(),
        &RenderSettings::default(),
        &mut context,
        transform,
    );
    context.flush();
    let mut pixmap = Pixmap::new(width, height);
    context.render_with(
        &mut pixmap,
        &mut Resources::default(),
        RasterizerSettings {
            target_init: TargetInit::Clear(WHITE),
            ..RasterizerSettings::default()
        },
    );
    // On a white ground every pixel is opaque, so that dropping alpha drops nothing.
    let rgba = pixmap.data_as_u8_slice();
    let (channels, data) = match colour {
        Colour::Rgb => (Channels::Rgb, bitmap::keep_first(rgba, 4, 3)),
        Colour::Grey => (
            Channels::Grey,
            rgba.chunks_exact(4).map(bitmap::luma).collect(),
        ),
    };
    Bitmap {
        width: grid.width,
        height: grid.height,
        channels,
        data,
    }
}

#[cfg(test)]
mod tests;
