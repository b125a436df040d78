//! Document classification: the class of a document among a set of classes.
//!
//! ```json
//! { "label": "invoice", "label_id": 6, "labels": ["application-form", "bank-statement"], "page_count": 2 }
//! ```
//!
//! `labels` are the same for every document, and `label_id` is the position of `label` among them.

use std::collections::BTreeSet;

use docgenie_plugin::{Document, Failure, GroundTruthFormat, Offer, Problem, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The document types that the engine has templates for.
const TYPES: &str = include_str!("types.txt");

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The classes.
    #[schemars(length(min = 1))]
    labels: Vec<String>,
    /// One of the classes, for documents of types that are none of them; without it such documents
    /// are left out.
    other: Option<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            labels: TYPES.lines().map(str::to_owned).collect(),
            other: None,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Draft {
    /// What kind of document it is, such as `invoice`.
    document_type: String,
}

#[derive(Deserialize, Serialize, PartialEq)]
struct Truth {
    label: String,
    label_id: usize,
    labels: Vec<String>,
    page_count: u32,
}

struct Classification;

impl GroundTruthFormat for Classification {
    type Params = Params;
    type Draft = Draft;
    type Truth = Truth;
    const OFFER: Offer = Offer::new(
        "classification",
        "Classification",
        "The class of a document among a set of classes.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        let mut seen = BTreeSet::new();
        let mut problems = Vec::new();
        for (number, label) in params.labels.iter().enumerate() {
            let name = plain(label);
            let message = if name.is_empty() {
                "a class needs a name"
            } else if !seen.insert(name) {
                "it is there twice"
            } else {
                continue;
            };
            problems.push(Problem::new(format!("/labels/{number}"), message));
        }
        let other = params.other.as_ref();
        if let Some(other) = other.filter(|other| !params.labels.contains(other)) {
            let message = format!("`{other}` is none of the classes");
            problems.push(Problem::new("/other", message).hint("add it to `labels`"));
        }
        problems
    }

    fn instructions(params: &Params) -> Result<String> {
        Ok(format!(
            "Say what kind of document it is as `document_type`, one of: {}.",
            params.labels.join(", ")
        ))
    }

    fn build(params: &Params, draft: Draft, document: &Document) -> Result<Truth> {
        let label_id = class(params, &draft.document_type).ok_or_else(|| {
            let reason = format!(
                "its type, `{}`, is none of the classes",
                draft.document_type
            );
            Failure::unsuitable(reason)
        })?;
        Ok(Truth {
            label: params.labels[label_id].clone(),
            label_id,
            labels: params.labels.clone(),
            page_count: document.page_count(),
        })
    }

    fn verify(params: &Params, truth: &Truth, document: &Document) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        if truth.labels != params.labels {
            let message = format!("they are not {:?}", params.labels);
            problems.push(Problem::new("/labels", message));
        }
        if truth.labels.get(truth.label_id) != Some(&truth.label) {
            let message = format!("it is not the position of `{}` in `labels`", truth.label);
            problems.push(Problem::new("/label_id", message));
        }
        let kind = document.kind();
        let is = class(params, &kind).and_then(|at| params.labels.get(at));
        if !kind.is_empty() && is != Some(&truth.label) {
            let message = format!("the document is of the type `{kind}`");
            problems.push(Problem::new("/label", message));
        }
        let pages = document.page_count();
        if truth.page_count != pages {
            let message = format!("the document has {pages} pages");
            problems.push(Problem::new("/page_count", message));
        }
        Ok(problems)
    }
}

/// The position of the class that a document type is in.
fn class(params: &Params, document_type: &str) -> Option<usize> {
    let wanted = plain(document_type);
    let named = params
        .labels
        .iter()
        .position(|label| plain(label) == wanted);
    let other = || {
        params
            .labels
            .iter()
            .position(|label| params.other.as_ref() == Some(label))
    };
    named.or_else(other)
}

/// A name without regard to case and to what joins its words.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower
        .split(|it: char| !it.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

docgenie_plugin::ground_truth_formats!(Classification);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::{Value, json};

    use super::*;

    fn invoice() -> Document {
        testing::documents().remove(0)
    }

    fn build(params: &Value, document_type: &str) -> Result<Value> {
        let draft = json!({ "document_type": document_type, "fields": [] });
        testing::build::<Classification>(params, &draft, &invoice())
    }

    fn verify(truth: &Value) -> Vec<String> {
        testing::verify::<Classification>(&json!({}), truth, &invoice()).unwrap()
    }

    #[test]
    fn a_document_has_a_class() {
        let truth = build(&json!({}), "Invoice").unwrap();
        assert_eq!(
            (&truth["label"], &truth["page_count"]),
            (&json!("invoice"), &json!(2))
        );
        assert_eq!(
            truth["labels"][truth["label_id"].as_u64().unwrap() as usize],
            "invoice"
        );
        assert_eq!(truth["labels"][0], "application-form");
        assert!(verify(&truth).is_empty());
    }

    #[test]
    fn other_types() {
        let params = json!({ "labels": ["Tax form", "rest"], "other": "rest" });
        assert_eq!(build(&params, "tax_form").unwrap()["label_id"], 0);
        assert_eq!(build(&params, "invoice").unwrap()["label"], "rest");
        assert_eq!(
            build(&json!({ "labels": ["receipt"] }), "poem"),
            Err(Failure::unsuitable(
                "its type, `poem`, is none of the classes"
            ))
        );
    }

    #[test]
    fn what_is_untrue_is_found() {
        let good = build(&json!({}), "invoice").unwrap();
        let change = |key: &str, value: Value| {
            let mut truth = good.clone();
            truth[key] = value;
            verify(&truth)
        };
        assert_eq!(change("label", json!("receipt")).len(), 2);
        assert_eq!(
            verify(&build(&json!({}), "receipt").unwrap()),
            ["/label: the document is of the type `invoice`"]
        );
        assert_eq!(
            change("label_id", json!(99)),
            ["/label_id: it is not the position of `invoice` in `labels`"]
        );
        assert_eq!(
            change("page_count", json!(1)),
            ["/page_count: the document has 2 pages"]
        );
        assert_eq!(change("labels", json!(["invoice"])).len(), 2);
        assert_eq!(change("labels", json!(1)).len(), 1);
    }

    #[test]
    fn params_are_checked() {
        for params in [
            json!({ "labels": ["a", "A "] }),
            json!({ "labels": ["!"] }),
            json!({ "labels": ["a"], "other": "b" }),
            json!({ "lables": [] }),
        ] {
            assert!(
                matches!(build(&params, "a"), Err(Failure::BadParams(_))),
                "{params}"
            );
        }
        let failed = testing::build::<Classification>(&json!({}), &json!({}), &invoice());
        assert!(matches!(failed, Err(Failure::Unsuitable(_))), "{failed:?}");
        assert!(matches!(build(&json!({}), ""), Err(Failure::Unsuitable(_))));
    }
}
