//! Functions that write semantic mark-up, and the ground-truth script of a finished page.

#![allow(
    clippy::needless_pass_by_value,
    reason = "template functions take their arguments so"
)]

use std::fmt::Write as _;

use minijinja::{
    Environment, Error, ErrorKind, HtmlEscape, Value,
    value::{Kwargs, ValueKind},
};
use serde_json::json;

use super::{barcode, draw::Draw, value::Shown};

/// Makes the functions known to all templates.
pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_function("field", field);
    environment.add_function("entity", entity);
    environment.add_function("shown", shown);
    environment.add_function("fail", fail);
    environment.add_function("code_128", |text: String| {
        Value::from_safe_string(barcode::code_128(&text))
    });
    environment.add_function("ean_13", |text: String| {
        Value::from_safe_string(barcode::ean_13(&text))
    });
}

/// `shown("12 kg", value="12", entity="QUANTITY")`: a text with its machine form and its label.
fn shown(text: String, options: Kwargs) -> Result<Value, Error> {
    let value: Option<String> = options.get("value")?;
    let label: Option<String> = options.get("entity")?;
    options.assert_all_used()?;
    let label = label.unwrap_or_default();
    Ok(match value {
        Some(value) => Shown::with_value(text, value, label),
        None => Shown::plain(text, label),
    })
}

fn fail(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `field("total", money(total))`: an element whose text is a value to extract.
fn field(name: String, shown: Value, options: Kwargs) -> Result<Value, Error> {
    element(Some(&name), &shown, &options)
}

/// `entity(person.name)`: an element whose text is a named entity.
fn entity(shown: Value, options: Kwargs) -> Result<Value, Error> {
    element(None, &shown, &options)
}

fn element(field: Option<&str>, shown: &Value, options: &Kwargs) -> Result<Value, Error> {
    let tag: Option<String> = options.get("tag")?;
    let class: Option<String> = options.get("class")?;
    let label: Option<String> = options.get("entity")?;
    options.assert_all_used()?;
    let attribute = |name| match shown.kind() {
        ValueKind::String | ValueKind::Number => None,
        _ => shown
            .get_attr(name)
            .ok()
            .filter(|value| !value.is_undefined())
            .map(|value| value.to_string()),
    };
    let text = shown.to_string();
    let label = label
        .or_else(|| attribute("entity"))
        .filter(|label| !label.is_empty());
    let value = attribute("value");
    let tag = tag.as_deref().unwrap_or("span");
    let mut html = format!("<{tag}");
    // An address of the net has no place to break: in a narrow column its length tells how small
    // it must be set.
    let fitted = label
        .as_deref()
        .filter(|label| *label == "EMAIL")
        .map(|_| format!("--chars: {}", text.chars().count()));
    let attributes = [
        ("class", class.as_deref()),
        ("style", fitted.as_deref()),
        ("data-field", field),
        ("data-value", value.as_deref().filter(|_| field.is_some())),
        ("data-entity", label.as_deref()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(html, " {name}=\"{}\"", HtmlEscape(value));
        }
    }
    let _ = write!(html, ">{}</{tag}>", HtmlEscape(&text));
    Ok(Value::from_safe_string(html))
}

/// The page with the script that holds what mark-up alone does not say: its class, its language
/// and the questions it answers.
///
/// Every field is asked about once where the language has a question for it, the first of that
/// name answering; `more` are a template's own questions, each with an `answer`.
pub(super) fn with_ground_truth(
    html: String,
    doc_type: &str,
    draw: &Draw,
    more: Option<&Value>,
) -> String {
    let mut asked: Vec<&str> = Vec::new();
    for (_, rest) in html
        .match_indices("data-field=\"")
        .map(|(at, tag)| html.split_at(at + tag.len()))
    {
        let name = rest.split('"').next().unwrap_or_default();
        if !asked.contains(&name) {
            asked.push(name);
        }
    }
    let questions = asked.into_iter().filter_map(|field| {
        let question = draw.question(field)?;
        Some(json!({ "question": question, "field": field }))
    });
    let own = more
        .and_then(|more| more.try_iter().ok())
        .into_iter()
        .flatten();
    let own = own.filter_map(|question| serde_json::to_value(&question).ok());
    let truth = json!({
        "document_type": doc_type,
        "language": draw.language_code(),
        "questions": questions.chain(own).collect::<Vec<_>>(),
        "answers": {},
    });
    // A closing tag inside a text would end the script.
    let truth = truth.to_string().replace("</", "<\\/");
    let script = format!("<script type=\"application/json\" id=\"ground-truth\">{truth}</script>");
    match html.rfind("</body>") {
        Some(end) => format!("{}{script}{}", &html[..end], &html[end..]),
        None => html + &script,
    }
}
