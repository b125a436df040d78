//! Lock files: which plugins a pipeline was made with, by their digests.
//!
//! A version is a promise of whoever made the plugin; a digest is a fact. What a plugin computes
//! follows from its component and its assets, and what a pipeline may say to it from its offers.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use docgenie_document::Code;
use docgenie_runtime::{files::write_atomically, stage::StageFailure};
use serde::{Deserialize, Serialize};

use crate::{assets::Assets, bundle::sha256, error::PluginError, library::Plugin};

/// A lock file cannot be read, written or understood.
const LOCK: Code = Code::new("DG0818");

/// The plugins that a pipeline is locked to, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pins: BTreeMap<String, Pin>,
}

/// One plugin exactly. Digests are SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Of its component.
    pub sha256: String,
    /// Of its offers.
    pub offers: String,
    /// Of its assets, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<String>,
}

/// What can be wrong with a lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is not one.
    #[error("`{}` is no lock file: {why}", .file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The pipeline has no file beside which it could lie.
    #[error("the shipped pipeline `{0}` lies in the program, where no lock file can be")]
    Shipped(String),
    /// The system does not give or take it.
    #[error("`{}` cannot be read or written", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    #[serde(default)]
    plugin: Vec<Pin>,
}

const VERSION: u32 = 1;
const HEAD: &str = "# Written by `docgenie-engine plugin lock`; keep it with the pipeline.\n";

impl Pin {
    /// The pin of an installed plugin.
    ///
    /// # Errors
    /// When a file of it cannot be read.
    pub fn of(plugin: &Plugin) -> Result<Self, PluginError> {
        let bad = |why: String| PluginError::Manifest {
            file: plugin.folder.clone(),
            why,
        };
        let offers = serde_json::to_vec(&plugin.offers).map_err(|error| bad(error.to_string()))?;
        let about = &plugin.manifest.plugin;
        Ok(Self {
            id: about.id.clone(),
            version: about.version.clone(),
            sha256: sha256(&plugin.component()?),
            offers: sha256(&offers),
            assets: assets(plugin).map_err(bad)?,
        })
    }

    /// How another plugin of this name differs, as lines with both sides; none where it is the same.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let none = "none";
        let facts = |pin: &'_ Self| {
            let assets = pin.assets.as_deref().unwrap_or(none);
            [&pin.version, &pin.sha256, &pin.offers, assets].map(str::to_owned)
        };
        let names = ["version", "component", "offers", "assets"];
        let pairs = facts(self).into_iter().zip(facts(other)).zip(names);
        let pairs = pairs.filter(|((locked, found), _)| locked != found);
        let line = |((locked, found), name)| format!("{name}: {locked} is locked, {found} is here");
        pairs.map(line).collect()
    }
}

/// The digest of all assets with their names.
fn assets(plugin: &Plugin) -> Result<Option<String>, String> {
    let named = &plugin.manifest.wants.assets;
    if named.is_empty() {
        return Ok(None);
    }
    let files = Assets::of(plugin);
    let mut lines = String::new();
    for asset in named {
        let name = asset.to_string_lossy();
        let digest = sha256(&files.read(&name)?);
        writeln!(lines, "{digest}  {name}").map_err(|error| error.to_string())?;
    }
    Ok(Some(sha256(lines.as_bytes())))
}

impl Lock {
    /// The lock file of the pipeline in this file: `pipeline.lock.toml` of `pipeline.toml`.
    #[must_use]
    pub fn file_of(pipeline: &Path) -> PathBuf {
        pipeline.with_extension("lock.toml")
    }

    /// Reads a lock file; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is no lock file.
    pub fn read(file: &Path) -> Result<Option<Self>, LockError> {
        let form = |why: String| LockError::Form {
            file: file.to_owned(),
            why,
        };
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(io_error(file))?,
        };
        let wire: Wire = toml::from_str(&text).map_err(|error| form(error.to_string()))?;
        if wire.version != VERSION {
            let version = wire.version;
            return Err(form(format!(
                "its version is {version}, this engine knows {VERSION}"
            )));
        }
        Ok(Some(wire.plugin.into_iter().collect()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the system does not take it.
    pub fn write(&self, file: &Path) -> Result<(), LockError> {
        let wire = Wire {
            version: VERSION,
            plugin: self.pins.values().cloned().collect(),
        };
        let text = toml::to_string(&wire).map_err(|error| LockError::Form {
            file: file.to_owned(),
            why: error.to_string(),
        })?;
        write_atomically(file, format!("{HEAD}{text}").as_bytes()).map_err(io_error(file))
    }

    /// The pin of the plugin of this name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Pin> {
        self.pins.get(id)
    }

    /// All pins, by name.
    pub fn pins(&self) -> impl Iterator<Item = &Pin> {
        self.pins.values()
    }
}

impl FromIterator<Pin> for Lock {
    fn from_iter<T: IntoIterator<Item = Pin>>(pins: T) -> Self {
        let pins = pins.into_iter().map(|pin| (pin.id.clone(), pin));
        Self {
            pins: pins.collect(),
        }
    }
}

fn io_error(file: &Path) -> impl FnOnce(io::Error) -> LockError {
    let file = file.to_owned();
    move |source| LockError::Io { file, source }
}

impl From<LockError> for StageFailure {
    fn from(error: LockError) -> Self {
        let hint = match error {
            LockError::Shipped(_) => "lock a pipeline of your own, with the same stages",
            _ => "`docgenie-engine plugin lock PIPELINE` writes it anew",
        };
        let failure = Self::new(LOCK, error.to_string()).hint(hint);
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(version: &str, sha256: &str) -> Pin {
        Pin {
            id: "seal".to_owned(),
            version: version.to_owned(),
            sha256: sha256.to_owned(),
            offers: "ff".to_owned(),
            assets: None,
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let file = Lock::file_of(&place.path().join("pipeline.toml"));
        assert!(file.ends_with("pipeline.lock.toml"));
        assert_eq!(Lock::read(&file).unwrap(), None);
        let lock: Lock = [pin("0.1.0", "aa")].into_iter().collect();
        lock.write(&file).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), Some(lock));
        Lock::default().write(&file).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), Some(Lock::default()));
        for (text, why) in [
            ("version = 2\n", "its version is 2, this engine knows 1"),
            ("version = 1\nplugins = []\n", "unknown field `plugins`"),
        ] {
            write_atomically(&file, text.as_bytes()).unwrap();
            let error = Lock::read(&file).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn differences_name_both_sides() {
        let locked = pin("0.1.0", "aa");
        assert!(locked.differences(&locked).is_empty());
        assert_eq!(
            locked.differences(&pin("0.2.0", "bb")),
            [
                "version: 0.1.0 is locked, 0.2.0 is here",
                "component: aa is locked, bb is here"
            ]
        );
    }
}
