//! Text in XML.

use std::fmt::{self, Display, Write};

/// Text that displays as XML character data, inside of elements and of quoted attributes alike.
/// Characters that XML 1.0 cannot hold are left out.
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(character)),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => Ok(()),
            _ => f.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_reads_otherwise_is_escaped() {
        assert_eq!(
            Text("a<\"b\">\u{7}\n& ü").to_string(),
            "a&lt;&quot;b&quot;&gt;&#10;&amp; ü"
        );
    }
}
