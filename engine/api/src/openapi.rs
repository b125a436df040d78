//! The OpenAPI 3.1 document, made of the table of routes and the schemas that requests are held
//! against.

use std::sync::LazyLock;

use axum::{Json, response::IntoResponse};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    error::ApiResult,
    routes::{self, Call, Content, Kind, Param, Place, Route},
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub(crate) async fn get(_: Call) -> ApiResult {
    Ok(Json(&*DOCUMENT).into_response())
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths = Map::new();
    for route in routes::table() {
        // OpenAPI has no name for the rest of a path: it is one parameter.
        let path = route.path.replace("{*", "{");
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        let method = route.method.as_str().to_lowercase();
        entry[method] = operation(&route, &mut generator);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Error".to_owned(), error_schema());
    schemas.insert("ValidationError".to_owned(), validation_schema());
    let tags = ["documents", "pipelines and runs", "about the service"];
    let tags = tags.map(|name| json!({ "name": name }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "docgenie-engine",
            "description": "Synthetic documents with ground truth and exact boxes, and pipelines of your own. \
                The routes below `documents` speak the protocol of the DocGenie service.",
            "version": "1.0.0",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of `docgenie-engine keys create`. Where no key was ever created, none is needed.",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
        "responses": responses(route, generator),
    });
    if !route.params.is_empty() {
        operation["parameters"] = route.params.iter().map(parameter).collect();
    }
    if let Some(body) = &route.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": content(body, generator),
        });
    }
    if route.scope.is_some() {
        operation["security"] = json!([{ "key": [] }, {}]);
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let method = route.method.as_str().to_lowercase();
    format!("{method}_{}", words.join("_"))
        .trim_end_matches('_')
        .to_owned()
}

fn parameter(param: &Param) -> Value {
    let schema = match &param.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::Integer { default, min, max } => {
            json!({ "type": "integer", "default": default, "minimum": min, "maximum": max })
        }
        Kind::Choice(choices) => json!({ "type": "string", "enum": choices }),
    };
    let place = match param.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    json!({
        "name": param.name,
        "in": place,
        "required": param.place == Place::Path,
        "description": param.description,
        "schema": schema,
    })
}

fn content(content: &Content, generator: &mut SchemaGenerator) -> Value {
    match content {
        Content::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Content::Form(schema) => {
            let schema = schema(generator);
            let file = json!({ "type": "string", "format": "binary" });
            let form = json!({
                "type": "object",
                "properties": { "request": schema, "file": { "type": "array", "items": file } },
                "additionalProperties": false,
            });
            json!({
                "application/json": { "schema": schema },
                "multipart/form-data": { "schema": form },
            })
        }
        // What is in a stream or in a file of any type is not for a schema to say.
        Content::Media(name @ ("*/*" | "application/zip" | "text/event-stream")) => {
            json!({ *name: {} })
        }
        Content::Media(name) => json!({ *name: { "schema": { "type": "string" } } }),
    }
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let success = if route.path == "/pipelines/{name}/runs" {
        "202"
    } else {
        "200"
    };
    let mut responses = json!({
        success: { "description": "Done", "content": content(&route.gives, generator) },
    });
    let error = |description: &str, schema: &str| {
        json!({
            "description": description,
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } },
        })
    };
    let mut fails = route.fails.to_vec();
    if route.params.iter().any(|it| it.place == Place::Path) {
        fails.push(404);
    }
    if route.scope.is_some() {
        fails.extend([401, 403, 429, 503]);
    }
    if route.body.is_some() {
        fails.extend([400, 408, 413, 415]);
    }
    for status in fails {
        responses[status.to_string()] = error(meaning(status), "Error");
    }
    let checked = route.body.is_some() || route.params.iter().any(|it| it.place == Place::Query);
    if checked {
        responses["422"] = error("The request does not fit its schema", "ValidationError");
    }
    if route.path.ends_with("/events") {
        responses["400"] = error(meaning(400), "Error");
    }
    responses
}

const fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be carried out as it is",
        401 => "A key is missing or not valid",
        403 => "The key does not open this",
        404 => "There is no such thing, or it is another's",
        408 => "The body did not come in time",
        409 => "It does not go with what is there",
        413 => "The body is too large",
        415 => "The body has another type",
        429 => "Too many requests",
        500 => "It failed",
        _ => "Not now",
    }
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["detail"],
        "properties": {
            "detail": { "type": "string", "description": "What is wrong" },
            "code": { "type": "string", "description": "A stable code, which `/errors/CODE` explains" },
            "hint": { "type": "string", "description": "What to do about it" },
            "link": { "type": "string" },
        },
    })
}

fn validation_schema() -> Value {
    json!({
        "type": "object",
        "required": ["detail"],
        "properties": {
            "detail": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "loc", "msg"],
                    "properties": {
                        "type": { "type": "string" },
                        "loc": { "type": "array", "items": { "type": ["string", "integer"] } },
                        "msg": { "type": "string" },
                        "input": {},
                    },
                },
            },
        },
    })
}
