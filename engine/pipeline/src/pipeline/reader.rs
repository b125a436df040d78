//! The grammar of pipeline files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use docgenie_document::Code;
use serde_json::Value;

use super::Stage;
use crate::{
    catalogue::{Catalogue, Scope},
    diagnostic::Report,
    fields::{DESCRIPTION, Fields, Key, MISSING_KEY, WRONG_TYPE},
    naming::spec_named,
    node::{Entry, Kind, Node, Table},
    order,
    param::{self, Param},
    planner::Memo,
    source::{Source, Span},
    template::Formula,
    wording::{did_you_mean, one_of},
};

/// A name or id that is empty or has characters it cannot have.
pub(crate) const BAD_NAME: Code = Code::new("DG0006");
/// An id that another stage has.
pub(crate) const DUPLICATE_ID: Code = Code::new("DG0030");
/// An id that no stage has.
pub(crate) const UNKNOWN_ID: Code = Code::new("DG0031");
/// Stages that wait for each other.
pub(crate) const CYCLE: Code = Code::new("DG0032");
/// A document stage that waits for a dataset stage.
pub(crate) const AFTER_DATASET: Code = Code::new("DG0036");

const NAME: Key = Key {
    name: "name",
    expected: "a string",
    example: "name = \"invoices\"",
};
const PARAMS: Key = Key {
    name: "params",
    expected: "a table of parameters",
    example: "params.count = { type = \"integer\", default = 3 }",
};
const STAGE: Key = Key {
    name: "stage",
    expected: "an array of tables",
    example: "[[stage]]",
};

const USES: Key = Key {
    name: "uses",
    expected: "a string",
    example: "uses = \"render\"",
};
const ID: Key = Key {
    name: "id",
    expected: "a string",
    example: "id = \"second-pass\"",
};
const WITH: Key = Key {
    name: "with",
    expected: "a table of options",
    example: "with = { dpi = 150 }",
};
const WHEN: Key = Key {
    name: "when",
    expected: "a condition in quotes",
    example: "when = \"params.scan\"",
};
const AFTER: Key = Key {
    name: "after",
    expected: "an array of ids",
    example: "after = [\"render\"]",
};

/// Reads the tables of a file.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) catalogue: &'a Catalogue,
    pub(super) report: &'a mut Report,
}

impl Reader<'_> {
    /// Name, description, parameters and stages.
    pub(super) fn pipeline(mut self, table: &Table) -> (String, String, Vec<Param>, Vec<Stage>) {
        let keys = [NAME, DESCRIPTION, PARAMS, STAGE];
        let fields = Fields::read(table, "the pipeline", &keys, |_| None, self.report);
        let name = fields.required_string(NAME, 0..0, self.report);
        if let Some((name, span)) = &name {
            let otherwise = "give it a short name, such as `name = \"invoices\"`";
            self.check_name(name, span, "the name of a pipeline", otherwise);
        }
        let name = name.map(|(name, _)| name.to_owned()).unwrap_or_default();
        let description = fields.string(DESCRIPTION, self.report);
        let description = description
            .map(|(text, _)| text.to_owned())
            .unwrap_or_default();
        let params = fields.table(PARAMS, self.report);
        let params = params.map(|table| param::declarations(table, self.report));
        let params = params.unwrap_or_default();
        let stages = self.stages(&fields, &params);
        (name, description, params, stages)
    }

    fn stages(&mut self, fields: &Fields<'_>, params: &[Param]) -> Vec<Stage> {
        let entry = fields.get(STAGE);
        let is_empty =
            |entry: &Entry| matches!(&entry.value.kind, Kind::Array(items) if items.is_empty());
        let Some(entry) = entry.filter(|entry| !is_empty(entry)) else {
            let place = entry.map_or(0..0, |entry| entry.key_span.clone());
            self.report
                .error(MISSING_KEY, place, "the pipeline has no stages")
                .hint("add one: `[[stage]]`, and below it `uses = \"…\"`".to_owned());
            return Vec::new();
        };
        let tables: Vec<_> = match &entry.value.kind {
            // One stage in single brackets is most likely a slip, and its faults are worth telling.
            Kind::Table(table) => {
                let span = entry.value.span.clone();
                self.report
                    .error(
                        WRONG_TYPE,
                        span,
                        "`stage` of the pipeline must be an array of tables",
                    )
                    .label("this is one table")
                    .hint("write `[[stage]]` with two brackets on each side".to_owned());
                vec![(&entry.value, table)]
            }
            Kind::Array(items) => {
                let mut tables = Vec::new();
                for item in items {
                    match &item.kind {
                        Kind::Table(table) => tables.push((item, table)),
                        _ => fields.wrong_type(STAGE, item, self.report),
                    }
                }
                tables
            }
            _ => {
                fields.wrong_type(STAGE, &entry.value, self.report);
                Vec::new()
            }
        };
        let fields: Vec<_> = tables
            .iter()
            .map(|(_, table)| self.stage_fields(table))
            .collect();
        let ids = self.ids(&fields);
        let mut stages: Vec<_> = tables
            .iter()
            .zip(&fields)
            .zip(&ids)
            .map(|(((node, _), fields), id)| self.stage(node.span.clone(), fields, id, params))
            .collect();
        for (index, fields) in fields.iter().enumerate() {
            stages[index].after = self.after(index, fields, &stages);
        }
        self.check_cycles(&stages);
        stages
    }

    fn stage_fields<'t>(&mut self, table: &'t Table) -> Fields<'t> {
        let uses = table.get("uses").and_then(|entry| entry.value.as_str());
        let spec = uses.and_then(|uses| self.catalogue.get(uses));
        let options = spec.and_then(|spec| spec.options.get("properties")?.as_object());
        let advice = |key: &str| {
            let is_option = options.is_some_and(|options| options.contains_key(key));
            is_option.then(|| format!("options go into `with`: `with = {{ {key} = … }}`"))
        };
        let keys = [USES, ID, WITH, WHEN, AFTER];
        Fields::read(table, "a stage", &keys, advice, self.report)
    }

    /// The ids of all stages: those given, and for the others the stage's name, numbered where it
    /// is taken.
    fn ids(&mut self, stages: &[Fields<'_>]) -> Vec<String> {
        let mut given: BTreeMap<&str, Span> = BTreeMap::new();
        let own: Vec<Option<&str>> = stages
            .iter()
            .map(|fields| {
                let (id, span) = fields.string(ID, self.report)?;
                let otherwise = "remove it: the stage then goes by its name";
                self.check_name(id, &span, "the id of a stage", otherwise);
                if let Some(first) = given.get(id) {
                    let message = format!("two stages have the id `{id}`");
                    self.report
                        .error(DUPLICATE_ID, span, message)
                        .label("again here")
                        .related(first.clone(), "first used here")
                        .hint("give each its own".to_owned());
                    return None;
                }
                given.insert(id, span);
                Some(id)
            })
            .collect();
        let mut taken: BTreeSet<String> = given.into_keys().map(str::to_owned).collect();
        let mut uses_of: BTreeMap<&str, usize> = BTreeMap::new();
        own.iter()
            .zip(stages)
            .map(|(own, fields)| {
                if let Some(id) = own {
                    return (*id).to_owned();
                }
                let uses = fields.get(USES).and_then(|entry| entry.value.as_str());
                let name = uses.unwrap_or("stage");
                let number = uses_of.entry(name).or_default();
                loop {
                    *number += 1;
                    let id = match *number {
                        1 => name.to_owned(),
                        number => format!("{name}-{number}"),
                    };
                    if taken.insert(id.clone()) {
                        return id;
                    }
                }
            })
            .collect()
    }

    /// Checks what is to be a name or an id; both become parts of paths.
    fn check_name(&mut self, name: &str, span: &Span, what: &str, otherwise: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !name.is_empty() && name.chars().all(fits) {
            return;
        }
        let lower = name.to_lowercase();
        let words: Vec<_> = lower
            .split(|c| !fits(c))
            .filter(|word| !word.is_empty())
            .collect();
        let cured = (!words.is_empty()).then(|| format!("call it `{}`", words.join("-")));
        let message = if name.is_empty() {
            format!("{what} cannot be empty")
        } else {
            format!("`{name}` cannot be {what}")
        };
        self.report
            .error(BAD_NAME, span.clone(), message)
            .note("it has letters of ASCII, digits, `-` and `_`, at least one")
            .hint(cured.unwrap_or_else(|| otherwise.to_owned()));
    }

    fn stage(&mut self, span: Span, fields: &Fields<'_>, id: &str, params: &[Param]) -> Stage {
        let uses = fields.required_string(USES, span.clone(), self.report);
        let (uses, uses_span) = uses.unwrap_or(("", span.clone()));
        let named = (!uses.is_empty()).then_some(uses);
        let spec = named.and_then(|uses| spec_named(self.catalogue, uses, &uses_span, self.report));
        let when = self.when(fields, params);
        let with = fields.get(WITH).map(|entry| &entry.value);
        let with = with.map(|with| self.options(fields, with));
        let mut templates = BTreeMap::new();
        if let Some(with) = &with {
            self.templates(with, params, &mut templates);
        }
        let formulas = templates.values().flatten().chain(&when);
        let depends = formulas.flat_map(Formula::params).cloned().collect();
        Stage {
            id: id.to_owned(),
            span,
            uses: uses.to_owned(),
            uses_span,
            spec,
            when,
            with,
            templates,
            after: Vec::new(),
            schema: OnceLock::new(),
            depends,
            memo: Memo::default(),
        }
    }

    /// The table of options; one that is none is not known at all.
    fn options(&mut self, fields: &Fields<'_>, with: &Node) -> Node {
        if matches!(with.kind, Kind::Table(_)) {
            return with.clone();
        }
        fields.wrong_type(WITH, with, self.report);
        Node {
            span: with.span.clone(),
            kind: Kind::Unknown(Value::Null),
        }
    }

    fn when(&mut self, fields: &Fields<'_>, params: &[Param]) -> Option<Formula> {
        let node = &fields.get(WHEN)?.value;
        let span = node.span.clone();
        let formula = match &node.kind {
            Kind::Scalar(Value::String(text)) => Formula::condition(text, span),
            Kind::Scalar(Value::Bool(truth)) => Formula::condition(&truth.to_string(), span),
            _ => {
                fields.wrong_type(WHEN, node, self.report);
                return None;
            }
        };
        formula
            .check(params, self.source.text(), self.report)
            .then_some(formula)
    }

    fn templates(
        &mut self,
        node: &Node,
        params: &[Param],
        found: &mut BTreeMap<usize, Option<Formula>>,
    ) {
        match &node.kind {
            Kind::Array(items) => {
                items
                    .iter()
                    .for_each(|item| self.templates(item, params, found));
            }
            Kind::Table(table) => {
                let values = table.0.iter().map(|entry| &entry.value);
                values.for_each(|value| self.templates(value, params, found));
            }
            _ => {
                if let Some(formula) = Formula::template(node) {
                    let sound = formula.check(params, self.source.text(), self.report);
                    found.insert(node.span.start, sound.then_some(formula));
                }
            }
        }
    }

    /// The positions of the stages that the `after` of this one names.
    fn after(&mut self, index: usize, fields: &Fields<'_>, stages: &[Stage]) -> Vec<usize> {
        let items = fields.array(AFTER, self.report).unwrap_or_default();
        let mut positions = Vec::new();
        for item in items {
            let Some(id) = item.as_str() else {
                fields.wrong_type(AFTER, item, self.report);
                continue;
            };
            let Some(position) = stages.iter().position(|stage| stage.id == id) else {
                let others = stages
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != index);
                let ids: Vec<_> = others.map(|(_, stage)| stage.id.as_str()).collect();
                self.report
                    .error(
                        UNKNOWN_ID,
                        item.span.clone(),
                        format!("no stage has the id `{id}`"),
                    )
                    .hint(
                        did_you_mean(id, ids, "the other ids")
                            .or_else(|| Some("remove it: there is no other stage".to_owned())),
                    );
                continue;
            };
            let scope = |stage: &Stage| stage.spec.as_ref().map(|spec| spec.scope);
            let (own, other) = (scope(&stages[index]), scope(&stages[position]));
            let (kind, awaited, note) = match (own, other) {
                (Some(Scope::Document), Some(Scope::Dataset)) => (
                    "document stage",
                    ["a dataset stage", "works on the whole dataset"],
                    "dataset stages start when the document stages are done",
                ),
                (Some(Scope::Document | Scope::Dataset), Some(Scope::Delivery)) => (
                    "stage",
                    ["a delivery", "works on the published dataset"],
                    "deliveries start when the dataset is published",
                ),
                _ => {
                    positions.push(position);
                    continue;
                }
            };
            let [awaited, label] = awaited;
            let id = &stages[index].id;
            self.report
                .error(
                    AFTER_DATASET,
                    item.span.clone(),
                    format!("{kind} `{id}` cannot wait for {awaited}"),
                )
                .related(stages[position].uses_span.clone(), label)
                .note(note)
                .hint("remove it from `after`".to_owned());
        }
        positions
    }

    fn check_cycles(&mut self, stages: &[Stage]) {
        let after: Vec<_> = stages.iter().map(|stage| stage.after.clone()).collect();
        for cycle in order::cycles(&after) {
            let id = |index: &usize| stages[*index].id.as_str();
            let Some((first, rest)) = cycle.split_first() else {
                continue;
            };
            let span = stages[*first].uses_span.clone();
            if rest.is_empty() {
                self.report
                    .error(
                        CYCLE,
                        span,
                        format!("stage `{}` waits for itself", id(first)),
                    )
                    .hint("remove its own id from its `after`".to_owned());
                continue;
            }
            let names: Vec<_> = cycle
                .iter()
                .chain([first])
                .map(|at| format!("`{}`", id(at)))
                .collect();
            let message = format!("stages wait for each other: {}", names.join(" → "));
            let diagnostic = self.report.error(CYCLE, span, message);
            let nexts = rest.iter().chain([first]);
            let mut waits = cycle.iter().zip(nexts);
            if let Some((_, next)) = waits.next() {
                diagnostic.label(format!("waits for `{}`", id(next)));
            }
            for (at, next) in waits {
                let label = format!("waits for `{}`", id(next));
                diagnostic.related(stages[*at].uses_span.clone(), label);
            }
            let ids = one_of(cycle.iter().map(id), "or");
            diagnostic.hint(format!(
                "remove one of these from the `after` of another: {ids}"
            ));
        }
    }
}
