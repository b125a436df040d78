//! COCO object detection, as `pycocotools`, `torchvision.datasets.CocoDetection` and detectors read
//! it: `annotations/instances_<part>.json` with the images of the part in a folder of its name.
//!
//! Boxes and outlines are in pixels of the page's image, origin at its top left.

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, JsonArray, Kind, Labels, Offer, Part, Parts, PixelGrid,
    Point, Problem, Reconciliation, Region, Result, Split, Summary,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The kinds of regions that become annotations.
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

struct Coco {
    params: Params,
    description: String,
    categories: Labels,
    parts: Parts<Instances>,
    count: Reconciliation,
}

/// An annotation file. A JSON object takes its members in any order, so the annotations, which are
/// nearly all of it, go to the file as they come. The images can only follow them: a name and three
/// numbers a page, some 60 bytes, are kept until the end.
struct Instances {
    annotations: JsonArray,
    images: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    id: u32,
    width: u32,
    height: u32,
    file_name: String,
}

#[derive(Serialize)]
struct Annotation {
    id: u32,
    image_id: u32,
    category_id: usize,
    /// Left, top, width, height.
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    /// One polygon as x, y, x, y, …
    segmentation: [Vec<f64>; 1],
}

impl Exporter for Coco {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "coco",
        "COCO",
        "Page images with labelled regions, as COCO object detection.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        params.split.check("/split")
    }

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            categories: Labels::of_kinds(&job.params.kinds),
            params: job.params,
            description: job.dataset.description,
            parts: Parts::default(),
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        let part = self.params.split.part(document);
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for image in &images {
            let file_name = image.save(folder(part), self.params.image_format)?;
            self.count.written.images += 1;
            let id = self.count.written.images;
            let size = image.grid.size;
            let entry = Image {
                id,
                width: size.width,
                height: size.height,
                file_name,
            };
            self.instances(part)?.images.push(entry);
            for region in image.page.regions_of(&self.params.kinds) {
                self.annotate(part, id, &image.grid, &region)?;
            }
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Summary> {
        // Without a document there is still a dataset to open.
        self.instances(Part::Train)?;
        let categories = self.categories.names();
        for (
            _,
            Instances {
                mut annotations,
                images,
            },
        ) in self.parts
        {
            annotations.next("],\n\"images\": [")?;
            images
                .iter()
                .try_for_each(|image| annotations.push(image))?;
            annotations.next("],\n\"categories\": [")?;
            for (name, id) in categories.iter().zip(1..) {
                annotations
                    .push(&json!({ "id": id, "name": name, "supercategory": "document" }))?;
            }
            annotations.finish("]}\n")?;
        }
        Ok(self.count.with(json!({ "categories": categories })))
    }
}

impl Coco {
    fn instances(&mut self, part: Part) -> Result<&mut Instances> {
        self.parts.get(part, || {
            let info = json!({ "description": self.description, "version": "1.0" });
            let path = format!("annotations/instances_{}.json", folder(part));
            let before = format!("{{\"info\": {info}, \"licenses\": [],\n\"annotations\": [");
            Ok(Instances {
                annotations: JsonArray::create(&path, &before)?,
                images: Vec::new(),
            })
        })
    }

    fn annotate(
        &mut self,
        part: Part,
        image_id: u32,
        grid: &PixelGrid,
        region: &Region,
    ) -> Result<()> {
        self.count.taken.boxes += 1;
        self.count.taken.labels += 1;
        let bounds = grid.rect(&region.bounds);
        let shape: Vec<Point> = region
            .shape()
            .iter()
            .map(|point| grid.point(point))
            .collect();
        let annotation = Annotation {
            id: self.count.taken.boxes,
            image_id,
            category_id: self.categories.number(&region.label) + 1,
            bbox: [bounds.x, bounds.y, bounds.width, bounds.height],
            area: area(&shape),
            iscrowd: 0,
            segmentation: [shape.iter().flat_map(|point| [point.x, point.y]).collect()],
        };
        self.instances(part)?.annotations.push(&annotation)?;
        self.count.written.boxes += 1;
        self.count.written.labels += 1;
        Ok(())
    }
}

/// What COCO calls a part.
fn folder(part: Part) -> &'static str {
    match part {
        Part::Validation => "val",
        part => part.name(),
    }
}

/// The area of a closed shape, by Gauss's formula.
fn area(shape: &[Point]) -> f64 {
    let next = shape.iter().cycle().skip(1);
    let doubled: f64 = shape
        .iter()
        .zip(next)
        .map(|(a, b)| a.x * b.y - b.x * a.y)
        .sum();
    (doubled.abs() * 50.0).round() / 100.0
}

docgenie_plugin::exporters!(Coco);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    #[test]
    fn annotations_are_in_pixels_of_the_image() {
        let params = json!({ "kinds": ["layout", "visual-element"] });
        let exported = testing::export::<Coco>(&params, &testing::documents()).unwrap();
        assert_eq!(exported.unsuitable.len(), 1);
        assert_eq!(exported.summary.written.images, 3);

        let file = exported.json("annotations/instances_train.json");
        assert_eq!(
            file["images"][1],
            json!({ "id": 2, "width": 248, "height": 351, "file_name": "document_1_page_2.png" })
        );
        assert!(exported.files.contains_key("train/document_1_page_2.png"));
        let annotations = file["annotations"].as_array().unwrap();
        assert_eq!(annotations.len(), 5);
        assert_eq!(
            annotations[0],
            json!({
                "id": 1, "image_id": 1, "category_id": 1, "bbox": [20.83, 16.67, 33.34, 8.33],
                "area": 277.72, "iscrowd": 0,
                "segmentation": [[20.83, 16.67, 54.17, 16.67, 54.17, 25.0, 20.83, 25.0]],
            })
        );
        // The stamp, whose outline is a rhombus of half its box.
        let stamp = &annotations[4];
        assert_eq!(
            (&stamp["image_id"], &stamp["category_id"]),
            (&json!(2), &json!(18))
        );
        assert_eq!(stamp["bbox"], json!([166.67, 291.67, 41.66, 25.0]));
        assert_eq!(stamp["area"], json!(520.75));
        assert_eq!(file["categories"][17]["name"], "stamp");
    }

    #[test]
    fn parts_have_their_own_files() {
        let params = json!({ "split": { "validation": 0.9 } });
        let exported = testing::export::<Coco>(&params, &testing::documents()).unwrap();
        let images = |part| {
            let file = exported.json(&format!("annotations/instances_{part}.json"));
            file["images"].as_array().map(Vec::len)
        };
        assert_eq!(
            (images("train"), images("val"), images("test")),
            (Some(2), Some(1), None)
        );
        assert!(exported.files.contains_key("val/document_2_page_1.png"));
    }

    #[test]
    fn the_schema_says_the_defaults() {
        let properties = &testing::params_schema::<Coco>()["properties"];
        assert_eq!(properties["kinds"]["default"], json!(["layout"]));
        assert_eq!(properties["image_format"]["default"], "png");
        assert_eq!(properties["split"]["default"]["test"], 0.0);
        let problems = testing::problems::<Coco>(&json!({ "split": { "test": "x" } }));
        assert_eq!(problems[0].pointer, "/split/test");
    }

    #[test]
    fn an_empty_dataset_can_be_opened() {
        let exported = testing::export::<Coco>(&json!({}), &[]).unwrap();
        let file = exported.json("annotations/instances_train.json");
        assert_eq!(
            (&file["images"], &file["annotations"]),
            (&json!([]), &json!([]))
        );
    }
}
