//! The part of JSON Schema that `schemars` writes for configuration types.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeSet};

use serde_json::{Map, Number, Value};

use crate::{param::display, wording::join};

/// A schema without references and alternatives.
pub(crate) type Shape = Map<String, Value>;

/// A shape, as it stands in a schema or put together.
pub(crate) type Alternative<'a> = Cow<'a, Shape>;

/// The shapes a schema allows, `$ref` and `allOf` merged in: one, unless it has `oneOf` or `anyOf`.
pub(crate) fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<Alternative<'a>> {
    let Value::Object(members) = schema else {
        return vec![Cow::Owned(Map::new())];
    };
    if let Some(Value::Array(ready)) = members.get(READY) {
        let ready = ready.iter().filter_map(Value::as_object);
        return ready.map(Cow::Borrowed).collect();
    }
    let without = |keys: &[&str]| {
        let others = members
            .iter()
            .filter(|(key, _)| !keys.contains(&key.as_str()));
        others
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Shape>()
    };
    if let Some(Value::String(reference)) = members.get("$ref") {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        let targets = target
            .map(|target| alternatives(root, target))
            .unwrap_or_default();
        if members.len() == 1 {
            return targets;
        }
        let base = without(&["$ref"]);
        return targets
            .into_iter()
            .map(|target| Cow::Owned(merged(&target, &base)))
            .collect();
    }
    let listed = |key| match members.get(key) {
        Some(Value::Array(members)) => members.as_slice(),
        _ => &[],
    };
    let flat = |member: &'a Value| alternatives(root, member);
    let mut groups: Vec<Vec<_>> = listed("allOf").iter().map(flat).collect();
    for key in ["oneOf", "anyOf"] {
        let group: Vec<_> = listed(key).iter().flat_map(flat).collect();
        groups.extend((!group.is_empty()).then_some(group));
    }
    if groups.is_empty() {
        return vec![Cow::Borrowed(members)];
    }
    let base = Cow::Owned(without(&["allOf", "oneOf", "anyOf"]));
    groups.iter().fold(vec![base], |all, group| {
        let pairs = all
            .iter()
            .flat_map(|base| group.iter().map(|member| Cow::Owned(merged(base, member))));
        pairs.collect()
    })
}

/// The alternatives of a schema, where they are put together already.
const READY: &str = "x-alternatives";
/// Schemas that lead back to themselves are followed so far.
const DEPTH: usize = 8;

/// The same schema with references and alternatives put together, so that [`alternatives`] does not have
/// to, each time it is asked.
pub(crate) fn resolved(root: &Value) -> Value {
    ready(root, root, DEPTH)
}

fn ready(root: &Value, schema: &Value, depth: usize) -> Value {
    if depth == 0 {
        return schema.clone();
    }
    let put_together = |shape: Alternative<'_>| {
        let mut shape = shape.into_owned();
        for key in ["items", "additionalProperties", "prefixItems", "properties"] {
            match (key, shape.get_mut(key)) {
                (_, Some(Value::Array(within))) => {
                    for schema in within {
                        *schema = ready(root, schema, depth - 1);
                    }
                }
                ("properties", Some(Value::Object(within))) => {
                    for schema in within.values_mut() {
                        *schema = ready(root, schema, depth - 1);
                    }
                }
                (_, Some(schema @ Value::Object(_))) => *schema = ready(root, schema, depth - 1),
                _ => {}
            }
        }
        Value::Object(shape)
    };
    let mut shapes: Vec<_> = alternatives(root, schema)
        .into_iter()
        .map(put_together)
        .collect();
    if shapes.len() == 1
        && let Some(only) = shapes.pop()
    {
        return only;
    }
    let mut either = Map::new();
    for key in ["description", "default"] {
        let own = schema.get(key).cloned();
        either.extend(own.map(|own| (key.to_owned(), own)));
    }
    either.insert(READY.to_owned(), shapes.into());
    Value::Object(either)
}

/// Both schemas at once; the second is the more special one.
fn merged(base: &Shape, special: &Shape) -> Shape {
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
pub(crate) fn listed(schema: &Shape) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// The types a schema allows; none means any.
pub(crate) fn types(schema: &Shape) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a table must have a member of this name.
pub(crate) fn requires(shape: &Shape, name: &str) -> bool {
    let required = shape.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
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
pub(crate) fn tag(alternatives: &[Alternative<'_>]) -> Option<String> {
    let constants = |schema: &Alternative<'_>| -> BTreeSet<String> {
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

/// A keyword, what a number that breaks it is, how it should stand to the bound, and when it breaks.
pub(crate) type Bound = (
    &'static str,
    &'static str,
    &'static str,
    fn(Ordering) -> bool,
);

pub(crate) const BOUNDS: [Bound; 4] = [
    ("minimum", "small", "at least", Ordering::is_lt),
    ("maximum", "large", "at most", Ordering::is_gt),
    ("exclusiveMinimum", "small", "more than", Ordering::is_le),
    ("exclusiveMaximum", "large", "less than", Ordering::is_ge),
];

/// The bound of this keyword, given or implied by the width of an integer.
pub(crate) fn bound(schema: &Shape, key: &str) -> Option<Number> {
    let given = schema.get(key).and_then(Value::as_number).cloned();
    let format = schema.get("format").and_then(Value::as_str);
    given.or_else(|| match (key, format?) {
        ("maximum", "uint32") => Some(u32::MAX.into()),
        ("maximum", "int32") => Some(i32::MAX.into()),
        ("minimum", "int32") => Some(i32::MIN.into()),
        _ => None,
    })
}

/// What values of the schemas are, with articles: "`auto` or an integer".
pub(crate) fn kinds(schemas: &[Alternative<'_>]) -> String {
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
