//! Named entity recognition: the words of each page with their boxes and BIO tags, and the entities.
//!
//! ```json
//! {
//!   "labels": ["O", "B-PERSON", "I-PERSON", "B-ORG", "I-ORG"],
//!   "pages": [{
//!     "page": 0,
//!     "tokens": ["Acme", "Ltd"],
//!     "bboxes": [[50.0, 120.0, 80.0, 132.0], [84.0, 120.0, 104.0, 132.0]],
//!     "tags": ["B-ORG", "I-ORG"]
//!   }],
//!   "entities": [{
//!     "label": "ORG", "text": "Acme Ltd",
//!     "places": [{ "page": 0, "bbox": [50.0, 120.0, 104.0, 132.0], "words": [0, 1] }]
//!   }]
//! }
//! ```
//!
//! `labels` are the same for every document, so that a tag's position in it is its number. Pages
//! count from 0; boxes are left, top, right, bottom in points with the origin at the top left of the
//! page. A page's tokens are all its words, in reading order. Where entities share a word, the
//! outer or longer one has the tag. Each page is a sequence of its own, and so is what follows a gap.

use std::{cmp::Reverse, collections::BTreeSet};

use docgenie_plugin::{
    Document, Failure, GroundTruthFormat, Offer, Pages, Place, Problem, Result,
    facts::{ENTITIES, Entity},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The labels; entities that have others are left out.
    labels: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            labels: ENTITIES.iter().map(|label| (*label).to_owned()).collect(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Draft {
    /// The named entities of the document.
    entities: Vec<Drafted>,
}

#[derive(Deserialize, JsonSchema)]
struct Drafted {
    /// One of the labels.
    label: String,
    /// Verbatim as it stands in the document.
    text: String,
}

#[derive(Deserialize, Serialize)]
struct Truth {
    labels: Vec<String>,
    pages: Vec<Sequence>,
    entities: Vec<Named>,
}

#[derive(Deserialize, Serialize)]
struct Sequence {
    page: u32,
    tokens: Vec<String>,
    bboxes: Vec<[f64; 4]>,
    tags: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct Named {
    label: String,
    text: String,
    places: Vec<Place>,
}

struct NerBio;

const OUTSIDE: &str = "O";

impl GroundTruthFormat for NerBio {
    type Params = Params;
    type Draft = Draft;
    type Truth = Truth;
    const OFFER: Offer = Offer::new(
        "ner-bio",
        "Named entities",
        "Words with boxes and BIO tags of named entities.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        let mut seen = BTreeSet::new();
        let mut problems = Vec::new();
        for (number, label) in params.labels.iter().enumerate() {
            let message = if label.trim().is_empty() {
                "a label needs a name"
            } else if !seen.insert(label.to_lowercase()) {
                "it is there twice"
            } else {
                continue;
            };
            problems.push(Problem::new(format!("/labels/{number}"), message));
        }
        problems
    }

    fn instructions(params: &Params) -> Result<String> {
        Ok(format!(
            "List the named entities of the document as `entities`, each text once, with a `label` out of {} and its \
             `text` exactly as it stands in the document.",
            params.labels.join(", ")
        ))
    }

    fn build(params: &Params, draft: Draft, document: &Document) -> Result<Truth> {
        let pages = Pages::of(document);
        let mut sequences: Vec<Sequence> = (0..)
            .zip(pages.iter())
            .map(|(number, page)| Sequence {
                page: number,
                tokens: page.words.iter().map(|word| word.text.clone()).collect(),
                bboxes: bboxes(&pages, number),
                tags: vec![OUTSIDE.to_owned(); page.words.len()],
            })
            .collect();
        if sequences.iter().all(|page| page.tokens.is_empty()) {
            return Err(Failure::unsuitable("it has no words"));
        }
        let known = |label: &str| {
            let known = params.labels.iter();
            known
                .clone()
                .find(|it| it.eq_ignore_ascii_case(label))
                .cloned()
        };
        let mut entities = Vec::new();
        let mut marks = BTreeSet::new();
        for marked in pages.marked::<Entity>()? {
            let Some(label) = known(&marked.label) else {
                continue;
            };
            for place in &marked.places {
                tag(&mut sequences, place, &label);
            }
            marks.insert((label.clone(), marked.facts.text.clone()));
            entities.push(Named {
                label,
                text: marked.facts.text,
                places: marked.places,
            });
        }
        // What is not marked counts wherever it stands; the longest first, so that no part of a name
        // takes its words.
        let mut drafted: Vec<_> = draft.entities.into_iter().collect();
        drafted.sort_by_key(|entity| Reverse(entity.text.chars().count()));
        for Drafted { label, text } in drafted {
            let Some(label) = known(&label) else {
                continue;
            };
            if !marks.insert((label.clone(), text.clone())) {
                continue;
            }
            let found = pages.find(&text);
            let found_at_all = !found.is_empty();
            let free = found.into_iter().filter(|place| is_free(&sequences, place));
            let places: Vec<_> = free.collect();
            for place in &places {
                tag(&mut sequences, place, &label);
            }
            // What stands within longer entities only is part of those.
            if !places.is_empty() || !found_at_all {
                entities.push(Named {
                    label,
                    text,
                    places,
                });
            }
        }
        Ok(Truth {
            labels: tags(params),
            pages: sequences,
            entities,
        })
    }

    fn verify(params: &Params, truth: &Truth, document: &Document) -> Result<Vec<Problem>> {
        let pages = Pages::of(document);
        let mut problems = Vec::new();
        let labels = tags(params);
        if truth.labels != labels {
            problems.push(Problem::new("/labels", format!("they are not {labels:?}")));
        }
        let (said, there) = (truth.pages.len(), pages.iter().count());
        if said != there {
            let message = format!("there are {said} pages, but the document has {there}");
            problems.push(Problem::new("/pages", message));
        }
        for (number, sequence) in (0..).zip(&truth.pages) {
            problems.extend(check_sequence(sequence, number, &labels, &pages));
        }
        for (number, entity) in truth.entities.iter().enumerate() {
            let at = |key: &str| format!("/entities/{number}/{key}");
            if !labels.contains(&format!("B-{}", entity.label)) {
                let message = format!("`{}` is none of the labels", entity.label);
                problems.push(Problem::new(at("label"), message));
            }
            problems.extend(pages.check_text(&entity.text, &entity.places, &at("text")));
            problems.extend(pages.check(&entity.places, &at("places")));
            let mut places = entity.places.iter();
            if !places.all(|place| is_tagged(&truth.pages, place)) {
                problems.push(Problem::new(at("places"), "a word of it has no tag"));
            }
        }
        Ok(problems)
    }
}

/// `O`, and `B-` and `I-` of each label.
fn tags(params: &Params) -> Vec<String> {
    let mut tags = vec![OUTSIDE.to_owned()];
    for label in &params.labels {
        tags.extend([format!("B-{label}"), format!("I-{label}")]);
    }
    tags
}

fn bboxes(pages: &Pages, number: u32) -> Vec<[f64; 4]> {
    let words = pages.get(number).into_iter().flat_map(|page| &page.words);
    words
        .map(|word| Place::new(number, &word.bounds, Vec::new()).bbox)
        .collect()
}

/// Tags the words of a place that have no tag yet.
fn tag(sequences: &mut [Sequence], place: &Place, label: &str) {
    let Some(sequence) = sequences.get_mut(place.page as usize) else {
        return;
    };
    let mut next = None;
    for word in &place.words {
        let Some(tag) = sequence.tags.get_mut(*word as usize) else {
            continue;
        };
        if tag != OUTSIDE {
            continue;
        }
        let prefix = if next == Some(*word) { "I" } else { "B" };
        *tag = format!("{prefix}-{label}");
        next = word.checked_add(1);
    }
}

/// The tag of each word of a place; none where there is no such word.
fn tags_at<'a>(
    sequences: &'a [Sequence],
    place: &'a Place,
) -> impl Iterator<Item = Option<&'a String>> {
    let sequence = sequences.get(place.page as usize);
    let words = place.words.iter();
    words.map(move |word| sequence?.tags.get(*word as usize))
}

fn is_free(sequences: &[Sequence], place: &Place) -> bool {
    tags_at(sequences, place).all(|tag| tag.is_some_and(|tag| tag == OUTSIDE))
}

fn is_tagged(sequences: &[Sequence], place: &Place) -> bool {
    tags_at(sequences, place).all(|tag| tag.is_some_and(|tag| tag != OUTSIDE))
}

fn check_sequence(
    sequence: &Sequence,
    number: u32,
    labels: &[String],
    pages: &Pages,
) -> Vec<Problem> {
    let at = |key: &str| format!("/pages/{number}/{key}");
    let mut problems = Vec::new();
    if sequence.page != number {
        let message = format!("it is page {number}");
        problems.push(Problem::new(at("page"), message));
    }
    let words = pages.get(number).map(|page| page.words.as_slice());
    let words = words.unwrap_or_default();
    if !sequence
        .tokens
        .iter()
        .eq(words.iter().map(|word| &word.text))
    {
        problems.push(Problem::new(
            at("tokens"),
            "they are not the words of the page",
        ));
    }
    if sequence.bboxes != bboxes(pages, number) {
        problems.push(Problem::new(
            at("bboxes"),
            "they are not those of the words",
        ));
    }
    let (tags, tokens) = (sequence.tags.len(), sequence.tokens.len());
    if tags != tokens {
        let message = format!("there are {tags} for {tokens} tokens");
        problems.push(Problem::new(at("tags"), message));
    }
    let mut before = OUTSIDE;
    for (position, tag) in sequence.tags.iter().enumerate() {
        let follows = |label: &str| before.get(2..) == Some(label);
        let message = match tag.strip_prefix("I-") {
            _ if !labels.contains(tag) => format!("`{tag}` is none of the labels"),
            Some(label) if !follows(label) => format!("`{tag}` follows `{before}`"),
            _ => String::new(),
        };
        if !message.is_empty() {
            problems.push(Problem::new(at(&format!("tags/{position}")), message));
        }
        before = tag;
    }
    problems
}

docgenie_plugin::ground_truth_formats!(NerBio);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::{Value, json};

    use super::*;

    fn invoice() -> Document {
        testing::documents().remove(0)
    }

    fn build(params: &Value, draft: &Value) -> Value {
        testing::build::<NerBio>(params, draft, &invoice()).unwrap()
    }

    fn verify(truth: &Value) -> Vec<String> {
        testing::verify::<NerBio>(&json!({}), truth, &invoice()).unwrap()
    }

    #[test]
    fn words_are_tagged() {
        let draft = invoice().ground_truth("docgenie").unwrap();
        let truth = build(&json!({}), &serde_json::from_str(&draft).unwrap());
        let page = &truth["pages"][0];
        assert_eq!(page["tokens"][3], "Acme");
        assert_eq!(page["bboxes"][3], json!([50.0, 120.0, 80.0, 132.0]));
        let tags = json!([
            "O", "O", "O", "B-ORG", "I-ORG", "I-ORG", "O", "O", "O", "O", "O"
        ]);
        assert_eq!(page["tags"], tags);
        assert_eq!(
            truth["labels"].as_array().unwrap().len(),
            1 + 2 * ENTITIES.len()
        );
        assert_eq!(truth["entities"].as_array().unwrap().len(), 1);
        assert_eq!(truth["pages"][1]["tags"], json!(["O", "O", "O"]));
        assert!(verify(&truth).is_empty());
    }

    #[test]
    fn what_only_a_draft_says_is_looked_for() {
        let draft = json!({ "entities": [
            { "label": "org", "text": "Söhne" },
            { "label": "PRODUCT", "text": "A4" },
            { "label": "product", "text": "Paper, A4" },
            { "label": "MONEY", "text": "12.50" },
            { "label": "MONEY", "text": "13.50" },
            { "label": "ANIMAL", "text": "Item" },
        ] });
        let truth = build(&json!({}), &draft);
        let tags = &truth["pages"][0]["tags"];
        assert_eq!(
            [&tags[6], &tags[8], &tags[9], &tags[10]],
            ["O", "B-PRODUCT", "I-PRODUCT", "B-MONEY"]
        );
        assert_eq!(
            verify(&truth),
            ["/entities/3/text: `13.50` does not stand in the document"]
        );
        let truth = build(&json!({ "labels": ["ANIMAL"] }), &draft);
        assert_eq!(truth["labels"], json!(["O", "B-ANIMAL", "I-ANIMAL"]));
        assert_eq!(truth["pages"][0]["tags"][6], "B-ANIMAL");
        assert_eq!(truth["pages"][0]["tags"][3], "O");
    }

    #[test]
    fn what_follows_a_gap_begins_anew() {
        let mut pages = [Sequence {
            page: 0,
            tokens: Vec::new(),
            bboxes: Vec::new(),
            tags: vec![OUTSIDE.to_owned(); 6],
        }];
        let place = |words: &[u32]| Place {
            page: 0,
            bbox: [0.0; 4],
            words: words.to_vec(),
        };
        tag(&mut pages, &place(&[2]), "ORG");
        tag(&mut pages, &place(&[0, 1, 2, 3, 5, 99, u32::MAX]), "LOC");
        assert_eq!(
            pages[0].tags,
            ["B-LOC", "I-LOC", "B-ORG", "B-LOC", "O", "B-LOC"]
        );
    }

    #[test]
    fn what_is_untrue_is_found() {
        let good = build(&json!({}), &json!({ "entities": [] }));
        let change = |pointer: &str, value: Value| {
            let mut truth = good.clone();
            *truth.pointer_mut(pointer).unwrap() = value;
            verify(&truth)
        };
        assert_eq!(
            change("/pages/0/tags/3", json!("O")),
            [
                "/pages/0/tags/4: `I-ORG` follows `O`",
                "/entities/0/places: a word of it has no tag"
            ]
        );
        assert_eq!(
            change("/pages/0/tags/3", json!("I-ORG")),
            ["/pages/0/tags/3: `I-ORG` follows `O`"]
        );
        assert_eq!(
            change("/pages/0/tags/4", json!("I-LOC")),
            [
                "/pages/0/tags/4: `I-LOC` follows `B-ORG`",
                "/pages/0/tags/5: `I-ORG` follows `I-LOC`"
            ]
        );
        assert_eq!(
            change("/pages/0/tags/0", json!("B-XYZ")),
            ["/pages/0/tags/0: `B-XYZ` is none of the labels"]
        );
        assert_eq!(change("/pages/0/tags/0", json!("ü")).len(), 1);
        assert_eq!(change("/pages/0/tags", json!(["O"])).len(), 2);
        assert_eq!(
            change("/pages/0/tokens/0", json!("x")),
            ["/pages/0/tokens: they are not the words of the page"]
        );
        assert_eq!(
            change("/pages/0/bboxes/0/0", json!(1.0)),
            ["/pages/0/bboxes: they are not those of the words"]
        );
        assert_eq!(
            change("/pages/0/page", json!(1)),
            ["/pages/0/page: it is page 0"]
        );
        assert_eq!(
            change("/pages", json!([])),
            [
                "/pages: there are 0 pages, but the document has 2",
                "/entities/0/places: a word of it has no tag",
            ]
        );
        assert_eq!(change("/labels", json!(["O"])).len(), 1);
        assert_eq!(
            change("/entities/0/label", json!("X")),
            ["/entities/0/label: `X` is none of the labels"]
        );
        assert_eq!(change("/entities/0/text", json!("X")).len(), 1);
        assert_eq!(
            change("/entities/0/places/0/words", json!([3, 77])).len(),
            3
        );
    }

    #[test]
    fn hostile_drafts_leave_the_document_out() {
        let empty = &testing::documents()[1];
        for draft in [
            json!({ "entities": [] }),
            json!({ "entities": [7] }),
            json!("x"),
        ] {
            let failed = testing::build::<NerBio>(&json!({}), &draft, empty);
            assert!(matches!(failed, Err(Failure::Unsuitable(_))), "{failed:?}");
        }
        for labels in [json!(["A", "a"]), json!([""])] {
            let failed = testing::build::<NerBio>(&json!({ "labels": labels }), &json!({}), empty);
            assert!(matches!(failed, Err(Failure::BadParams(_))), "{failed:?}");
        }
        let many = vec![json!({ "label": "ORG", "text": "x" }); 10_000];
        assert_eq!(
            verify(&build(&json!({}), &json!({ "entities": many }))).len(),
            1
        );
    }
}
