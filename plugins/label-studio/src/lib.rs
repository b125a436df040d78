//! Tasks for Label Studio with regions as pre-annotations: `tasks.json` to import, `label-config.xml`
//! to set up the project with, and the pages' images.
//!
//! Places are percentages of the image from its top left, as Label Studio has them.

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, JsonArray, Kind, Labels, Offer, PageImage,
    Reconciliation, Rect, Region, Result, Summary, Word, write, xml::Text,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The kinds of regions that become pre-annotations.
    kinds: Vec<Kind>,
    /// What stands before the name of an image to make its address. The default is for local
    /// storage whose folder is the export's.
    image_url: String,
    /// How the images are encoded.
    image_format: ImageFormat,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            kinds: vec![Kind::Layout],
            image_url: "/data/local-files/?d=images/".to_owned(),
            image_format: ImageFormat::default(),
        }
    }
}

struct LabelStudio {
    params: Params,
    labels: Labels,
    tasks: JsonArray,
    count: Reconciliation,
}

impl Exporter for LabelStudio {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "label-studio",
        "Label Studio",
        "Tasks with pre-annotated regions, to be corrected in Label Studio.",
    );

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            labels: Labels::of_kinds(&job.params.kinds),
            params: job.params,
            tasks: JsonArray::create("tasks.json", "[")?,
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for (image, number) in images.iter().zip(1..) {
            let file_name = image.save("images", self.params.image_format)?;
            self.count.written.images += 1;
            let words = image.page.words();
            let regions = image.page.regions_of(&self.params.kinds);
            self.count.taken.boxes += regions.len() as u32;
            self.count.taken.labels += regions.len() as u32;
            let result: Vec<_> = regions
                .iter()
                .flat_map(|region| self.results(image, region, &words))
                .collect();
            self.tasks.push(&json!({
                "data": {
                    "image": format!("{}{file_name}", self.params.image_url),
                    "document": document.id(),
                    "page": number,
                },
                "predictions": [{ "model_version": "docgenie", "score": 1.0, "result": result }],
            }))?;
            let boxes = result.iter().filter(|it| it["type"] == RECTANGLE).count();
            self.count.written.boxes += boxes as u32;
            self.count.written.labels += boxes as u32;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        self.tasks.finish("\n]\n")?;
        write("label-config.xml", config(self.labels.names()))?;
        Ok(self.count.with(json!({ "labels": self.labels.names() })))
    }
}

const RECTANGLE: &str = "rectanglelabels";

impl LabelStudio {
    /// A rectangle with its label, and its text where it has words. That both are of one region,
    /// their common id says.
    fn results(&mut self, image: &PageImage, region: &Region, words: &[Word]) -> Vec<Value> {
        self.labels.number(&region.label);
        let page = image.page.extent();
        let Rect {
            x,
            y,
            width,
            height,
        } = region.bounds;
        let place = json!({
            "x": percent(x / page.width), "y": percent(y / page.height),
            "width": percent(width / page.width), "height": percent(height / page.height),
            "rotation": 0,
        });
        let result = |from: &str, kind: &str, key: &str, more: Value| {
            let mut value = place.clone();
            value[key] = more;
            json!({
                "id": region.id, "from_name": from, "to_name": "image", "type": kind,
                "original_width": image.grid.size.width,
                "original_height": image.grid.size.height,
                "image_rotation": 0, "value": value,
            })
        };
        let mut results = vec![result("label", RECTANGLE, RECTANGLE, json!([region.label]))];
        let words = region
            .words
            .iter()
            .filter_map(|word| words.get(*word as usize));
        let text: Vec<_> = words.map(|word| word.text.as_str()).collect();
        if !text.is_empty() {
            results.push(result(
                "transcription",
                "textarea",
                "text",
                json!([text.join(" ")]),
            ));
        }
        results
    }
}

/// To four decimals, so that files hold no noise.
fn percent(share: f64) -> f64 {
    (share.clamp(0.0, 1.0) * 1e6).round() / 1e4
}

fn config(labels: &[String]) -> String {
    let label = |label: &String| format!("    <Label value=\"{}\"/>\n", Text(label));
    let labels: String = labels.iter().map(label).collect();
    format!(
        r#"<View>
  <Image name="image" value="$image" zoom="true" zoomControl="true"/>
  <RectangleLabels name="label" toName="image">
{labels}  </RectangleLabels>
  <TextArea name="transcription" toName="image" editable="true" perRegion="true" displayMode="region-list"/>
</View>
"#
    )
}

docgenie_plugin::exporters!(LabelStudio);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    #[test]
    fn regions_are_rectangles_with_text() {
        let params = json!({ "kinds": ["field", "visual-element"], "image_url": "s3://b/" });
        let exported = testing::export::<LabelStudio>(&params, &testing::documents()).unwrap();
        let tasks = exported.json("tasks.json");
        assert_eq!(tasks.as_array().unwrap().len(), 3);
        assert_eq!(tasks[0]["data"]["image"], "s3://b/document_1_page_1.png");
        let result = &tasks[0]["predictions"][0]["result"];
        let place = json!({
            "x": 13.4409, "y": 11.8708, "width": 5.0403, "height": 1.4245, "rotation": 0,
            "rectanglelabels": ["invoice_number"],
        });
        assert_eq!(
            (&result[0]["type"], &result[0]["value"]),
            (&json!("rectanglelabels"), &place)
        );
        assert_eq!(result[0]["id"], result[1]["id"]);
        assert_eq!(result[1]["value"]["text"], json!(["A-17"]));
        // A stamp has no words.
        assert_eq!(
            tasks[1]["predictions"][0]["result"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        let config = exported.text("label-config.xml");
        assert!(config.contains("<Label value=\"stamp\"/>"), "{config}");
        assert!(
            config.contains("<Label value=\"invoice_number\"/>"),
            "{config}"
        );
    }
}
