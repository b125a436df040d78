//! `keys`: who may use the service.

use std::path::Path;

use docgenie_api::{ApiKey, KeyError, Keys, Scope};
use docgenie_document::Code;
use serde_json::json;

use crate::{
    args::{Format, KeyScope, KeysCommand},
    report::{self, Status, Stop},
};

/// The API keys cannot be read or changed.
const KEYS: Code = Code::new("DG0914");

pub(super) fn keys(command: &KeysCommand, home: &Path) -> Result<Status, Stop> {
    let keys = Keys::of(home);
    match command {
        KeysCommand::Create {
            name,
            scope,
            requests_per_minute,
            runs_per_day,
        } => {
            let scope = match scope {
                KeyScope::Read => Scope::Read,
                KeyScope::Run => Scope::Run,
                KeyScope::Admin => Scope::Admin,
            };
            let made = keys.create(name, scope, *requests_per_minute, *runs_per_day);
            let (key, text) = made.map_err(|error| of_keys(&error))?;
            report::talk(&format!(
                "key {} for `{name}`; it is shown this once:",
                key.id
            ));
            report::data(&text);
        }
        KeysCommand::List { format } => {
            let list = keys.list().map_err(|error| of_keys(&error))?;
            match format {
                Format::Json => {
                    let list: Vec<_> = list.iter().map(shown).collect();
                    report::data(&json!(list).to_string());
                }
                Format::Human if list.is_empty() => {
                    report::talk("there are no keys: `docgenie-engine keys create NAME` makes one");
                }
                Format::Human => {
                    for key in &list {
                        let state = key.revoked_at.map_or("", |_| "  revoked");
                        let scope = json!(key.scope);
                        let scope = scope.as_str().unwrap_or_default();
                        report::data(&format!("{}  {scope:<5}  {}{state}", key.id, key.name));
                    }
                }
            }
        }
        KeysCommand::Revoke { id } => {
            let key = keys.revoke(id).map_err(|error| of_keys(&error))?;
            report::talk(&format!("the key {} of `{}` is revoked", key.id, key.name));
        }
    }
    Ok(Status::Done)
}

fn shown(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "requests_per_minute": key.requests_per_minute,
        "runs_per_day": key.runs_per_day,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    })
}

pub(super) fn of_keys(error: &KeyError) -> Stop {
    let (status, hint) = match error {
        KeyError::Unknown(_) => (Status::BadInput, "`docgenie-engine keys list` shows them"),
        KeyError::File(..) | KeyError::Format(..) => (
            Status::Environment,
            "check the file and its owner; nobody is let in while it cannot be read",
        ),
    };
    Stop::new(status, KEYS, error.to_string())
        .because_of(std::error::Error::source(error))
        .hint(hint)
}
