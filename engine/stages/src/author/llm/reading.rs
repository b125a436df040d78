//! What a model's answer holds: whole documents, out of whatever stands around them.
//!
//! Models are asked for HTML documents one after another, each with a ground-truth script, and
//! return them in fences, between remarks, cut off, with scripts that do not parse. What can be
//! understood without guessing at the meaning is; what cannot is named as a fault. `tests/answers`
//! holds answers of every kind with what is to be read from them.

mod cleaning;
mod repair;
mod split;
mod truth;

use docgenie_runtime::stage::StageFailure;
use scraper::Html;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answers::Stop;
use crate::markup::Markup;

/// What an answer gave.
#[derive(Debug, Default, Serialize)]
pub(super) struct Documents {
    /// The documents that can be used, in order.
    pub(super) usable: Vec<Document>,
    /// What is wrong with each of the others.
    pub(super) faults: Vec<String>,
}

/// A document that can be used.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Document {
    /// Clean HTML with a ground-truth script that parses.
    pub(super) html: String,
    /// What was annotated for other forms of ground truth, by the form's name.
    pub(super) drafts: Map<String, Value>,
    /// What had to be changed or is missing.
    pub(super) remarks: Vec<String>,
}

/// Reads an answer to a question for documents of this type.
pub(super) fn documents(text: &str, stop: Stop, doc_type: &str) -> Documents {
    let mut documents = Documents::default();
    let (parts, cut) = split::parts(text, stop == Stop::MaxTokens);
    for (number, part) in (1..).zip(parts) {
        match document(&part, doc_type) {
            Ok(document) => documents.usable.push(document),
            Err(fault) => documents.faults.push(format!("document {number}: {fault}")),
        }
    }
    if cut {
        documents
            .faults
            .push("the answer ends in the middle of a document".to_owned());
    } else if documents.usable.is_empty() && documents.faults.is_empty() {
        documents
            .faults
            .push("the answer holds no HTML document".to_owned());
    }
    documents
}

fn document(part: &split::Part<'_>, doc_type: &str) -> Result<Document, String> {
    let mut dom = Html::parse_document(&part.html);
    let mut remarks = cleaning::Remarks::default();
    let script = cleaning::take_script(&mut dom);
    cleaning::clean(&mut dom, &mut remarks);
    let clean = dom.html();
    let markup = Markup::parse(&clean).map_err(|error| error.to_string())?;
    let shows_pictures = !markup.visuals().is_empty();
    if markup.chunks().is_empty() && !shows_pictures {
        return Err("its page is empty".to_owned());
    }
    let declared = match script {
        Some(text) => Some(repair::json(&text).map_err(|fault| {
            format!("its ground-truth script is not JSON and cannot be repaired: {fault}")
        })?),
        // Some put it behind the document instead of into it.
        None => part
            .after
            .as_deref()
            .and_then(|text| repair::json(text).ok()),
    };
    let declared = declared.map(|(value, repaired)| {
        if repaired {
            remarks.add("the JSON of a ground-truth script was repaired");
        }
        value
    });
    let truth = truth::understood(declared, &markup, doc_type, &mut remarks)?;
    let html = with_script(&clean, &truth.script);
    Markup::parse(&html).map_err(|error| error.to_string())?;
    Ok(Document {
        html,
        drafts: truth.drafts,
        remarks: remarks.into_texts(),
    })
}

/// The HTML with the ground-truth script before the end of its body.
fn with_script(html: &str, script: &Value) -> String {
    // What would end the script early is written so that it means the same.
    let json = script
        .to_string()
        .replace("</", "<\\/")
        .replace("<!--", "\\u003c!--");
    let (before, after) = html.split_at(html.rfind("</body>").unwrap_or(html.len()));
    format!("{before}<script type=\"application/json\" id=\"ground-truth\">{json}</script>{after}")
}

impl Documents {
    /// The failure of a document that no answer gave.
    pub(super) fn missing(&self) -> StageFailure {
        let message = "the language model's answers do not hold this document";
        let mut failure = StageFailure::new(super::UNUSABLE_ANSWER, message);
        failure.problem.causes.clone_from(&self.faults);
        failure.hint(
            "another seed asks for other documents; a smaller `documents_per_answer` leaves more room for each",
        )
    }
}

#[cfg(test)]
mod tests;
