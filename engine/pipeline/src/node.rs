//! TOML values that know where they stand.

use docgenie_document::Code;
use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use crate::{diagnostic::Report, source::Span};

/// The text is not TOML.
pub(crate) const SYNTAX: Code = Code::new("DG0002");
/// A value and its place. A table opened by a header stands where the header stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// What JSON has, too: a string, a finite number, a boolean; null, which only
    /// a template makes.
    Scalar(Value),
    /// What JSON has not, as written.
    Foreign(Foreign, String),
    Array(Vec<Node>),
    Table(Table),
    /// A value that cannot be known because a fault stands in the way: one of its type, or null.
    Unknown(Value),
}

/// What JSON has not, with its article.
type Foreign = &'static str;

const DATE: Foreign = "a date or time";
const ENDLESS: Foreign = "infinity or nan";
const HUGE: Foreign = "a number of more than 64 bits";

/// The entries of a table in order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(pub(crate) Vec<Entry>);

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// The top table of a file, or `None` where its syntax is so broken that no table is worth
/// looking at.
pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Table> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last_line = None;
    let mut broken = false;
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let written = text.get(span.clone()).unwrap_or_default();
        if error.message() == "duplicate key" {
            report
                .error(SYNTAX, span, format!("key `{written}` is given twice"))
                .hint("keep one of the two".to_owned());
            continue;
        }
        broken = true;
        if is_bare_text(written) {
            let meant = match written.to_lowercase().as_str() {
                truth @ ("true" | "false") => format!("write `{truth}`"),
                _ => format!("text needs quotes: `\"{written}\"`"),
            };
            report
                .error(SYNTAX, span, format!("`{written}` is not a value"))
                .hint(meant);
            continue;
        }
        let line = text[..text.floor_char_boundary(span.start)]
            .matches('\n')
            .count();
        // One slip often upsets the rest of its line.
        if last_line.replace(line) != Some(line) {
            let message = format!("the file is not TOML: {}", error.message());
            report.error(SYNTAX, span, message).hint(
                "look here and just before: often a quote, a bracket or a comma is missing"
                    .to_owned(),
            );
        }
    }
    (!broken).then(|| Table::from(table.get_ref()))
}

/// Whether this looks like text that lacks its quotes.
fn is_bare_text(written: &str) -> bool {
    let is_text = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    written.starts_with(char::is_alphabetic) && written.chars().all(is_text)
}

impl Node {
    /// A JSON value at this place.
    pub(crate) fn from_json(span: Span, value: Value) -> Self {
        let at_span = |value| Self::from_json(span.clone(), value);
        let kind = match value {
            Value::Array(items) => Kind::Array(items.into_iter().map(at_span).collect()),
            Value::Object(members) => {
                let entry = |(key, value)| Entry {
                    key,
                    key_span: span.clone(),
                    value: Self::from_json(span.clone(), value),
                };
                Kind::Table(Table(members.into_iter().map(entry).collect()))
            }
            scalar => Kind::Scalar(scalar),
        };
        Self { span, kind }
    }

    /// The type, with its article.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(value) | Kind::Unknown(value) => type_of(value),
            Kind::Foreign(what, _) => what,
            Kind::Array(_) => "an array",
            Kind::Table(_) => "a table",
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// As JSON; what JSON does not have becomes a string.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) | Kind::Unknown(value) => value.clone(),
            Kind::Foreign(_, text) => Value::String(text.clone()),
            Kind::Array(items) => items.iter().map(Self::to_json).collect(),
            Kind::Table(table) => {
                let entries = table.0.iter();
                let members = entries.map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }
}

impl From<&DeTable<'_>> for Table {
    fn from(table: &DeTable<'_>) -> Self {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_span: key.span(),
                value: Node {
                    span: value.span(),
                    kind: Kind::from(value.get_ref()),
                },
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Self(entries)
    }
}

impl From<&DeValue<'_>> for Kind {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Scalar(Value::String(text.to_string())),
            DeValue::Boolean(truth) => Self::Scalar(Value::Bool(*truth)),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                number.map_or_else(
                    |_| Self::Foreign(HUGE, integer.to_string()),
                    |n| Self::Scalar(n.into()),
                )
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(Number::from_f64);
                let scalar = number.map(|number| Self::Scalar(Value::Number(number)));
                scalar.unwrap_or_else(|| Self::Foreign(ENDLESS, float.to_string()))
            }
            DeValue::Datetime(datetime) => Self::Foreign(DATE, datetime.to_string()),
            DeValue::Array(items) => {
                let node = |item: &toml::Spanned<DeValue<'_>>| Node {
                    span: item.span(),
                    kind: Self::from(item.get_ref()),
                };
                Self::Array(items.iter().map(node).collect())
            }
            DeValue::Table(table) => Self::Table(Table::from(table)),
        }
    }
}

/// The type of a JSON value, with its article.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}
