//! How different the layouts of documents of one type are. The formulas are in the stage's
//! documentation.

use docgenie_document::{
    Seed,
    geometry::{Rect, Size},
    text::Words,
    truth::Layout,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{ByName, tally::Mean};

/// How different the layouts of a document type are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypeDiversity {
    /// Documents of the type.
    pub documents: u64,
    /// How many of them were compared.
    pub compared: u64,
    /// Mean distance of all pairs, 0 to 1; null for a single document.
    pub mean_distance: Option<f64>,
    /// Mean distance to the nearest other document, 0 to 1; null for a single document.
    pub nearest_distance: Option<f64>,
    /// Share of documents that have another nearer than 0.1; null for a single document.
    pub near_duplicates: Option<f64>,
}

const COLUMNS: usize = 24;
const ROWS: usize = 32;
const LAYERS: usize = 4;
const CELLS: usize = COLUMNS * ROWS;
/// The most documents of a type that are compared.
const SAMPLE: usize = 256;
/// The most types that are told apart.
const TYPES: usize = 64;
/// Below this distance two pages pass for the same.
const NEAR: f64 = 0.1;

/// Samples of the layouts seen so far, by type.
pub(super) struct Diversity {
    seed: Seed,
    types: ByName<Sample>,
}

impl Diversity {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            types: ByName::new(),
        }
    }

    /// Takes note of a document's first page.
    pub(super) fn add(&mut self, document_type: &str, words: &Words, layout: Option<&Layout>) {
        let Some(page) = words.pages.first() else {
            return;
        };
        if self.types.len() == TYPES && !self.types.contains_key(document_type) {
            return;
        }
        let sample = self.types.entry(document_type.to_owned());
        sample
            .or_insert_with(|| Sample::new(self.seed.derive(document_type)))
            .offer(|| Occupancy::of_first_page(page.size, words, layout));
    }

    pub(super) fn figures(&self) -> ByName<TypeDiversity> {
        let types = self.types.iter();
        types
            .map(|(name, sample)| (name.clone(), sample.figures()))
            .collect()
    }
}

/// An even sample of a stream of unknown length (algorithm R).
struct Sample {
    random: ChaCha8Rng,
    seen: u64,
    kept: Vec<Occupancy>,
}

impl Sample {
    fn new(seed: Seed) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed.0),
            seen: 0,
            kept: Vec::new(),
        }
    }

    fn offer(&mut self, make: impl FnOnce() -> Occupancy) {
        self.seen += 1;
        if self.kept.len() < SAMPLE {
            self.kept.push(make());
            return;
        }
        let place = self.random.random_range(0..self.seen);
        if let Some(kept) = self.kept.get_mut(place as usize) {
            *kept = make();
        }
    }

    fn figures(&self) -> TypeDiversity {
        let mut pairs = Mean::default();
        let mut nearest = vec![f64::INFINITY; self.kept.len()];
        for (i, a) in self.kept.iter().enumerate() {
            for (j, b) in self.kept.iter().enumerate().skip(i + 1) {
                let distance = a.distance(b);
                pairs.add(distance);
                nearest[i] = nearest[i].min(distance);
                nearest[j] = nearest[j].min(distance);
            }
        }
        let (mut mean_nearest, mut near) = (Mean::default(), Mean::default());
        for distance in nearest.into_iter().filter(|distance| distance.is_finite()) {
            mean_nearest.add(distance);
            near.add(f64::from(u8::from(distance < NEAR)));
        }
        TypeDiversity {
            documents: self.seen,
            compared: self.kept.len() as u64,
            mean_distance: pairs.value(),
            nearest_distance: mean_nearest.value(),
            near_duplicates: near.value(),
        }
    }
}

/// How much of each cell of a page is covered, layer by layer, 255 for all of it.
struct Occupancy(Vec<u8>);

impl Occupancy {
    fn of_first_page(page: Size, words: &Words, layout: Option<&Layout>) -> Self {
        let mut covered = vec![0.0; LAYERS * CELLS];
        for (_, word) in words.on_page(0) {
            cover(&mut covered[..CELLS], page, &word.rect);
        }
        for region in layout.into_iter().flat_map(|layout| &layout.regions) {
            let layer = match region.label.as_str() {
                "title" | "heading" => 1,
                "table" => 2,
                _ => 3,
            };
            for place in region.places.iter().filter(|place| place.page == 0) {
                let cells = &mut covered[layer * CELLS..(layer + 1) * CELLS];
                cover(cells, page, &place.rect);
            }
        }
        let in_steps = |share: f64| (share.min(1.0) * 255.0).round() as u8;
        Self(covered.into_iter().map(in_steps).collect())
    }

    /// The weighted Jaccard distance.
    fn distance(&self, other: &Self) -> f64 {
        let (mut shared, mut all) = (0_u32, 0_u32);
        for (&a, &b) in self.0.iter().zip(&other.0) {
            shared += u32::from(a.min(b));
            all += u32::from(a.max(b));
        }
        match all {
            0 => 0.0,
            _ => 1.0 - f64::from(shared) / f64::from(all),
        }
    }
}

/// Adds to each cell the share of it that the rectangle covers.
fn cover(cells: &mut [f64], page: Size, rect: &Rect) {
    let to_cells = |value: f64, length: f64, count: usize| {
        (value / length * count as f64).clamp(0.0, count as f64)
    };
    let (x0, x1) = (
        to_cells(rect.x0, page.width, COLUMNS),
        to_cells(rect.x1, page.width, COLUMNS),
    );
    let (y0, y1) = (
        to_cells(rect.y0, page.height, ROWS),
        to_cells(rect.y1, page.height, ROWS),
    );
    let overlap = |cell: usize, from: f64, to: f64| {
        let cell = cell as f64;
        (to.min(cell + 1.0) - from.max(cell)).max(0.0)
    };
    for row in y0 as usize..(y1.ceil() as usize) {
        for column in x0 as usize..(x1.ceil() as usize) {
            cells[row * COLUMNS + column] += overlap(column, x0, x1) * overlap(row, y0, y1);
        }
    }
}
