//! What of a document goes into the dataset, read from its slots once.

use std::sync::Arc;

use docgenie_document::{
    DocumentId,
    geometry::{PixelGrid, Rect},
    image::PageImages,
    ocr::Ocr,
    slot::{Html, Overlay, Pdf},
    text::{Segments, Words},
    truth::{
        Annotations, GroundTruth, Grounding, Handwriting, Layout, Verification, VisualElements,
    },
};
use docgenie_runtime::stage::{DocumentContext, StageFailure};

use super::PAGES_DIFFER;

/// The slots of one document.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) id: DocumentId,
    pub(super) pdf: Arc<Pdf>,
    pub(super) words: Arc<Words>,
    pub(super) images: Arc<PageImages>,
    pub(super) html: Option<Arc<Html>>,
    pub(super) segments: Option<Arc<Segments>>,
    pub(super) layout: Option<Arc<Layout>>,
    pub(super) truth: Option<Arc<GroundTruth>>,
    pub(super) annotations: Option<Arc<Annotations>>,
    pub(super) handwriting: Option<Arc<Handwriting>>,
    pub(super) visual_elements: Option<Arc<VisualElements>>,
    pub(super) ocr: Option<Arc<Ocr>>,
    pub(super) verification: Option<Arc<Verification>>,
    pub(super) overlay: Option<Arc<Overlay>>,
}

impl Parts {
    pub(super) async fn read(document: &DocumentContext) -> Result<Self, StageFailure> {
        Ok(Self {
            id: document.id,
            pdf: document.read().await?,
            words: document.read().await?,
            images: document.read().await?,
            html: document.read_if_present().await?,
            segments: document.read_if_present().await?,
            layout: document.read_if_present().await?,
            truth: document.read_if_present().await?,
            annotations: document.read_if_present().await?,
            handwriting: document.read_if_present().await?,
            visual_elements: document.read_if_present().await?,
            ocr: document.read_if_present().await?,
            verification: document.read_if_present().await?,
            overlay: document.read_if_present().await?,
        })
    }

    /// The pixel grids of the shipped images: the one place where points become pixels.
    pub(super) fn grids(&self) -> Result<Grids, StageFailure> {
        let (pages, images) = (self.words.pages.len(), self.images.0.len());
        if pages != images {
            let message = format!("{} has {pages} pages but {images} page images", self.id);
            return Err(StageFailure::new(PAGES_DIFFER, message));
        }
        Ok(Grids(
            self.images.0.iter().map(|image| image.grid).collect(),
        ))
    }

    pub(super) fn image_path(&self, page: u32) -> String {
        format!("img/{}.png", self.id.page_name(page))
    }

    /// Places for ink count, as in the run's analysis: what a dataset has is what it can be used
    /// for.
    pub(super) fn has_handwriting(&self) -> bool {
        let handwriting = self.handwriting.as_ref();
        handwriting.is_some_and(|handwriting| !handwriting.regions.is_empty())
    }

    pub(super) fn has_visual_elements(&self) -> bool {
        let elements = self.visual_elements.as_ref();
        elements.is_some_and(|elements| !elements.places.is_empty())
    }
}

/// The shipped images' pixels, page by page. Boxes that leave it are clamped to the image.
pub(super) struct Grids(Vec<PixelGrid>);

impl Grids {
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &PixelGrid)> {
        (0..).zip(&self.0)
    }

    /// `[x0, y0, x1, y1]` in pixels, to a thousandth.
    pub(super) fn pixels(&self, page: u32, rect: &Rect) -> [f64; 4] {
        self.clamped(page, rect, |grid, rect| {
            grid.to_pixels(rect).map(|value| round(value, 1e3))
        })
    }

    /// `[x0, y0, x1, y1]` as fractions of the page, to a millionth.
    pub(super) fn fractions(&self, page: u32, rect: &Rect) -> [f64; 4] {
        self.clamped(page, rect, |grid, rect| {
            grid.to_fractions(rect).map(|value| round(value, 1e6))
        })
    }

    fn clamped(
        &self,
        page: u32,
        rect: &Rect,
        convert: impl Fn(&PixelGrid, &Rect) -> [f64; 4],
    ) -> [f64; 4] {
        let grid = usize::try_from(page).ok().and_then(|page| self.0.get(page));
        let inside = grid.and_then(|grid| Some((grid, rect.clamp_to(grid.page)?)));
        inside.map_or([0.0; 4], |(grid, rect)| convert(grid, &rect))
    }
}

/// To the nearest `1 / steps`.
pub(super) fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// The places that lie on this page.
pub(super) fn on_page(places: &[Grounding], page: u32) -> impl Iterator<Item = &Grounding> {
    places.iter().filter(move |place| place.page == page)
}
