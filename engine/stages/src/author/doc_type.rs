//! From what people call a document to the types of the template set.

use std::collections::BTreeMap;

use super::set::DocumentType;

/// What a free text names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The types it may be, at least one; a document takes one of them.
    pub types: Vec<String>,
    /// Whether the text is a type's own identifier.
    pub exact: bool,
}

/// The type or group of types nearest to `text`: by identifier, by alias, by group, by common
/// words. `None` where nothing is near.
pub(super) fn find(text: &str, types: &BTreeMap<String, DocumentType>) -> Option<Meaning> {
    let wanted = normalised(text);
    if types.contains_key(&wanted.replace(' ', "-")) {
        let exact = text.trim() == wanted.replace(' ', "-");
        return Some(Meaning {
            types: vec![wanted.replace(' ', "-")],
            exact,
        });
    }
    let some = |types: Vec<String>| {
        (!types.is_empty()).then_some(Meaning {
            types,
            exact: false,
        })
    };
    let named = types.iter().filter(|(_, kind)| {
        kind.facts
            .aliases
            .iter()
            .any(|alias| normalised(alias) == wanted)
    });
    if let Some(found) = some(named.map(|(id, _)| id.clone()).collect()) {
        return Some(found);
    }
    let words: Vec<&str> = wanted.split(' ').collect();
    let grouped = types.iter().filter(|(_, kind)| {
        kind.facts
            .groups
            .iter()
            .any(|group| words.contains(&group.as_str()))
    });
    let grouped: Vec<String> = grouped.map(|(id, _)| id.clone()).collect();
    // "business letter" is a letter: a group counts only where no type is named.
    let nearest = types
        .iter()
        .map(|(id, kind)| (nearness(&words, id, kind), id));
    let best = nearest.max_by(|(a, id_a), (b, id_b)| a.total_cmp(b).then(id_b.cmp(id_a)));
    match best {
        Some((score, id)) if score >= if grouped.is_empty() { 0.55 } else { 0.9 } => {
            some(vec![id.clone()])
        }
        _ => some(grouped),
    }
}

/// Lower case, words apart by single blanks.
fn normalised(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// How well the best of a type's names is covered by the words, 0 to 1.
fn nearness(words: &[&str], id: &str, kind: &DocumentType) -> f64 {
    let names = std::iter::once(id).chain(kind.facts.aliases.iter().map(String::as_str));
    names
        .map(|name| covered(words, &normalised(name)))
        .fold(0.0, f64::max)
}

#[allow(clippy::cast_precision_loss, reason = "names have few words")]
fn covered(words: &[&str], name: &str) -> f64 {
    let name: Vec<&str> = name.split(' ').collect();
    let best = |part: &&str| {
        let alike = words
            .iter()
            .map(|word| strsim::normalized_damerau_levenshtein(part, word));
        let alike = alike.fold(0.0, f64::max);
        if alike >= 0.7 { alike } else { 0.0 }
    };
    name.iter().map(best).sum::<f64>() / name.len() as f64
}
