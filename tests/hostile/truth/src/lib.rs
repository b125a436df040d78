//! A ground-truth format that misbehaves on purpose, as its option `misdeed` says. It goes below the
//! SDK's traits, which do not let a plugin say what is no JSON.

#![cfg(target_family = "wasm")]

use docgenie_hostile::{Common, forged_bytes, lone_surrogate, offer, params};
use docgenie_plugin::{
    Document, Failure, Problem,
    bindings::{
        docgenie::plugin::types::Offer,
        ground_truth_format::exports::docgenie::plugin::ground_truth::Guest,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What it does wrong.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
struct Params {
    misdeed: Misdeed,
    /// In which call.
    #[serde(default)]
    during: Call,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Misdeed {
    Common(Common),
    Own(Own),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Call {
    CheckParams,
    Instructions,
    DraftSchema,
    #[default]
    Build,
    Verify,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Own {
    /// Text that is no JSON: a draft schema or a ground truth.
    NoJson,
    /// JSON that is no schema, for `draft-schema`.
    NoSchema,
    /// A schema that no draft satisfies, for `draft-schema`.
    ImpossibleSchema,
    /// A schema that fetches another one, for `draft-schema`.
    ForeignSchema,
    /// 32 MiB of text.
    Huge,
    /// 100,000 lists in one another.
    Nested,
    /// Numbers and keys that not every reader takes: 1e999, the same key twice.
    OddJson,
    /// Text that is no UTF-8.
    Surrogate,
    /// Text that says to be of 4 GiB.
    Forged,
    /// Text that moves the cursor and turns the line around.
    Escapes,
    /// 1,000,000 problems.
    ManyProblems,
    /// Problems that point nowhere.
    OddPointers,
}

struct Hostile;

impl Params {
    /// The text that a call is to give, spoilt where it is the chosen one.
    fn spoilt(self, call: Call, good: &str) -> Result<String, Failure> {
        if self.during != call {
            return Ok(good.to_owned());
        }
        match self.misdeed {
            Misdeed::Common(common) => common.commit().map(|()| good.to_owned()),
            Misdeed::Own(own) => Ok(own.text().unwrap_or_else(|| good.to_owned())),
        }
    }
}

impl Own {
    fn text(self) -> Option<String> {
        Some(match self {
            Self::NoJson => "{\"a\": \u{1b}[2J".to_owned(),
            Self::NoSchema => r#"{"type": 7, "properties": []}"#.to_owned(),
            Self::ImpossibleSchema => "false".to_owned(),
            Self::ForeignSchema => r#"{"$ref": "http://127.0.0.1:1/schema.json"}"#.to_owned(),
            Self::Huge => format!("{{\"a\": \"{}\"}}", "x".repeat(24 << 20)),
            Self::Nested => "[".repeat(100_000) + &"]".repeat(100_000),
            Self::OddJson => r#"{"a": 1e999, "a": -0, "": "\ud800"}"#.to_owned(),
            Self::Surrogate => lone_surrogate(),
            // SAFETY: none. It is the point that the host is handed what no string may be.
            Self::Forged => unsafe { String::from_utf8_unchecked(forged_bytes()) },
            Self::Escapes => r#"{"a": "\u001b[2J\u202e\u0000"}"#.to_owned(),
            Self::ManyProblems | Self::OddPointers => return None,
        })
    }

    fn problems(self) -> Vec<Problem> {
        match self {
            Self::ManyProblems => (0..1_000_000)
                .map(|number| Problem::new(format!("/{number}"), "wrong"))
                .collect(),
            Self::OddPointers => ["no pointer", "/~7", "/\u{1b}[2J", &"/x".repeat(100_000)]
                .map(|pointer| Problem::new(pointer, "\u{1b}[2J\r\nforged"))
                .into(),
            _ => self
                .text()
                .map(|text| Problem::new("", text))
                .into_iter()
                .collect(),
        }
    }
}

impl Guest for Hostile {
    fn describe() -> Vec<Offer> {
        offer::<Params>("hostile-truth", "{}")
    }

    fn check_params(_: String, text: String) -> Vec<Problem> {
        problems(&text, Call::CheckParams)
    }

    fn instructions(_: String, text: String) -> Result<String, Failure> {
        params::<Params>(&text)?.spoilt(Call::Instructions, "Annotate nothing.")
    }

    fn draft_schema(_: String, text: String) -> Result<String, Failure> {
        params::<Params>(&text)?.spoilt(Call::DraftSchema, r#"{"type": "object"}"#)
    }

    fn build(_: String, text: String, _: String, _: &Document) -> Result<String, Failure> {
        params::<Params>(&text)?.spoilt(Call::Build, "{}")
    }

    fn verify(_: String, text: String, _: String, _: &Document) -> Vec<Problem> {
        problems(&text, Call::Verify)
    }
}

fn problems(text: &str, call: Call) -> Vec<Problem> {
    let of = |params: Params| match params.misdeed {
        _ if params.during != call => Ok(Vec::new()),
        Misdeed::Common(common) => common.commit().map(|()| Vec::new()),
        Misdeed::Own(own) => Ok(own.problems()),
    };
    let found = params::<Params>(text).and_then(of);
    found.unwrap_or_else(|failure| vec![Problem::new("", failure.to_string())])
}

docgenie_plugin::bindings::ground_truth_format::export_ground_truth!(
    Hostile with_types_in docgenie_plugin::bindings::ground_truth_format
);
