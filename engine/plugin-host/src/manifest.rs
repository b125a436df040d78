//! `docgenie-plugin.toml`: what a plugin is and what it asks for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::offers::Kind;

/// The name of the file.
pub(crate) const FILE: &str = "docgenie-plugin.toml";

/// The manifest of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: About,
    /// What it asks for.
    #[serde(default)]
    pub wants: Wants,
    /// How it is built; absent where only the component is shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
}

/// What a plugin is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name in kebab case, as pipelines give it: `plugin:ID`.
    pub id: String,
    /// Its version, such as `1.2.0`.
    pub version: String,
    /// The version of the interface it is written for, such as `0.1`.
    pub api: String,
    /// One line.
    pub summary: String,
    /// An SPDX expression.
    pub license: String,
    /// Digest of the component, SHA-256 in hexadecimal; written when it is packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What a plugin asks for. The host gives it no more than its own ceilings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Wants {
    /// Memory of one instance, in MiB.
    pub memory_mib: u32,
    /// Time of one call, in seconds.
    pub call_seconds: u32,
    /// What an export may write, in MiB.
    pub output_mib: u32,
    /// Files of the bundle that it reads, by their paths.
    pub assets: Vec<PathBuf>,
    /// Whether it needs the system interface that its language's library was built for.
    pub wasi: Wasi,
}

/// The system interface of a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wasi {
    /// None: nothing of it is there.
    #[default]
    None,
    /// An empty one: no files, no network, no arguments, a fixed clock, seeded randomness.
    Stub,
}

/// How a plugin is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The language it is written in.
    pub language: Language,
    /// What it does; a plugin in Rust says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
}

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A crate with the library type `cdylib`.
    Rust,
    /// A module `plugin.js`.
    Javascript,
    /// A module `plugin.py`.
    Python,
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            call_seconds: 10,
            output_mib: 16 << 10,
            assets: Vec::new(),
            wasi: Wasi::None,
        }
    }
}
