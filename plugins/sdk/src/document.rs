//! What exporters and ground-truth formats ask documents for, beyond what the host's resources give.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Document, Failure, ImageFormat, Kind, Page, PixelGrid, Region, Result, Word, host::sink,
};

impl Document {
    /// Its pages, first to last.
    pub fn pages(&self) -> impl Iterator<Item = Page> {
        (0..self.page_count()).filter_map(|index| self.page(index))
    }

    /// Its pages with their images.
    ///
    /// # Errors
    /// Unsuitable, where a page has no image.
    pub fn page_images(&self) -> Result<Vec<PageImage>> {
        let id = self.id();
        let images = (1..).zip(self.pages()).map(|(number, page)| {
            PixelGrid::of(&page).map(|grid| PageImage {
                name: format!("{id}_page_{number}"),
                page,
                grid,
            })
        });
        images.collect::<Option<_>>().ok_or_else(|| {
            Failure::unsuitable("it has no page images; a stage such as `raster` makes them")
        })
    }

    /// The engine's own ground truth.
    ///
    /// # Errors
    /// Unsuitable, where it has none.
    pub fn truth(&self) -> Result<Truth> {
        let truth = self.ground_truth("docgenie");
        let truth = truth.ok_or_else(|| Failure::unsuitable("it has no ground truth"))?;
        Ok(serde_json::from_str(&truth)?)
    }
}

/// A page and the pixels of its image.
pub struct PageImage {
    /// `document_1_page_1` and so on, unique in a dataset and safe as a file name.
    pub name: String,
    /// The page.
    pub page: Page,
    /// How points become pixels.
    pub grid: PixelGrid,
}

impl PageImage {
    /// Writes the image into a folder of the dataset, and gives the file's name.
    ///
    /// # Errors
    /// Broken, where the host refuses it.
    pub fn save(&self, folder: &str, format: ImageFormat) -> Result<String> {
        let file_name = format!("{}.{}", self.name, format.extension());
        sink::put_image(&format!("{folder}/{file_name}"), &self.page, format.name())?;
        Ok(file_name)
    }

    /// The image in a format.
    ///
    /// # Errors
    /// Broken, where the host cannot encode it.
    pub fn encode(&self, format: ImageFormat) -> Result<Vec<u8>> {
        self.page.image(format.name()).map_err(Failure::broken)
    }
}

impl Page {
    /// Its regions of these kinds.
    #[must_use]
    pub fn regions_of(&self, kinds: &[Kind]) -> Vec<Region> {
        let mut regions = self.regions();
        regions.retain(|region| kinds.iter().any(|kind| kind.name() == region.kind));
        regions
    }
}

/// The words of each line, in reading order.
pub fn lines(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    words.chunk_by(|a, b| (a.block, a.line) == (b.block, b.line))
}

/// The engine's own ground truth, without places.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Truth {
    /// The document's class, such as `invoice`.
    pub document_type: String,
    /// The object that an author answered with, as it is.
    pub answers: Map<String, Value>,
    /// Key information in document order.
    pub fields: Vec<TruthField>,
    /// Questions whose answers stand verbatim in the document.
    pub questions: Vec<TruthQuestion>,
}

/// A value to extract.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TruthField {
    /// In snake case, such as `invoice_number`.
    pub name: String,
    /// As it stands in the document.
    pub value: String,
    /// The group it belongs to, such as `line_item`, and the number of that item, from 0.
    pub group: Option<(String, u32)>,
}

/// A question and its answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TruthQuestion {
    /// In the document's language.
    pub question: String,
    /// Verbatim.
    pub answer: String,
}
