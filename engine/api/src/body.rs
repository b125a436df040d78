//! Bodies of requests: read within limits, held against their schema, told in FastAPI's form what is
//! wrong with them.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind, paths::LocationSegment};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult, Fault};

/// The largest JSON that is read, in bytes.
pub(crate) const JSON_LIMIT: usize = 1 << 20;
/// How deep it may nest.
const DEPTH_LIMIT: usize = 64;
/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Faults that are told of one body.
const TOLD_FAULTS: usize = 20;

/// A type of body with the schema that it is held against.
pub(crate) struct Schema {
    validator: Validator,
}

impl Schema {
    /// The schema of a type. It is the one that the OpenAPI document shows.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let schema = schemars::schema_for!(T).to_value();
        let options = jsonschema::options().should_validate_formats(false);
        #[allow(
            clippy::expect_used,
            reason = "the schema is made of a type, not of what anybody sends"
        )]
        let validator = options.build(&schema).expect("a derived schema is valid");
        Self { validator }
    }

    /// The value that a body holds.
    pub(crate) fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> ApiResult<T> {
        let value = parse(bytes)?;
        let errors = self.validator.iter_errors(&value);
        let faults: Vec<_> = errors
            .flat_map(|it| faults_of(&it))
            .take(TOLD_FAULTS)
            .collect();
        if !faults.is_empty() {
            return Err(ApiError::invalid(faults));
        }
        serde_path(value)
    }
}

/// What the schema has let through and the type refuses all the same.
fn serde_path<T: DeserializeOwned>(value: Value) -> ApiResult<T> {
    serde_json::from_value(value).map_err(|error| {
        ApiError::invalid(vec![Fault {
            kind: "value_error",
            at: vec![json!("body")],
            message: format!("Value error, {error}"),
            input: Value::Null,
        }])
    })
}

/// The bytes of a JSON body.
pub(crate) async fn json_bytes(headers: &HeaderMap, body: Body) -> ApiResult<Bytes> {
    check_json(headers)?;
    read(body, JSON_LIMIT).await
}

/// The bytes of a body of at most so many.
pub(crate) async fn read(body: Body, limit: usize) -> ApiResult<Bytes> {
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await;
    match collected.map_err(|_| too_slow())? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "the body of the request broke off",
        )),
    }
}

pub(crate) fn too_slow() -> ApiError {
    let detail = "the body of the request did not come in time";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, detail)
}

pub(crate) fn too_large(limit: usize) -> ApiError {
    let detail = format!("the body of the request has more than {limit} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn check_json(headers: &HeaderMap) -> ApiResult<()> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body of a request is not taken compressed",
        ));
    }
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind
        .to_str()
        .ok()
        .and_then(|it| it.parse::<mime::Mime>().ok());
    let json = kind.is_some_and(|kind| {
        kind.type_() == mime::APPLICATION
            && (kind.subtype() == mime::JSON || kind.suffix() == Some(mime::JSON))
    });
    json.then_some(()).ok_or_else(|| {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body of the request must be JSON",
        )
        .hint("send the header `Content-Type: application/json`")
    })
}

/// JSON without a name twice in one object, which two readers could read differently.
fn parse(bytes: &[u8]) -> ApiResult<Value> {
    let broken = |at: usize, why: String| {
        ApiError::invalid(vec![Fault {
            kind: "json_invalid",
            at: vec![json!("body"), json!(at)],
            message: format!("JSON decode error: {why}"),
            input: json!({}),
        }])
    };
    strict::check(bytes, DEPTH_LIMIT).map_err(|fault| broken(fault.at, fault.why.to_owned()))?;
    serde_json::from_slice(bytes).map_err(|error| broken(error.column(), error.to_string()))
}

/// Whether a body holds the same as another, however it is written.
pub(crate) fn canonical(bytes: &[u8]) -> Vec<u8> {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                let sorted = entries
                    .into_iter()
                    .map(|(name, value)| (name, sorted(value)));
                Value::Object(sorted.collect())
            }
            Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => sorted(value).to_string().into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// The faults that one error of the schema stands for.
fn faults_of(error: &ValidationError<'_>) -> Vec<Fault> {
    use ValidationErrorKind as Kind;
    let mut at = vec![json!("body")];
    at.extend(error.instance_path().into_iter().map(|part| match part {
        LocationSegment::Property(name) => json!(name),
        LocationSegment::Index(index) => json!(index),
    }));
    // Alternatives are told by what the first that is no `null` has against the value.
    if let Kind::AnyOf { context } = error.kind() {
        let branches = context.iter();
        let told = branches
            .filter(|branch| !branch.is_empty())
            .min_by_key(|branch| branch.iter().filter(|it| is_null(it)).count());
        if let Some(branch) = told {
            return branch
                .iter()
                .map(|error| fault(error, at.clone()))
                .collect();
        }
    }
    vec![fault(error, at)]
}

fn is_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. })
        && error.to_string().contains("\"null\"")
}

fn fault(error: &ValidationError<'_>, mut at: Vec<Value>) -> Fault {
    use ValidationErrorKind as Kind;
    let instance = error.instance();
    let count = || instance.as_array().map_or(0, Vec::len);
    let (kind, message) = match error.kind() {
        Kind::Required { property } => {
            at.push(property.clone());
            ("missing", "Field required".to_owned())
        }
        Kind::Minimum { limit } => (
            "greater_than_equal",
            format!("Input should be greater than or equal to {limit}"),
        ),
        Kind::Maximum { limit } => (
            "less_than_equal",
            format!("Input should be less than or equal to {limit}"),
        ),
        Kind::MinItems { limit } => (
            "too_short",
            format!(
                "List should have at least {limit} item after validation, not {}",
                count()
            ),
        ),
        Kind::MaxItems { limit } => (
            "too_long",
            format!(
                "List should have at most {limit} items after validation, not {}",
                count()
            ),
        ),
        Kind::MinLength { limit } => (
            "string_too_short",
            format!("String should have at least {limit} characters"),
        ),
        Kind::MaxLength { limit } => (
            "string_too_long",
            format!("String should have at most {limit} characters"),
        ),
        Kind::Pattern { pattern } => (
            "string_pattern_mismatch",
            format!("String should match pattern '{pattern}'"),
        ),
        Kind::Enum { .. } | Kind::Constant { .. } => ("enum", error.to_string()),
        Kind::Type { .. } => ("type_error", format!("Input has the wrong type: {error}")),
        Kind::AdditionalProperties { .. } => ("extra_forbidden", error.to_string()),
        _ => ("value_error", error.to_string()),
    };
    Fault {
        kind,
        at,
        message,
        input: instance.clone().into_owned(),
    }
}

/// A pass over JSON for what a parser lets through.
mod strict {
    use std::{borrow::Cow, collections::HashSet};

    pub(super) struct Unfit {
        pub(super) at: usize,
        pub(super) why: &'static str,
    }

    /// Refuses objects with a name twice and nesting deeper than `limit`. Text that is no JSON passes:
    /// the parser tells of it.
    pub(super) fn check(bytes: &[u8], limit: usize) -> Result<(), Unfit> {
        // A level is an object with the names it has had, or an array.
        let mut levels: Vec<Option<HashSet<Cow<'_, [u8]>>>> = Vec::new();
        let mut expects_name = false;
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'{' | b'[' => {
                    if levels.len() == limit {
                        let why = "too deeply nested";
                        return Err(Unfit { at, why });
                    }
                    expects_name = bytes[at] == b'{';
                    levels.push(expects_name.then(HashSet::new));
                }
                b'}' | b']' => {
                    levels.pop();
                    expects_name = false;
                }
                b',' => expects_name = matches!(levels.last(), Some(Some(_))),
                b'"' => {
                    let from = at + 1;
                    at = from;
                    while at < bytes.len() && bytes[at] != b'"' {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    let name = bytes.get(from..at.min(bytes.len())).unwrap_or_default();
                    if expects_name && let Some(Some(names)) = levels.last_mut() {
                        if !names.insert(plain(name)) {
                            let why = "a name stands twice in one object";
                            return Err(Unfit { at: from, why });
                        }
                        expects_name = false;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// A name without its escapes, by which the same name can be written twice.
    fn plain(name: &[u8]) -> Cow<'_, [u8]> {
        if !name.contains(&b'\\') {
            return Cow::Borrowed(name);
        }
        let quoted = [b"\"", name, b"\""].concat();
        let read = serde_json::from_slice::<String>(&quoted);
        read.map_or(Cow::Borrowed(name), |name| Cow::Owned(name.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "it is only read")]
    struct Sample {
        #[schemars(length(min = 1, max = 2))]
        names: Vec<String>,
        #[serde(default)]
        #[schemars(range(min = 1, max = 5))]
        count: Option<u8>,
    }

    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<Sample>);

    #[track_caller]
    fn check(body: &str, expected: &[(&str, &str)]) {
        let told = match SCHEMA.read::<Sample>(body.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(error) => {
                let told = format!("{error:?}");
                expected
                    .iter()
                    .filter(|(kind, place)| told.contains(kind) && told.contains(place))
                    .copied()
                    .collect()
            }
        };
        assert_eq!(told, expected, "{body}");
    }

    #[test]
    fn faults_are_told_by_kind_and_place() {
        check(r#"{"names": ["a"]}"#, &[]);
        check(r#"{"names": ["a"], "count": null}"#, &[]);
        check(r#"{"names": ["a"], "more": 1}"#, &[]);
        check("{}", &[("missing", "names")]);
        check(r#"{"names": []}"#, &[("too_short", "names")]);
        check(r#"{"names": ["a", "b", "c"]}"#, &[("too_long", "names")]);
        check(
            r#"{"names": [1], "count": 9}"#,
            &[("type_error", "names"), ("less_than_equal", "count")],
        );
        check(r#"{"names": "#, &[("json_invalid", "body")]);
        check(
            r#"{"names": ["a"], "names": []}"#,
            &[("json_invalid", "twice")],
        );
        check(
            r#"{"names": ["a"], "n\u0061mes": []}"#,
            &[("json_invalid", "twice")],
        );
        let deep = "[".repeat(100_000);
        check(&deep, &[("json_invalid", "nested")]);
    }

    #[test]
    fn the_order_of_names_is_nothing() {
        let one = canonical(br#"{"b": [1, {"d": 1, "c": 2}], "a": 1}"#);
        assert_eq!(one, canonical(br#"{"a":1,"b":[1,{"c":2,"d":1}]}"#));
        assert_ne!(one, canonical(br#"{"a":1,"b":[{"c":2,"d":1},1]}"#));
    }
}
