//! What a plugin says it offers, and the params its users give.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::{Problem, bindings::docgenie::plugin::types};

/// One thing that a plugin offers.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// In kebab case, unique within the plugin.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Further facts as one JSON object, such as `{"label": "seal", "aspect": 1}`.
    pub traits: &'static str,
}

impl Offer {
    /// An offer without further facts.
    #[must_use]
    pub const fn new(id: &'static str, title: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            title,
            summary,
            traits: "{}",
        }
    }

    pub(crate) fn describe<P: JsonSchema>(&self) -> types::Offer {
        types::Offer {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            summary: self.summary.to_owned(),
            params_schema: schema::<P>().to_string(),
            traits: self.traits.to_owned(),
        }
    }
}

/// The JSON Schema of a type.
pub(crate) fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).into()
}

/// Reads params. What is wrong with them is said with the place where it is.
pub(crate) fn parse<P: DeserializeOwned>(params: &str) -> Result<P, Vec<Problem>> {
    let params = serde_json::from_str::<Value>(params)
        .map_err(|error| vec![Problem::new("", error.to_string())])?;
    serde_path_to_error::deserialize(params).map_err(|error| {
        let pointer = error.path().iter().map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => "/?".to_owned(),
        });
        vec![Problem::new(
            pointer.collect::<String>(),
            error.inner().to_string(),
        )]
    })
}

/// What is wrong with params, first their shape and then what only the offer itself can tell.
pub(crate) fn check<P: DeserializeOwned>(
    params: &str,
    check: impl FnOnce(&P) -> Vec<Problem>,
) -> Vec<Problem> {
    match parse(params) {
        Ok(params) => check(&params),
        Err(problems) => problems,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Params {
        kinds: Vec<u8>,
    }

    #[track_caller]
    fn problem(params: &str) -> (String, String) {
        let problem = parse::<Params>(params).unwrap_err().remove(0);
        (problem.pointer, problem.message)
    }

    #[test]
    fn problems_point_at_their_place() {
        assert_eq!(
            parse::<Params>(r#"{"kinds": [1]}"#),
            Ok(Params { kinds: vec![1] })
        );
        assert_eq!(problem(r#"{"kinds": [1, "x"]}"#).0, "/kinds/1");
        assert_eq!(problem(r#"{"kinds": [], "a/b": 1}"#).0, "/a~1b");
        assert_eq!(
            problem("{}"),
            (String::new(), "missing field `kinds`".to_owned())
        );
    }
}
