//! Calls that failed, kept so that a plugin's author can make them again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use docgenie_document::{Digest, Seed};
use docgenie_runtime::{extension::DrawRequest, files::write_atomically};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{documents::Snapshot, error::PluginError, offered::Offered};

/// How the names of these files end.
const EXTENSION: &str = "replay";
/// Files that are kept; older ones go.
const KEPT: usize = 100;

/// A call with everything it depends on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) plugin: String,
    pub(crate) version: String,
    /// Of the component that failed.
    pub(crate) component: Digest,
    pub(crate) export: String,
    pub(crate) offer: String,
    pub(crate) params: String,
    pub(crate) seed: Seed,
    pub(crate) asked: Asked,
}

/// What was asked of a plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// To draw.
    Draw {
        content: String,
        key: String,
        seed: u32,
        area: (u32, u32),
        dpi: f64,
        language: String,
    },
    /// To say what a writer must annotate.
    Brief,
    /// To make and check the truth of a document.
    Truth { draft: String, document: Snapshot },
    /// To take a document into an export; none where it begins or ends.
    Export {
        job: String,
        document: Option<Snapshot>,
    },
}

impl From<&DrawRequest> for Asked {
    fn from(request: &DrawRequest) -> Self {
        Self::Draw {
            content: request.content.clone(),
            key: request.key.clone(),
            seed: request.seed,
            area: request.area,
            dpi: request.dpi,
            language: request.language.clone(),
        }
    }
}

impl Replay {
    pub(crate) fn of(offered: &Offered, export: &str, seed: Seed, asked: Asked) -> Self {
        let about = &offered.plugin.manifest.plugin;
        Self {
            plugin: about.id.clone(),
            version: about.version.clone(),
            component: offered.loaded.digest,
            export: export.to_owned(),
            offer: offered.offer.clone(),
            params: offered.params_text(),
            seed,
            asked,
        }
    }

    /// Writes it into this folder, under the digest of what it holds. Without it the failure is told
    /// all the same.
    pub(crate) fn keep(&self, folder: &Path) -> Option<PathBuf> {
        let kept = || -> std::io::Result<PathBuf> {
            let bytes = rmp_serde::to_vec_named(self).map_err(std::io::Error::other)?;
            fs::create_dir_all(folder)?;
            let digest = Digest::of(&bytes).to_string();
            let name = format!("{}-{}.{EXTENSION}", self.plugin, &digest[..12]);
            let file = folder.join(name);
            write_atomically(&file, &bytes)?;
            tidy(folder);
            Ok(file)
        };
        kept()
            .inspect_err(|error| warn!(%error, "a call that failed cannot be kept for its author"))
            .ok()
    }

    /// Reads a file that [`keep`](Self::keep) has written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(file: &Path) -> Result<Self, PluginError> {
        let bytes = fs::read(file).map_err(|source| PluginError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        rmp_serde::from_slice(&bytes).map_err(|error| PluginError::Manifest {
            file: file.to_owned(),
            why: format!("it holds no call that failed: {error}"),
        })
    }
}

/// Removes the oldest files where there are too many.
fn tidy(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let is_ours = entry.path().extension().is_some_and(|it| it == EXTENSION);
        let modified = entry.metadata().ok()?.modified().ok()?;
        is_ours.then(|| (modified, entry.path()))
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    let too_many = files.len().saturating_sub(KEPT);
    for (_, file) in files.drain(..too_many) {
        let _ = fs::remove_file(file);
    }
}
