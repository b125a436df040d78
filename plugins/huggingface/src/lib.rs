//! Datasets for the `datasets` library of Hugging Face: a row a page, with its image, its words and
//! its labelled regions.
//!
//! ```python
//! page = load_dataset("out/invoices/huggingface")["train"][0]
//! page["image"], page["words"], page["word_boxes"], page["objects"]["bbox"]
//! ```
//!
//! Boxes are in pixels of the image, origin at its top left: those of words left, top, right,
//! bottom, as the processors of document models take them; those of objects left, top, width,
//! height, as the library's guides on object detection have them.

mod folder;
mod row;
mod shards;

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, Kind, Offer, PageImage, Part, Problem, Reconciliation,
    Result, Split, Summary, write,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{folder::Folders, row::Row, shards::Shards};

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How pages are kept.
    layout: Layout,
    /// The kinds of regions that become objects.
    kinds: Vec<Kind>,
    /// The ground truth in the column `ground_truth`: `docgenie` or a format of the pipeline such as
    /// `plugin:kie`.
    ground_truth: String,
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Size at which a Parquet shard is full, in MiB.
    #[schemars(range(min = 1, max = 2000))]
    shard_mib: u32,
    /// Documents held back for validation and test.
    split: Split,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            layout: Layout::Imagefolder,
            kinds: vec![
                Kind::Layout,
                Kind::Field,
                Kind::Entity,
                Kind::Handwriting,
                Kind::VisualElement,
            ],
            ground_truth: "docgenie".to_owned(),
            image_format: ImageFormat::default(),
            shard_mib: 256,
            split: Split::default(),
        }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Layout {
    /// Images in folders, with a `metadata.jsonl` in each: easy to look at.
    Imagefolder,
    /// Parquet shards that hold the images: few files, quick to load.
    Parquet,
}

/// Where rows go.
trait Rows {
    /// Writes a row with its image.
    fn push(&mut self, part: Part, row: &Row, image: &PageImage, format: ImageFormat)
    -> Result<()>;
    /// Ends the files.
    fn finish(self: Box<Self>) -> Result<()>;
}

struct HuggingFace {
    params: Params,
    name: String,
    description: String,
    rows: Box<dyn Rows>,
    count: Reconciliation,
}

impl Exporter for HuggingFace {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "huggingface",
        "Hugging Face",
        "An image folder with metadata, or Parquet shards, for the datasets library.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        params.split.check("/split")
    }

    fn begin(job: Job<Params>) -> Result<Self> {
        let rows: Box<dyn Rows> = match job.params.layout {
            Layout::Imagefolder => Box::new(Folders::default()),
            Layout::Parquet => Box::new(Shards::new(job.params.shard_mib)),
        };
        Ok(Self {
            params: job.params,
            name: job.dataset.name,
            description: job.dataset.description,
            rows,
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        let part = self.params.split.part(document);
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for (image, number) in images.iter().zip(0..) {
            let words = image.page.words();
            let regions = image.page.regions_of(&self.params.kinds);
            self.count.taken.boxes += (words.len() + regions.len()) as u32;
            self.count.taken.labels += regions.len() as u32;
            let row = Row::new(
                document,
                number,
                image,
                words,
                regions,
                &self.params.ground_truth,
            );
            self.rows
                .push(part, &row, image, self.params.image_format)?;
            let objects = row.objects.category.len() as u32;
            self.count.written.boxes += row.word_boxes.len() as u32 + objects;
            self.count.written.labels += objects;
            self.count.written.images += 1;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        self.rows.finish()?;
        write(
            "README.md",
            format!("# {}\n\n{}\n", self.name, self.description),
        )?;
        Ok(self.count.into())
    }
}

docgenie_plugin::exporters!(HuggingFace);

#[cfg(test)]
mod tests;
