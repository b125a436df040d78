//! Words with boxes and BIO labels, as the processors of the LayoutLM family read them: one line of
//! JSON a page in `<part>.jsonl`, the page's image beside it, and the labels' names in `labels.txt`.
//!
//! ```python
//! row = load_dataset("json", data_files="train.jsonl")["train"][0]
//! processor(Image.open(row["image"]), row["words"], boxes=row["bboxes"], word_labels=row["ner_tags"])
//! ```
//!
//! Boxes are left, top, right, bottom in thousandths of the page, origin at its top left.

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, JsonLines, Kind, Labels, Offer, Page, PageImage, Parts,
    Problem, Reconciliation, Rect, Result, Split, Summary, Word, lines, write,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// What the labels say of a word.
    labels: LabelKind,
    /// Whether each word has its own box or that of its line. LayoutLMv3 was trained with boxes of
    /// lines.
    boxes: BoxKind,
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Documents held back for validation and test.
    split: Split,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            labels: LabelKind::Field,
            boxes: BoxKind::Word,
            image_format: ImageFormat::default(),
            split: Split::default(),
        }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LabelKind {
    /// The field it belongs to, such as `invoice_number`.
    Field,
    /// The named entity it belongs to, such as `ORG`.
    Entity,
}

impl LabelKind {
    const fn region(self) -> Kind {
        match self {
            Self::Field => Kind::Field,
            Self::Entity => Kind::Entity,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum BoxKind {
    /// The word's own.
    Word,
    /// That of its line.
    Line,
}

struct LayoutLm {
    params: Params,
    labels: Labels,
    parts: Parts<JsonLines>,
    count: Reconciliation,
}

#[derive(Serialize)]
struct Sample {
    id: String,
    /// Path from the dataset's folder.
    image: String,
    words: Vec<String>,
    bboxes: Vec<[u32; 4]>,
    ner_tags: Vec<usize>,
}

impl Exporter for LayoutLm {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "layoutlm",
        "LayoutLM",
        "Words with boxes of 0 to 1000 and BIO labels, for the LayoutLM family.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        params.split.check("/split")
    }

    fn begin(job: Job<Params>) -> Result<Self> {
        let mut labels = Labels::new(["O"]);
        for label in job.params.labels.region().labels() {
            labels.number(&format!("B-{label}"));
            labels.number(&format!("I-{label}"));
        }
        Ok(Self {
            params: job.params,
            labels,
            parts: Parts::default(),
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        let part = self.params.split.part(document).name();
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for image in images {
            let sample = self.sample(image, part)?;
            let lines = self.parts.get(self.params.split.part(document), || {
                JsonLines::create(&format!("{part}.jsonl"))
            })?;
            lines.push(&sample)?;
            self.count.written.boxes += sample.bboxes.len() as u32;
            self.count.written.labels +=
                sample.ner_tags.iter().filter(|tag| **tag != 0).count() as u32;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        for (_, lines) in self.parts {
            lines.finish()?;
        }
        let names = self.labels.names();
        write("labels.txt", names.join("\n") + "\n")?;
        Ok(self.count.with(json!({ "labels": names })))
    }
}

impl LayoutLm {
    fn sample(&mut self, image: PageImage, part: &str) -> Result<Sample> {
        let folder = format!("images/{part}");
        let file_name = image.save(&folder, self.params.image_format)?;
        self.count.written.images += 1;
        let words = image.page.words();
        self.count.taken.boxes += words.len() as u32;
        Ok(Sample {
            id: image.name,
            image: format!("{folder}/{file_name}"),
            bboxes: boxes(&image.page, &words, self.params.boxes),
            ner_tags: self.tags(&image.page, words.len()),
            words: words.into_iter().map(|word| word.text).collect(),
        })
    }

    /// The number of each word's label. Where regions share a word, the first has it.
    fn tags(&mut self, page: &Page, words: usize) -> Vec<usize> {
        let mut tags = vec![0; words];
        for region in page.regions_of(&[self.params.labels.region()]) {
            let mut prefix = "B";
            for word in region.words {
                if let Some(tag @ 0) = tags.get_mut(word as usize) {
                    *tag = self.labels.number(&format!("{prefix}-{}", region.label));
                    self.count.taken.labels += 1;
                    prefix = "I";
                }
            }
            // Both have numbers, whether or not the second has been met.
            self.labels.number(&format!("I-{}", region.label));
        }
        tags
    }
}

fn boxes(page: &Page, words: &[Word], kind: BoxKind) -> Vec<[u32; 4]> {
    let extent = page.extent();
    match kind {
        BoxKind::Word => words
            .iter()
            .map(|word| extent.thousandths(&word.bounds))
            .collect(),
        BoxKind::Line => {
            let boxes = lines(words).flat_map(|line| {
                let bounds = Rect::around(line.iter().map(|word| &word.bounds));
                bounds.map(|bounds| vec![extent.thousandths(&bounds); line.len()])
            });
            boxes.flatten().collect()
        }
    }
}

docgenie_plugin::exporters!(LayoutLm);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::Value;

    use super::*;

    fn rows(params: &Value) -> (Vec<Value>, Vec<String>) {
        let exported = testing::export::<LayoutLm>(params, &testing::documents()).unwrap();
        let rows = exported.text("train.jsonl");
        let rows = rows.lines().map(|line| serde_json::from_str(line).unwrap());
        let labels = exported.text("labels.txt");
        (rows.collect(), labels.lines().map(str::to_owned).collect())
    }

    #[track_caller]
    fn check(params: &Value, expected: &[(&str, [u32; 4], &str)]) {
        let (rows, labels) = rows(params);
        let row = &rows[0];
        assert_eq!(row["image"], "images/train/document_1_page_1.png");
        for (index, (word, bounds, label)) in expected.iter().enumerate() {
            assert_eq!(row["words"][index], *word);
            assert_eq!(row["bboxes"][index], json!(bounds));
            let number = row["ner_tags"][index].as_u64().unwrap();
            assert_eq!(labels[number as usize], *label);
        }
    }

    #[test]
    fn words_have_boxes_and_labels() {
        check(
            &json!({}),
            &[
                ("Invoice", [84, 47, 219, 72], "O"),
                ("No:", [84, 118, 118, 133], "O"),
                ("A-17", [134, 118, 185, 133], "B-invoice_number"),
                ("Acme", [84, 142, 135, 157], "B-seller"),
                ("&", [141, 142, 155, 157], "I-seller"),
            ],
        );
        check(
            &json!({ "labels": "entity", "boxes": "line" }),
            &[
                ("Invoice", [84, 47, 219, 72], "O"),
                ("No:", [84, 118, 185, 133], "O"),
                ("A-17", [84, 118, 185, 133], "O"),
                ("Acme", [84, 142, 219, 157], "B-ORG"),
                ("&", [84, 142, 219, 157], "I-ORG"),
            ],
        );
    }

    #[test]
    fn labels_of_entities_have_the_same_numbers_everywhere() {
        let (rows, labels) = rows(&json!({ "labels": "entity" }));
        assert_eq!(labels[..4], ["O", "B-PERSON", "I-PERSON", "B-ORG"]);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[2]["words"], json!([]));
    }
}
