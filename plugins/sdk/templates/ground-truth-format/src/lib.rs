//! {{ title }}: one sentence about the document, and the places of its amounts.

use docgenie_plugin::{Document, Failure, GroundTruthFormat, Offer, Pages, Place, Problem, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a pipeline can set under `with`. The comments are what its users read.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The most words that the sentence may have.
    #[schemars(range(min = 1, max = 100))]
    max_words: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { max_words: 30 }
    }
}

/// What the writer of a document annotates. The comments are part of what it is asked for.
#[derive(Deserialize, JsonSchema)]
struct Draft {
    /// One sentence that says what the document is about.
    summary: String,
    /// Every amount of money, verbatim as it stands in the document.
    amounts: Vec<String>,
}

/// What the dataset holds of a document.
#[derive(Deserialize, Serialize)]
struct Truth {
    summary: String,
    amounts: Vec<Amount>,
}

#[derive(Deserialize, Serialize)]
struct Amount {
    text: String,
    /// Page, box in points and words, each time that it stands in the document.
    places: Vec<Place>,
}

struct Summary;

impl GroundTruthFormat for Summary {
    type Params = Params;
    type Draft = Draft;
    type Truth = Truth;
    const OFFER: Offer = Offer::new(
        "{{ id }}",
        "{{ title }}",
        "One sentence about the document, and the places of its amounts.",
    );

    fn instructions(params: &Params) -> Result<String> {
        Ok(format!(
            "Sum the document up in `summary`, in at most {} words, and list its `amounts`.",
            params.max_words
        ))
    }

    fn build(_: &Params, draft: Draft, document: &Document) -> Result<Truth> {
        if document.page_count() == 0 {
            return Err(Failure::unsuitable("it has no pages"));
        }
        let pages = Pages::of(document);
        let amounts = draft.amounts.into_iter().map(|text| Amount {
            places: pages.find(&text),
            text,
        });
        Ok(Truth {
            summary: draft.summary,
            amounts: amounts.collect(),
        })
    }

    fn verify(params: &Params, truth: &Truth, document: &Document) -> Result<Vec<Problem>> {
        let pages = Pages::of(document);
        let mut problems = Vec::new();
        if truth.summary.split_whitespace().count() > params.max_words {
            problems.push(Problem::new("/summary", "it is too long"));
        }
        for (number, amount) in truth.amounts.iter().enumerate() {
            let Amount { text, places } = amount;
            problems.extend(pages.check_text(text, places, &format!("/amounts/{number}/text")));
            problems.extend(pages.check(places, &format!("/amounts/{number}/places")));
        }
        Ok(problems)
    }
}

docgenie_plugin::ground_truth_formats!(Summary);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_have_their_places() {
        let document = &testing::documents()[0];
        let draft = json!({ "summary": "An invoice.", "amounts": ["12.50", "99.99"] });
        let truth = testing::build::<Summary>(&json!({}), &draft, document).unwrap();
        assert_eq!(truth["amounts"][0]["places"][0]["words"], json!([10]));
        let problems = testing::verify::<Summary>(&json!({}), &truth, document).unwrap();
        assert_eq!(
            problems,
            ["/amounts/1/text: `99.99` does not stand in the document"]
        );
    }
}
