//! JSON as models write it: with comments, single quotes, trailing commas, line breaks in texts,
//! words without quotes, or cut off.

use serde_json::{Map, Number, Value};

/// How deep values may nest.
const DEEPEST: usize = 64;

/// The object or list that a text holds, and whether it had to be repaired.
///
/// # Errors
/// When there is none, in words.
pub(super) fn json(text: &str) -> Result<(Value, bool), String> {
    let text = text.trim();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
        return Ok((value, false));
    }
    let text = if text.contains('"') {
        text.to_owned()
    } else {
        text.replace("&quot;", "\"")
    };
    // What stands before may be a fence, a comment or an assignment.
    let from = text.find(['{', '[']).ok_or("it holds no object")?;
    let mut reader = Reader {
        rest: text[from..].chars().collect(),
        at: 0,
    };
    let value = reader.value(0)?;
    let empty = match &value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if empty {
        return Err("it holds nothing".to_owned());
    }
    Ok((value, true))
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn looks_at(&self, text: &str) -> bool {
        let ahead = self.rest.iter().skip(self.at);
        text.chars().eq(ahead.copied().take(text.chars().count()))
    }

    /// Skips blanks and comments, and commas, whose places say nothing that brackets do not.
    fn skip(&mut self, commas: bool) {
        while let Some(c) = self.peek() {
            if c.is_whitespace() || (commas && c == ',') {
                self.at += 1;
            } else if self.looks_at("//") || c == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else if self.looks_at("/*") {
                while self.peek().is_some() && !self.looks_at("*/") {
                    self.at += 1;
                }
                self.at += 2;
            } else {
                break;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("it nests too deeply".to_owned());
        }
        self.skip(false);
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some(quote) if closing(quote).is_some() => Ok(Value::String(self.text(quote))),
            Some(_) => Ok(self.word()),
            None => Ok(Value::Null),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut members = Map::new();
        loop {
            self.skip(true);
            let Some(c) = self.peek() else { break };
            if c == '}' {
                self.at += 1;
                break;
            }
            let name = match closing(c) {
                Some(_) => self.text(c),
                None => self.bare(&[':', '=', '}', ']', '\n']),
            };
            self.skip(false);
            if !matches!(self.peek(), Some(':' | '=')) {
                if self.peek().is_none() {
                    break;
                }
                return Err(format!("`{name}` has no value"));
            }
            while matches!(self.peek(), Some(':' | '=' | '>')) {
                self.at += 1;
            }
            self.skip(false);
            // A member that the end has cut off is none.
            if self.peek().is_some() {
                members.insert(name, self.value(depth + 1)?);
            }
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip(true);
            match self.peek() {
                None => break,
                Some(']') => {
                    self.at += 1;
                    break;
                }
                Some('}' | ':') => return Err("a list is not closed".to_owned()),
                Some(_) => items.push(self.value(depth + 1)?),
            }
        }
        Ok(Value::Array(items))
    }

    /// A text in quotes. A quote inside it that was not escaped is told from the closing one by what
    /// follows.
    fn text(&mut self, quote: char) -> String {
        let end = closing(quote).unwrap_or(quote);
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == '\\' {
                self.escape(&mut text);
            } else if c == end && self.closes() {
                break;
            } else {
                text.push(c);
            }
        }
        text
    }

    /// Whether what follows is what follows a text.
    fn closes(&self) -> bool {
        let mut ahead = self.rest[self.at..].iter().filter(|c| !c.is_whitespace());
        match ahead.next() {
            None | Some(':' | '}' | ']' | '/' | '#') => true,
            Some(',') => {
                matches!(
                    ahead.next(),
                    None | Some(
                        '"' | '\'' | '“' | '{' | '[' | '}' | ']' | '-' | '/' | '#' | '0'..='9'
                    )
                ) || self.names_follow()
            }
            // A comma that was forgotten.
            Some('"') => self.rest[self.at..].contains(&'\n') && self.breaks_line(),
            _ => false,
        }
    }

    /// Whether behind the comma stands a word that names a member or is a value.
    fn names_follow(&self) -> bool {
        let ahead = self.rest[self.at..].iter().copied();
        let ahead: String = ahead
            .skip_while(|c| c.is_whitespace() || *c == ',')
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-'))
            .collect();
        ahead.ends_with(':')
            || ["true", "false", "null", "None", "True", "False"].contains(&ahead.as_str())
    }

    fn breaks_line(&self) -> bool {
        let ahead = self.rest[self.at..].iter();
        ahead.take_while(|c| c.is_whitespace()).any(|c| *c == '\n')
    }

    fn escape(&mut self, text: &mut String) {
        let Some(c) = self.peek() else { return };
        self.at += 1;
        match c {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' | 'f' | '\n' => {}
            'u' => match self.unicode() {
                Some(found) => text.push(found),
                None => text.push('\u{fffd}'),
            },
            other => text.push(other),
        }
    }

    /// The character of `\uXXXX`, of which there may be two for one.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.looks_at("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.hex()?.checked_sub(0xdc00)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits: String = self.rest.get(self.at..self.at + 4)?.iter().collect();
        let code = u32::from_str_radix(&digits, 16).ok()?;
        self.at += 4;
        Some(code)
    }

    /// A value without quotes.
    fn word(&mut self) -> Value {
        let word = self.bare(&[',', '}', ']', '\n']);
        match word.as_str() {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            "" | "null" | "None" | "undefined" | "NaN" => Value::Null,
            number => number
                .parse::<Number>()
                .map_or_else(|_| Value::String(word.clone()), Value::Number),
        }
    }

    /// Characters up to one of these, which is left; at least one is taken, so that reading goes on.
    fn bare(&mut self, ends: &[char]) -> String {
        let from = self.at;
        while self.peek().is_some_and(|c| !ends.contains(&c)) {
            self.at += 1;
        }
        if self.at == from {
            self.at += 1;
        }
        let text: String = self.rest[from..self.at.min(self.rest.len())]
            .iter()
            .collect();
        text.trim().to_owned()
    }
}

/// The quote that ends a text that begins with this one.
const fn closing(quote: char) -> Option<char> {
    match quote {
        '"' => Some('"'),
        '\'' => Some('\''),
        '“' | '„' => Some('”'),
        '«' => Some('»'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(json(text).map(|(value, _)| value), Ok(expected), "{text}");
    }

    #[test]
    fn what_models_write() {
        check(r#"{"a": 1}"#, json!({"a": 1}));
        check(r#"{"a": 1,}"#, json!({"a": 1}));
        check("{'a': 'it\\'s', b: True}", json!({"a": "it's", "b": true}));
        check(
            "// truth\n{\"a\": [1, 2,], /* b */ \"c\": null}",
            json!({"a": [1, 2], "c": null}),
        );
        check("{\"a\": \"one\ntwo\"}", json!({"a": "one\ntwo"}));
        check(
            r#"{"a": "the "Big" one", "b": 2}"#,
            json!({"a": "the \"Big\" one", "b": 2}),
        );
        check("{\"a\": \"x\"\n \"b\": \"y\"}", json!({"a": "x", "b": "y"}));
        check("```json\n{\"a\": \"x\"}\n```", json!({"a": "x"}));
        check("const truth = {\"a\": \"x\"};", json!({"a": "x"}));
        check("{“a”: “x”}", json!({"a": "x"}));
        check("{&quot;a&quot;: &quot;x&quot;}", json!({"a": "x"}));
        check(
            r#"{"a": "x", "b": ["y", "z"#,
            json!({"a": "x", "b": ["y", "z"]}),
        );
        check(r#"{"a": "\ud83d\ude00 \d"} "#, json!({"a": "😀 d"}));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "none",
            "{,}",
            "{\"a\" \"b\"}",
            "[}",
            &"[".repeat(100_000),
        ] {
            assert!(json(text).is_err(), "{text:.20}");
        }
    }
}
