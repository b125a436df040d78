//! Answers as models give them, in `tests/answers`, and what is read from each.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;

use super::*;

/// What is to be read from an answer.
#[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Expected {
    /// Whether the model had to stop.
    max_tokens: bool,
    faults: Vec<String>,
    document: Vec<Read>,
}

#[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Read {
    document_type: String,
    language: String,
    fields: Vec<String>,
    remarks: Vec<String>,
    /// Question and answer, or question, answer and the field that answers it.
    questions: Vec<Vec<String>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    drafts: Map<String, Value>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/answers")
}

fn read(document: &Document) -> Read {
    let markup = Markup::parse(&document.html).unwrap();
    let again = Markup::parse(&markup.clean()).unwrap();
    assert_eq!(again.chunks(), markup.chunks());
    let lower = markup.clean().to_lowercase();
    for foreign in [
        "<script",
        "onclick=",
        "onload=",
        "@import",
        "src=\"http",
        "<iframe",
        "<link",
    ] {
        assert!(!lower.contains(foreign), "{foreign} in {lower}");
    }
    let truth = markup.truth();
    let fields = truth
        .fields
        .iter()
        .map(|it| format!("{} = {}", it.name, it.value));
    let questions = truth.questions.iter().map(|it| {
        let known = [it.question.clone(), it.answer.clone()].into_iter();
        known.chain(it.field.clone()).collect()
    });
    Read {
        document_type: truth.document_type.clone(),
        language: truth.language.clone(),
        fields: fields.collect(),
        questions: questions.collect(),
        remarks: document.remarks.clone(),
        drafts: document.drafts.clone(),
    }
}

#[test]
fn recorded_answers_are_read_as_expected() {
    let text = fs::read_to_string(folder().join("expected.toml")).unwrap();
    let expected: BTreeMap<String, Expected> = toml::from_str(&text).unwrap();
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
        .collect();
    names.sort();
    let (mut wrong, unknown) = (Vec::new(), Expected::default());
    for name in &names {
        let expected = expected.get(name).unwrap_or(&unknown);
        let answer = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
        let stop = if expected.max_tokens {
            Stop::MaxTokens
        } else {
            Stop::End
        };
        let documents = documents(&answer, stop, "asked-type");
        let found = Expected {
            max_tokens: expected.max_tokens,
            document: documents.usable.iter().map(read).collect(),
            faults: documents.faults,
        };
        if found != *expected {
            let found = BTreeMap::from([(name, found)]);
            wrong.push(toml::to_string(&found).unwrap());
        }
    }
    assert!(wrong.is_empty(), "read otherwise:\n\n{}", wrong.join("\n"));
    assert!(
        names.len() >= 30 && names.len() == expected.len(),
        "{}",
        names.len()
    );
}

/// Whatever is cut from an answer, and wherever, nothing panics and nothing half is used.
#[test]
fn an_answer_may_end_anywhere() {
    let answer = fs::read_to_string(folder().join("two-plain.txt")).unwrap();
    let whole = documents(&answer, Stop::End, "").usable.len();
    for end in (0..answer.len())
        .step_by(7)
        .filter(|end| answer.is_char_boundary(*end))
    {
        let cut = documents(&answer[..end], Stop::MaxTokens, "");
        assert!(cut.usable.len() <= whole);
        assert_eq!(
            cut.usable.len(),
            answer[..end].matches("</html>").count(),
            "{end}"
        );
    }
}
