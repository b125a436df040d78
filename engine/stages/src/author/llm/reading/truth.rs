//! The ground truth as the engine keeps it, out of whatever form a model has given it.

use docgenie_document::truth::Field;
use serde_json::{Map, Value, json};

use super::cleaning::Remarks;
use crate::markup::Markup;

/// The ground truth of a document.
pub(super) struct Truth {
    /// The ground-truth script of `docs/markup.md`.
    pub(super) script: Value,
    /// What was annotated for other forms, by name.
    pub(super) drafts: Map<String, Value>,
}

/// A question as it was found.
struct Asked {
    question: String,
    answer: Option<String>,
    field: Option<String>,
}

/// Understands what a model has declared about a document. `asked_type` is the document type that
/// it was asked for.
///
/// # Errors
/// When neither the script nor the mark-up says anything.
pub(super) fn understood(
    declared: Option<Value>,
    markup: &Markup,
    asked_type: &str,
    remarks: &mut Remarks,
) -> Result<Truth, String> {
    let page = Page::of(markup);
    let undeclared = declared.is_none();
    let mut members = match declared {
        Some(Value::Object(members)) => members,
        Some(list) => Map::from_iter([("answers".to_owned(), list)]),
        None => Map::new(),
    };
    let mut text = |name: &str| match members.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (document_type, language) = (text("document_type"), text("language"));
    let drafts = match members.remove("drafts") {
        Some(Value::Object(drafts)) => drafts,
        _ => Map::new(),
    };
    let mut asked = Vec::new();
    if let Some(questions) = members.remove("questions") {
        collect(&questions, &mut asked);
    }
    let answers = match members.remove("answers") {
        Some(Value::Object(mut answers)) => {
            answers.extend(members);
            answers
        }
        Some(other) => {
            let before = asked.len();
            collect(&other, &mut asked);
            if asked.len() == before {
                members.insert("answers".to_owned(), other);
            }
            members
        }
        // The object is itself what `gt_format` describes.
        None => members,
    };
    let mut told = Vec::new();
    collect(&Value::Object(answers.clone()), &mut told);
    told.retain(|it| !asked.iter().any(|known| known.question == it.question));
    asked.extend(told);
    let questions: Vec<Value> = asked
        .into_iter()
        .filter_map(|asked| page.question(asked, remarks))
        .collect();
    if questions.is_empty() && answers.is_empty() && page.fields.is_empty() && drafts.is_empty() {
        return Err("it has no ground truth".to_owned());
    }
    if undeclared {
        remarks.add("a document has no ground-truth script; its mark-up is its ground truth");
    }
    let document_type = if document_type.trim().is_empty() {
        asked_type.to_owned()
    } else {
        document_type
    };
    let script = json!({
        "document_type": document_type,
        "language": language,
        "questions": questions,
        "answers": answers,
    });
    Ok(Truth { script, drafts })
}

/// Finds questions: members whose values are plain or hold an answer, and items that name both.
fn collect(value: &Value, asked: &mut Vec<Asked>) {
    match value {
        Value::Array(items) => asked.extend(items.iter().filter_map(item)),
        Value::Object(members) => asked.extend(members.iter().filter_map(|(question, value)| {
            let answer = plain(value).or_else(|| named(value, ANSWERS));
            let field = named(value, FIELDS);
            (answer.is_some() || field.is_some()).then(|| Asked {
                question: question.clone(),
                answer,
                field,
            })
        })),
        _ => {}
    }
}

const QUESTIONS: &[&str] = &["question", "q", "query", "text", "key"];
const ANSWERS: &[&str] = &["answer", "a", "value", "response"];
const FIELDS: &[&str] = &["field", "data-field", "data_field"];

fn item(value: &Value) -> Option<Asked> {
    if let Value::Array(pair) = value {
        let [question, answer] = pair.as_slice() else {
            return None;
        };
        return Some(Asked {
            question: plain(question)?,
            answer: plain(answer),
            field: None,
        });
    }
    Some(Asked {
        question: named(value, QUESTIONS)?,
        answer: named(value, ANSWERS),
        field: named(value, FIELDS),
    })
}

fn named(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| plain(value.get(name)?))
}

/// A text or a number as it would be printed.
fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// What a page says.
struct Page {
    fields: Vec<Field>,
    /// Its text without blanks.
    letters: String,
}

impl Page {
    fn of(markup: &Markup) -> Self {
        let texts = markup.chunks().iter().map(|chunk| letters(&chunk.text));
        Self {
            fields: markup.truth().fields,
            letters: texts.collect(),
        }
    }

    /// The first field of a name, which is the one that a question means.
    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The question as a ground-truth script has it: by the field that answers it where there is
    /// one, so that its place is known and not searched for.
    fn question(&self, asked: Asked, remarks: &mut Remarks) -> Option<Value> {
        let Asked {
            question,
            answer,
            field,
        } = asked;
        let field = field.and_then(|name| self.field(&name));
        let says = |field: &&Field| {
            answer
                .as_ref()
                .is_none_or(|answer| letters(answer) == letters(&field.value))
        };
        let is_first = |field: &&Field| self.field(&field.name) == Some(field);
        let found = field.filter(says).or_else(|| {
            let mut fields = self.fields.iter().filter(is_first);
            answer.as_ref().and_then(|_| fields.find(says))
        });
        if let Some(field) = found {
            return Some(json!({"question": question, "field": field.name}));
        }
        let Some(answer) = answer else {
            remarks.add("questions without an answer were dropped");
            return None;
        };
        if !self.letters.contains(&letters(&answer)) {
            remarks.add("an answer does not stand in its document");
        }
        Some(json!({"question": question, "answer": answer}))
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
