//! Keys and tokens: values that are used and never shown.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer};

/// A key, a token or a password. It has no `Display` and cannot be serialised, and its `Debug` says
/// only that there is one: what reads it says so with [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// The secrets of a run by the names of the environment variables that hold them otherwise. They are
/// no part of a plan, a key or a record.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<&'static str, Secret>);

impl Secrets {
    /// With one that whoever asked for the run has given.
    #[must_use]
    pub fn with(mut self, name: &'static str, secret: Secret) -> Self {
        self.0.insert(name, secret);
        self
    }

    /// The secret of this name: the one that was given, else that of the environment.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Secret> {
        let of_environment = || std::env::var(name).ok().map(Secret::new);
        let found = self.0.get(name).cloned().or_else(of_environment);
        found.filter(|secret| !secret.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secrets = Secrets::default().with("KEY", Secret::new("sk-123"));
        assert_eq!(format!("{secrets:?}"), r#"Secrets({"KEY": [secret]})"#);
        assert_eq!(secrets.get("KEY").unwrap().expose(), "sk-123");
        assert!(secrets.with("KEY", Secret::new("")).get("KEY").is_none());
    }
}
