//! Parameters: what a pipeline's user may set, and the check of what is given for them.

use std::{cmp::Ordering, fmt};

use docgenie_document::Code;
use serde_json::{Number, Value};
use toml::de::DeValue;

use crate::{
    diagnostic::Report,
    fields::{DESCRIPTION, Fields, Key, MISSING_KEY},
    node::{Entry, Kind, Node, Table, type_of},
    source::Span,
    wording::{did_you_mean, join, meant, one_of},
};

/// A declaration that makes no sense.
pub(crate) const BAD_DECLARATION: Code = Code::new("DG0020");
/// A name that no parameter has.
pub(crate) const UNKNOWN_PARAM: Code = Code::new("DG0021");
/// A value of another type than declared.
pub(crate) const ILL_TYPED: Code = Code::new("DG0022");
/// A value outside the declared range or choice.
pub(crate) const OUT_OF_RANGE: Code = Code::new("DG0023");

const TYPE: Key = Key {
    name: "type",
    expected: "a string",
    example: "type = \"integer\"",
};
const DEFAULT: Key = Key {
    name: "default",
    expected: "a value of the parameter's type",
    example: "default = 3",
};
const MIN: Key = Key {
    name: "min",
    expected: "a number",
    example: "min = 1",
};
const MAX: Key = Key {
    name: "max",
    expected: "a number",
    example: "max = 10",
};
const ONE_OF: Key = Key {
    name: "one_of",
    expected: "an array of values",
    example: "one_of = [\"a\", \"b\"]",
};

/// A declared parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// Its type.
    pub kind: ParamType,
    /// Its value unless set; a parameter without one must be set.
    pub default: Option<Value>,
    /// Smallest value of an integer or a number.
    pub min: Option<Number>,
    /// Largest value of an integer or a number.
    pub max: Option<Number>,
    /// All values there are, where only some are allowed.
    pub one_of: Vec<Value>,
    /// What it is for.
    pub description: String,
    /// Where its name stands in the file.
    pub(crate) span: Span,
    /// Whether its declaration is free of faults, so that faults of its value are worth telling.
    pub(crate) sound: bool,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An array of strings; in an argument separated by commas, or as TOML has it.
    Strings,
}

impl ParamType {
    /// All types.
    pub const ALL: &[Self] = &[
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Strings,
    ];

    /// The name, as `type = "…"` gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Strings => "strings",
        }
    }

    pub(crate) const fn described(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
            Self::Strings => "an array of strings",
        }
    }

    /// How to give a value of the type.
    const fn cure(self) -> &'static str {
        match self {
            Self::String => "give a text in quotes",
            Self::Integer => "give a whole number, such as `3`",
            Self::Number => "give a number, such as `0.5`",
            Self::Boolean => "give `true` or `false`",
            Self::Strings => "give an array of texts, such as `[\"a\", \"b\"]`",
        }
    }

    const fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Number)
    }
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with a value given for a parameter.
pub(crate) struct Misfit {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// All declarations of the `[params]` table.
pub(crate) fn declarations(table: &Table, report: &mut Report) -> Vec<Param> {
    table
        .0
        .iter()
        .map(|entry| Param::declared(entry, report))
        .collect()
}

impl Param {
    /// The value that the text of an argument means.
    pub(crate) fn value_of_text(&self, text: &str) -> Result<Value, Misfit> {
        let value = match self.kind {
            ParamType::String => Some(Value::from(text)),
            ParamType::Integer => text.parse::<i64>().ok().map(Value::from),
            ParamType::Number => text
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map(Value::Number),
            ParamType::Boolean => text.parse::<bool>().ok().map(Value::from),
            ParamType::Strings if text.trim_start().starts_with('[') => {
                return self.value_of_array(text);
            }
            ParamType::Strings => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Some(items.collect())
            }
        };
        value.map_or_else(
            || Err(self.ill_typed(&format!("`{text}`"))),
            |value| self.fit(&value),
        )
    }

    /// The value that an argument in the form of a TOML array means.
    fn value_of_array(&self, text: &str) -> Result<Value, Misfit> {
        let array = DeValue::parse(text.trim()).map_err(|_| {
            let hint = "write `a,b`, or a TOML array with the quotes kept from the shell: \
                        `--set 'NAME=[\"a\", \"b\"]'`";
            Misfit {
                hint: Some(hint.replace("NAME", &self.name)),
                ..self.ill_typed(&format!("`{text}`"))
            }
        })?;
        self.fit_node(&Node {
            span: array.span(),
            kind: Kind::from(array.get_ref()),
        })
    }

    /// The value as the parameter holds it: numbers in the form of its type.
    pub(crate) fn fit(&self, value: &Value) -> Result<Value, Misfit> {
        let typed = match (self.kind, value) {
            (ParamType::String, Value::String(_)) | (ParamType::Boolean, Value::Bool(_)) => {
                Some(value.clone())
            }
            (ParamType::Integer, Value::Number(number)) if !number.is_f64() => Some(value.clone()),
            (ParamType::Number, Value::Number(number)) => number
                .as_f64()
                .and_then(Number::from_f64)
                .map(Value::Number),
            (ParamType::Strings, Value::Array(items)) => {
                items.iter().all(Value::is_string).then(|| value.clone())
            }
            _ => None,
        };
        let typed = typed.ok_or_else(|| self.ill_typed(&given_type(value)))?;
        self.check_range(&typed, value)?;
        Ok(typed)
    }

    /// The value written in the file as the parameter holds it.
    fn fit_node(&self, node: &Node) -> Result<Value, Misfit> {
        match node.kind {
            Kind::Foreign(..) => Err(self.ill_typed(node.type_name())),
            _ => self.fit(&node.to_json()),
        }
    }

    /// Some value of its type, for checks that need one where none is known.
    pub(crate) fn sample(&self) -> Value {
        let first = self.default.as_ref().or(self.one_of.first()).cloned();
        first.unwrap_or_else(|| match self.kind {
            ParamType::String => Value::from(""),
            ParamType::Integer => Value::from(1),
            ParamType::Number => Value::from(1.0),
            ParamType::Boolean => Value::from(false),
            ParamType::Strings => Value::Array(Vec::new()),
        })
    }

    fn ill_typed(&self, given: &str) -> Misfit {
        let Self { name, kind, .. } = self;
        Misfit {
            code: ILL_TYPED,
            message: format!(
                "parameter `{name}` must be {}, not {given}",
                kind.described()
            ),
            hint: Some(kind.cure().to_owned()),
        }
    }

    /// Checks a value of the right type, to be shown as it was given.
    fn check_range(&self, value: &Value, given: &Value) -> Result<(), Misfit> {
        let Self {
            name,
            min,
            max,
            one_of: choice,
            ..
        } = self;
        let misfit = |message, hint| Misfit {
            code: OUT_OF_RANGE,
            message,
            hint: Some(hint),
        };
        if let Value::Number(number) = value {
            let range = || match (min, max) {
                (Some(min), Some(max)) => format!("it must lie between {min} and {max}"),
                (Some(min), None) => format!("it must be at least {min}"),
                (_, Some(max)) => format!("it must be at most {max}"),
                (None, None) => String::new(),
            };
            let below = min.as_ref().is_some_and(|min| compare(number, min).is_lt());
            let above = max.as_ref().is_some_and(|max| compare(number, max).is_gt());
            if below || above {
                let side = if below { "small" } else { "large" };
                let message = format!("{given} is too {side} for parameter `{name}`");
                return Err(misfit(message, range()));
            }
        }
        let items = value
            .as_array()
            .map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        if let Some(item) = items
            .iter()
            .find(|item| !choice.is_empty() && !choice.contains(item))
        {
            let message = format!("parameter `{name}` cannot be {}", display(item));
            let texts = choice.iter().filter_map(Value::as_str);
            let intended = item.as_str().and_then(|item| meant(item, texts));
            let hint = intended.map_or_else(
                || {
                    let all: Vec<_> = choice.iter().map(display).collect();
                    format!("it must be {}", join(&all, "or"))
                },
                |name| format!("did you mean `{name}`?"),
            );
            return Err(misfit(message, hint));
        }
        Ok(())
    }

    fn declared(entry: &Entry, report: &mut Report) -> Self {
        let mut param = Self {
            name: entry.key.clone(),
            kind: ParamType::String,
            default: None,
            min: None,
            max: None,
            one_of: Vec::new(),
            description: String::new(),
            span: entry.key_span.clone(),
            sound: false,
        };
        let found_before = report.errors();
        param.check_name(report);
        let Kind::Table(table) = &entry.value.kind else {
            let kind = type_of_node(&entry.value);
            let example = kind.map_or("string", ParamType::name);
            let default = entry.value.to_json();
            report
                .error(
                    BAD_DECLARATION,
                    entry.value.span.clone(),
                    format!("parameter `{}` is not declared by a table", entry.key),
                )
                .label(format!("this is {}", entry.value.type_name()))
                .hint(format!(
                    "write `{} = {{ type = \"{example}\", default = {default} }}`",
                    entry.key
                ));
            param.kind = kind.unwrap_or(ParamType::String);
            return param;
        };
        let keys = [TYPE, DEFAULT, MIN, MAX, ONE_OF, DESCRIPTION];
        let fields = Fields::read(table, "a parameter", &keys, |_| None, report);
        param.read_type(&fields, entry, report);
        if let Some((text, _)) = fields.string(DESCRIPTION, report) {
            text.clone_into(&mut param.description);
        }
        param.min = param.read_bound(&fields, MIN, report);
        param.max = param.read_bound(&fields, MAX, report);
        param.check_bounds(&fields, report);
        param.read_choice(&fields, report);
        param.read_default(&fields, report);
        param.sound = report.errors() == found_before;
        param
    }

    fn check_name(&self, report: &mut Report) {
        let name = &self.name;
        let fits = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !starts || !name.chars().all(fits) {
            let cured: String = name
                .chars()
                .map(|c| if fits(c) { c } else { '_' })
                .collect();
            let cured = if starts { cured } else { format!("p{cured}") };
            report
                .error(
                    BAD_DECLARATION,
                    self.span.clone(),
                    format!("`{name}` cannot be the name of a parameter"),
                )
                .note("expressions name it `params.…`: letters, digits and `_`, no digit first")
                .hint(format!("call it `{cured}`"));
        }
    }

    fn read_type(&mut self, fields: &Fields<'_>, entry: &Entry, report: &mut Report) {
        let default = fields.get(DEFAULT).map(|default| &default.value);
        let guess = default.and_then(type_of_node);
        self.kind = guess.unwrap_or(ParamType::String);
        let names = || ParamType::ALL.iter().map(|kind| kind.name());
        if fields.get(TYPE).is_none() {
            let example = guess.map_or_else(|| one_of(names(), "or"), |kind| format!("\"{kind}\""));
            report
                .error(
                    MISSING_KEY,
                    self.span.clone(),
                    format!("parameter `{}` has no `type`", entry.key),
                )
                .hint(match guess {
                    Some(_) => format!("add `type = {example}`"),
                    None => format!("add a `type`: {example}"),
                });
            return;
        }
        let Some((name, span)) = fields.string(TYPE, report) else {
            return;
        };
        match ParamType::ALL.iter().find(|kind| kind.name() == name) {
            Some(kind) => self.kind = *kind,
            None => {
                report
                    .error(BAD_DECLARATION, span, format!("no type is named `{name}`"))
                    .hint(did_you_mean(name, names(), "the types"));
            }
        }
    }

    fn read_bound(&self, fields: &Fields<'_>, key: Key, report: &mut Report) -> Option<Number> {
        let bound = fields.get(key)?;
        if !self.kind.is_numeric() {
            report
                .error(
                    BAD_DECLARATION,
                    bound.key_span.clone(),
                    format!("a parameter of type {} has no `{}`", self.kind, key.name),
                )
                .hint(format!("remove it: only numbers have a `{}`", key.name));
            return None;
        }
        match &bound.value.kind {
            Kind::Scalar(Value::Number(number)) => Some(number.clone()),
            _ => {
                fields.wrong_type(key, &bound.value, report);
                None
            }
        }
    }

    fn check_bounds(&self, fields: &Fields<'_>, report: &mut Report) {
        let (Some(min), Some(max)) = (&self.min, &self.max) else {
            return;
        };
        let (Some(low), Some(high)) = (fields.get(MIN), fields.get(MAX)) else {
            return;
        };
        if compare(min, max).is_gt() {
            report
                .error(
                    BAD_DECLARATION,
                    low.value.span.clone(),
                    format!("no value fits parameter `{}`", self.name),
                )
                .label("this is larger")
                .related(high.value.span.clone(), "than this")
                .hint("exchange `min` and `max`".to_owned());
        }
    }

    fn read_choice(&mut self, fields: &Fields<'_>, report: &mut Report) {
        let (Some(entry), Some(items)) = (fields.get(ONE_OF), fields.array(ONE_OF, report)) else {
            return;
        };
        if self.kind == ParamType::Boolean || items.is_empty() {
            let message = if items.is_empty() {
                format!("no value fits parameter `{}`", self.name)
            } else {
                "a parameter of type boolean has no `one_of`".to_owned()
            };
            report
                .error(BAD_DECLARATION, entry.key_span.clone(), message)
                .hint("remove `one_of`, or list the values that are allowed".to_owned());
            return;
        }
        let of_item = Self {
            kind: if self.kind == ParamType::Strings {
                ParamType::String
            } else {
                self.kind
            },
            ..self.clone()
        };
        let mut choice = Vec::new();
        for item in items {
            match of_item.fit_node(item) {
                Ok(value) => choice.push(value),
                Err(misfit) => misfit.report(item, report),
            }
        }
        self.one_of = choice;
    }

    fn read_default(&mut self, fields: &Fields<'_>, report: &mut Report) {
        let Some(default) = fields.get(DEFAULT) else {
            return;
        };
        match self.fit_node(&default.value) {
            Ok(value) => self.default = Some(value),
            Err(misfit) => misfit.report(&default.value, report),
        }
    }
}

impl Misfit {
    fn report(self, node: &Node, report: &mut Report) {
        report
            .error(self.code, node.span.clone(), self.message)
            .hint(self.hint);
    }
}

/// The type of a value, and of the first item that keeps an array from being one of strings.
fn given_type(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten();
    let odd = items.map(type_of).find(|kind| *kind != "a string");
    let kind = type_of(value);
    odd.map_or_else(|| kind.to_owned(), |odd| format!("{kind} with {odd} in it"))
}

/// The type that a value would have if it were the default of a parameter.
fn type_of_node(node: &Node) -> Option<ParamType> {
    match &node.kind {
        Kind::Scalar(Value::String(_)) => Some(ParamType::String),
        Kind::Scalar(Value::Bool(_)) => Some(ParamType::Boolean),
        Kind::Scalar(Value::Number(number)) if number.is_f64() => Some(ParamType::Number),
        Kind::Scalar(Value::Number(_)) => Some(ParamType::Integer),
        Kind::Array(_) => Some(ParamType::Strings),
        _ => None,
    }
}

/// The order of two numbers; integers exactly.
pub(crate) fn compare(a: &Number, b: &Number) -> Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a
            .as_f64()
            .unwrap_or(f64::MAX)
            .total_cmp(&b.as_f64().unwrap_or(f64::MAX)),
    }
}

/// A value as messages show it: text in back quotes.
pub(crate) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::source::Source;

    fn declared(declaration: &str) -> Param {
        let text = format!("p = {declaration}");
        let mut report = Report::new(Arc::new(Source::new("p.toml", &text)));
        let table = crate::node::parse(&text, &mut report).unwrap();
        let param = declarations(&table, &mut report).remove(0);
        assert!(param.sound, "{:?}", report.finish());
        param
    }

    #[test]
    fn texts_become_typed_values() {
        let check = |declaration: &str, text: &str, expected: Result<Value, Code>| {
            let value = declared(declaration).value_of_text(text);
            assert_eq!(
                value.map_err(|misfit| misfit.code),
                expected,
                "{declaration} {text:?}"
            );
        };
        check("{ type = 'string' }", "3", Ok(json!("3")));
        check(
            "{ type = 'string', one_of = ['a', 'b'] }",
            "b",
            Ok(json!("b")),
        );
        check(
            "{ type = 'string', one_of = ['a', 'b'] }",
            "c",
            Err(OUT_OF_RANGE),
        );
        check("{ type = 'integer' }", "-3", Ok(json!(-3)));
        check("{ type = 'integer' }", "3.0", Err(ILL_TYPED));
        check(
            "{ type = 'integer' }",
            "99999999999999999999",
            Err(ILL_TYPED),
        );
        check("{ type = 'integer', min = 1 }", "0", Err(OUT_OF_RANGE));
        check("{ type = 'integer', max = 9 }", "10", Err(OUT_OF_RANGE));
        check("{ type = 'integer', min = 1, max = 9 }", "9", Ok(json!(9)));
        check("{ type = 'number', min = 0, max = 1 }", "1", Ok(json!(1.0)));
        check("{ type = 'number' }", "nan", Err(ILL_TYPED));
        check("{ type = 'boolean' }", "true", Ok(json!(true)));
        check("{ type = 'boolean' }", "yes", Err(ILL_TYPED));
        check(
            "{ type = 'strings' }",
            "eng, deu,",
            Ok(json!(["eng", "deu"])),
        );
        let strings = "{ type = 'strings' }";
        check(strings, r#" ["eng", 'a, b'] "#, Ok(json!(["eng", "a, b"])));
        check(strings, "[]", Ok(json!([])));
        check(strings, "[eng,deu]", Err(ILL_TYPED));
        check(strings, r#"["eng", 1]"#, Err(ILL_TYPED));
        check(strings, r#"["eng"], deu"#, Err(ILL_TYPED));
        check(
            "{ type = 'strings', one_of = ['eng'] }",
            "eng,deu",
            Err(OUT_OF_RANGE),
        );
    }

    #[test]
    fn numbers_take_the_form_of_the_type() {
        assert_eq!(
            declared("{ type = 'number', default = 3 }").default,
            Some(json!(3.0))
        );
        assert_eq!(
            declared("{ type = 'integer', default = 3 }").default,
            Some(json!(3))
        );
    }
}
