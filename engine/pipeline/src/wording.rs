//! Words that messages share: suggestions and lists.

/// The candidate that a misspelt name most likely means.
pub(crate) fn meant<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let name = plain(name);
    let allowed = name.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &plain(candidate));
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean …?", else what there is.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
    kind: &str,
) -> Option<String> {
    if let Some(candidate) = meant(name, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let all = one_of(candidates, "and");
    (!all.is_empty()).then(|| format!("{kind} are {all}"))
}

/// "`a`, `b` or `c`".
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>, conjunction: &str) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    join(&quoted, conjunction)
}

/// "a, b or c".
pub(crate) fn join(items: &[String], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} {conjunction} {last}", init.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(
                meant(name, ["author", "raster", "render", "ocr"]),
                expected,
                "{name}"
            );
        };
        check("rendr", Some("render"));
        check("Author", Some("author"));
        check("rastre", Some("raster"));
        check("orc", Some("ocr"));
        check("xy", None);
        check("package", None);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(one_of([], "or"), "");
        assert_eq!(one_of(["a"], "or"), "`a`");
        assert_eq!(one_of(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
