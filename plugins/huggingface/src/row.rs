//! A row of the dataset: what is said of a page.

use docgenie_plugin::{Document, PageImage, PixelGrid, Rect, Region, Word};
use serde::Serialize;

/// Without its image, which each layout keeps in its own way.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) document: String,
    /// From 0.
    pub(crate) page: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) language: String,
    pub(crate) document_type: String,
    pub(crate) words: Vec<String>,
    /// Left, top, right, bottom.
    pub(crate) word_boxes: Vec<[f64; 4]>,
    pub(crate) objects: Objects,
    /// JSON of the whole document; empty where there is none.
    pub(crate) ground_truth: String,
}

/// Regions, a list a fact.
#[derive(Serialize)]
pub(crate) struct Objects {
    /// The same for the parts of one thing.
    pub(crate) id: Vec<String>,
    pub(crate) kind: Vec<String>,
    pub(crate) category: Vec<String>,
    /// Left, top, width, height.
    pub(crate) bbox: Vec<[f64; 4]>,
    /// The words in it, joined by blanks.
    pub(crate) text: Vec<String>,
}

impl Row {
    pub(crate) fn new(
        document: &Document,
        number: i32,
        image: &PageImage,
        words: Vec<Word>,
        regions: Vec<Region>,
        truth: &str,
    ) -> Self {
        let grid = &image.grid;
        let pixels = |size: u32| i32::try_from(size).unwrap_or(i32::MAX);
        Self {
            id: image.name.clone(),
            document: document.id(),
            page: number,
            width: pixels(grid.size.width),
            height: pixels(grid.size.height),
            language: document.language(),
            document_type: document.kind(),
            word_boxes: words.iter().map(|word| grid.edges(&word.bounds)).collect(),
            objects: objects(grid, &words, regions),
            words: words.into_iter().map(|word| word.text).collect(),
            ground_truth: document.ground_truth(truth).unwrap_or_default(),
        }
    }
}

fn objects(grid: &PixelGrid, words: &[Word], regions: Vec<Region>) -> Objects {
    let text = |region: &Region| {
        let words = region
            .words
            .iter()
            .filter_map(|word| words.get(*word as usize));
        words
            .map(|word| word.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let bbox = |region: &Region| {
        let Rect {
            x,
            y,
            width,
            height,
        } = grid.rect(&region.bounds);
        [x, y, width, height]
    };
    Objects {
        bbox: regions.iter().map(bbox).collect(),
        text: regions.iter().map(text).collect(),
        kind: regions.iter().map(|region| region.kind.clone()).collect(),
        category: regions.iter().map(|region| region.label.clone()).collect(),
        id: regions.into_iter().map(|region| region.id).collect(),
    }
}
