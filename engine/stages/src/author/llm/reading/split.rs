//! Where the documents of an answer begin and end.

use std::borrow::Cow;

use serde_json::Value;

/// What a document may be wrapped in where it is neither alone nor in a fence.
const BLOCKS: &[&str] = &[
    "<body", "<div", "<section", "<main", "<article", "<table", "<style",
];

/// A document of an answer.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// From its first tag to its last.
    pub(super) html: Cow<'a, str>,
    /// JSON that stands behind it, where there is any.
    pub(super) after: Option<String>,
}

/// The documents of an answer, and whether it ends in the middle of one, which is left out.
/// `exhausted` tells that the model had to stop.
pub(super) fn parts(answer: &str, exhausted: bool) -> (Vec<Part<'_>>, bool) {
    let answer = without_thoughts(answer);
    let starts = starts(answer);
    if starts.is_empty() {
        return (unmarked(answer), false);
    }
    if let Some(parts) = in_json(answer) {
        return (parts, false);
    }
    let ends = starts.iter().skip(1).copied().chain([answer.len()]);
    let pieces = starts.iter().zip(ends);
    let mut pieces: Vec<&str> = pieces.map(|(&from, to)| &answer[from..to]).collect();
    let cut = pieces.pop_if(|last| is_cut(last, exhausted)).is_some();
    (pieces.into_iter().map(part).collect(), cut)
}

/// The answer without what a model thought aloud before it.
fn without_thoughts(answer: &str) -> &str {
    let after = |tag: &str| {
        let begun = answer.trim_start().starts_with(&format!("<{tag}>"));
        let (_, after) = answer.split_once(&format!("</{tag}>"))?;
        begun.then_some(after)
    };
    after("think")
        .or_else(|| after("thinking"))
        .unwrap_or(answer)
}

/// Where documents begin: at their doctype, else at `<html>`.
fn starts(answer: &str) -> Vec<usize> {
    let lower = answer.to_ascii_lowercase();
    let mut starts: Vec<usize> = Vec::new();
    // Whether the last start is a doctype whose `<html>` is yet to come.
    let mut open = false;
    for (at, _) in lower.match_indices('<') {
        let rest = &lower[at..];
        let doctype = rest.starts_with("<!doctype");
        let html =
            rest.starts_with("<html>") || rest.starts_with("<html ") || rest.starts_with("<html\n");
        // In back ticks it is only spoken of.
        let mentioned = lower[..at].ends_with('`') && !lower[..at].ends_with("```");
        if mentioned || !(doctype || html) {
            continue;
        }
        if doctype || !open {
            starts.push(at);
        }
        open = doctype;
    }
    starts
}

/// Whether the last document of an answer is not whole.
fn is_cut(document: &str, exhausted: bool) -> bool {
    let lower = document.to_ascii_lowercase();
    if lower.contains("</html>") {
        return false;
    }
    let within = |opening: &str, closing: &str| lower.rfind(opening) > lower.rfind(closing);
    exhausted || within("<", ">") || within("<script", "</script") || within("<style", "</style")
}

/// A document with what follows it up to the next.
fn part(piece: &str) -> Part<'_> {
    let lower = piece.to_ascii_lowercase();
    let end = match lower.find("</html>") {
        Some(end) => end + "</html>".len(),
        None => lower.find("\n```").unwrap_or(piece.len()),
    };
    let (html, after) = piece.split_at(end);
    Part {
        html: Cow::Borrowed(html),
        after: json_in(after),
    }
}

/// JSON between documents: in a script, in a fence, or alone.
fn json_in(text: &str) -> Option<String> {
    let script = text.find("<script").and_then(|at| {
        let (_, inside) = text[at..].split_once('>')?;
        Some(inside.split("</script").next().unwrap_or(inside))
    });
    let text = script.unwrap_or(text);
    let (from, to) = (text.find('{')?, text.rfind('}')?);
    text.get(from..=to).map(str::to_owned)
}

/// Documents without `<html>`: escaped ones, those in fences, or one fragment.
fn unmarked(answer: &str) -> Vec<Part<'_>> {
    if answer.contains("&lt;html") || answer.contains("&lt;!DOCTYPE") {
        let plain = unescaped(answer);
        let (parts, _) = parts(&plain, false);
        return parts.into_iter().map(Part::owned).collect();
    }
    let fenced: Vec<_> = fences(answer).filter(|inside| is_html(inside)).collect();
    if !fenced.is_empty() {
        return fenced.into_iter().map(fragment).collect();
    }
    if !is_html(answer) {
        return Vec::new();
    }
    let (from, to) = (answer.find('<'), answer.rfind('>'));
    let inside = from.zip(to).and_then(|(from, to)| answer.get(from..=to));
    inside.map(fragment).into_iter().collect()
}

fn fragment(html: &str) -> Part<'_> {
    Part {
        html: Cow::Borrowed(html),
        after: None,
    }
}

fn is_html(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    BLOCKS.iter().any(|block| lower.contains(block))
}

/// What stands in fences.
fn fences(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.split_once('\n').map(|(_, inside)| inside))
}

/// The documents of an answer that is one JSON value with HTML in its strings.
fn in_json(answer: &str) -> Option<Vec<Part<'static>>> {
    let answer = answer.trim();
    let inside = answer.strip_prefix("```json").unwrap_or(answer);
    let inside = inside.trim_end_matches("```").trim();
    if !inside.starts_with(['{', '[']) {
        return None;
    }
    let (value, _) = super::repair::json(inside).ok()?;
    let mut parts = Vec::new();
    collect(&value, &mut parts);
    (!parts.is_empty()).then_some(parts)
}

fn collect(value: &Value, parts: &mut Vec<Part<'static>>) {
    match value {
        Value::String(text) if !starts(text).is_empty() => parts.push(Part {
            html: Cow::Owned(text.clone()),
            after: None,
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, parts)),
        Value::Object(members) => {
            let before = parts.len();
            members.values().for_each(|member| collect(member, parts));
            // The ground truth of a document stands beside it.
            let mut beside = members.values().filter(|member| member.is_object());
            if let [part] = &mut parts[before..] {
                part.after = part
                    .after
                    .take()
                    .or_else(|| beside.next().map(Value::to_string));
            }
        }
        _ => {}
    }
}

fn unescaped(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let replaced = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    pairs.iter().fold(text.to_owned(), replaced)
}

impl Part<'_> {
    fn owned(self) -> Part<'static> {
        Part {
            html: Cow::Owned(self.html.into_owned()),
            after: self.after,
        }
    }
}
