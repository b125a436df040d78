//! From a pipeline and the values of its parameters to a plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use docgenie_document::{Code, Slot};
use serde_json::{Map, Value};

use crate::{
    catalogue::{Catalogue, Scope, SlotUse, StageSpec},
    diagnostic::{Diagnostic, Report, in_order},
    node::{Entry, Kind, Node, Table, type_of},
    options::{self, Fault, ILL_TYPED_OPTION},
    order,
    param::{Misfit, Param, UNKNOWN_PARAM, display},
    pipeline::{Pipeline, Stage},
    plan::{Plan, PlannedStage},
    wording::{did_you_mean, one_of},
};

/// A parameter without default that is not set.
pub(crate) const NOT_SET: Code = Code::new("DG0024");
/// A condition whose value is not a boolean.
pub(crate) const NOT_BOOLEAN: Code = Code::new("DG0026");
/// A slot read that nothing earlier writes.
pub(crate) const UNWRITTEN_SLOT: Code = Code::new("DG0033");
/// No stage starts documents.
pub(crate) const NO_START: Code = Code::new("DG0034");
/// Several stages start documents.
pub(crate) const SECOND_START: Code = Code::new("DG0035");

/// The values of all parameters.
#[derive(Default)]
struct Values {
    values: Map<String, Value>,
    /// The arguments that gave them.
    arguments: BTreeMap<String, String>,
    /// Those whose value in `values` is only one of their type, because a fault stands in the way.
    samples: BTreeSet<String>,
    /// Those of which not even the type is sure.
    untyped: BTreeSet<String>,
}

/// A stage with the values of parameters put in.
struct Resolved<'a> {
    stage: &'a Stage,
    is_active: bool,
    options: Map<String, Value>,
    slots: SlotUse,
    /// Whether faults hide what it writes.
    is_obscure: bool,
}

impl Plan {
    /// Reads a pipeline file and plans a run of it in one go. All diagnostics are in order of
    /// place; there is no plan if one of them is an error. See [`Pipeline::parse`] and
    /// [`Pipeline::plan`].
    #[must_use]
    pub fn of_file(
        path_shown: &str,
        text: &str,
        catalogue: &Catalogue,
        set: &[(String, String)],
    ) -> (Option<Self>, Vec<Diagnostic>) {
        let (pipeline, mut diagnostics) = Pipeline::parse(path_shown, text, catalogue);
        let Some(pipeline) = pipeline else {
            return (None, diagnostics);
        };
        let (plan, more) = pipeline.plan(set);
        diagnostics.extend(more);
        (plan, in_order(diagnostics))
    }
}

impl Pipeline {
    /// Plans a run with the parameters given as `--set key=value`; the last of one name counts.
    /// Reports what depends on the values of parameters; there is no plan if there are errors, here
    /// or in parsing.
    #[must_use]
    pub fn plan(&self, set: &[(String, String)]) -> (Option<Plan>, Vec<Diagnostic>) {
        let given = set.iter().map(|(name, text)| {
            let value = |param: &Param| param.value_of_text(text);
            (name.as_str(), format!("--set {name}={text}"), value)
        });
        self.planned(given)
    }

    /// Plans a run with parameters given as JSON.
    #[must_use]
    pub fn plan_json(&self, params: &Map<String, Value>) -> (Option<Plan>, Vec<Diagnostic>) {
        let given = params.iter().map(|(name, given)| {
            let value = |param: &Param| param.fit(given);
            (name.as_str(), format!("params.{name}"), value)
        });
        self.planned(given)
    }

    fn planned<'a, F: Fn(&Param) -> Result<Value, Misfit>>(
        &self,
        given: impl Iterator<Item = (&'a str, String, F)>,
    ) -> (Option<Plan>, Vec<Diagnostic>) {
        let mut report = Report::new(Arc::clone(&self.source));
        let values = self.values(given, &mut report);
        let stages: Vec<_> = self
            .stages
            .iter()
            .map(|stage| self.resolve(stage, &values, &mut report))
            .collect();
        self.check_start(&stages, &mut report);
        let order = active_order(&stages);
        let slots = self.check_slots(&stages, &order, &mut report);
        if self.faulty || report.errors() > 0 {
            return (None, report.finish());
        }
        let plan = Plan {
            name: self.name.clone(),
            description: self.description.clone(),
            params: values.values,
            pipeline: self.digest,
            stages: self.planned_stages(&stages, &order, slots),
        };
        (Some(plan), report.finish())
    }

    fn values<'a, F: Fn(&Param) -> Result<Value, Misfit>>(
        &self,
        given: impl Iterator<Item = (&'a str, String, F)>,
        report: &mut Report,
    ) -> Values {
        let mut set: BTreeMap<&str, (String, Result<Value, Misfit>)> = BTreeMap::new();
        for (name, argument, value) in given {
            if let Some(param) = self.params.iter().find(|param| param.name == name) {
                set.insert(&param.name, (argument, value(param)));
                continue;
            }
            let names = self.params.iter().map(|param| param.name.as_str());
            let hint = did_you_mean(name, names, "the parameters");
            report
                .argument_error(
                    UNKNOWN_PARAM,
                    &argument,
                    format!("no parameter is named `{name}`"),
                )
                .hint(hint.or_else(|| Some("this pipeline has no parameters".to_owned())));
        }
        let mut values = Values::default();
        for param in &self.params {
            let value = self.value(param, set.remove(param.name.as_str()), &mut values, report);
            let value = value.unwrap_or_else(|| {
                values.samples.insert(param.name.clone());
                param.sample()
            });
            values.values.insert(param.name.clone(), value);
            values
                .untyped
                .extend((!param.sound).then(|| param.name.clone()));
        }
        values
    }

    fn value(
        &self,
        param: &Param,
        given: Option<(String, Result<Value, Misfit>)>,
        values: &mut Values,
        report: &mut Report,
    ) -> Option<Value> {
        let Param { name, span, .. } = param;
        match given {
            _ if !param.sound => None,
            Some((argument, Ok(value))) => {
                values.arguments.insert(name.clone(), argument);
                Some(value)
            }
            Some((argument, Err(misfit))) => {
                report
                    .argument_error(misfit.code, &argument, misfit.message)
                    .related(span.clone(), "declared here")
                    .hint(misfit.hint);
                None
            }
            None => param.default.clone().or_else(|| {
                report
                    .error(
                        NOT_SET,
                        span.clone(),
                        format!("parameter `{name}` is not set"),
                    )
                    .label("it has no default")
                    .hint(format!("give it by `--set {name}=…`, or add a `default`"));
                None
            }),
        }
    }

    fn resolve<'a>(
        &'a self,
        stage: &'a Stage,
        values: &Values,
        report: &mut Report,
    ) -> Resolved<'a> {
        let is_active = self.is_active(stage, values, report);
        let with = stage
            .with
            .as_ref()
            .map(|with| self.filled(stage, with, values, report));
        let Some(spec) = &stage.spec else {
            let (options, slots) = (Map::new(), SlotUse::default());
            return Resolved {
                stage,
                is_active,
                options,
                slots,
                is_obscure: true,
            };
        };
        let place = stage.uses_span.clone();
        let (options, faults) = options::check(&spec.name, &spec.options, with.as_ref(), place);
        let has_faults = !faults.is_empty();
        for fault in faults {
            self.report_fault(fault, stage, values, report);
        }
        let slots = (spec.slots)(&options);
        let is_obscure = has_faults && slots == SlotUse::default();
        Resolved {
            stage,
            is_active,
            options,
            slots,
            is_obscure,
        }
    }

    fn is_active(&self, stage: &Stage, values: &Values, report: &mut Report) -> bool {
        let Some(formula) = &stage.when else {
            return true;
        };
        let params = formula.params();
        let is_sure = params.is_disjoint(&values.samples);
        match formula.evaluate(&values.values) {
            Ok(Value::Bool(truth)) => truth || !is_sure,
            Ok(value) => {
                if params.is_disjoint(&values.untyped) {
                    let diagnostic = report
                        .error(
                            NOT_BOOLEAN,
                            formula.span(),
                            "this condition is not true or false",
                        )
                        .label(format!("this is {}", type_of(&value)))
                        .hint(match value {
                            Value::String(_) => "compare it, as in `params.x == \"a\"`".to_owned(),
                            Value::Array(_) => {
                                "ask for an item, as in `\"a\" in params.x`".to_owned()
                            }
                            _ => "compare it, as in `params.n > 0`".to_owned(),
                        });
                    explain(diagnostic, &params, values);
                }
                true
            }
            Err(error) => {
                if is_sure {
                    let file = self.source.text();
                    explain(formula.report_broken(&error, file, report), &params, values);
                }
                true
            }
        }
    }

    /// The node with its templates evaluated.
    fn filled(&self, stage: &Stage, node: &Node, values: &Values, report: &mut Report) -> Node {
        let span = node.span.clone();
        let kind = match &node.kind {
            Kind::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| self.filled(stage, item, values, report));
                Kind::Array(items.collect())
            }
            Kind::Table(table) => {
                let entries = table.0.iter().map(|entry| Entry {
                    value: self.filled(stage, &entry.value, values, report),
                    ..entry.clone()
                });
                Kind::Table(Table(entries.collect()))
            }
            other => match stage.templates.get(&span.start) {
                None => other.clone(),
                Some(None) => Kind::Unknown(Value::Null),
                Some(Some(formula)) => {
                    let params = formula.params();
                    match formula.evaluate(&values.values) {
                        _ if !params.is_disjoint(&values.untyped) => Kind::Unknown(Value::Null),
                        Ok(value) if params.is_disjoint(&values.samples) => {
                            return Node::from_json(span, value);
                        }
                        Ok(sample) => Kind::Unknown(sample),
                        Err(error) => {
                            if params.is_disjoint(&values.samples) {
                                let file = self.source.text();
                                let diagnostic = formula.report_broken(&error, file, report);
                                explain(diagnostic, &params, values);
                            }
                            Kind::Unknown(Value::Null)
                        }
                    }
                }
            },
        };
        Node { span, kind }
    }

    fn report_fault(&self, fault: Fault, stage: &Stage, values: &Values, report: &mut Report) {
        let formula = stage.templates.get(&fault.span.start);
        let diagnostic = report.error(fault.code, fault.span, fault.message);
        diagnostic.label(fault.label);
        let Some(formula) = formula.and_then(Option::as_ref) else {
            diagnostic.hint(fault.hint);
            return;
        };
        let params = formula.params();
        explain(diagnostic, &params, values);
        if fault.code != ILL_TYPED_OPTION {
            diagnostic.hint(fault.hint);
            return;
        }
        // What cures a literal of the wrong type does not cure a template.
        for param in self
            .params
            .iter()
            .filter(|param| params.contains(&param.name))
        {
            let label = format!("declared as {}", param.kind.described());
            diagnostic.related(param.span.clone(), label);
        }
        diagnostic.hint("declare the parameter with the type the option needs".to_owned());
    }

    fn check_start(&self, stages: &[Resolved<'_>], report: &mut Report) {
        let starts = |resolved: &&Resolved<'_>| {
            resolved
                .stage
                .spec
                .as_ref()
                .is_some_and(|spec| spec.starts_documents)
        };
        let mut active = stages
            .iter()
            .filter(starts)
            .filter(|resolved| resolved.is_active);
        let Some(first) = active.next() else {
            let unknown = stages.iter().any(|resolved| resolved.stage.spec.is_none());
            if let Some(any) = stages.first()
                && !unknown
            {
                self.report_no_start(any.stage, stages.iter().find(starts), report);
            }
            return;
        };
        for second in active {
            let (first, second) = (first.stage, second.stage);
            report
                .error(
                    SECOND_START,
                    second.uses_span.clone(),
                    format!("both `{}` and `{}` start documents", first.id, second.id),
                )
                .label("starts documents, too")
                .related(first.uses_span.clone(), "starts documents")
                .hint("keep one of them, or switch one off by `when`".to_owned());
        }
    }

    fn report_no_start(
        &self,
        any: &Stage,
        switched_off: Option<&Resolved<'_>>,
        report: &mut Report,
    ) {
        let names = self.catalogue.iter().filter(|spec| spec.starts_documents);
        let names = names.map(|spec| spec.name.as_str());
        let names = names.filter(|name| switched_off.is_none_or(|off| off.stage.uses != *name));
        let starters = one_of(names, "or");
        let off = switched_off.and_then(|resolved| Some((resolved, resolved.stage.when.as_ref()?)));
        match off {
            Some((resolved, when)) => {
                let id = &resolved.stage.id;
                report
                    .error(NO_START, when.span(), "no stage starts documents")
                    .label(format!("switches `{id}` off, which would"))
                    .hint(format!(
                        "switch `{id}` on, or start with another stage: {starters}"
                    ));
            }
            None => {
                report
                    .error(NO_START, any.uses_span.clone(), "no stage starts documents")
                    .label("the first stage works on documents that others have started")
                    .hint(format!(
                        "begin with a stage that starts documents: {starters}"
                    ));
            }
        }
    }

    /// Checks that every slot read is written earlier. The slots of each stage in `order`, with
    /// `reads_if_present` narrowed to what is there.
    fn check_slots(
        &self,
        stages: &[Resolved<'_>],
        order: &[usize],
        report: &mut Report,
    ) -> Vec<SlotUse> {
        let mut written: BTreeSet<Slot> = BTreeSet::new();
        let mut all = Vec::with_capacity(order.len());
        let mut is_obscure = false;
        for index in order {
            let resolved = &stages[*index];
            let SlotUse {
                reads,
                mut reads_if_present,
                writes,
            } = resolved.slots.clone();
            let missing = reads.iter().filter(|slot| !written.contains(slot));
            for slot in missing.filter(|_| !is_obscure) {
                self.report_unwritten(*slot, *index, stages, report);
            }
            is_obscure |= resolved.is_obscure;
            reads_if_present.retain(|slot| written.contains(slot));
            written.extend(&writes);
            all.push(SlotUse {
                reads,
                reads_if_present,
                writes,
            });
        }
        all
    }

    fn report_unwritten(
        &self,
        slot: Slot,
        reader: usize,
        stages: &[Resolved<'_>],
        report: &mut Report,
    ) {
        let stage = stages[reader].stage;
        let id = &stage.id;
        let diagnostic = report
            .error(
                UNWRITTEN_SLOT,
                stage.uses_span.clone(),
                format!("stage `{id}` reads slot `{slot}`, which no earlier stage writes"),
            )
            .label(format!("reads `{slot}`"));

        // A stage that changes what others have written does not bring it into being.
        let writes = |spec: &StageSpec, slots: &SlotUse| {
            let reads = || slots.reads.iter().chain(&slots.reads_if_present);
            slots.writes.contains(&slot)
                && !reads().any(|read| *read == slot)
                && spec.name != stage.uses
        };
        let in_file = stages.iter().enumerate().find(|(index, other)| {
            let spec = other.stage.spec.as_ref();
            *index != reader && spec.is_some_and(|spec| writes(spec, &other.slots))
        });
        let hint = if let Some((_, other)) = in_file {
            let name = &other.stage.id;
            let is_dataset = other
                .stage
                .spec
                .as_ref()
                .is_some_and(|spec| spec.scope == Scope::Dataset);
            match &other.stage.when {
                Some(when) if !other.is_active => {
                    let label = format!("switches `{name}` off, which writes `{slot}`");
                    diagnostic.related(when.span(), label);
                    format!("switch `{name}` on, or `{id}` off by the same `when`")
                }
                _ if is_dataset => {
                    let label = format!("writes `{slot}`, but after all document stages");
                    diagnostic.related(other.stage.uses_span.clone(), label);
                    format!("`{id}` cannot come after `{name}`: remove it")
                }
                _ => {
                    let label = format!("writes `{slot}`, but comes later");
                    diagnostic.related(other.stage.uses_span.clone(), label);
                    format!("move `{name}` before `{id}`")
                }
            }
        } else {
            let writers = self.catalogue.iter().filter(|spec| {
                let (options, _) = options::check(&spec.name, &spec.options, None, 0..0);
                writes(spec, &(spec.slots)(&options))
            });
            let writers = one_of(writers.map(|spec| spec.name.as_str()), "or");
            if writers.is_empty() {
                format!("add a stage before `{id}` that writes `{slot}`")
            } else {
                format!("add a stage before `{id}` that writes `{slot}`: {writers}")
            }
        };
        diagnostic.hint(hint);
    }

    fn planned_stages(
        &self,
        stages: &[Resolved<'_>],
        order: &[usize],
        slots: Vec<SlotUse>,
    ) -> Vec<PlannedStage> {
        let hazards = order::hazards(&slots);
        let planned =
            order
                .iter()
                .zip(slots)
                .zip(hazards)
                .filter_map(|((index, slots), hazards)| {
                    let Resolved { stage, options, .. } = &stages[*index];
                    let explicit = stage.after.iter();
                    let explicit =
                        explicit.filter_map(|named| order.iter().position(|at| at == named));
                    let after: BTreeSet<_> = hazards.into_iter().chain(explicit).collect();
                    Some(PlannedStage {
                        id: stage.id.clone(),
                        uses: stage.uses.clone(),
                        scope: stage.spec.as_ref()?.scope,
                        options: options.clone(),
                        slots,
                        after: after.into_iter().collect(),
                        location: self.source.location(stage.span.start),
                    })
                });
        planned.collect()
    }
}

/// The stages that are switched on, in the order they run.
fn active_order(stages: &[Resolved<'_>]) -> Vec<usize> {
    let active: Vec<_> = (0..stages.len())
        .filter(|index| stages[*index].is_active)
        .collect();
    let constraints: Vec<_> = active
        .iter()
        .map(|index| {
            let stage = stages[*index].stage;
            let scope = stage
                .spec
                .as_ref()
                .map_or(Scope::Document, |spec| spec.scope);
            let named = stage.after.iter();
            let after = named.filter_map(|named| active.iter().position(|at| at == named));
            (scope, after.collect())
        })
        .collect();
    order::sorted(&constraints)
        .into_iter()
        .map(|position| active[position])
        .collect()
}

/// Notes which values the parameters have and where they come from.
fn explain(diagnostic: &mut Diagnostic, params: &BTreeSet<String>, values: &Values) {
    for name in params {
        let Some(value) = values.values.get(name) else {
            continue;
        };
        let value = display(value);
        diagnostic.note(match values.arguments.get(name) {
            Some(argument) => format!("`params.{name}` is {value}, by `{argument}`"),
            None if values.samples.contains(name) => {
                format!("`params.{name}` is declared, but has no value yet")
            }
            None => format!("`params.{name}` is {value}, its default"),
        });
    }
}
