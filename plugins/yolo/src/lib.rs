//! YOLO detection, as `ultralytics` reads it: `images/<part>` and `labels/<part>` with a text file a
//! page, and `data.yaml` with the classes.
//!
//! A line of a text file is a class from 0, and the centre, width and height of a box as fractions
//! of the image.

use docgenie_plugin::{
    Document, Exporter, Extent, ImageFormat, Job, Kind, Labels, Offer, Part, Problem,
    Reconciliation, Region, Result, Split, Summary, write,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The kinds of regions that become boxes.
    kinds: Vec<Kind>,
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Documents held back for validation and test.
    split: Split,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            kinds: vec![Kind::Layout],
            image_format: ImageFormat::default(),
            split: Split::default(),
        }
    }
}

struct Yolo {
    params: Params,
    description: String,
    classes: Labels,
    parts: Vec<Part>,
    count: Reconciliation,
}

impl Exporter for Yolo {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "yolo",
        "YOLO",
        "Page images with a text file of boxes each, for the YOLO family.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        params.split.check("/split")
    }

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            classes: Labels::of_kinds(&job.params.kinds),
            params: job.params,
            description: job.dataset.description,
            parts: Vec::new(),
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        let part = self.params.split.part(document);
        if !self.parts.contains(&part) {
            self.parts.push(part);
        }
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for image in images {
            let regions = image.page.regions_of(&self.params.kinds);
            self.count.taken.boxes += regions.len() as u32;
            self.count.taken.labels += regions.len() as u32;
            let lines: Vec<_> = regions
                .iter()
                .map(|it| self.line(it, image.page.extent()))
                .collect();
            let folder = folder(part);
            image.save(&format!("images/{folder}"), self.params.image_format)?;
            write(
                &format!("labels/{folder}/{}.txt", image.name),
                lines.concat(),
            )?;
            self.count.written.images += 1;
            self.count.written.boxes += lines.len() as u32;
            self.count.written.labels += lines.len() as u32;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        write("data.yaml", self.data())?;
        Ok(self.count.with(json!({ "classes": self.classes.names() })))
    }
}

impl Yolo {
    fn line(&mut self, region: &Region, page: Extent) -> String {
        let class = self.classes.number(&region.label);
        let bounds = region.bounds;
        let left = (bounds.x / page.width).clamp(0.0, 1.0);
        let top = (bounds.y / page.height).clamp(0.0, 1.0);
        let right = (bounds.right() / page.width).clamp(0.0, 1.0);
        let bottom = (bounds.bottom() / page.height).clamp(0.0, 1.0);
        let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        format!(
            "{class} {x:.6} {y:.6} {:.6} {:.6}\n",
            right - left,
            bottom - top
        )
    }

    /// Paths are relative to the file, so that the folder can be moved. A reader insists on a
    /// validation part; without one it gets the training part.
    fn data(&self) -> String {
        let has = |part| self.parts.contains(&part);
        let validation = if has(Part::Validation) {
            Part::Validation
        } else {
            Part::Train
        };
        let mut data = format!("# {}\n", self.description.replace('\n', " "));
        data += &format!(
            "path: .\ntrain: images/train\nval: images/{}\n",
            folder(validation)
        );
        if has(Part::Test) {
            data += "test: images/test\n";
        }
        data += "names:\n";
        for (number, name) in self.classes.names().iter().enumerate() {
            // A JSON string is a YAML string.
            data += &format!("  {number}: {}\n", json!(name));
        }
        data
    }
}

/// What YOLO calls a part.
fn folder(part: Part) -> &'static str {
    match part {
        Part::Validation => "val",
        part => part.name(),
    }
}

docgenie_plugin::exporters!(Yolo);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    #[test]
    fn boxes_are_fractions_around_their_centre() {
        let params = json!({ "kinds": ["layout", "visual-element"] });
        let exported = testing::export::<Yolo>(&params, &testing::documents()).unwrap();
        let first = exported.text("labels/train/document_1_page_1.txt");
        assert_eq!(
            first.lines().next(),
            Some("0 0.151210 0.059354 0.134409 0.023742")
        );
        let second = exported.text("labels/train/document_1_page_2.txt");
        assert!(
            second.ends_with("17 0.756048 0.866572 0.168011 0.071225\n"),
            "{second}"
        );
        assert_eq!(exported.text("labels/train/document_2_page_1.txt"), "");
        assert!(
            exported
                .files
                .contains_key("images/train/document_2_page_1.png")
        );
        let data = exported.text("data.yaml");
        let start = "# Made by hand\npath: .\ntrain: images/train\nval: images/train\nnames:\n  0: \"title\"\n";
        assert!(data.starts_with(start), "{data}");
    }

    #[test]
    fn parts_are_named_where_there_are_documents() {
        let params = json!({ "split": { "validation": 0.9 } });
        let exported = testing::export::<Yolo>(&params, &testing::documents()).unwrap();
        assert!(
            exported
                .text("data.yaml")
                .contains("val: images/val\nnames:")
        );
        assert!(
            exported
                .files
                .contains_key("labels/val/document_2_page_1.txt")
        );
    }
}
