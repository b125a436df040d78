//! From a pipeline and the values of its parameters to a plan.

mod flow;
mod plugins;
mod settled;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use docgenie_document::Code;
use serde_json::{Map, Value};

pub(crate) use self::settled::Memo;
use self::{
    settled::Settled,
    values::{Given, Outcome, Values},
};
use crate::{
    catalogue::{Scope, SlotUse, StageSpec},
    diagnostic::{Diagnostic, Report},
    naming::{meant_plugin, plugin_in, report_no_plugin, spec_named},
    node::{Entry, Kind, Node, Table, type_of},
    options::{self, BAD_OPTION, Fault, ILL_TYPED_OPTION},
    order,
    pipeline::{Pipeline, Stage},
    plan::{Plan, PlannedStage},
    shape,
    source::Span,
    wording::{did_you_mean, meant},
};

/// A condition whose value is not a boolean.
pub(crate) const NOT_BOOLEAN: Code = Code::new("DG0026");

impl Pipeline {
    /// Plans a run with the parameters given as `--set key=value`; the last of one name counts.
    /// Reports what depends on the values of parameters; there is no plan if there are errors, here
    /// or in parsing.
    #[must_use]
    pub fn plan(&self, set: &[(String, String)]) -> (Option<Plan>, Vec<Diagnostic>) {
        let given = set
            .iter()
            .map(|(name, text)| (name.as_str(), Given::Text(text)));
        self.planned(given)
    }

    /// Plans a run with parameters given as JSON; otherwise as [`plan`](Self::plan).
    #[must_use]
    pub fn plan_json(&self, params: &Map<String, Value>) -> (Option<Plan>, Vec<Diagnostic>) {
        let given = params
            .iter()
            .map(|(name, value)| (name.as_str(), Given::Json(value)));
        self.planned(given)
    }

    fn planned<'a>(
        &self,
        given: impl Iterator<Item = (&'a str, Given<'a>)>,
    ) -> (Option<Plan>, Vec<Diagnostic>) {
        let mut report = Report::new(Arc::clone(&self.source));
        let values = Values::of(&self.params, given, &mut report);
        let mut resolver = Resolver {
            pipeline: self,
            values: &values,
            report: &mut report,
        };
        let mut stages: Vec<_> = self
            .stages
            .iter()
            .map(|stage| resolver.resolve(stage))
            .collect();
        let implied = resolver.implied(&stages);
        stages.extend(implied.iter().map(|stage| resolver.resolve(stage)));
        let order = active_order(&stages);
        flow::check_start(self, &stages, &mut report);
        let slots = flow::check_slots(self, &stages, &order, &mut report);
        if self.faulty || report.errors() > 0 {
            return (None, report.finish());
        }
        let plan = Plan {
            name: self.name.clone(),
            description: self.description.clone(),
            params: values.into_known(),
            pipeline: self.digest,
            stages: planned_stages(self, &stages, &order, slots),
            plugins: stages
                .iter()
                .flat_map(|it| it.settled.plugins.iter().cloned())
                .collect(),
        };
        (Some(plan), report.finish())
    }
}

/// A stage and what it comes to in this plan.
struct Resolved<'a> {
    stage: &'a Stage,
    settled: Arc<Settled>,
    /// Whether faults hide what it writes.
    is_obscure: bool,
}

/// Puts the values of parameters into stages.
struct Resolver<'a, 'r> {
    pipeline: &'a Pipeline,
    values: &'r Values<'r>,
    report: &'r mut Report,
}

impl<'a> Resolver<'a, '_> {
    fn resolve(&mut self, stage: &'a Stage) -> Resolved<'a> {
        let values = self.values.sure(&stage.depends);
        let known = values.as_ref().and_then(|values| stage.memo.get(values));
        if let Some(settled) = known {
            return Resolved {
                stage,
                settled,
                is_obscure: false,
            };
        }
        let before = self.report.errors();
        let (settled, is_obscure) = self.settle(stage);
        let settled = Arc::new(settled);
        if let Some(values) = values
            && !is_obscure
            && self.report.errors() == before
        {
            stage.memo.set(&values, settled.clone());
        }
        Resolved {
            stage,
            settled,
            is_obscure,
        }
    }

    /// What the stage comes to, and whether faults hide what it writes.
    fn settle(&mut self, stage: &Stage) -> (Settled, bool) {
        let is_active = self.is_active(stage);
        let with = stage.with.as_ref().map(|with| self.filled(stage, with));
        let mut settled = Settled {
            is_active,
            ..Settled::default()
        };
        let mut is_obscure = true;
        if let Some(spec) = &stage.spec {
            let place = stage.uses_span.clone();
            let schema = if spec.variants.is_none() {
                stage.schema.get_or_init(|| shape::resolved(&spec.options))
            } else {
                self.schema(spec, with.as_ref())
            };
            let (options, faults) = options::check(&spec.name, schema, with.as_ref(), place);
            settled.slots = (spec.slots)(&options);
            if is_active {
                settled.implied = (spec.implies)(&options);
            }
            settled.options = Arc::new(options);
            is_obscure = !faults.is_empty() && settled.slots == SlotUse::default();
            for fault in faults {
                self.report_fault(fault, stage);
            }
        }
        settled.plugins = plugins::named(stage, with.as_ref(), &settled.options);
        (settled, is_obscure)
    }

    /// The schema of a stage's options, which one of them may decide.
    fn schema<'s>(&mut self, spec: &'s StageSpec, with: Option<&Node>) -> &'s Value {
        let deciding = spec.variants.as_ref().and_then(|variants| {
            let Kind::Table(table) = &with?.kind else {
                return None;
            };
            let value = &table.get(&variants.option)?.value;
            Some((variants, value.as_str()?, value))
        });
        let Some((variants, name, node)) = deciding else {
            return &spec.options;
        };
        if let Some(schema) = variants.schemas.get(name) {
            return schema;
        }
        let names = || variants.schemas.keys().map(String::as_str);
        let intended = if plugin_in(name).is_some() {
            let intended = meant_plugin(name, names());
            report_no_plugin(name, intended, &node.span, self.report);
            intended
        } else {
            let subject = format!("option `{}` of `{}`", variants.option, spec.name);
            self.report
                .error(
                    BAD_OPTION,
                    node.span.clone(),
                    format!("{subject} cannot be `{name}`"),
                )
                .hint(did_you_mean(name, names(), "its values"));
            meant(name, names())
        };
        intended.map_or(&spec.options, |name| &variants.schemas[name])
    }

    /// The stages that run because others ask for them, where the file does not name them itself.
    fn implied(&mut self, stages: &[Resolved<'_>]) -> Vec<Stage> {
        let mut implied: Vec<Stage> = Vec::new();
        for Resolved { stage, settled, .. } in stages {
            for asked in &settled.implied {
                let named = stages.iter().filter(|other| other.settled.is_active);
                let mut uses = named
                    .map(|other| &other.stage.uses)
                    .chain(implied.iter().map(|other| &other.uses));
                if uses.any(|uses| *uses == asked.uses) {
                    continue;
                }
                let span = option_span(stage, asked.asked_by);
                let spec = spec_named(&self.pipeline.catalogue, &asked.uses, &span, self.report);
                implied.push(Stage {
                    id: asked.uses.clone(),
                    span: span.clone(),
                    uses: asked.uses.clone(),
                    uses_span: span.clone(),
                    spec,
                    when: None,
                    with: Some(Node::from_json(span, Value::Object(asked.options.clone()))),
                    templates: BTreeMap::new(),
                    after: Vec::new(),
                    schema: OnceLock::new(),
                    depends: BTreeSet::new(),
                    memo: Memo::default(),
                });
            }
        }
        implied
    }

    /// Whether the stage is switched on; where faults leave it open, it is.
    fn is_active(&mut self, stage: &Stage) -> bool {
        let Some(when) = &stage.when else {
            return true;
        };
        let value = match self
            .values
            .evaluate(when, &self.pipeline.source, self.report)
        {
            Outcome::Known(Value::Bool(is_active)) => return is_active,
            Outcome::Typed(Value::Bool(_)) | Outcome::Unknown => return true,
            Outcome::Known(value) | Outcome::Typed(value) => value,
        };
        let hint = match value {
            Value::String(_) => "compare it, as in `params.x == \"a\"`",
            Value::Array(_) => "ask for an item, as in `\"a\" in params.x`",
            _ => "compare it, as in `params.n > 0`",
        };
        let diagnostic = self
            .report
            .error(
                NOT_BOOLEAN,
                when.span(),
                "this condition is not true or false",
            )
            .label(format!("this is {}", type_of(&value)))
            .hint(hint.to_owned());
        self.values.explain(diagnostic, when);
        true
    }

    /// The node with its templates evaluated.
    fn filled(&mut self, stage: &Stage, node: &Node) -> Node {
        let span = node.span.clone();
        let kind = match &node.kind {
            Kind::Array(items) => {
                Kind::Array(items.iter().map(|item| self.filled(stage, item)).collect())
            }
            Kind::Table(table) => {
                let entries = table.0.iter().map(|entry| Entry {
                    value: self.filled(stage, &entry.value),
                    ..entry.clone()
                });
                Kind::Table(Table(entries.collect()))
            }
            other => match stage.templates.get(&span.start) {
                None => other.clone(),
                Some(None) => Kind::Unknown(Value::Null),
                Some(Some(template)) => {
                    match self
                        .values
                        .evaluate(template, &self.pipeline.source, self.report)
                    {
                        Outcome::Known(value) => return Node::from_json(span, value),
                        Outcome::Typed(value) => Kind::Unknown(value),
                        Outcome::Unknown => Kind::Unknown(Value::Null),
                    }
                }
            },
        };
        Node { span, kind }
    }

    fn report_fault(&mut self, fault: Fault, stage: &Stage) {
        let template = stage
            .templates
            .get(&fault.span.start)
            .and_then(Option::as_ref);
        let diagnostic = self.report.error(fault.code, fault.span, fault.message);
        diagnostic.label(fault.label).hint(fault.hint);
        let Some(template) = template else {
            return;
        };
        self.values.explain(diagnostic, template);
        if fault.code == ILL_TYPED_OPTION {
            // What cures a literal of the wrong type does not cure a template.
            diagnostic.hint("declare the parameter with the type the option needs".to_owned());
            let used = template.params();
            for param in self
                .pipeline
                .params
                .iter()
                .filter(|param| used.contains(&param.name))
            {
                let label = format!("declared as {}", param.kind.described());
                diagnostic.related(param.span.clone(), label);
            }
        }
    }
}

/// Where an option is given, else where the stage is named.
fn option_span(stage: &Stage, option: &str) -> Span {
    let with = stage.with.as_ref().map(|with| &with.kind);
    match with {
        Some(Kind::Table(table)) => table.get(option).map(|entry| entry.value.span.clone()),
        _ => None,
    }
    .unwrap_or_else(|| stage.uses_span.clone())
}

/// The stages that are switched on, in the order they run.
fn active_order(stages: &[Resolved<'_>]) -> Vec<usize> {
    let active = (0..stages.len()).filter(|index| stages[*index].settled.is_active);
    let active: Vec<_> = active.collect();
    let constraints = active.iter().map(|index| {
        let stage = stages[*index].stage;
        let scope = stage
            .spec
            .as_ref()
            .map_or(Scope::Document, |spec| spec.scope);
        let named = stage.after.iter();
        let after = named.filter_map(|named| active.iter().position(|at| at == named));
        (scope, after.collect())
    });
    let order = order::sorted(&constraints.collect::<Vec<_>>());
    order.into_iter().map(|position| active[position]).collect()
}

fn planned_stages(
    pipeline: &Pipeline,
    stages: &[Resolved<'_>],
    order: &[usize],
    slots: Vec<SlotUse>,
) -> Vec<PlannedStage> {
    let hazards = order::hazards(&slots);
    let all = order.iter().zip(slots).zip(hazards);
    let planned = all.filter_map(|((index, slots), hazards)| {
        let Resolved { stage, settled, .. } = &stages[*index];
        let named = stage.after.iter();
        let named = named.filter_map(|named| order.iter().position(|at| at == named));
        let after: BTreeSet<_> = hazards.into_iter().chain(named).collect();
        Some(PlannedStage {
            id: stage.id.clone(),
            uses: stage.uses.clone(),
            scope: stage.spec.as_ref()?.scope,
            options: settled.options.clone(),
            slots,
            after: after.into_iter().collect(),
            location: pipeline.source.location(stage.span.start),
        })
    });
    planned.collect()
}
