//! The check of a stage's options against the JSON Schema of its configuration.
//!
//! A table with `properties` is closed unless the schema says otherwise: a misspelt option is never
//! ignored.

use std::{borrow::Cow, collections::BTreeSet};

use docgenie_document::Code;
use serde_json::{Map, Number, Value};

use crate::{
    node::{Kind, Node, Table},
    param::{compare, display},
    shape::{self, Alternative, Shape, alternatives, kinds, listed, types},
    source::Span,
    template::Formula,
    wording::{did_you_mean, meant, one_of},
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
    pub(crate) hint: String,
}

/// The resolved options of a stage and what is wrong with them. Options at fault are left out, or
/// at their defaults. `place` is where the stage stands.
pub(crate) fn check(
    stage: &str,
    schema: &Value,
    with: Option<&Node>,
    place: Span,
) -> (Map<String, Value>, Vec<Fault>) {
    let kind = Kind::Table(Table::default());
    let nothing = Node { span: place, kind };
    let mut checker = Checker {
        stage,
        root: schema,
        faults: Vec::new(),
    };
    let options = checker.value(schema, with.unwrap_or(&nothing), &Path::Root);
    match options {
        Some(Value::Object(options)) => (options, checker.faults),
        _ => (Map::new(), checker.faults),
    }
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
            Self::Option(Self::Root, key) => (*key).to_owned(),
            Self::Option(parent, key) => format!("{}.{key}", parent.dotted()),
            Self::Item(parent, index) => format!("{}[{index}]", parent.dotted()),
        }
    }
}

/// Every check returns the value with defaults filled in, or `None` where it has found a fault.
struct Checker<'a> {
    stage: &'a str,
    root: &'a Value,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn value(&mut self, schema: &Value, node: &Node, path: &Path<'_>) -> Option<Value> {
        let shapes = alternatives(self.root, schema);
        match &shapes[..] {
            [] => Some(node.to_json()),
            [only] => self.shape(only, node, path),
            several => self.best(several, node, path),
        }
    }

    /// Checks against the alternative that is meant.
    fn best(&mut self, shapes: &[Alternative<'_>], node: &Node, path: &Path<'_>) -> Option<Value> {
        let fitting: Vec<_> = shapes
            .iter()
            .filter(|shape| has_type(shape, node))
            .cloned()
            .collect();
        if fitting.is_empty() {
            return self.fault(self.ill_typed(shapes, node, path));
        }
        if let Kind::Table(table) = &node.kind
            && let Some(tag) = shape::tag(&fitting)
        {
            return self.tagged(&fitting, &tag, (node, table), path);
        }
        let before = self.faults.len();
        let mut closest: Option<(Option<Value>, Vec<Fault>)> = None;
        for shape in &fitting {
            let value = self.shape(shape, node, path);
            let faults = self.faults.split_off(before);
            if faults.is_empty() {
                return value;
            }
            if closest
                .as_ref()
                .is_none_or(|(_, fewest)| faults.len() < fewest.len())
            {
                closest = Some((value, faults));
            }
        }
        if fitting.iter().all(|shape| listed(shape).is_some()) {
            return self.fault(self.not_listed(shapes, node, path));
        }
        let (value, faults) = closest?;
        self.faults.extend(faults);
        value
    }

    /// Checks a table whose `tag` says which alternative is meant.
    fn tagged(
        &mut self,
        shapes: &[Alternative<'_>],
        tag: &str,
        (node, table): (&Node, &Table),
        path: &Path<'_>,
    ) -> Option<Value> {
        let mut tags = Vec::new();
        for shape in shapes {
            let properties = shape.get("properties");
            let tag = properties.and_then(|it| it.get(tag)?.as_object());
            tags.extend(tag.map(Cow::Borrowed));
        }
        let Some(entry) = table.get(tag) else {
            let hint = format!("add `{tag}`: it must be {}", kinds(&tags));
            return self.fault(Fault {
                hint,
                ..self.missing(tag, None, node, path)
            });
        };
        let given = entry.value.to_json();
        let Some(index) = tags.iter().position(|tag| tag.get("const") == Some(&given)) else {
            return self.fault(self.not_listed(&tags, &entry.value, &Path::Option(path, tag)));
        };
        self.shape(&shapes[index], node, path)
    }

    fn shape(&mut self, shape: &Shape, node: &Node, path: &Path<'_>) -> Option<Value> {
        if !has_type(shape, node) {
            return self.fault(self.ill_typed(&[Cow::Borrowed(shape)], node, path));
        }
        if let Some(values) = listed(shape)
            && !matches!(node.kind, Kind::Unknown(_))
            && !values.contains(&&node.to_json())
        {
            return self.fault(self.not_listed(&[Cow::Borrowed(shape)], node, path));
        }
        match &node.kind {
            Kind::Scalar(Value::Number(number)) => self.number(shape, number, node, path),
            Kind::Scalar(Value::String(text)) => {
                let keywords = ("minLength", "maxLength", "characters");
                self.size(shape, keywords, text.chars().count(), node, path);
                Some(node.to_json())
            }
            Kind::Scalar(_) | Kind::Foreign(..) => Some(node.to_json()),
            Kind::Unknown(sample) => Some(sample.clone()).filter(|sample| !sample.is_null()),
            Kind::Array(items) => self.array(shape, items, node, path),
            Kind::Table(table) => self.table(shape, table, node, path),
        }
    }

    /// Checks the range of a number and gives it the form of its type.
    fn number(
        &mut self,
        shape: &Shape,
        number: &Number,
        node: &Node,
        path: &Path<'_>,
    ) -> Option<Value> {
        for (keyword, side, relation, breaks) in shape::BOUNDS {
            let bound = shape::bound(shape, keyword);
            if let Some(bound) = bound.filter(|bound| breaks(compare(number, bound))) {
                return self.fault(Fault {
                    code: BAD_OPTION,
                    span: node.span.clone(),
                    message: format!("{number} is too {side} for {}", self.subject(path)),
                    label: String::new(),
                    hint: format!("it must be {relation} {bound}"),
                });
            }
        }
        let types = types(shape);
        let integer = integral(number).filter(|_| types.contains(&"integer"));
        let float = number.as_f64().filter(|_| types.contains(&"number"));
        let typed = integer.map(Value::from).or_else(|| float.map(Value::from));
        Some(typed.unwrap_or_else(|| node.to_json()))
    }

    fn array(
        &mut self,
        shape: &Shape,
        items: &[Node],
        node: &Node,
        path: &Path<'_>,
    ) -> Option<Value> {
        let before = self.faults.len();
        let keywords = ("minItems", "maxItems", "items");
        self.size(shape, keywords, items.len(), node, path);
        let any = Value::Bool(true);
        let each = shape.get("items").unwrap_or(&any);
        let first = shape.get("prefixItems").and_then(Value::as_array);
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let schema = first.and_then(|first| first.get(index)).unwrap_or(each);
            values.extend(self.value(schema, item, &Path::Item(path, index)));
        }
        (self.faults.len() == before).then_some(Value::Array(values))
    }

    /// The table's members in the order of the schema, others by name, so that the order of the
    /// file does not matter. Members at fault are at their defaults, or left out.
    fn table(
        &mut self,
        shape: &Shape,
        table: &Table,
        node: &Node,
        path: &Path<'_>,
    ) -> Option<Value> {
        let nothing = Map::new();
        let properties = shape.get("properties").and_then(Value::as_object);
        let is_open = properties.is_none();
        let properties = properties.unwrap_or(&nothing);
        let misspelt = misspelt(properties, table);

        let mut members = Map::new();
        for (name, schema) in properties {
            let default = || shape::default(self.root, schema);
            let value = match table.get(name) {
                Some(entry) => {
                    let value = self.value(schema, &entry.value, &Path::Option(path, name));
                    value.or_else(default)
                }
                None => default().or_else(|| {
                    if shape::requires(shape, name) && !misspelt.contains(name.as_str()) {
                        self.faults
                            .push(self.missing(name, Some(schema), node, path));
                    }
                    None
                }),
            };
            members.extend(value.map(|value| (name.clone(), value)));
        }
        let others = table
            .0
            .iter()
            .filter(|entry| !properties.contains_key(&entry.key));
        let mut others: Vec<_> = others.collect();
        others.sort_by(|a, b| a.key.cmp(&b.key));
        for entry in others {
            let any = Value::Bool(is_open);
            let key = &entry.key;
            let value = match shape.get("additionalProperties").unwrap_or(&any) {
                Value::Bool(false) => {
                    let span = entry.key_span.clone();
                    self.fault(self.unknown(key, span, properties, path))
                }
                schema => self.value(schema, &entry.value, &Path::Option(path, key)),
            };
            members.extend(value.map(|value| (key.clone(), value)));
        }
        Some(Value::Object(members))
    }

    /// Checks the length of a text or an array.
    fn size(
        &mut self,
        shape: &Shape,
        (min, max, unit): (&str, &str, &str),
        size: usize,
        node: &Node,
        path: &Path<'_>,
    ) {
        let size = size as u64;
        let bound = |keyword: &str| shape.get(keyword).and_then(Value::as_u64);
        let few = bound(min).filter(|min| size < *min);
        let many = bound(max).filter(|max| size > *max);
        let few = few.map(|min| ("few", "at least", min));
        let many = many.map(|max| ("many", "at most", max));
        if let Some((side, relation, bound)) = few.or(many) {
            self.faults.push(Fault {
                code: BAD_OPTION,
                span: node.span.clone(),
                message: format!("{} has too {side} {unit}", self.subject(path)),
                label: format!("{size} {unit}"),
                hint: format!("it must have {relation} {bound}"),
            });
        }
    }

    fn fault(&mut self, fault: Fault) -> Option<Value> {
        self.faults.push(fault);
        None
    }

    /// "option `dpi` of `raster`".
    fn subject(&self, path: &Path<'_>) -> String {
        format!("{} of `{}`", path.name(), self.stage)
    }

    fn ill_typed(&self, shapes: &[Alternative<'_>], node: &Node, path: &Path<'_>) -> Fault {
        Fault {
            code: ILL_TYPED_OPTION,
            span: node.span.clone(),
            message: format!("{} must be {}", self.subject(path), kinds(shapes)),
            label: format!("this is {}", node.type_name()),
            hint: retyped(node, shapes).unwrap_or_else(|| example(shapes)),
        }
    }

    fn not_listed(&self, shapes: &[Alternative<'_>], node: &Node, path: &Path<'_>) -> Fault {
        let values = shapes.iter().filter_map(|shape| listed(shape)).flatten();
        let names = values.filter_map(Value::as_str);
        let intended = node.as_str().and_then(|text| meant(text, names));
        let given = display(&node.to_json());
        Fault {
            code: BAD_OPTION,
            span: node.span.clone(),
            message: format!("{} cannot be {given}", self.subject(path)),
            label: String::new(),
            hint: match intended {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("it must be {}", kinds(shapes)),
            },
        }
    }

    fn missing(&self, name: &str, schema: Option<&Value>, node: &Node, path: &Path<'_>) -> Fault {
        let about = schema.and_then(|schema| schema.get("description")?.as_str()?.lines().next());
        let place = if matches!(path, Path::Root) {
            " to `with`"
        } else {
            ""
        };
        Fault {
            code: MISSING_OPTION,
            span: node.span.clone(),
            message: format!("{} is missing", self.subject(&Path::Option(path, name))),
            label: String::new(),
            hint: match about {
                Some(about) => format!("add `{name} = …`{place}: {about}"),
                None => format!("add `{name} = …`{place}"),
            },
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
        let hint = did_you_mean(key, names, "its options");
        Fault {
            code: UNKNOWN_OPTION,
            span,
            message: format!("{owner} has no option `{key}`"),
            label: String::new(),
            hint: hint.unwrap_or_else(|| "it takes no options: remove it".to_owned()),
        }
    }
}

/// The properties that unknown keys of the table are likely to mean.
fn misspelt<'a>(properties: &'a Map<String, Value>, table: &Table) -> BTreeSet<&'a str> {
    let keys = table.0.iter().map(|entry| entry.key.as_str());
    let unknown = keys.filter(|key| !properties.contains_key(*key));
    let names = || properties.keys().map(String::as_str);
    unknown.filter_map(|key| meant(key, names())).collect()
}

/// Whether the value's type is one the shape allows.
fn has_type(shape: &Shape, node: &Node) -> bool {
    let types = types(shape);
    let is = |name: &str| types.is_empty() || types.contains(&name);
    match &node.kind {
        Kind::Unknown(Value::Null) => true,
        Kind::Unknown(sample) => has_type(shape, &Node::from_json(0..0, sample.clone())),
        Kind::Scalar(Value::Null) => is("null"),
        Kind::Scalar(Value::Bool(_)) => is("boolean"),
        Kind::Scalar(Value::String(_)) => is("string"),
        Kind::Scalar(Value::Number(number)) => {
            is("number") || (is("integer") && integral(number).is_some())
        }
        Kind::Scalar(_) | Kind::Foreign(..) => types.is_empty(),
        Kind::Array(_) => is("array"),
        Kind::Table(_) => is("object"),
    }
}

/// The number as an integer, if it is one.
fn integral(number: &Number) -> Option<i64> {
    let whole = |float: f64| {
        let is_exact = float.fract() == 0.0 && float.abs() < 9e15;
        is_exact.then_some(float as i64)
    };
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

/// How a value of one of the shapes may be written.
fn example(shapes: &[Alternative<'_>]) -> String {
    let tables = shapes
        .iter()
        .filter_map(|shape| shape.get("properties")?.as_object());
    let members = one_of(
        tables.flat_map(|table| table.keys().map(String::as_str)),
        "and",
    );
    if !members.is_empty() {
        return format!("write a table with {members}");
    }
    let kinds = kinds(shapes);
    let default = shapes.iter().find_map(|shape| shape.get("default"));
    match default.filter(|default| !default.is_null()) {
        Some(default) => format!("write {kinds}, such as `{default}`, its default"),
        None => format!("write {kinds}"),
    }
}

/// How a value of the wrong type becomes one of the right type, where that is plain.
fn retyped(node: &Node, shapes: &[Alternative<'_>]) -> Option<String> {
    let allows = |kind: &str| {
        let mut free = shapes.iter().filter(|shape| listed(shape).is_none());
        free.any(|shape| types(shape).contains(&kind))
    };
    let value = node.to_json();
    match &node.kind {
        Kind::Scalar(Value::String(text)) => {
            let is_number = text.parse::<f64>().is_ok() && (allows("number") || allows("integer"));
            let is_truth = text.parse::<bool>().is_ok() && allows("boolean");
            if is_number || is_truth {
                return Some(format!("write it without quotes: `{text}`"));
            }
            let is_item = allows("array") && Formula::template(node).is_none();
            is_item.then(|| format!("write an array: `[{value}]`"))
        }
        Kind::Scalar(_) | Kind::Foreign(..) if allows("string") => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Some(format!("write it in quotes: `\"{text}\"`"))
        }
        Kind::Scalar(Value::Number(number)) if allows("integer") => {
            let round = number.as_f64()?.round();
            Some(format!("write a whole number, such as `{round}`"))
        }
        _ => None,
    }
}
