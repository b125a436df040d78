//! Layout analysis: the regions of a document in reading order.
//!
//! ```json
//! {
//!   "labels": ["title", "heading", "paragraph"],
//!   "regions": [{
//!     "id": "layout-1", "label": "paragraph", "label_id": 2, "order": 1, "parent": "layout-0",
//!     "places": [{ "page": 0, "bbox": [50.0, 40.0, 130.0, 60.0], "words": [0, 1] }]
//!   }]
//! }
//! ```
//!
//! `labels` are the same for every document, and `label_id` is the position of `label` among them.
//! `order` is the place in the reading order of the document; `parent` is the region around it, if
//! any. Of `places` there is one for each page that a region reaches, pages from 0: its box is left,
//! top, right, bottom in points with the origin at the top left of the page, its words are positions
//! among the words of that page.

use std::collections::{BTreeMap, BTreeSet};

use docgenie_plugin::{
    Document, Failure, GroundTruthFormat, Offer, Pages, Place, Problem, Result,
    facts::{LAYOUT, Layout},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// Whose classes the regions have.
    classes: Classes,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Classes {
    /// The engine's own, such as `paragraph` and `key-value`.
    #[default]
    Docgenie,
    /// The eleven of DocLayNet.
    DocLayNet,
    /// The five of PubLayNet, which knows no headers and footers: those are left out.
    PubLayNet,
}

/// Regions are marked where they stand, so that nothing more needs to be said of them.
#[derive(Deserialize, JsonSchema)]
struct Draft {}

#[derive(Deserialize, Serialize)]
struct Truth {
    labels: Vec<String>,
    regions: Vec<Region>,
}

#[derive(Deserialize, Serialize)]
struct Region {
    id: String,
    label: String,
    label_id: usize,
    order: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    places: Vec<Place>,
}

struct LayoutFormat;

impl GroundTruthFormat for LayoutFormat {
    type Params = Params;
    type Draft = Draft;
    type Truth = Truth;
    const OFFER: Offer = Offer::new(
        "layout",
        "Layout",
        "Regions in reading order, with the classes of DocLayNet or PubLayNet on request.",
    );

    fn instructions(_: &Params) -> Result<String> {
        Ok(format!(
            "Mark every part of the page in the HTML with `data-region` and one of: {}. Parts may be nested, and \
             their order in the HTML is the reading order.",
            LAYOUT.join(", ")
        ))
    }

    fn build(params: &Params, _: Draft, document: &Document) -> Result<Truth> {
        let labels = params.classes.labels();
        let mut marked = Pages::of(document).marked::<Layout>()?;
        marked.sort_by_key(|region| region.facts.order);
        // Of each region the nearest one around it that is kept, itself included.
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        let mut regions = Vec::new();
        for region in marked {
            let parent = region.facts.parent.and_then(|it| kept.get(&it).cloned());
            let label = params.classes.label(&region.label);
            let Some(label_id) = labels.iter().position(|it| Some(*it) == label) else {
                kept.extend(parent.map(|parent| (region.id, parent)));
                continue;
            };
            kept.insert(region.id.clone(), region.id.clone());
            regions.push(Region {
                id: region.id,
                label: labels[label_id].to_owned(),
                label_id,
                order: region.facts.order,
                parent,
                places: region.places,
            });
        }
        if regions.is_empty() {
            return Err(Failure::unsuitable("it has no marked regions"));
        }
        Ok(Truth {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            regions,
        })
    }

    fn verify(params: &Params, truth: &Truth, document: &Document) -> Result<Vec<Problem>> {
        let pages = Pages::of(document);
        let mut problems = Vec::new();
        if truth.labels != params.classes.labels() {
            let message = format!("they are not {:?}", params.classes.labels());
            problems.push(Problem::new("/labels", message));
        }
        let mut before = BTreeSet::new();
        let mut order = None;
        for (number, region) in truth.regions.iter().enumerate() {
            let mut wrong = |key: &str, message: String| {
                problems.push(Problem::new(format!("/regions/{number}/{key}"), message));
            };
            if truth.labels.get(region.label_id) != Some(&region.label) {
                let message = format!("it is not the position of `{}` in `labels`", region.label);
                wrong("label_id", message);
            }
            if order.is_some_and(|order| order >= region.order) {
                wrong("order", "it comes after the region before".to_owned());
            }
            order = Some(region.order);
            let parent = region.parent.as_ref();
            if let Some(parent) = parent.filter(|parent| !before.contains(parent)) {
                wrong("parent", format!("no region before it is `{parent}`"));
            }
            if !before.insert(&region.id) {
                let message = format!("`{}` is the id of another region", region.id);
                wrong("id", message);
            }
            if region.places.is_empty() {
                wrong("places", "it stands nowhere".to_owned());
            }
            problems.extend(pages.check(&region.places, &format!("/regions/{number}/places")));
        }
        Ok(problems)
    }
}

impl Classes {
    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Docgenie => LAYOUT,
            Self::DocLayNet => &[
                "Caption",
                "Footnote",
                "Formula",
                "List-item",
                "Page-footer",
                "Page-header",
                "Picture",
                "Section-header",
                "Table",
                "Text",
                "Title",
            ],
            Self::PubLayNet => &["text", "title", "list", "table", "figure"],
        }
    }

    /// What a region with one of the engine's labels is called; `None` where it has no class.
    fn label(self, label: &str) -> Option<&str> {
        let (doclaynet, publaynet) = match label {
            "title" => ("Title", Some("title")),
            "heading" => ("Section-header", Some("title")),
            "paragraph" | "key-value" | "address" | "form" | "total" => ("Text", Some("text")),
            "list" => ("List-item", Some("list")),
            "table" => ("Table", Some("table")),
            "figure" | "signature" | "logo" | "stamp" | "barcode" | "photo" => {
                ("Picture", Some("figure"))
            }
            "caption" => ("Caption", Some("text")),
            "footnote" => ("Footnote", Some("text")),
            "formula" => ("Formula", Some("text")),
            "header" => ("Page-header", None),
            "footer" | "page-number" => ("Page-footer", None),
            _ => return None,
        };
        match self {
            Self::Docgenie => Some(label),
            Self::DocLayNet => Some(doclaynet),
            Self::PubLayNet => publaynet,
        }
    }
}

docgenie_plugin::ground_truth_formats!(LayoutFormat);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing::{self, page, region, word};
    use serde_json::{Value, json};

    use super::*;

    fn invoice() -> Document {
        testing::documents().remove(0)
    }

    fn build(params: &Value, document: &Document) -> Result<Value> {
        testing::build::<LayoutFormat>(params, &json!({ "fields": [] }), document)
    }

    fn verify(truth: &Value) -> Vec<String> {
        testing::verify::<LayoutFormat>(&json!({}), truth, &invoice()).unwrap()
    }

    #[test]
    fn regions_stand_in_reading_order() {
        let truth = build(&json!({}), &invoice()).unwrap();
        let regions = truth["regions"].as_array().unwrap();
        let labels: Vec<_> = regions.iter().map(|it| &it["label"]).collect();
        assert_eq!(labels, ["title", "key-value", "table", "paragraph"]);
        assert_eq!(
            regions[3],
            json!({
                "id": "layout-3", "label": "paragraph", "label_id": 2, "order": 3,
                "places": [{ "page": 1, "bbox": [460.0, 60.0, 540.0, 72.0], "words": [0, 1] }],
            })
        );
        assert!(verify(&truth).is_empty());
    }

    #[test]
    fn every_label_has_a_class_of_others() {
        for label in LAYOUT {
            for classes in [Classes::DocLayNet, Classes::PubLayNet] {
                let class = classes.label(label);
                assert!(
                    class.is_none_or(|it| classes.labels().contains(&it)),
                    "{label}"
                );
            }
            assert!(Classes::DocLayNet.label(label).is_some(), "{label}");
        }
    }

    #[test]
    fn what_is_left_out_hands_its_parent_on() {
        let part = |id: &str, label: &str, facts: Value| {
            region(id, "layout", label, [0.0, 0.0, 9.0, 9.0], &[]).with(&facts)
        };
        let document = Document {
            pages: vec![page(
                vec![word("a", [0.0, 0.0, 9.0, 9.0], 0, 0)],
                vec![
                    part("c", "title", json!({ "order": 2, "parent": "b" })),
                    part("a", "form", json!({ "order": 0 })),
                    part("b", "header", json!({ "order": 1, "parent": "a" })),
                    part("d", "figure", json!({ "order": 3, "parent": "gone" })),
                ],
            )],
            ..Document::default()
        };
        let truth = build(&json!({ "classes": "publaynet" }), &document).unwrap();
        let regions = truth["regions"].as_array().unwrap();
        let said: Vec<_> = regions
            .iter()
            .map(|it| (&it["id"], &it["label"], &it["parent"]))
            .collect();
        let (a, c, d) = (json!("a"), json!("c"), json!("d"));
        let (text, title, figure) = (json!("text"), json!("title"), json!("figure"));
        let none = Value::Null;
        assert_eq!(
            said,
            [(&a, &text, &none), (&c, &title, &a), (&d, &figure, &none)]
        );
    }

    #[test]
    fn what_is_untrue_is_found() {
        let good = build(&json!({}), &invoice()).unwrap();
        let change = |pointer: &str, value: Value| {
            let mut truth = good.clone();
            *truth.pointer_mut(pointer).unwrap() = value;
            verify(&truth)
        };
        assert_eq!(
            change("/regions/0/label", json!("stamp")),
            ["/regions/0/label_id: it is not the position of `stamp` in `labels`"]
        );
        assert_eq!(
            change("/regions/1/order", json!(0)),
            ["/regions/1/order: it comes after the region before"]
        );
        assert_eq!(
            change("/regions/1/id", json!("layout-0")),
            ["/regions/1/id: `layout-0` is the id of another region"]
        );
        assert_eq!(
            change("/regions/0/places", json!([])),
            ["/regions/0/places: it stands nowhere"]
        );
        assert_eq!(change("/regions/0/places/0/bbox/3", json!(900.0)).len(), 1);
        assert_eq!(change("/regions/0/places/0/words", json!([10])).len(), 1);
        assert_eq!(change("/labels", json!([])).len(), 5);
        let mut truth = good.clone();
        truth["regions"][0]["parent"] = json!("layout-2");
        assert_eq!(
            verify(&truth),
            ["/regions/0/parent: no region before it is `layout-2`"]
        );
    }

    #[test]
    fn a_document_without_regions_is_left_out() {
        let empty = &testing::documents()[1];
        let reason = Err(Failure::unsuitable("it has no marked regions"));
        assert_eq!(build(&json!({}), empty), reason);
        let failed = testing::build::<LayoutFormat>(&json!({}), &json!(["x"]), &invoice());
        assert!(matches!(failed, Err(Failure::Unsuitable(_))), "{failed:?}");
    }
}
