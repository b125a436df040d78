//! Page images with the JSON to be read from them, as Donut is trained: an image folder for each
//! part with a `metadata.jsonl` of `file_name` and `ground_truth`, which is JSON in a string.

use std::collections::{BTreeMap, BTreeSet};

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, JsonLines, Offer, PageImage, Parts, Problem,
    Reconciliation, Result, Split, Summary,
    facts::{Answer, Field},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// What is to be read from a page.
    task: Task,
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Documents held back for validation and test.
    split: Split,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Task {
    /// The fields on the page; those of a group, such as the lines of an invoice, as a list.
    #[default]
    Extraction,
    /// Answers to the questions whose answers stand on the page.
    Questions,
    /// The document's type.
    Classification,
}

struct Donut {
    params: Params,
    parts: Parts<JsonLines>,
    count: Reconciliation,
}

#[derive(Serialize)]
struct Line {
    file_name: String,
    ground_truth: String,
}

/// What is to be read from a page, and of how many facts it consists.
struct Truth {
    value: Value,
    facts: u32,
}

impl Exporter for Donut {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "donut",
        "Donut",
        "Page images with the JSON to read from them, for Donut.",
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
        let part = self.params.split.part(document);
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        // What goes on overleaf is read from its first page.
        let mut seen = BTreeSet::new();
        for image in images {
            let truth = match self.params.task {
                Task::Extraction => extraction(&image, &mut seen)?,
                Task::Questions => questions(&image, &mut seen)?,
                Task::Classification => Truth {
                    value: json!({ "gt_parse": { "class": document.kind() } }),
                    facts: 1,
                },
            };
            self.count.taken.labels += truth.facts;
            let path = format!("{}/metadata.jsonl", part.name());
            let file_name = image.save(part.name(), self.params.image_format)?;
            let line = Line {
                file_name,
                ground_truth: truth.value.to_string(),
            };
            self.parts
                .get(part, || JsonLines::create(&path))?
                .push(&line)?;
            self.count.written.images += 1;
            self.count.written.labels += match &truth.value["gt_parses"] {
                Value::Array(parses) => parses.len() as u32,
                _ => leaves(&truth.value["gt_parse"]),
            };
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        for (_, lines) in self.parts {
            lines.finish()?;
        }
        Ok(self.count.into())
    }
}

fn extraction(image: &PageImage, seen: &mut BTreeSet<String>) -> Result<Truth> {
    let mut parse = Map::new();
    let mut groups: BTreeMap<(String, u32), Map<String, Value>> = BTreeMap::new();
    let mut facts = 0;
    for region in image.page.regions() {
        let Some(field) = region.facts::<Field>()? else {
            continue;
        };
        if !seen.insert(region.id) {
            continue;
        }
        facts += 1;
        let item = match field.group {
            Some(group) => groups
                .entry((group, field.group_no.unwrap_or_default()))
                .or_default(),
            None => &mut parse,
        };
        insert(item, region.label, field.value.into());
    }
    for ((group, _), item) in groups {
        match parse.entry(group).or_insert_with(|| json!([])) {
            Value::Array(items) => items.push(item.into()),
            // A field has the name of a group: both are kept.
            other => *other = json!([other.take(), item]),
        }
    }
    Ok(Truth {
        value: json!({ "gt_parse": parse }),
        facts,
    })
}

/// A key that occurs again gets a list of its values.
fn insert(object: &mut Map<String, Value>, key: String, value: Value) {
    match object.get_mut(&key) {
        None => {
            object.insert(key, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = json!([first.take(), value]),
    }
}

fn questions(image: &PageImage, seen: &mut BTreeSet<String>) -> Result<Truth> {
    let mut parses = Vec::new();
    for region in image.page.regions() {
        if let Some(answer) = region.facts::<Answer>()?
            && seen.insert(region.id)
        {
            parses.push(json!({ "question": answer.question, "answer": answer.answer }));
        }
    }
    let facts = parses.len() as u32;
    Ok(Truth {
        value: json!({ "gt_parses": parses }),
        facts,
    })
}

/// How many values there are in all.
fn leaves(value: &Value) -> u32 {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

docgenie_plugin::exporters!(Donut);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    #[track_caller]
    fn check(task: &str, expected: &Value) {
        let params = json!({ "task": task });
        let exported = testing::export::<Donut>(&params, &testing::documents()).unwrap();
        let lines = exported.text("train/metadata.jsonl");
        assert_eq!(lines.lines().count(), 3);
        let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(line["file_name"], "document_1_page_1.png");
        assert!(exported.files.contains_key("train/document_1_page_1.png"));
        let truth: Value = serde_json::from_str(line["ground_truth"].as_str().unwrap()).unwrap();
        assert_eq!(truth, *expected);
    }

    #[test]
    fn what_is_read_from_a_page() {
        let line = json!({ "description": "Paper, A4", "amount": "12.50" });
        check(
            "extraction",
            &json!({ "gt_parse": {
                "invoice_number": "A-17", "seller": "Acme & Söhne", "line_item": [line],
            } }),
        );
        check(
            "questions",
            &json!({ "gt_parses": [{ "question": "What is the number?", "answer": "A-17" }] }),
        );
        check(
            "classification",
            &json!({ "gt_parse": { "class": "invoice" } }),
        );
    }

    #[test]
    fn a_key_may_occur_again() {
        let mut object = Map::new();
        for value in ["a", "b", "c"] {
            insert(&mut object, "key".to_owned(), value.into());
        }
        assert_eq!(Value::from(object), json!({ "key": ["a", "b", "c"] }));
    }
}
