//! A short text in a long one: verbatim, or the part that is nearest.

use unicode_normalization::UnicodeNormalization;

/// The characters of a text that count when it is compared: after NFKC, without white space and
/// without characters that only steer line breaks and directions.
pub(super) fn squeezed(text: &str) -> Vec<char> {
    let is_unseen = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    text.nfkc()
        .filter(|c| !c.is_whitespace() && !is_unseen(*c))
        .collect()
}

/// A text to look in.
pub(super) struct Haystack(Vec<char>);

/// What was found of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    /// Whether it is there verbatim.
    pub(super) exact: bool,
    /// 1 − d/n: d the least edit distance to any part of the text, n the value's length.
    pub(super) similarity: f64,
}

impl Haystack {
    pub(super) fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        Self(words.flat_map(squeezed).collect())
    }

    /// Looks for a squeezed value. An empty one is nowhere: there is nothing to carry.
    pub(super) fn find(&self, value: &[char]) -> Found {
        if value.is_empty() {
            return Found {
                exact: false,
                similarity: 0.0,
            };
        }
        // Nearly every value is there verbatim, which is seen without the table of distances.
        let exact = self.0.windows(value.len()).any(|part| part == value);
        let distance = if exact { 0 } else { self.distance(value) };
        Found {
            exact,
            similarity: 1.0 - distance as f64 / value.len() as f64,
        }
    }

    /// The least edit distance of the value to any part of the text, by Sellers' algorithm: the
    /// table of Levenshtein with a first row of zeros, so that a match may start anywhere, and the
    /// least of its last row, so that it may end anywhere.
    fn distance(&self, value: &[char]) -> usize {
        let mut column: Vec<usize> = (0..=value.len()).collect();
        let mut least = value.len();
        for found in &self.0 {
            let mut diagonal = 0;
            for (row, wanted) in (1..).zip(value) {
                let replaced = diagonal + usize::from(wanted != found);
                diagonal = column[row];
                column[row] = replaced.min(column[row] + 1).min(column[row - 1] + 1);
            }
            least = least.min(column[value.len()]);
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_find(words: &[&str], value: &str, exact: bool, similarity: f64) {
        let found = Haystack::of(words.iter().copied()).find(&squeezed(value));
        assert_eq!(found.exact, exact, "{value}");
        assert!(
            (found.similarity - similarity).abs() < 1e-9,
            "{value}: {found:?}"
        );
    }

    #[test]
    fn values_are_found_in_words() {
        let words = ["Invoice", "No.", "A‑17/2024,", "Łódź", "1\u{a0}234,50", "€"];
        check_find(&words, "Łódź", true, 1.0);
        check_find(&words, "1 234,50 €", true, 1.0);
        check_find(&words, "Invoice\n No.", true, 1.0);
        check_find(&words, "A‑18/2024", false, 8.0 / 9.0);
        check_find(&words, "Lodz", false, 0.25);
        check_find(&words, "Invoi", true, 1.0);
        check_find(&words, "Inoice No", false, 7.0 / 8.0);
        check_find(&words, "", false, 0.0);
        check_find(&[], "x", false, 0.0);
    }

    #[test]
    fn scripts_without_blanks_and_from_right_to_left() {
        check_find(&["发票编号", "一二三"], "发票 编号一", true, 1.0);
        check_find(&["فاتورة", "رقم"], "\u{200f}فاتورة رقم", true, 1.0);
        check_find(&["ｶﾞ", "ﬁn"], "ガfin", true, 1.0);
    }
}
