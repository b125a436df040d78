//! The values of all parameters, and of expressions over them.

use std::collections::{BTreeMap, BTreeSet};

use docgenie_document::Code;
use serde_json::{Map, Value};

use crate::{
    diagnostic::{Diagnostic, Report},
    param::{Misfit, Param, UNKNOWN_PARAM, display},
    source::Source,
    template::Formula,
    wording::did_you_mean,
};

/// A parameter without default that is not set.
pub(crate) const NOT_SET: Code = Code::new("DG0024");

/// What is given for a parameter.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    /// The text of an argument.
    Text(&'a str),
    /// A value.
    Json(&'a Value),
}

impl Given<'_> {
    fn argument(self, name: &str) -> String {
        match self {
            Self::Text(text) => format!("--set {name}={text}"),
            Self::Json(_) => format!("params.{name}"),
        }
    }

    fn value_for(self, param: &Param) -> Result<Value, Misfit> {
        match self {
            Self::Text(text) => param.value_of_text(text),
            Self::Json(value) => param.fit(value),
        }
    }
}

/// The values of all parameters.
#[derive(Default)]
pub(super) struct Values<'a> {
    values: Map<String, Value>,
    /// What gave them, but for defaults.
    given: BTreeMap<String, Given<'a>>,
    /// Those whose value is only one of their type, because a fault stands in the way.
    samples: BTreeSet<String>,
    /// Those of which not even the type is sure.
    untyped: BTreeSet<String>,
}

/// The value of an expression, as far as faults elsewhere let it be known.
pub(super) enum Outcome {
    /// It is this.
    Known(Value),
    /// It is of the type of this.
    Typed(Value),
    Unknown,
}

impl<'a> Values<'a> {
    pub(super) fn of(
        params: &[Param],
        given: impl Iterator<Item = (&'a str, Given<'a>)>,
        report: &mut Report,
    ) -> Self {
        let mut set = BTreeMap::new();
        for (name, given) in given {
            if params.iter().any(|param| param.name == name) {
                set.insert(name, given);
                continue;
            }
            let names = params.iter().map(|param| param.name.as_str());
            let hint = did_you_mean(name, names, "the parameters");
            let message = format!("no parameter is named `{name}`");
            report
                .argument_error(UNKNOWN_PARAM, &given.argument(name), message)
                .hint(hint.or_else(|| Some("this pipeline has no parameters".to_owned())));
        }
        let mut values = Self::default();
        for param in params {
            values.add(param, set.remove(param.name.as_str()), report);
        }
        values
    }

    pub(super) fn into_known(self) -> Map<String, Value> {
        self.values
    }

    /// The values of these parameters, if no fault stands in the way of any.
    pub(super) fn sure(&self, names: &BTreeSet<String>) -> Option<Vec<&Value>> {
        let open = !names.is_disjoint(&self.samples) || !names.is_disjoint(&self.untyped);
        let values = names.iter().map(|name| self.values.get(name));
        values.collect::<Option<_>>().filter(|_| !open)
    }

    /// The value of a formula; failures are reported.
    pub(super) fn evaluate(
        &self,
        formula: &Formula,
        source: &Source,
        report: &mut Report,
    ) -> Outcome {
        let params = formula.params();
        if !params.is_disjoint(&self.untyped) {
            return Outcome::Unknown;
        }
        let is_sure = params.is_disjoint(&self.samples);
        match formula.evaluate(&self.values) {
            Ok(value) if is_sure => Outcome::Known(value),
            Ok(value) => Outcome::Typed(value),
            Err(error) => {
                if is_sure {
                    let diagnostic = formula.report_broken(&error, source.text(), report);
                    self.explain(diagnostic, formula);
                }
                Outcome::Unknown
            }
        }
    }

    /// Notes which values the parameters of the formula have and where they come from.
    pub(super) fn explain(&self, diagnostic: &mut Diagnostic, formula: &Formula) {
        for name in formula.params() {
            let Some(value) = self.values.get(name) else {
                continue;
            };
            let value = display(value);
            diagnostic.note(match self.given.get(name) {
                Some(given) => {
                    let argument = given.argument(name);
                    format!("`params.{name}` is {value}, by `{argument}`")
                }
                None if self.samples.contains(name) => {
                    format!("`params.{name}` is declared, but has no value yet")
                }
                None => format!("`params.{name}` is {value}, its default"),
            });
        }
    }

    fn add(&mut self, param: &Param, given: Option<Given<'a>>, report: &mut Report) {
        let name = &param.name;
        let value = if param.sound {
            self.checked(param, given, report)
        } else {
            self.untyped.insert(name.clone());
            None
        };
        let value = value.unwrap_or_else(|| {
            self.samples.insert(name.clone());
            param.sample()
        });
        self.values.insert(name.clone(), value);
    }

    /// The value given, else the default; the lack of both is reported.
    fn checked(
        &mut self,
        param: &Param,
        given: Option<Given<'a>>,
        report: &mut Report,
    ) -> Option<Value> {
        let Param {
            name,
            span,
            default,
            ..
        } = param;
        let Some(given) = given else {
            if default.is_none() {
                report
                    .error(
                        NOT_SET,
                        span.clone(),
                        format!("parameter `{name}` is not set"),
                    )
                    .label("it has no default")
                    .hint(format!("give it by `--set {name}=…`, or add a `default`"));
            }
            return default.clone();
        };
        match given.value_for(param) {
            Ok(value) => {
                self.given.insert(name.clone(), given);
                Some(value)
            }
            Err(misfit) => {
                report
                    .argument_error(misfit.code, &given.argument(name), misfit.message)
                    .related(span.clone(), "declared here")
                    .hint(misfit.hint);
                None
            }
        }
    }
}
