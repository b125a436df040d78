//! Expressions over parameters: conditions, and strings with `{{ … }}`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use docgenie_document::Code;
use minijinja::{Environment, ErrorKind, Expression, UndefinedBehavior, value::Serde};
use serde_json::{Map, Value};

use crate::{
    diagnostic::{Diagnostic, Report},
    node::Node,
    param::{Param, UNKNOWN_PARAM},
    source::Span,
    wording::did_you_mean,
};

/// An expression or template that cannot be read or evaluated.
pub(crate) const BROKEN_EXPRESSION: Code = Code::new("DG0025");

/// More than any sensible expression needs, and over in milliseconds.
const FUEL: u64 = 20_000;

/// An expression, or a text with expressions in it, that stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    text: String,
    span: Span,
    form: Form,
    /// The parameters it uses.
    params: BTreeSet<String>,
    short: Short,
}

/// How an expression gets its value without being read each time.
#[derive(Clone, Debug)]
enum Short {
    /// It is a parameter and nothing else.
    Param(String),
    Compiled(Arc<Expression<'static, 'static>>),
    /// It is none, or cannot be read.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A bare expression, whose value keeps its type.
    Expression,
    /// A text with expressions in it, which gives a text.
    Text,
}

impl Formula {
    /// The expression of a `when`.
    pub(crate) fn condition(text: &str, span: Span) -> Self {
        Self::new(text, span, Form::Expression)
    }

    fn new(text: &str, span: Span, form: Form) -> Self {
        let names = form.names(text).unwrap_or_default();
        let param = |name: &String| Some(name.strip_prefix("params.")?.to_owned());
        let short = match (form, names.get(text.trim()).and_then(param)) {
            (Form::Text, _) => Short::None,
            (Form::Expression, Some(name)) => Short::Param(name),
            (Form::Expression, None) => {
                let compiled = ENVIRONMENT.compile_expression_owned(text.to_owned());
                compiled.map_or(Short::None, |it| Short::Compiled(Arc::new(it)))
            }
        };
        Self {
            text: text.to_owned(),
            span,
            form,
            params: names.iter().filter_map(param).collect(),
            short,
        }
    }

    /// The template in a string, if it is one. `{{ … }}` that stands alone is an expression.
    pub(crate) fn template(node: &Node) -> Option<Self> {
        let text = node.as_str()?;
        if !text.contains("{{") && !text.contains("{%") {
            return None;
        }
        let alone = text
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"));
        let expression = alone
            .map(|inner| inner.trim_matches(['-', '+']))
            .filter(|inner| Environment::empty().compile_expression(inner).is_ok());
        let form = if expression.is_some() {
            Form::Expression
        } else {
            Form::Text
        };
        Some(Self::new(
            expression.unwrap_or(text),
            node.span.clone(),
            form,
        ))
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Reports what is wrong whatever the values: syntax, and names that mean nothing. True if it
    /// can be evaluated.
    pub(crate) fn check(&self, params: &[Param], file: &str, report: &mut Report) -> bool {
        let names = match self.form.names(&self.text) {
            Ok(names) => names,
            Err(error) => {
                self.report_broken(&error, file, report);
                return false;
            }
        };
        let known = || params.iter().map(|param| param.name.as_str());
        let mut sound = true;
        for name in names {
            let path: Vec<_> = name.split('.').collect();
            let (message, hint) = match path[..] {
                ["params", param] if known().any(|known| known == param) => continue,
                ["params", param, ..] if known().any(|known| known == param) => {
                    let hint = format!("write `params.{param}`");
                    (format!("parameter `{param}` has no fields"), Some(hint))
                }
                ["params", param, ..] => (
                    format!("no parameter is named `{param}`"),
                    did_you_mean(param, known(), "the parameters")
                        .or_else(|| Some(format!("declare it: `[params.{param}]`"))),
                ),
                ["params"] => (
                    "`params` is the table of all parameters, not one of them".to_owned(),
                    Some("write `params.` and a parameter's name".to_owned()),
                ),
                [other, ..] => (
                    format!("nothing is named `{other}` here"),
                    Some(if known().any(|known| known == other) {
                        format!("write `params.{other}`")
                    } else {
                        "expressions know only `params`; text in them needs quotes".to_owned()
                    }),
                ),
                [] => continue,
            };
            report
                .error(UNKNOWN_PARAM, self.locate(&name, file), message)
                .hint(hint);
            sound = false;
        }
        sound
    }

    /// The names of the parameters it uses.
    pub(crate) const fn params(&self) -> &BTreeSet<String> {
        &self.params
    }

    /// Its value over these parameters.
    pub(crate) fn evaluate(&self, params: &Map<String, Value>) -> Result<Value, minijinja::Error> {
        if let Short::Param(name) = &self.short
            && let Some(value) = params.get(name)
        {
            return Ok(value.clone());
        }
        let used = self.params.iter();
        let used = used.filter_map(|name| Some((name, params.get(name)?)));
        let used: BTreeMap<_, _> = used.collect();
        let context = minijinja::context! { params => Serde(used) };
        let value = match (&self.short, self.form) {
            (Short::Compiled(expression), _) => expression.eval(context)?,
            (_, Form::Expression) => ENVIRONMENT.compile_expression(&self.text)?.eval(context)?,
            (_, Form::Text) => ENVIRONMENT.render_str(&self.text, context)?.into(),
        };
        serde_json::to_value(value)
            .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))
    }

    /// Reports that it cannot be read or evaluated.
    pub(crate) fn report_broken<'r>(
        &self,
        error: &minijinja::Error,
        file: &str,
        report: &'r mut Report,
    ) -> &'r mut Diagnostic {
        let at = error.range().and_then(|range| {
            let start = self.offset(file)?;
            Some(start + range.start..start + range.end)
        });
        let place = at
            .filter(|at| at.end <= self.span.end)
            .unwrap_or_else(|| self.span());
        let detail = error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned);
        let message = match error.kind() {
            ErrorKind::SyntaxError => "this expression cannot be read",
            _ => "this expression cannot be evaluated",
        };
        let hint = self.cure(&detail);
        report
            .error(BROKEN_EXPRESSION, place, message)
            .label(detail)
            .hint(hint)
    }

    /// The cure for a failure with this detail.
    fn cure(&self, detail: &str) -> String {
        let text = self.text.trim();
        if self.form == Form::Expression && text.starts_with("{{") {
            let bare = text.trim_matches(['{', '}']).trim();
            format!("a condition is written without braces: `{bare}`")
        } else if detail.contains("end of variable block") {
            "close the expression by `}}`".to_owned()
        } else if detail.contains("use + operator") {
            "text is joined by `~`".to_owned()
        } else {
            "expressions are those of Jinja, over `params`".to_owned()
        }
    }

    /// Where its text starts in the file, unless the file writes it with escapes.
    fn offset(&self, file: &str) -> Option<usize> {
        let written = file.get(self.span())?;
        Some(self.span.start + written.find(&self.text)?)
    }

    /// The place of a name in it, or all of it where the name cannot be found.
    fn locate(&self, name: &str, file: &str) -> Span {
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        let found = self.text.match_indices(name).find(|(start, _)| {
            let (before, after) = (&self.text[..*start], &self.text[start + name.len()..]);
            !before.ends_with(|last| is_name(last) || last == '.') && !after.starts_with(is_name)
        });
        let place = found.zip(self.offset(file)).map(|((start, _), offset)| {
            let start = offset + start;
            start..start + name.len()
        });
        place.unwrap_or_else(|| self.span())
    }
}

impl Form {
    /// All names that a text of this form does not define itself, such as `params.scan`.
    fn names(self, text: &str) -> Result<BTreeSet<String>, minijinja::Error> {
        let env = &*ENVIRONMENT;
        let names = match self {
            Self::Expression => env.compile_expression(text)?.undeclared_variables(true),
            Self::Text => env.template_from_str(text)?.undeclared_variables(true),
        };
        let own: BTreeSet<_> = env.globals().map(|(name, _)| name.to_owned()).collect();
        Ok(names
            .into_iter()
            .filter(|name| !own.contains(name))
            .collect())
    }
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_debug(true);
    env
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn formula(text: &str) -> Option<Formula> {
        Formula::template(&Node::from_json(0..0, json!(text)))
    }

    fn values() -> Map<String, Value> {
        let values = json!({ "n": 3, "x": 1.5, "scan": true, "name": "a", "langs": ["en", "de"] });
        values.as_object().unwrap().clone()
    }

    #[test]
    fn a_template_alone_keeps_the_type() {
        let check = |text: &str, expected: Value| {
            assert_eq!(
                formula(text).unwrap().evaluate(&values()).unwrap(),
                expected,
                "{text}"
            );
        };
        check("{{ params.n }}", json!(3));
        check("{{params.x}}", json!(1.5));
        check("{{ (params.x) }}", json!(1.5));
        check("{{- params.n -}}", json!(3));
        check("{{ params.scan }}", json!(true));
        check("{{ params.langs }}", json!(["en", "de"]));
        check("{{ params.n * 2 }}", json!(6));
        check("{{ params.n }} pages", json!("3 pages"));
        check(" {{ params.n }}", json!(" 3"));
        check("{{ params.n }}{{ params.n }}", json!("33"));
        check("{% if params.scan %}yes{% endif %}", json!("yes"));
        check("{{ '}}' }}", json!("}}"));
        assert!(formula("{ not a template }").is_none());
    }

    #[test]
    fn conditions_are_evaluated() {
        let check = |text: &str, expected: Value| {
            let value = Formula::condition(text, 0..0).evaluate(&values()).unwrap();
            assert_eq!(value, expected, "{text}");
        };
        check("params.scan", json!(true));
        check("params.n > 3 or not params.scan", json!(false));
        check("params.name == 'a' and 'de' in params.langs", json!(true));
        check("params.n", json!(3));
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error() {
        let check = |text: &str| {
            assert!(
                Formula::condition(text, 0..0).evaluate(&values()).is_err(),
                "{text}"
            );
        };
        check("params.n >");
        check("params.name + params.n");
        check("params.n is nonsense");
        let endless = formula("{% for i in range(99999) %}{{ i }}{% endfor %}").unwrap();
        assert!(endless.evaluate(&values()).is_err());
    }

    #[test]
    fn names_are_collected() {
        let check = |text: &str, expected: &[&str]| {
            let found = formula(text).unwrap();
            let found: Vec<_> = found.params().iter().collect();
            assert_eq!(found, expected, "{text}");
        };
        check("{{ params.n }}", &["n"]);
        check("{{ params.name }}-{{ params.n }}", &["n", "name"]);
        check("{% for i in range(params.n) %}{{ i }}{% endfor %}", &["n"]);
    }
}
