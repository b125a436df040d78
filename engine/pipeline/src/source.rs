//! The text of a pipeline file, kept for as long as anything may want to point at it.

use std::{fmt, ops::Range, sync::Arc};

use docgenie_document::Code;

use crate::diagnostic::Diagnostic;

/// A range of bytes in the text of a file.
pub type Span = Range<usize>;

/// The file is not UTF-8.
pub(crate) const NOT_UTF8: Code = Code::new("DG0001");

/// A file's text and the path it is shown by.
#[derive(Debug)]
pub(crate) struct Source {
    path: String,
    text: String,
}

/// A place in a text as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Source {
    /// The text of the file shown as `path`, without the byte order mark some editors put first.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        }
    }

    /// The path as it is shown.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The place of a byte; a byte behind the end or inside a character counts as the place before.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let before = &self.text[..self.text.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }

    /// `path:line:column` of a byte.
    pub(crate) fn location(&self, byte: usize) -> String {
        format!("{}:{}", self.path, self.position(byte))
    }
}

/// `path:line:column` of a byte of a file's text, as diagnostics have it.
#[must_use]
pub fn location(path_shown: &str, text: &str, byte: usize) -> String {
    Source::new(path_shown, text).location(byte)
}

/// The text of a file's bytes.
///
/// # Errors
/// When they are not UTF-8: a diagnostic that points at the first byte that is wrong.
pub fn decode(path_shown: &str, bytes: Vec<u8>) -> Result<String, Box<Diagnostic>> {
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let wrong = bytes.get(start).copied().unwrap_or_default();
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let encoding = if utf16 {
            "UTF-16"
        } else {
            "Latin-1 or another old encoding"
        };

        let source = Source::new(path_shown, &String::from_utf8_lossy(bytes));
        let start = start.min(source.text.len());
        let shown = source.text[start..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        let span = start..start + shown;
        let message = "the file is not UTF-8 text";
        let mut diagnostic = Diagnostic::new(&Arc::new(source), NOT_UTF8, span, message);
        diagnostic
            .label(format!("this byte is 0x{wrong:02x}"))
            .hint(format!("the file may be {encoding}: save it as UTF-8"));
        Box::new(diagnostic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let check = |text: &str, byte: usize, expected: (usize, usize)| {
            let position = Source::new("p.toml", text).position(byte);
            assert_eq!(
                (position.line, position.column),
                expected,
                "{text:?} at {byte}"
            );
        };
        check("", 0, (1, 1));
        check("ab", 9, (1, 3));
        check("a\r\nb", 3, (2, 1));
        check("ä = 1", 3, (1, 3));
        check("ä = 1", 1, (1, 1));
        check("\tx", 1, (1, 2));
        check("\u{feff}x", 0, (1, 1));
    }

    #[test]
    fn bytes_that_are_not_text_are_shown() {
        let check = |bytes: &[u8], expected: &str| {
            let diagnostic = decode("p.toml", bytes.to_vec()).unwrap_err();
            assert_eq!(diagnostic.location().unwrap(), expected);
            assert!(!diagnostic.render(false).is_empty());
        };
        assert_eq!(decode("p.toml", b"name".to_vec()).unwrap(), "name");
        check(b"name = 'x'\ndescription = 'caf\xe9'", "p.toml:2:19");
        check(b"\xff\xfen\0", "p.toml:1:1");
        check("\u{feff}".as_bytes().split_last().unwrap().1, "p.toml:1:1");
    }
}
