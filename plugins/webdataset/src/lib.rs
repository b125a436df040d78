//! Tar shards for the `webdataset` library: `<part>-000000.tar` and so on, in which the files of a
//! page share its name: `<page>.png` is the image, `<page>.json` all that is known of it.
//!
//! ```python
//! for image, page in WebDataset("train-{000000..000003}.tar", shardshuffle=False).decode("pil").to_tuple("png", "json"): ...
//! ```
//!
//! Boxes are left, top, right, bottom in pixels of the image, origin at its top left.

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, Offer, PageImage, Part, Parts, Problem, Reconciliation,
    Region, Result, Split, Summary, Tar, Word,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// Size at which a shard is full, in MiB.
    #[schemars(range(min = 1, max = 8000))]
    shard_mib: u32,
    /// The ground truth in `<page>.json`: `docgenie` or a format of the pipeline such as
    /// `plugin:kie`.
    ground_truth: String,
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Documents held back for validation and test.
    split: Split,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            shard_mib: 256,
            ground_truth: "docgenie".to_owned(),
            image_format: ImageFormat::default(),
            split: Split::default(),
        }
    }
}

struct WebDataset {
    params: Params,
    parts: Parts<Shards>,
    count: Reconciliation,
}

#[derive(Serialize)]
struct Page {
    document: String,
    /// From 0.
    page: usize,
    width: u32,
    height: u32,
    language: String,
    document_type: String,
    words: Vec<PageWord>,
    regions: Vec<PageRegion>,
    /// Of the whole document.
    ground_truth: Option<Value>,
}

#[derive(Serialize)]
struct PageWord {
    text: String,
    bbox: [f64; 4],
    block: u32,
    line: u32,
}

#[derive(Serialize)]
struct PageRegion {
    id: String,
    kind: String,
    label: String,
    bbox: [f64; 4],
    /// Corners, where it is not the box itself.
    outline: Vec<[f64; 2]>,
    /// Positions in `words`.
    words: Vec<u32>,
    attributes: Map<String, Value>,
}

impl Exporter for WebDataset {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "webdataset",
        "WebDataset",
        "Tar shards with an image and its annotations a page, for webdataset.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        params.split.check("/split")
    }

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            params: job.params,
            parts: Parts::default(),
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        let truth = document.ground_truth(&self.params.ground_truth);
        let truth: Option<Value> = truth
            .map(|truth| serde_json::from_str(&truth))
            .transpose()?;
        let part = self.params.split.part(document);
        let limit = u64::from(self.params.shard_mib) << 20;
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for (number, image) in images.iter().enumerate() {
            let words = image.page.words();
            let regions = image.page.regions();
            self.count.taken.boxes += (words.len() + regions.len()) as u32;
            self.count.taken.labels += regions.len() as u32;
            let page = page(document, number, image, words, regions, truth.clone())?;
            let picture = image.encode(self.params.image_format)?;
            let files = [
                (self.params.image_format.extension(), picture),
                ("json", serde_json::to_vec(&page)?),
            ];
            self.parts
                .get(part, || Shards::create(part))?
                .add(&image.name, &files, limit)?;
            self.count.written.images += 1;
            self.count.written.boxes += (page.words.len() + page.regions.len()) as u32;
            self.count.written.labels += page.regions.len() as u32;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        let mut shards = Map::new();
        for (part, last) in self.parts {
            shards.insert(part.name().to_owned(), last.finish()?.into());
        }
        Ok(self.count.with(json!({ "shards": shards })))
    }
}

fn page(
    document: &Document,
    number: usize,
    image: &PageImage,
    words: Vec<Word>,
    regions: Vec<Region>,
    ground_truth: Option<Value>,
) -> Result<Page> {
    let grid = &image.grid;
    let regions = regions.into_iter().map(|region| {
        Ok(PageRegion {
            bbox: grid.edges(&region.bounds),
            outline: region
                .outline
                .iter()
                .map(|it| grid.point(it))
                .map(|it| [it.x, it.y])
                .collect(),
            attributes: serde_json::from_str(&region.attributes)?,
            id: region.id,
            kind: region.kind,
            label: region.label,
            words: region.words,
        })
    });
    Ok(Page {
        document: document.id(),
        page: number,
        width: grid.size.width,
        height: grid.size.height,
        language: document.language(),
        document_type: document.kind(),
        regions: regions.collect::<Result<_>>()?,
        words: words
            .into_iter()
            .map(|word| PageWord {
                bbox: grid.edges(&word.bounds),
                text: word.text,
                block: word.block,
                line: word.line,
            })
            .collect(),
        ground_truth,
    })
}

/// The shards of a part, of which the last is open.
struct Shards {
    part: Part,
    number: u32,
    tar: Tar,
}

impl Shards {
    fn create(part: Part) -> Result<Self> {
        Ok(Self {
            part,
            number: 0,
            tar: open(part, 0)?,
        })
    }

    /// Adds the files of a page, which are never in two shards.
    fn add(&mut self, name: &str, files: &[(&str, Vec<u8>)], limit: u64) -> Result<()> {
        let size: u64 = files.iter().map(|(_, bytes)| Tar::size_of(bytes)).sum();
        if self.tar.size() > 0 && self.tar.size() + size > limit {
            self.number += 1;
            let next = open(self.part, self.number)?;
            std::mem::replace(&mut self.tar, next).finish()?;
        }
        let mut files = files.iter();
        files.try_for_each(|(extension, bytes)| self.tar.add(&format!("{name}.{extension}"), bytes))
    }

    /// How many shards there are.
    fn finish(self) -> Result<u32> {
        self.tar.finish()?;
        Ok(self.number + 1)
    }
}

fn open(part: Part, number: u32) -> Result<Tar> {
    Tar::create(&format!("{}-{number:06}.tar", part.name()))
}

docgenie_plugin::exporters!(WebDataset);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    /// Names and contents of the files in an archive.
    fn entries(tar: &[u8]) -> Vec<(String, &[u8])> {
        let mut entries = Vec::new();
        let mut at = 0;
        while tar[at] != 0 {
            let text = |from: usize, to: usize| {
                let field = tar[at + from..at + to]
                    .split(|byte| *byte == 0)
                    .next()
                    .unwrap();
                String::from_utf8(field.to_vec()).unwrap()
            };
            let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
            entries.push((text(0, 100), &tar[at + 512..at + 512 + size]));
            at += 512 + size.next_multiple_of(512);
        }
        assert_eq!(tar.len() - at, 1024);
        entries
    }

    #[test]
    fn files_of_a_page_share_its_name() {
        let exported = testing::export::<WebDataset>(&json!({}), &testing::documents()).unwrap();
        let entries = entries(&exported.files["train-000000.tar"]);
        let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names[..2],
            ["document_1_page_1.png", "document_1_page_1.json"]
        );
        assert_eq!(names.len(), 6);
        assert_eq!(entries[0].1, testing::invoice().pages[0].image);
        let page: Value = serde_json::from_slice(entries[1].1).unwrap();
        assert_eq!(page["words"][0]["bbox"], json!([20.83, 16.67, 54.17, 25.0]));
        assert_eq!(page["regions"][2]["label"], "table");
        assert_eq!(page["ground_truth"]["document_type"], "invoice");
    }

    #[test]
    fn a_full_shard_is_followed_by_the_next() {
        let mut document = testing::invoice();
        document
            .pages
            .iter_mut()
            .for_each(|page| page.image.resize(700 << 10, 0));
        let params = json!({ "shard_mib": 1 });
        let exported = testing::export::<WebDataset>(&params, &[document]).unwrap();
        assert_eq!(entries(&exported.files["train-000001.tar"]).len(), 2);
        assert_eq!(exported.summary.report, json!({ "shards": { "train": 2 } }));
    }
}
