//! The embedded templates as a whole: every type in every language.

use std::collections::BTreeSet;

use docgenie_document::{Seed, truth::GroundTruth};

use super::*;

fn author(doc_type: &str, language: &str) -> Author {
    let config = AuthorConfig {
        doc_type: OneOrMany::One(doc_type.to_owned()),
        language: OneOrMany::One(language.to_owned()),
        ..AuthorConfig::default()
    };
    Author::new(&config, None).unwrap_or_else(|failure| panic!("{:#?}", failure.problem))
}

fn truth(author: &Author, seed: u64) -> GroundTruth {
    let page = author
        .page(Seed(seed))
        .unwrap_or_else(|failure| panic!("seed {seed}: {:#?}", failure.problem));
    page.markup.truth()
}

/// Every type with texts in a language renders in it, whatever the seed.
#[test]
fn every_type_renders_in_every_language() {
    let set = TemplateSet::load(None).unwrap();
    let mut failures = BTreeSet::new();
    for (id, kind) in &set.types {
        for language in set
            .languages
            .iter()
            .filter(|language| kind.texts.contains_key(&language.code))
        {
            let author = author(id, &language.code);
            for seed in 0..30 {
                if let Err(failure) = author.page(Seed(seed)) {
                    failures.insert(format!(
                        "{id} in {}: {failure} {:?}",
                        language.code, failure.problem.causes
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_same_seed_gives_the_same_page() {
    let (first, second) = (author("invoice", "German"), author("invoice", "de"));
    let html = |author: &Author, seed| author.page(Seed(seed)).unwrap().markup.clean();
    assert_eq!(html(&first, 7), html(&second, 7));
    assert_ne!(html(&first, 7), html(&first, 8));
}

fn cents(truth: &GroundTruth, name: &str) -> Vec<i64> {
    let fields = truth.fields.iter().filter(|field| field.name == name);
    let plain = fields.map(|field| {
        field
            .normalised
            .as_ref()
            .unwrap_or(&field.value)
            .replace('.', "")
    });
    plain.map(|digits| digits.parse().unwrap()).collect()
}

#[test]
fn sums_of_an_invoice_agree() {
    for language in ["German", "English"] {
        let author = author("invoice", language);
        for seed in 0..200 {
            let truth = truth(&author, seed);
            let net = cents(&truth, "net_total")[0];
            let tax: i64 = cents(&truth, "tax_amount").iter().sum();
            assert_eq!(
                cents(&truth, "line_total").iter().sum::<i64>(),
                net,
                "seed {seed}"
            );
            assert_eq!(net + tax, cents(&truth, "total")[0], "seed {seed}");
        }
    }
}

#[test]
fn free_text_finds_the_nearest_type() {
    let set = TemplateSet::load(None).unwrap();
    let check = |text: &str, expected: &[&str]| {
        let found = doc_type::find(text, &set.types).map(|meaning| meaning.types);
        assert_eq!(found.unwrap_or_default(), expected, "{text}");
    };
    check("invoice", &["invoice"]);
    check("Rechnung", &["invoice"]);
    check("invoces", &["invoice"]);
    check("zebra", &[]);
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let check = |config: AuthorConfig, expected: &str| {
        let failure = Author::new(&config, None).err().unwrap();
        let hint = failure.problem.hint.unwrap_or_default();
        assert!(
            format!("{} {hint}", failure.problem.message).contains(expected),
            "{hint}"
        );
    };
    let one = |text: &str| OneOrMany::One(text.to_owned());
    check(
        AuthorConfig {
            language: one("Germann"),
            ..Default::default()
        },
        "did you mean `German`?",
    );
    check(
        AuthorConfig {
            doc_type: one("zebra"),
            ..Default::default()
        },
        "known: ",
    );
    check(
        AuthorConfig {
            paper: "A44".to_owned(),
            ..Default::default()
        },
        "did you mean `A4",
    );
    check(
        AuthorConfig {
            layout: Some("bandd".to_owned()),
            ..Default::default()
        },
        "did you mean `band`?",
    );
}
