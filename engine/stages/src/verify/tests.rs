use docgenie_document::{
    geometry::{PixelGrid, Size},
    ocr::{OcrPage, OcrWord},
    text::{Page, Word},
    truth::{Entity, Field, Question, Region},
};

use super::*;

const SIZE: Size = Size {
    width: 200.0,
    height: 100.0,
};

fn rect(x0: f64, line: u32, x1: f64) -> Rect {
    let top = f64::from(line) * 20.0;
    Rect::new(x0, top, x1, top + 10.0).unwrap()
}

/// Words of one page as (text, line, left, right).
fn page(words: &[(&str, u32, f64, f64)]) -> Words {
    let word = |&(text, line, x0, x1): &(&str, u32, f64, f64)| Word {
        text: text.into(),
        page: 0,
        rect: rect(x0, line, x1),
        block: 0,
        line,
        number: 0,
        angle: 0.0,
        right_to_left: false,
        font_size: 10.0,
        characters: Vec::new(),
    };
    Words {
        pages: vec![Page { size: SIZE }],
        words: words.iter().map(word).collect(),
    }
}

fn read(words: &[(&str, u32, f64, f64)]) -> Ocr {
    let word = |&(text, line, x0, x1): &(&str, u32, f64, f64)| OcrWord {
        text: text.into(),
        confidence: 1.0,
        rect: rect(x0, line, x1),
        block: 0,
        line,
        number: 0,
    };
    Ocr {
        pages: vec![OcrPage {
            page: 0,
            grid: PixelGrid {
                width: 400,
                height: 200,
                page: SIZE,
            },
            angle: 0.0,
            words: words.iter().map(word).collect(),
        }],
        ..Ocr::default()
    }
}

const PAGE: &[(&str, u32, f64, f64)] = &[
    ("Invoice", 0, 10.0, 50.0),
    ("A-17", 0, 60.0, 80.0),
    ("Total", 1, 10.0, 50.0),
    ("12.50", 1, 60.0, 90.0),
];

fn field(value: &str, word: u32) -> Field {
    let (_, line, x0, x1) = PAGE[word as usize];
    Field {
        name: "f".into(),
        value: value.into(),
        normalised: None,
        group: None,
        places: vec![Grounding {
            page: 0,
            rect: rect(x0, line, x1),
            words: vec![word],
        }],
    }
}

fn asked(answer: &str) -> Question {
    Question {
        question: "What?".into(),
        answer: answer.into(),
        field: None,
        places: Vec::new(),
    }
}

fn truth(fields: Vec<Field>, questions: Vec<Question>) -> GroundTruth {
    GroundTruth {
        fields,
        questions,
        ..GroundTruth::default()
    }
}

#[track_caller]
fn check_keys(
    truth: &GroundTruth,
    ocr: Option<&Ocr>,
    expected: &[(&str, bool, f64, Option<f64>)],
    passed: bool,
) {
    let found = verification(&page(PAGE), truth, None, ocr, 0.9);
    let keys: Vec<_> = found
        .keys
        .iter()
        .map(|key| {
            (
                key.value.as_str(),
                key.exact,
                key.similarity,
                key.ocr_similarity,
            )
        })
        .collect();
    assert_eq!(keys, expected);
    assert_eq!(found.passed, passed);
}

#[test]
fn values_are_looked_for_where_they_should_stand() {
    check_keys(&truth(vec![], vec![]), None, &[], true);
    check_keys(
        &truth(
            vec![field("A-17", 1), field("12.50", 3)],
            vec![asked("Total 12.50")],
        ),
        None,
        &[
            ("A-17", true, 1.0, None),
            ("12.50", true, 1.0, None),
            ("Total 12.50", true, 1.0, None),
        ],
        true,
    );
    // It stands on the page, but not where it is said to.
    check_keys(
        &truth(vec![field("A-17", 3)], vec![]),
        None,
        &[("A-17", false, 0.25, None)],
        false,
    );
    check_keys(
        &truth(vec![], vec![asked("A-18")]),
        None,
        &[("A-18", false, 0.75, None)],
        false,
    );
}

#[test]
fn what_ocr_read_is_compared_in_the_same_place() {
    let ocr = read(&[
        ("Invoice", 0, 11.0, 49.0),
        ("A-l7", 0, 61.0, 79.0),
        ("Total:12.50", 1, 10.0, 90.0),
    ]);
    check_keys(
        &truth(
            vec![field("A-17", 1), field("12.50", 3)],
            vec![asked("Invoice")],
        ),
        Some(&ocr),
        &[
            ("A-17", true, 1.0, Some(0.75)),
            ("12.50", true, 1.0, Some(1.0)),
            ("Invoice", true, 1.0, Some(1.0)),
        ],
        true,
    );
}

#[test]
fn free_form_answers_are_keys_unless_asked_already() {
    let mut truth = truth(vec![], vec![asked("Invoice")]);
    for (name, value) in [
        ("What?", "Invoice".into()),
        ("How much?", 12.5.into()),
        ("Who?", Value::Null),
    ] {
        truth.answers.insert(name.into(), value);
    }
    check_keys(
        &truth,
        None,
        &[("Invoice", true, 1.0, None), ("12.5", true, 1.0, None)],
        true,
    );
}

#[track_caller]
fn check_error_rate(words: &[(&str, u32, f64, f64)], expected: f64) {
    let rate = character_error_rate(&page(PAGE), &read(words)).unwrap();
    assert!(
        (rate - expected / 21.0).abs() < 1e-9,
        "{} errors",
        rate * 21.0
    );
}

#[test]
fn characters_read_wrong_are_counted() {
    check_error_rate(PAGE, 0.0);
    check_error_rate(&[], 21.0);
    // The order of reading is no error, nor is a word read in parts.
    let backwards: Vec<_> = PAGE.iter().rev().copied().collect();
    check_error_rate(&backwards, 0.0);
    check_error_rate(
        &[
            ("voice", 0, 25.0, 50.0),
            ("In", 0, 10.0, 24.0),
            ("A-17", 0, 60.0, 80.0),
            ("Total12.50", 1, 10.0, 90.0),
        ],
        0.0,
    );
    let mut wrong = PAGE.to_vec();
    wrong[0].0 = "lnvoise";
    check_error_rate(&wrong, 2.0);
    wrong.push(("noise", 4, 10.0, 50.0));
    check_error_rate(&wrong, 7.0);
}

#[test]
fn a_page_without_words_has_no_error_rate() {
    assert_eq!(character_error_rate(&page(&[]), &read(PAGE)), None);
}

#[track_caller]
fn check_labels(change: impl Fn(&mut Words, &mut GroundTruth, &mut Layout), valid: bool) {
    let mut words = page(PAGE);
    let mut truth = truth(vec![field("A-17", 1)], vec![]);
    truth.entities.push(Entity {
        label: "ID".into(),
        text: "A-17".into(),
        places: truth.fields[0].places.clone(),
    });
    truth.bio = ["O", "B-ID", "O", "O"].map(String::from).to_vec();
    let mut layout = Layout {
        regions: vec![Region {
            label: "title".into(),
            order: 0,
            parent: None,
            places: truth.fields[0].places.clone(),
            cells: Vec::new(),
        }],
    };
    change(&mut words, &mut truth, &mut layout);
    let found = verification(&words, &truth, Some(&layout), None, 0.9);
    assert_eq!(found.valid_labels, valid);
    assert_eq!(found.layout_elements, 1);
}

#[test]
fn labels_are_known_and_boxes_on_their_pages() {
    check_labels(|_, _, _| {}, true);
    check_labels(
        |_, _, layout| layout.regions[0].label = "blurb".into(),
        false,
    );
    check_labels(
        |_, truth, _| truth.entities[0].label = "THING".into(),
        false,
    );
    check_labels(|_, truth, _| truth.bio[1] = "B-THING".into(), false);
    check_labels(|_, truth, _| truth.bio.truncate(3), false);
    check_labels(|_, truth, _| truth.bio.clear(), true);
    check_labels(|_, truth, _| truth.fields[0].places[0].page = 1, false);
    check_labels(
        |_, _, layout| layout.regions[0].places[0].rect.x1 = 201.0,
        false,
    );
    check_labels(|words, _, _| words.words[0].rect.x0 = -1.0, false);
}
