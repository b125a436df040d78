use docgenie_document::{
    Seed,
    geometry::{Rect, Size},
    text::{Page, Word},
    truth::{Grounding, KeyVerdict, Region, VisualPlace},
};

use super::*;

const SIZE: Size = Size {
    width: 240.0,
    height: 320.0,
};

fn page_of(rects: &[Rect]) -> Words {
    let word = |rect: &Rect| Word {
        text: "word".into(),
        page: 0,
        rect: *rect,
        block: 0,
        line: 0,
        number: 0,
        angle: 0.0,
        right_to_left: false,
        font_size: 10.0,
        characters: Vec::new(),
    };
    Words {
        pages: vec![Page { size: SIZE }],
        words: rects.iter().map(word).collect(),
    }
}

fn rect(x0: f64, y0: f64, x1: f64, y1: f64) -> Rect {
    Rect::new(x0, y0, x1, y1).unwrap()
}

fn diversity_of(seed: u64, pages: &[Rect]) -> TypeDiversity {
    let mut diversity = Diversity::new(Seed(seed));
    for page in pages {
        diversity.add("invoice", &page_of(&[*page]), None);
    }
    diversity.figures()["invoice"].clone()
}

#[track_caller]
fn check_diversity(pages: &[Rect], mean: f64, nearest: f64, near_duplicates: f64) {
    let found = diversity_of(1, pages);
    assert_eq!(found.mean_distance, Some(mean));
    assert_eq!(found.nearest_distance, Some(nearest));
    assert_eq!(found.near_duplicates, Some(near_duplicates));
    assert_eq!(
        (found.documents, found.compared),
        (pages.len() as u64, pages.len() as u64)
    );
}

#[test]
fn distances_between_layouts() {
    let left = rect(0.0, 0.0, 100.0, 320.0);
    let right = rect(140.0, 0.0, 240.0, 320.0);
    let both = rect(0.0, 0.0, 200.0, 320.0);
    check_diversity(&[left, left], 0.0, 0.0, 1.0);
    check_diversity(&[left, right], 1.0, 1.0, 0.0);
    check_diversity(&[left, both], 0.5, 0.5, 0.0);
    check_diversity(&[left, left, right], 0.6667, 0.3333, 0.6667);
}

#[test]
fn a_single_layout_has_no_distance() {
    let found = diversity_of(1, &[rect(0.0, 0.0, 9.0, 9.0)]);
    assert_eq!((found.documents, found.mean_distance), (1, None));
}

#[test]
fn regions_tell_pages_apart_that_words_do_not() {
    let layout = |label: &str| Layout {
        regions: vec![Region {
            label: label.into(),
            order: 0,
            parent: None,
            places: vec![Grounding {
                page: 0,
                rect: rect(0.0, 0.0, 100.0, 100.0),
                words: Vec::new(),
            }],
            cells: Vec::new(),
        }],
    };
    let words = page_of(&[]);
    let mut diversity = Diversity::new(Seed(1));
    for label in ["table", "title"] {
        diversity.add("form", &words, Some(&layout(label)));
    }
    assert_eq!(diversity.figures()["form"].mean_distance, Some(1.0));
}

/// Long runs are sampled, evenly and by the seed.
#[test]
fn samples_are_bounded_and_even() {
    let place = |index: u32| {
        let x = f64::from(index % 24) * 10.0;
        rect(x, 0.0, x + 10.0, 320.0)
    };
    let pages: Vec<_> = (0..1_000).map(place).collect();
    let found = diversity_of(7, &pages);
    assert_eq!((found.documents, found.compared), (1_000, 256));
    assert_eq!(diversity_of(7, &pages), found);
    assert_ne!(diversity_of(8, &pages), found);
    let expected = 23.0 / 24.0;
    assert!(
        (found.mean_distance.unwrap() - expected).abs() < 0.01,
        "{found:?}"
    );
}

fn facts(language: &str) -> Facts {
    let truth = GroundTruth {
        document_type: "invoice".into(),
        language: language.into(),
        ..GroundTruth::default()
    };
    Facts {
        words: Some(Arc::new(page_of(&[rect(0.0, 0.0, 9.0, 9.0)]))),
        truth: Some(Arc::new(truth)),
        ..Facts::default()
    }
}

fn checked(passed: bool, similarity: f64, error_rate: f64) -> Facts {
    let key = KeyVerdict {
        kind: "field".into(),
        key: "total".into(),
        group: None,
        value: "7".into(),
        exact: passed,
        similarity,
        ocr_similarity: Some(similarity / 2.0),
    };
    Facts {
        verification: Some(Arc::new(Verification {
            passed,
            valid_labels: true,
            keys: vec![key],
            layout_elements: 0,
            ocr_character_error_rate: Some(error_rate),
        })),
        ocr: Some(Arc::default()),
        ..facts("de")
    }
}

fn figures(documents: &[Facts], errors: &[&str]) -> Value {
    let mut tally = Tally::default();
    documents.iter().for_each(|facts| tally.add(facts));
    let total = (documents.len() + errors.len()) as u64;
    let figures = tally.figures(total, errors.iter().copied(), ByName::new());
    Value::Object(as_analysis(&figures).unwrap().0)
}

#[track_caller]
fn check_figures(figures: &Value, expected: &[(&str, Value)]) {
    for (pointer, value) in expected {
        assert_eq!(
            figures.pointer(pointer),
            Some(value),
            "{pointer}: {figures:#}"
        );
    }
}

#[test]
fn an_empty_run_has_figures() {
    check_figures(
        &figures(&[], &[]),
        &[
            ("/total_documents", 0.into()),
            ("/error_counts", serde_json::json!({})),
            ("/token_usage", Value::Null),
            ("/verification", Value::Null),
            ("/ocr", Value::Null),
        ],
    );
}

#[test]
fn documents_are_counted() {
    let mut long = facts("en");
    long.words = Some(Arc::new(Words {
        pages: vec![Page { size: SIZE }; 3],
        words: Vec::new(),
    }));
    long.handwriting = Some(Arc::default());
    long.elements = Some(Arc::new(VisualElements {
        places: vec![VisualPlace {
            kind: "logo".into(),
            content: String::new(),
            page: 0,
            rect: rect(0.0, 0.0, 9.0, 9.0),
            placed: None,
        }],
    }));
    let figures = figures(
        &[facts("de"), long, facts("de")],
        &["DG0301", "DG0301", "DG0450"],
    );
    check_figures(
        &figures,
        &[
            ("/total_documents", 6.into()),
            ("/valid_documents", 3.into()),
            ("/error_counts/DG0301", 2.into()),
            ("/multipage_count", 1.into()),
            ("/pages", 5.into()),
            ("/words", 2.into()),
            ("/languages/de", 2.into()),
            ("/document_types/invoice", 3.into()),
            ("/has_handwriting", 0.into()),
            ("/has_visual_elements", 1.into()),
            ("/has_ocr", 0.into()),
        ],
    );
}

#[test]
fn checks_are_summed_up() {
    let documents = [
        checked(true, 1.0, 0.0),
        checked(true, 1.0, 0.0124),
        checked(false, 0.5, 3.0),
    ];
    check_figures(
        &figures(&documents, &[]),
        &[
            ("/valid_documents", 2.into()),
            ("/has_ocr", 3.into()),
            ("/verification/documents", 3.into()),
            ("/verification/passed", 2.into()),
            ("/verification/keys", 3.into()),
            ("/verification/exact", 2.into()),
            ("/verification/mean_similarity", 0.8333.into()),
            ("/verification/mean_ocr_similarity", 0.4167.into()),
            ("/ocr/mean_character_error_rate", 1.0041.into()),
            ("/ocr/median_character_error_rate", 0.012.into()),
        ],
    );
}

#[test]
fn names_are_bounded() {
    let documents: Vec<_> = (0..1_000).map(|n| facts(&format!("x-{n}"))).collect();
    let figures = figures(&documents, &[]);
    let languages = figures["languages"].as_object().unwrap();
    assert_eq!(languages.len(), tally::Counts::MOST + 1);
    assert_eq!(languages["other"], 1_000 - tally::Counts::MOST as u64);
}
