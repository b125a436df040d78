//! Question answering: a list of questions, each with its answers as they stand in the document,
//! much as SQuAD and DocVQA have them.
//!
//! ```json
//! [{
//!   "id": "document_1-1",
//!   "question": "What is the number?",
//!   "answers": ["A-17"],
//!   "page": 0,
//!   "answer_start": 16,
//!   "places": [{ "page": 0, "bbox": [80.0, 100.0, 110.0, 112.0], "words": [2] }]
//! }]
//! ```
//!
//! `page` counts from 0, `answer_start` counts the characters (Unicode scalar values) of the page's
//! text before the answer. Of `places` there is one for each page that the answer reaches: its box is
//! left, top, right, bottom in points with the origin at the top left of the page, its words are
//! positions among the words of that page. An answer that stands nowhere has no places, and neither
//! `page` nor `answer_start`.

use std::collections::BTreeSet;

use docgenie_plugin::{
    Document, Failure, GroundTruthFormat, Marked, Offer, Pages, Place, Problem, Result,
    facts::{Answer, Field},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How many questions a language model is asked to write for a document.
    #[schemars(range(min = 1, max = 100))]
    count: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { count: 5 }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Draft {
    /// Questions about the document, in its language.
    questions: Vec<Asked>,
    /// Further questions with their answers, as one object.
    #[serde(default)]
    answers: Map<String, Value>,
}

#[derive(Clone, Deserialize, JsonSchema)]
struct Asked {
    question: String,
    /// Verbatim as it stands in the document.
    answer: String,
    /// Name of the field that answers it, if one does.
    #[serde(default)]
    field: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Question {
    id: String,
    question: String,
    answers: Vec<String>,
    page: Option<u32>,
    answer_start: Option<usize>,
    places: Vec<Place>,
}

struct Qa;

impl GroundTruthFormat for Qa {
    type Params = Params;
    type Draft = Draft;
    type Truth = Vec<Question>;
    const OFFER: Offer = Offer::new(
        "qa",
        "Question answering",
        "Questions and where their answers stand, as in SQuAD and DocVQA.",
    );

    fn instructions(params: &Params) -> Result<String> {
        Ok(format!(
            "Write {} questions about the document as `questions`, in its language. The `answer` of each must stand \
             in the document exactly as you give it, without a word more: a number, a name, a date, a short phrase. \
             Ask about different parts of the document, and ask nothing that it answers twice differently.",
            params.count
        ))
    }

    fn build(_: &Params, draft: Draft, document: &Document) -> Result<Vec<Question>> {
        let pages = Pages::of(document);
        let marks = Marks {
            answers: pages.marked()?,
            fields: pages.marked()?,
        };
        let mut asked = draft.questions;
        if asked.is_empty() {
            asked.extend(marks.answers.iter().map(|answer| Asked {
                question: answer.facts.question.clone(),
                answer: answer.facts.answer.clone(),
                field: None,
            }));
        }
        asked.extend(draft.answers.into_iter().filter_map(free));
        let mut seen = BTreeSet::new();
        asked.retain(|it| seen.insert(it.question.clone()));
        if asked.is_empty() {
            return Err(Failure::unsuitable("nothing is asked about it"));
        }
        let id = document.id();
        let questions = (1..).zip(asked).map(|(number, asked)| {
            let places = marks.places(&asked, &pages);
            let first = places.first();
            Question {
                id: format!("{id}-{number}"),
                page: first.map(|place| place.page),
                answer_start: first.and_then(|place| pages.offset(place, &asked.answer)),
                places,
                question: asked.question,
                answers: vec![asked.answer],
            }
        });
        Ok(questions.collect())
    }

    fn verify(_: &Params, truth: &Vec<Question>, document: &Document) -> Result<Vec<Problem>> {
        let pages = Pages::of(document);
        let mut problems = Vec::new();
        let mut ids = BTreeSet::new();
        for (number, question) in truth.iter().enumerate() {
            let at = |key: &str| format!("/{number}/{key}");
            if !ids.insert(&question.id) {
                let message = format!("`{}` is the id of another question", question.id);
                problems.push(Problem::new(at("id"), message));
            }
            if question.question.trim().is_empty() {
                problems.push(Problem::new(at("question"), "nothing is asked"));
            }
            if question.answers.is_empty() {
                problems.push(Problem::new(at("answers"), "there is no answer"));
            }
            for (index, answer) in question.answers.iter().enumerate() {
                let pointer = at(&format!("answers/{index}"));
                problems.extend(pages.check_text(answer, &question.places, &pointer));
            }
            problems.extend(pages.check(&question.places, &at("places")));
            problems.extend(start(question, &pages, number));
        }
        Ok(problems)
    }
}

/// A free answer that is a text or number; its key is what it answers.
fn free((question, answer): (String, Value)) -> Option<Asked> {
    let answer = match answer {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(Asked {
        question,
        answer,
        field: None,
    })
}

/// What is untrue of where an answer is said to start.
fn start(question: &Question, pages: &Pages, number: usize) -> Option<Problem> {
    let first = question.places.first();
    if question.page != first.map(|place| place.page) {
        let message = "it is not the page of the first place";
        return Some(Problem::new(format!("/{number}/page"), message));
    }
    let answer = question.answers.first()?;
    let start = first.and_then(|place| pages.offset(place, answer));
    (question.answer_start != start).then(|| {
        let message = match start {
            Some(start) => format!("it starts at {start}"),
            None => "it stands nowhere".to_owned(),
        };
        Problem::new(format!("/{number}/answer_start"), message)
    })
}

/// What the document itself marks as answers.
struct Marks {
    answers: Vec<Marked<Answer>>,
    fields: Vec<Marked<Field>>,
}

impl Marks {
    /// Where an answer stands: as it is marked, as the field that answers it is marked, else where
    /// the text occurs first.
    fn places(&self, asked: &Asked, pages: &Pages) -> Vec<Place> {
        let answer = self.answers.iter().find(|marked| {
            (&marked.facts.question, &marked.facts.answer) == (&asked.question, &asked.answer)
        });
        let field = self.fields.iter().find(|marked| {
            asked.field.as_ref() == Some(&marked.label) && marked.facts.value == asked.answer
        });
        let marked = answer.map(|it| &it.places);
        match marked.or_else(|| field.map(|it| &it.places)) {
            Some(places) => places.clone(),
            None => pages.find(&asked.answer).into_iter().take(1).collect(),
        }
    }
}

docgenie_plugin::ground_truth_formats!(Qa);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    fn invoice() -> Document {
        testing::documents().remove(0)
    }

    fn build(draft: &Value) -> Value {
        testing::build::<Qa>(&json!({}), draft, &invoice()).unwrap()
    }

    fn verify(truth: &Value) -> Vec<String> {
        testing::verify::<Qa>(&json!({}), truth, &invoice()).unwrap()
    }

    #[test]
    fn answers_are_tied_to_the_document() {
        let draft = invoice().ground_truth("docgenie").unwrap();
        let truth = build(&serde_json::from_str(&draft).unwrap());
        assert_eq!(
            truth,
            json!([{
                "id": "document_1-1", "question": "What is the number?", "answers": ["A-17"],
                "page": 0, "answer_start": 13,
                "places": [{ "page": 0, "bbox": [80.0, 100.0, 110.0, 112.0], "words": [2] }],
            }])
        );
        assert!(verify(&truth).is_empty());
    }

    #[test]
    fn what_only_a_draft_says_is_looked_for() {
        let truth = build(&json!({
            "questions": [
                { "question": "Who sells?", "answer": "Söhne" },
                { "question": "Whose is it?", "answer": "Acme & Söhne", "field": "seller" },
            ],
            "answers": { "How much?": 12.5, "Who sells?": "x", "more": ["y"], "Paper?": "A4" },
        }));
        let words: Vec<_> = truth
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["places"][0]["words"])
            .collect();
        assert_eq!(
            words,
            [&json!([5]), &json!([3, 4, 5]), &Value::Null, &json!([9])]
        );
        assert_eq!(
            verify(&truth),
            ["/2/answers/0: `12.5` does not stand in the document"]
        );
    }

    #[test]
    fn marks_are_enough() {
        assert_eq!(
            build(&json!({ "questions": [] }))[0]["answers"],
            json!(["A-17"])
        );
    }

    #[test]
    fn what_is_untrue_is_found() {
        let good = build(&json!({ "questions": [] }));
        let change = |pointer: &str, value: Value| {
            let mut truth = good.clone();
            *truth.pointer_mut(pointer).unwrap() = value;
            verify(&truth)
        };
        assert_eq!(
            change("/0/answers/0", json!("A-18")),
            ["/0/answers/0: `A-18` does not stand at its places"]
        );
        assert_eq!(
            change("/0/answers", json!([])),
            ["/0/answers: there is no answer"]
        );
        assert_eq!(
            change("/0/question", json!(" ")),
            ["/0/question: nothing is asked"]
        );
        assert_eq!(
            change("/0/page", json!(1)),
            ["/0/page: it is not the page of the first place"]
        );
        assert_eq!(
            change("/0/answer_start", json!(0)),
            ["/0/answer_start: it starts at 13"]
        );
        assert_eq!(change("/0/places/0/words", json!([99])).len(), 3);
        assert_eq!(change("/0/places/0/bbox/2", json!(1e6)).len(), 1);
        assert_eq!(change("/0/places/0/page", json!(-1)).len(), 1);
        assert_eq!(
            verify(&json!([good[0], good[0]])),
            ["/1/id: `document_1-1` is the id of another question"]
        );
        assert_eq!(verify(&json!({ "x": 1 })).len(), 1);
    }

    #[test]
    fn hostile_drafts_leave_the_document_out() {
        let empty = &testing::documents()[1];
        for draft in [
            json!({ "questions": [] }),
            json!({ "questions": "x" }),
            json!([]),
            json!({ "questions": [{ "question": 1, "answer": {} }] }),
        ] {
            let failed = testing::build::<Qa>(&json!({}), &draft, empty);
            assert!(matches!(failed, Err(Failure::Unsuitable(_))), "{failed:?}");
        }
        let long = "x ".repeat(100_000);
        let truth = build(&json!({ "questions": [
            { "question": "", "answer": "" },
            { "question": "\u{202e}\u{0}", "answer": long },
        ] }));
        assert_eq!(verify(&truth).len(), 3);
    }
}
