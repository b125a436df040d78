//! The check of a stage's options against the JSON Schema of its configuration.
//!
//! It knows the part of JSON Schema that `schemars` writes for configuration types. A table with
//! `properties` is closed unless the schema says otherwise: a misspelt option is never ignored.

use std::{cmp::Ordering, collections::BTreeSet};

use docgenie_document::Code;
use serde_json::{Map, Number, Value};

use crate::{
    node::{Kind, Node, Table},
    param::{compare, display},
    source::Span,
    template::Formula,
    wording::{did_you_mean, join, meant},
};

/// An option that the stage does not have.
pub(crate) const UNKNOWN_OPTION: Code = Code::new("DG0012");
/// An option with a value of the wrong type.
pub(crate) const ILL_TYPED_OPTION: Code = Code::new("DG0013");
/// An option with a value that is not allowed.
pub(crate) const BAD_OPTION: Code = Code::new("DG0014");
/// An option that must be given and is not.
pub(crate) const MISSING_OPTION: Code = Code::new("DG0015");

/// What is wrong with an option.
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) hint: Option<String>,
}

/// The resolved options of a stage and what is wrong with them. Options at fault are left out, or
/// at their defaults. `place` is where the stage stands.
pub(crate) fn check(
    stage: &str,
    schema: &Value,
    with: Option<&Node>,
    place: Span,
) -> (Map<String, Value>, Vec<Fault>) {
    let nothing = Node {
        span: place,
        kind: Kind::Table(Table::default()),
    };
    let checker = Checker {
        stage,
        root: schema,
    };
    let mut faults = Vec::new();
    let options = checker.value(schema, with.unwrap_or(&nothing), &Path::Root, &mut faults);
    match options {
        Some(Value::Object(options)) => (options, faults),
        _ => (Map::new(), faults),
    }
}

/// The schema with its `$ref`s and `allOf`s merged into it, and the alternatives it leaves: one,
/// unless it has `oneOf` or `anyOf`.
pub(crate) fn alternatives(root: &Value, schema: &Value) -> Vec<Map<String, Value>> {
    let mut base = match schema {
        Value::Object(members) => members.clone(),
        _ => Map::new(),
    };
    if let Some(Value::String(reference)) = base.remove("$ref") {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        let targets = target
            .map(|target| alternatives(root, target))
            .unwrap_or_default();
        return targets
            .into_iter()
            .map(|target| merged(&target, &base))
            .collect();
    }
    let mut members = |key| match base.remove(key) {
        Some(Value::Array(members)) => members,
        _ => Vec::new(),
    };
    let flat = |member: &Value| alternatives(root, member);
    let mut groups: Vec<Vec<_>> = members("allOf").iter().map(flat).collect();
    for key in ["oneOf", "anyOf"] {
        let group: Vec<_> = members(key).iter().flat_map(flat).collect();
        groups.extend((!group.is_empty()).then_some(group));
    }
    groups.iter().fold(vec![base], |all, group| {
        let pairs = all
            .iter()
            .flat_map(|base| group.iter().map(|member| merged(base, member)));
        pairs.collect()
    })
}

/// Both schemas at once; the second is the more special one.
fn merged(base: &Map<String, Value>, special: &Map<String, Value>) -> Map<String, Value> {
    let mut all = base.clone();
    for (key, value) in special {
        match (all.get_mut(key), value) {
            (Some(Value::Object(both)), Value::Object(more)) if key == "properties" => {
                both.extend(more.clone());
            }
            (Some(Value::Array(both)), Value::Array(more)) if key == "required" => {
                both.extend(more.iter().cloned());
            }
            _ => {
                all.insert(key.clone(), value.clone());
            }
        }
    }
    all
}

/// The values a schema lists by `const` or `enum`.
pub(crate) fn listed(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// The types a schema allows; none means any.
pub(crate) fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The default of an option: its own, else that of the type it refers to.
pub(crate) fn default(root: &Value, schema: &Value) -> Option<Value> {
    let own = schema.get("default").cloned();
    own.or_else(|| match &alternatives(root, schema)[..] {
        [only] => only.get("default").cloned(),
        _ => None,
    })
}

/// The key by whose constant value tables of these alternatives are told apart.
fn tag(alternatives: &[Map<String, Value>]) -> Option<String> {
    let constants = |schema: &Map<String, Value>| -> BTreeSet<String> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let constant =
            |(name, schema): (&String, &Value)| schema.get("const").is_some().then(|| name.clone());
        properties
            .into_iter()
            .flatten()
            .filter_map(constant)
            .collect()
    };
    let mut all = alternatives.iter().map(constants);
    let first = all.next()?;
    all.fold(first, |common, next| {
        common.intersection(&next).cloned().collect()
    })
    .pop_first()
}

/// What a fault is about, from the stage inwards.
enum Path<'a> {
    Root,
    Option(&'a Self, &'a str),
    Item(&'a Self, usize),
}

impl Path<'_> {
    /// "option `a.b`" or "item 2 of option `a`".
    fn name(&self) -> String {
        match self {
            Self::Root => "the options".to_owned(),
            Self::Option(..) => format!("option `{}`", self.dotted()),
            Self::Item(parent, index) => format!("item {} of {}", index + 1, parent.name()),
        }
    }

    fn dotted(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Option(parent, key) => match parent.dotted().as_str() {
                "" => (*key).to_owned(),
                parent => format!("{parent}.{key}"),
            },
            Self::Item(parent, index) => format!("{}[{index}]", parent.dotted()),
        }
    }
}

struct Checker<'a> {
    stage: &'a str,
    root: &'a Value,
}

impl Checker<'_> {
    /// The value with defaults filled in, or `None` where it is at fault.
    fn value(
        &self,
        schema: &Value,
        node: &Node,
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let alternatives = alternatives(self.root, schema);
        match &alternatives[..] {
            [] => Some(node.to_json()),
            [only] => self.single(only, node, path, faults),
            several => self.best(several, node, path, faults),
        }
    }

    /// Checks against the alternative that is meant.
    fn best(
        &self,
        alternatives: &[Map<String, Value>],
        node: &Node,
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let results = alternatives.iter().map(|schema| {
            let mut faults = Vec::new();
            let value = self.single(schema, node, path, &mut faults);
            (value, faults)
        });
        let mut results: Vec<_> = results.collect();
        if let Some(fitting) = results.iter().position(|(_, faults)| faults.is_empty()) {
            return results.swap_remove(fitting).0;
        }
        let typed: Vec<_> = alternatives
            .iter()
            .filter(|schema| has_type(schema, node))
            .collect();
        if typed.is_empty() {
            faults.push(self.ill_typed(alternatives, node, path));
            return None;
        }
        if typed.iter().all(|schema| listed(schema).is_some()) {
            faults.push(self.not_listed(alternatives, node, path));
            return None;
        }
        if let Kind::Table(table) = &node.kind
            && let Some(tag) = tag(alternatives)
        {
            return self.tagged(alternatives, &tag, (node, table), path, faults);
        }
        let closest = results
            .into_iter()
            .zip(alternatives)
            .filter(|(_, schema)| has_type(schema, node))
            .map(|(result, _)| result)
            .min_by_key(|(_, faults)| faults.len());
        let (value, found) = closest?;
        faults.extend(found);
        value
    }

    /// Checks a table whose `tag` says which alternative is meant.
    fn tagged(
        &self,
        alternatives: &[Map<String, Value>],
        tag: &str,
        (node, table): (&Node, &Table),
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let tag_of =
            |schema: &Map<String, Value>| schema.get("properties")?.get(tag)?.as_object().cloned();
        let tags: Vec<_> = alternatives.iter().filter_map(tag_of).collect();
        let Some(entry) = table.get(tag) else {
            let mut fault = self.missing(tag, None, node, path);
            fault.hint = Some(format!("add `{tag}`: it must be {}", kinds(&tags)));
            faults.push(fault);
            return None;
        };
        let given = entry.value.to_json();
        let Some(index) = tags.iter().position(|tag| tag.get("const") == Some(&given)) else {
            let path = Path::Option(path, tag);
            faults.push(self.not_listed(&tags, &entry.value, &path));
            return None;
        };
        self.single(&alternatives[index], node, path, faults)
    }

    /// Checks against a schema without alternatives.
    fn single(
        &self,
        schema: &Map<String, Value>,
        node: &Node,
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        if !has_type(schema, node) {
            faults.push(self.ill_typed(std::slice::from_ref(schema), node, path));
            return None;
        }
        if let Some(values) = listed(schema)
            && !matches!(node.kind, Kind::Unknown(_))
            && !values.contains(&&node.to_json())
        {
            faults.push(self.not_listed(std::slice::from_ref(schema), node, path));
            return None;
        }
        match &node.kind {
            Kind::Scalar(Value::Number(number)) => self.number(schema, number, node, path, faults),
            Kind::Scalar(Value::String(text)) => {
                let length = text.chars().count();
                self.size(
                    schema,
                    ("minLength", "maxLength", "characters"),
                    length,
                    node,
                    path,
                )
                .map_or_else(
                    || Some(node.to_json()),
                    |fault| {
                        faults.push(fault);
                        None
                    },
                )
            }
            Kind::Scalar(_) | Kind::Foreign(..) => Some(node.to_json()),
            Kind::Unknown(sample) => Some(sample.clone()).filter(|sample| !sample.is_null()),
            Kind::Array(items) => self.array(schema, items, node, path, faults),
            Kind::Table(table) => self.table(schema, table, node, path, faults),
        }
    }

    /// Checks the range of a number and gives it the form of its type.
    fn number(
        &self,
        schema: &Map<String, Value>,
        number: &Number,
        node: &Node,
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let broken = BOUNDS.iter().find_map(|(key, side, relation, breaks)| {
            let bound = bound(schema, key)?;
            breaks(compare(number, &bound)).then_some((side, relation, bound))
        });
        if let Some((side, relation, bound)) = broken {
            faults.push(Fault {
                code: BAD_OPTION,
                span: node.span.clone(),
                message: format!("{number} is too {side} for {}", self.subject(path)),
                label: String::new(),
                hint: Some(format!("it must be {relation} {bound}")),
            });
            return None;
        }
        let float = number.as_f64()?;
        let types = types(schema);
        let value = if types.contains(&"integer") {
            integral(number).map_or_else(|| Value::from(float), Value::from)
        } else if types.contains(&"number") {
            Value::from(float)
        } else {
            Value::Number(number.clone())
        };
        Some(value)
    }

    fn array(
        &self,
        schema: &Map<String, Value>,
        items: &[Node],
        node: &Node,
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let before = faults.len();
        let size = ("minItems", "maxItems", "items");
        faults.extend(self.size(schema, size, items.len(), node, path));
        let any = Value::Bool(true);
        let each = schema.get("items").unwrap_or(&any);
        let first = schema.get("prefixItems").and_then(Value::as_array);
        let values: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let schema = first.and_then(|first| first.get(index)).unwrap_or(each);
                self.value(schema, item, &Path::Item(path, index), faults)
            })
            .collect();
        (faults.len() == before).then_some(Value::Array(values))
    }

    fn table(
        &self,
        schema: &Map<String, Value>,
        table: &Table,
        node: &Node,
        path: &Path<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let no_properties = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let closed = properties.is_some();
        let properties = properties.unwrap_or(&no_properties);
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| {
            required.is_some_and(|required| required.iter().any(|known| known == name))
        };
        let intended = self.misspelt(properties, table);

        let mut members = Map::new();
        for (name, schema) in properties {
            if let Some(entry) = table.get(name) {
                let path = Path::Option(path, name);
                let default = || default(self.root, schema);
                let value = self
                    .value(schema, &entry.value, &path, faults)
                    .or_else(default);
                members.extend(value.map(|value| (name.clone(), value)));
            } else if let Some(default) = default(self.root, schema) {
                members.insert(name.clone(), default);
            } else if is_required(name) && !intended.contains(name.as_str()) {
                faults.push(self.missing(name, Some(schema), node, path));
            }
        }
        let mut others: Vec<_> = table
            .0
            .iter()
            .filter(|entry| !properties.contains_key(&entry.key))
            .collect();
        others.sort_by(|a, b| a.key.cmp(&b.key));
        for entry in others {
            match schema.get("additionalProperties") {
                Some(Value::Bool(true)) => {
                    members.insert(entry.key.clone(), entry.value.to_json());
                }
                Some(schema @ Value::Object(_)) => {
                    let path = Path::Option(path, &entry.key);
                    let value = self.value(schema, &entry.value, &path, faults);
                    members.extend(value.map(|value| (entry.key.clone(), value)));
                }
                None if !closed => {
                    members.insert(entry.key.clone(), entry.value.to_json());
                }
                _ => {
                    faults.push(self.unknown(&entry.key, entry.key_span.clone(), properties, path));
                }
            }
        }
        Some(Value::Object(members))
    }

    /// The properties that unknown keys of the table are likely to mean.
    fn misspelt<'a>(&self, properties: &'a Map<String, Value>, table: &Table) -> BTreeSet<&'a str> {
        let unknown = table.keys().filter(|key| !properties.contains_key(*key));
        let names = || properties.keys().map(String::as_str);
        unknown.filter_map(|key| meant(key, names())).collect()
    }

    /// "option `dpi` of `raster`".
    fn subject(&self, path: &Path<'_>) -> String {
        format!("{} of `{}`", path.name(), self.stage)
    }

    fn ill_typed(&self, schemas: &[Map<String, Value>], node: &Node, path: &Path<'_>) -> Fault {
        let allows = |kind: &str| {
            let open = schemas.iter().filter(|schema| listed(schema).is_none());
            open.into_iter().any(|schema| types(schema).contains(&kind))
        };
        Fault {
            code: ILL_TYPED_OPTION,
            span: node.span.clone(),
            message: format!("{} must be {}", self.subject(path), kinds(schemas)),
            label: format!("this is {}", node.type_name()),
            hint: retyped(node, allows).or_else(|| Some(example(schemas))),
        }
    }

    fn not_listed(&self, schemas: &[Map<String, Value>], node: &Node, path: &Path<'_>) -> Fault {
        let names = schemas
            .iter()
            .filter_map(listed)
            .flatten()
            .filter_map(Value::as_str);
        let intended = node.as_str().and_then(|text| meant(text, names));
        Fault {
            code: BAD_OPTION,
            span: node.span.clone(),
            message: format!(
                "{} cannot be {}",
                self.subject(path),
                display(&node.to_json())
            ),
            label: String::new(),
            hint: Some(match intended {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("it must be {}", kinds(schemas)),
            }),
        }
    }

    fn size(
        &self,
        schema: &Map<String, Value>,
        (min, max, unit): (&str, &str, &str),
        size: usize,
        node: &Node,
        path: &Path<'_>,
    ) -> Option<Fault> {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        let size = u64::try_from(size).ok()?;
        let few = bound(min)
            .filter(|min| size < *min)
            .map(|min| ("few", "at least", min));
        let many = bound(max)
            .filter(|max| size > *max)
            .map(|max| ("many", "at most", max));
        let (side, relation, bound) = few.or(many)?;
        Some(Fault {
            code: BAD_OPTION,
            span: node.span.clone(),
            message: format!("{} has too {side} {unit}", self.subject(path)),
            label: format!("{size} {unit}"),
            hint: Some(format!("it must have {relation} {bound}")),
        })
    }

    fn missing(&self, name: &str, schema: Option<&Value>, node: &Node, path: &Path<'_>) -> Fault {
        let about = schema
            .and_then(|schema| schema.get("description"))
            .and_then(Value::as_str);
        let about = about.and_then(|text| text.lines().next());
        Fault {
            code: MISSING_OPTION,
            span: node.span.clone(),
            message: format!("{} is missing", self.subject(&Path::Option(path, name))),
            label: String::new(),
            hint: Some(match (path, about) {
                (Path::Root, Some(about)) => format!("add `{name} = …` to `with`: {about}"),
                (Path::Root, None) => format!("add `{name} = …` to `with`"),
                (_, Some(about)) => format!("add `{name} = …`: {about}"),
                (_, None) => format!("add `{name} = …`"),
            }),
        }
    }

    fn unknown(
        &self,
        key: &str,
        span: Span,
        properties: &Map<String, Value>,
        path: &Path<'_>,
    ) -> Fault {
        let owner = match path {
            Path::Root => format!("stage `{}`", self.stage),
            inner => self.subject(inner),
        };
        let names = properties.keys().map(String::as_str);
        let hint = did_you_mean(key, names, "its options")
            .unwrap_or_else(|| "it takes no options: remove it".to_owned());
        Fault {
            code: UNKNOWN_OPTION,
            span,
            message: format!("{owner} has no option `{key}`"),
            label: String::new(),
            hint: Some(hint),
        }
    }
}

/// Whether the value's type is one the schema allows.
fn has_type(schema: &Map<String, Value>, node: &Node) -> bool {
    let types = types(schema);
    let is = |name: &str| types.is_empty() || types.contains(&name);
    match &node.kind {
        Kind::Scalar(Value::Null) => is("null"),
        Kind::Scalar(Value::Bool(_)) => is("boolean"),
        Kind::Scalar(Value::String(_)) => is("string"),
        Kind::Scalar(Value::Number(number)) => {
            is("number") || (is("integer") && integral(number).is_some())
        }
        Kind::Scalar(_) | Kind::Foreign(..) => false,
        Kind::Unknown(Value::Null) => true,
        Kind::Unknown(sample) => has_type(schema, &Node::from_json(0..0, sample.clone())),
        Kind::Array(_) => is("array"),
        Kind::Table(_) => is("object"),
    }
}

/// Keyword, what a number that breaks it is, how a number has to stand to it, when it is broken.
type Bound = (
    &'static str,
    &'static str,
    &'static str,
    fn(Ordering) -> bool,
);

const BOUNDS: [Bound; 4] = [
    ("minimum", "small", "at least", Ordering::is_lt),
    ("maximum", "large", "at most", Ordering::is_gt),
    ("exclusiveMinimum", "small", "more than", Ordering::is_le),
    ("exclusiveMaximum", "large", "less than", Ordering::is_ge),
];

/// The bound of this keyword, given or implied by the width of an integer.
fn bound(schema: &Map<String, Value>, key: &str) -> Option<Number> {
    let given = schema.get(key).and_then(Value::as_number).cloned();
    let format = schema.get("format").and_then(Value::as_str);
    given.or_else(|| match (key, format?) {
        ("maximum", "uint32") => Some(u32::MAX.into()),
        ("maximum", "int32") => Some(i32::MAX.into()),
        ("minimum", "int32") => Some(i32::MIN.into()),
        _ => None,
    })
}

/// The number as an integer, if it is one.
fn integral(number: &Number) -> Option<i64> {
    let whole = |float: f64| {
        let exact = float.fract() == 0.0 && float.abs() < 9e15;
        exact.then_some(float as i64)
    };
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

/// What values of the schemas are, with articles: "`auto` or an integer".
fn kinds(schemas: &[Map<String, Value>]) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for schema in schemas {
        let values = listed(schema).into_iter().flatten().map(display);
        let types = types(schema).into_iter().filter_map(|name| {
            let kind = match name {
                "integer" => "an integer",
                "number" => "a number",
                "boolean" => "`true` or `false`",
                "string" => "a string",
                "array" => "an array",
                "object" => "a table",
                _ => return None,
            };
            Some(kind.to_owned())
        });
        let types: Vec<_> = types.filter(|_| listed(schema).is_none()).collect();
        kinds.extend(values.chain(types));
    }
    let mut seen = BTreeSet::new();
    kinds.retain(|kind| seen.insert(kind.clone()));
    join(&kinds, "or")
}

/// How a value of one of the schemas may be written.
fn example(schemas: &[Map<String, Value>]) -> String {
    let default = schemas.iter().find_map(|schema| schema.get("default"));
    match default {
        Some(default) if !default.is_null() => {
            format!("write {}, such as `{default}`, its default", kinds(schemas))
        }
        _ => format!("write {}", kinds(schemas)),
    }
}

/// How a value of the wrong type becomes one of the right type, where that is plain.
fn retyped(node: &Node, allows: impl Fn(&str) -> bool) -> Option<String> {
    if Formula::template(node).is_some() {
        return None;
    }
    let value = node.to_json();
    match &node.kind {
        Kind::Scalar(Value::String(text)) => {
            let number = text.parse::<f64>().is_ok() && (allows("number") || allows("integer"));
            let truth = text.parse::<bool>().is_ok() && allows("boolean");
            if number || truth {
                return Some(format!("write it without quotes: `{text}`"));
            }
            allows("array").then(|| format!("write an array: `[{value}]`"))
        }
        Kind::Scalar(Value::Number(number)) if !allows("string") => {
            let round = number.as_f64().unwrap_or_default().round();
            allows("integer").then(|| format!("write a whole number, such as `{round}`"))
        }
        Kind::Scalar(_) | Kind::Foreign(..) if allows("string") => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Some(format!("write it in quotes: `\"{text}\"`"))
        }
        _ => None,
    }
}
