//! Key information extraction: the fields of a document as one nested JSON, which is what models
//! such as Donut learn to read, and as a flat list with their places.
//!
//! ```json
//! {
//!   "gt_parse": { "invoice_number": "A-17", "line_item": [{ "description": "Paper", "amount": "12,50 €" }] },
//!   "fields": [
//!     { "name": "invoice_number", "value": "A-17",
//!       "places": [{ "page": 0, "bbox": [80.0, 100.0, 110.0, 112.0], "words": [2] }] },
//!     { "name": "amount", "value": "12,50 €", "normalised": "12.50", "group": ["line_item", 0], "places": [] }
//!   ]
//! }
//! ```
//!
//! The fields of a group, such as the lines of an invoice, are a list in `gt_parse`; a name that
//! occurs again has a list of its values. Pages count from 0; boxes are left, top, right, bottom in
//! points with the origin at the top left of the page, one for each page that a value reaches; words
//! are positions among the words of that page. A value that stands nowhere has no places.

use std::collections::BTreeMap;

use docgenie_plugin::{
    Document, Failure, GroundTruthFormat, Marked, Offer, Pages, Place, Problem, Result,
    facts::Field,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// Names of the fields to extract, such as `invoice_number`; all that there are if empty.
    fields: Vec<String>,
    /// Which form of a value `gt_parse` has.
    values: Form,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// As it stands in the document.
    #[default]
    Verbatim,
    /// In a machine's form, such as an ISO date, where it has one.
    Normalised,
}

#[derive(Deserialize, JsonSchema)]
struct Draft {
    /// The values to extract, in the order of the document.
    fields: Vec<Drafted>,
}

#[derive(Deserialize, JsonSchema)]
struct Drafted {
    /// In snake case, such as `invoice_number`.
    name: String,
    /// Verbatim as it stands in the document.
    value: String,
    /// In a machine's form, where that differs: an ISO date, a plain decimal.
    #[serde(default)]
    normalised: Option<String>,
    /// For what comes more than once, such as the lines of an invoice: the name of such an item and
    /// its number, from 0.
    #[serde(default)]
    group: Option<(String, u32)>,
}

#[derive(Deserialize, Serialize)]
struct Truth {
    gt_parse: Map<String, Value>,
    fields: Vec<Item>,
}

#[derive(Deserialize, Serialize)]
struct Item {
    name: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalised: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<(String, u32)>,
    places: Vec<Place>,
}

struct Kie;

impl GroundTruthFormat for Kie {
    type Params = Params;
    type Draft = Draft;
    type Truth = Truth;
    const OFFER: Offer = Offer::new(
        "kie",
        "Key information",
        "The fields of a document as nested JSON, and where each stands.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        let empty = params.fields.iter().position(|name| name.trim().is_empty());
        let problem = empty.map(|at| Problem::new(format!("/fields/{at}"), "a field needs a name"));
        problem.into_iter().collect()
    }

    fn instructions(params: &Params) -> Result<String> {
        let which = if params.fields.is_empty() {
            "every value that someone would want to extract from such a document".to_owned()
        } else {
            format!(
                "the values of these fields, where the document has them: {}",
                params.fields.join(", ")
            )
        };
        Ok(format!(
            "List {which} as `fields`, each with its `name` in snake case and its `value` exactly as it stands in \
             the document. Fields of the same line of a table or list share a `group`, such as [\"line_item\", 0] \
             for the first line. Give `normalised` for dates (2024-03-01) and amounts (12.50)."
        ))
    }

    fn build(params: &Params, draft: Draft, document: &Document) -> Result<Truth> {
        let pages = Pages::of(document);
        let marked = pages.marked::<Field>()?;
        let mut fields = if draft.fields.is_empty() {
            marked.into_iter().map(Item::from).collect()
        } else {
            tied(draft.fields, marked, &pages)
        };
        fields.retain(|field| params.fields.is_empty() || params.fields.contains(&field.name));
        if fields.is_empty() {
            return Err(Failure::unsuitable("it has no fields"));
        }
        Ok(Truth {
            gt_parse: nested(&fields, params.values),
            fields,
        })
    }

    fn verify(params: &Params, truth: &Truth, document: &Document) -> Result<Vec<Problem>> {
        let pages = Pages::of(document);
        let mut problems = Vec::new();
        for (number, field) in truth.fields.iter().enumerate() {
            let at = |key: &str| format!("/fields/{number}/{key}");
            if field.name.trim().is_empty() {
                problems.push(Problem::new(at("name"), "the field has no name"));
            }
            problems.extend(pages.check_text(&field.value, &field.places, &at("value")));
            problems.extend(pages.check(&field.places, &at("places")));
        }
        if truth.gt_parse != nested(&truth.fields, params.values) {
            let message = "it does not hold what `fields` say";
            problems.push(Problem::new("/gt_parse", message));
        }
        Ok(problems)
    }
}

impl From<Marked<Field>> for Item {
    fn from(marked: Marked<Field>) -> Self {
        let Field {
            value,
            normalised,
            group,
            group_no,
        } = marked.facts;
        Self {
            name: marked.label,
            value,
            normalised,
            group: group.map(|group| (group, group_no.unwrap_or_default())),
            places: marked.places,
        }
    }
}

/// The drafted fields with the places of those marks that mean them; the others are looked for, a
/// value that comes again where it stands next.
fn tied(drafted: Vec<Drafted>, marked: Vec<Marked<Field>>, pages: &Pages) -> Vec<Item> {
    let mut marks: Vec<Item> = marked.into_iter().map(Item::from).collect();
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let tie = |field: Drafted| {
        let same_value = |at: &usize| marks[*at].value == field.value;
        let likeness = |at: &usize| {
            let mark = &marks[*at];
            let same_name = mark.name == field.name;
            (same_name && mark.group == field.group, same_name)
        };
        // Backwards, since of equals the last would be taken.
        let best = (0..marks.len())
            .rev()
            .filter(same_value)
            .max_by_key(likeness);
        let (normalised, places) = if let Some(best) = best {
            let mark = marks.remove(best);
            (mark.normalised, mark.places)
        } else {
            let found = pages.find(&field.value);
            let times = met.entry(field.value.clone()).or_default();
            let next = (*times).min(found.len().saturating_sub(1));
            *times += 1;
            (None, found.into_iter().skip(next).take(1).collect())
        };
        Item {
            name: field.name,
            normalised: field.normalised.or(normalised),
            value: field.value,
            group: field.group,
            places,
        }
    };
    drafted.into_iter().map(tie).collect()
}

/// Fields by name, those of a group as a list of its items.
fn nested(fields: &[Item], form: Form) -> Map<String, Value> {
    let mut parse = Map::new();
    let mut groups: BTreeMap<(&str, u32), Map<String, Value>> = BTreeMap::new();
    for field in fields {
        let value = match &field.normalised {
            Some(normalised) if form == Form::Normalised => normalised,
            _ => &field.value,
        };
        let object = match &field.group {
            Some((group, number)) => {
                parse.entry(group.clone()).or_insert_with(|| json!([]));
                groups.entry((group, *number)).or_default()
            }
            None => &mut parse,
        };
        insert(object, &field.name, value.clone().into());
    }
    for ((group, _), item) in groups {
        insert(&mut parse, group, item.into());
    }
    parse
}

/// A name that occurs again has a list of its values.
fn insert(object: &mut Map<String, Value>, name: &str, value: Value) {
    match object.get_mut(name) {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = json!([first.take(), value]),
    }
}

docgenie_plugin::ground_truth_formats!(Kie);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    fn invoice() -> Document {
        testing::documents().remove(0)
    }

    fn build(params: &Value, draft: &Value) -> Value {
        testing::build::<Kie>(params, draft, &invoice()).unwrap()
    }

    fn verify(truth: &Value) -> Vec<String> {
        testing::verify::<Kie>(&json!({}), truth, &invoice()).unwrap()
    }

    #[test]
    fn fields_are_tied_to_the_document() {
        let draft = invoice().ground_truth("docgenie").unwrap();
        let truth = build(&json!({}), &serde_json::from_str(&draft).unwrap());
        let line = json!({ "description": "Paper, A4", "amount": "12.50" });
        assert_eq!(
            truth["gt_parse"],
            json!({ "invoice_number": "A-17", "seller": "Acme & Söhne", "line_item": [line] })
        );
        assert_eq!(
            truth["fields"][2],
            json!({
                "name": "description", "value": "Paper, A4", "group": ["line_item", 0],
                "places": [{ "page": 0, "bbox": [50.0, 220.0, 110.0, 232.0], "words": [8, 9] }],
            })
        );
        assert!(verify(&truth).is_empty());
        assert_eq!(build(&json!({}), &json!({ "fields": [] })), truth);
    }

    #[test]
    fn what_only_a_draft_says_is_looked_for() {
        let draft = json!({ "fields": [
            { "name": "title", "value": "Invoice" },
            { "name": "number", "value": "A-17", "normalised": "17" },
            { "name": "paper", "value": "A4", "group": ["sheet", 1] },
            { "name": "paper", "value": "A3", "group": ["sheet", 0] },
        ] });
        let truth = build(&json!({}), &draft);
        let words = |number: usize| truth["fields"][number]["places"][0]["words"].clone();
        assert_eq!(
            [words(0), words(1), words(2)],
            [json!([0]), json!([2]), json!([9])]
        );
        assert_eq!(
            truth["gt_parse"]["sheet"],
            json!([{ "paper": "A3" }, { "paper": "A4" }])
        );
        assert_eq!(
            verify(&truth),
            ["/fields/3/value: `A3` does not stand in the document"]
        );

        let params = json!({ "fields": ["number"], "values": "normalised" });
        assert_eq!(
            build(&params, &draft)["gt_parse"],
            json!({ "number": "17" })
        );
    }

    #[test]
    fn names_may_occur_again() {
        let fields = [
            ("a", None),
            ("a", None),
            ("b", Some(0)),
            ("b", Some(0)),
            ("x", None),
        ];
        let fields = fields.map(|(name, group)| Item {
            name: name.to_owned(),
            value: "1".to_owned(),
            normalised: None,
            group: group.map(|number| ("x".to_owned(), number)),
            places: Vec::new(),
        });
        assert_eq!(
            Value::Object(nested(&fields, Form::Verbatim)),
            json!({ "a": ["1", "1"], "x": ["1", { "b": ["1", "1"] }] })
        );
    }

    #[test]
    fn what_is_untrue_is_found() {
        let good = build(&json!({}), &json!({ "fields": [] }));
        let change = |pointer: &str, value: Value| {
            let mut truth = good.clone();
            *truth.pointer_mut(pointer).unwrap() = value;
            verify(&truth)
        };
        assert_eq!(
            change("/gt_parse/seller", json!("Other")),
            ["/gt_parse: it does not hold what `fields` say"]
        );
        assert_eq!(change("/fields/0/value", json!("A-18")).len(), 2);
        assert_eq!(change("/fields/0/name", json!("")).len(), 2);
        assert_eq!(change("/fields/1/places/0/bbox/0", json!(-5.0)).len(), 1);
        assert_eq!(change("/fields/1/places/0/words", json!([0])).len(), 2);
        assert_eq!(change("/fields/1/places/0/page", json!(2)).len(), 2);
        assert_eq!(change("/fields", json!(3)).len(), 1);
    }

    #[test]
    fn hostile_drafts_leave_the_document_out() {
        let empty = &testing::documents()[1];
        for draft in [
            json!({ "fields": [] }),
            json!({ "fields": [{ "name": "a" }] }),
            json!({ "fields": [{ "name": "a", "value": "b", "group": ["g", -1] }] }),
            json!(null),
        ] {
            let failed = testing::build::<Kie>(&json!({}), &draft, empty);
            assert!(matches!(failed, Err(Failure::Unsuitable(_))), "{failed:?}");
        }
        let failed = testing::build::<Kie>(&json!({ "fields": [""] }), &json!({}), empty);
        assert!(matches!(failed, Err(Failure::BadParams(_))), "{failed:?}");
    }
}
