//! The JSON Schema of pipeline files, for editors.

use serde_json::{Map, Value, json};

use crate::{
    catalogue::{Catalogue, StageSpec},
    param::ParamType,
    shape::{listed, types},
};

/// What names and ids look like.
const NAME: &str = "^[A-Za-z0-9_-]+$";

/// The JSON Schema (draft 2020-12) of pipeline files that use the stages of this catalogue. Names
/// of plugins are allowed even where the catalogue does not have them.
#[must_use]
pub fn schema(catalogue: &Catalogue) -> Value {
    let types: Vec<_> = ParamType::ALL.iter().map(|kind| kind.name()).collect();
    let mut definitions = json!({
        "template": {
            "type": "string",
            "pattern": r"\{\{|\{%",
            "description": "An expression over the parameters, such as {{ params.count }}.",
        },
        "param": {
            "type": "object",
            "additionalProperties": false,
            "required": ["type"],
            "properties": {
                "type": { "enum": types, "description": "The type of its value." },
                "default": { "description": "Its value unless set; without one it must be set." },
                "min": { "type": "number", "description": "Smallest value of a number." },
                "max": { "type": "number", "description": "Largest value of a number." },
                "one_of": {
                    "type": "array",
                    "minItems": 1,
                    "description": "All values there are.",
                },
                "description": { "type": "string", "description": "What it is for." },
            },
        },
        "stage": stage(catalogue),
    });
    if let Value::Object(definitions) = &mut definitions {
        for spec in catalogue.iter() {
            add_options(spec, definitions);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "docgenie-engine pipeline",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "stage"],
        "properties": {
            "name": {
                "type": "string",
                "pattern": NAME,
                "description": "The pipeline's name, and that of the folder its dataset goes to.",
            },
            "description": { "type": "string", "description": "What the pipeline is for." },
            "params": {
                "type": "object",
                "description": "What the pipeline's user may set, by name.",
                "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
                "additionalProperties": { "$ref": "#/$defs/param" },
            },
            "stage": {
                "type": "array",
                "minItems": 1,
                "description": "The stages in the order they run.",
                "items": { "$ref": "#/$defs/stage" },
            },
        },
        "$defs": definitions,
    })
}

fn stage(catalogue: &Catalogue) -> Value {
    let names: Vec<_> = catalogue.iter().map(|spec| &spec.name).collect();
    let summaries: Vec<_> = catalogue.iter().map(|spec| &spec.summary).collect();
    let options = catalogue.iter().map(|spec| {
        let mut then = json!({
            "properties": { "with": { "$ref": format!("#/$defs/{}", definition(spec)) } },
        });
        let required = spec.options.get("required").and_then(Value::as_array);
        if required.is_some_and(|required| !required.is_empty()) {
            then["required"] = json!(["with"]);
        }
        json!({
            "if": { "properties": { "uses": { "const": spec.name } }, "required": ["uses"] },
            "then": then,
        })
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["uses"],
        "properties": {
            "uses": {
                "description": "The stage: its name, or plugin:ID.",
                "anyOf": [
                    { "enum": names, "x-taplo": { "docs": { "enumValues": summaries } } },
                    { "type": "string", "pattern": "^plugin:" },
                ],
            },
            "id": {
                "type": "string",
                "pattern": NAME,
                "description": "Its name in this pipeline, where that of the stage will not do.",
            },
            "with": { "type": "object", "description": "Its options." },
            "when": {
                "type": ["string", "boolean"],
                "description": "A condition over the parameters, such as params.scan.",
            },
            "after": {
                "type": "array",
                "items": { "type": "string" },
                "description": "Ids of stages it has to wait for.",
            },
        },
        "allOf": options.collect::<Vec<_>>(),
    })
}

fn definition(spec: &StageSpec) -> String {
    format!("options-{}", spec.name).replace(['/', ':'], "-")
}

/// Adds the schema of the stage's options, and what it refers to, to the definitions.
fn add_options(spec: &StageSpec, definitions: &mut Map<String, Value>) {
    let name = definition(spec);
    let mut options = templated(&spec.options, &name);
    if let Value::Object(options) = &mut options {
        options.remove("$schema");
        if let Some(Value::Object(own)) = options.remove("$defs") {
            let own = own
                .into_iter()
                .map(|(own, schema)| (format!("{name}.{own}"), schema));
            definitions.extend(own);
        }
        options
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    definitions.insert(name, options);
}

/// The schema with templates allowed wherever a value is, and its references led to where the
/// definitions of the stage are.
fn templated(schema: &Value, stage: &str) -> Value {
    let Value::Object(members) = schema else {
        return schema.clone();
    };
    let each = |members: &Map<String, Value>, change: fn(&Value, &str) -> Value| {
        let changed = members
            .iter()
            .map(|(name, schema)| (name.clone(), change(schema, stage)));
        Value::Object(changed.collect())
    };
    let changed = members.iter().map(|(key, value)| {
        let value = match (key.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                Value::String(reference.replace("#/$defs/", &format!("#/$defs/{stage}.")))
            }
            ("$defs", Value::Object(definitions)) => each(definitions, templated),
            ("properties", Value::Object(properties)) => each(properties, or_template),
            ("items" | "additionalProperties", value) => or_template(value, stage),
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => schemas
                .iter()
                .map(|schema| templated(schema, stage))
                .collect(),
            (_, value) => value.clone(),
        };
        (key.clone(), value)
    });
    Value::Object(changed.collect())
}

/// The schema, or a template instead, with its annotations where editors look for them.
fn or_template(schema: &Value, stage: &str) -> Value {
    let mut changed = templated(schema, stage);
    let Value::Object(members) = &mut changed else {
        return changed;
    };
    let is_any_text = types(members) == ["string"] && listed(members).is_none();
    if is_any_text || members.contains_key("const") {
        return changed;
    }
    let mut wrapped = Map::new();
    for annotation in ["description", "default"] {
        wrapped.extend(
            members
                .remove(annotation)
                .map(|value| (annotation.to_owned(), value)),
        );
    }
    wrapped.insert(
        "anyOf".to_owned(),
        json!([changed, { "$ref": "#/$defs/template" }]),
    );
    Value::Object(wrapped)
}
