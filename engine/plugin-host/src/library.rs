//! The plugins there are, found by their manifests; none of their code is run.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{
    error::PluginError,
    manifest::{self, Manifest},
    offers::{self, Offer, Offers},
    sandbox::Sandbox,
};

/// The file that holds the component.
pub(crate) const COMPONENT: &str = "plugin.wasm";

/// A plugin in its folder, built.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Where it lies.
    pub folder: PathBuf,
    /// What it is and asks for.
    pub manifest: Manifest,
    /// What it offers.
    pub offers: Offers,
}

/// The plugins of some folders by id.
#[derive(Debug, Default)]
pub struct Library {
    plugins: BTreeMap<String, Plugin>,
    faults: Vec<PluginError>,
}

impl Plugin {
    /// Reads the plugin in this folder.
    ///
    /// # Errors
    /// When the manifest or the offers cannot be read, do not fit, or the component is not built.
    pub fn read(folder: &Path) -> Result<Self, PluginError> {
        let manifest = Manifest::read(folder)?;
        if !folder.join(COMPONENT).exists() {
            return Err(PluginError::NotBuilt {
                plugin: manifest.plugin.id,
                folder: folder.to_owned(),
            });
        }
        let file = folder.join(offers::FILE);
        let offers: Offers = read(&file, |text| {
            serde_json::from_str(text).map_err(|error| error.to_string())
        })?;
        if offers.offers.is_empty() {
            let why = "it offers nothing".to_owned();
            return Err(PluginError::Manifest { file, why });
        }
        Ok(Self {
            folder: folder.to_owned(),
            manifest,
            offers,
        })
    }

    /// Checks the plugin as a whole, which runs its `describe`.
    ///
    /// # Errors
    /// When its component cannot be run or is not what its files say.
    pub fn check(&self, sandbox: &Sandbox) -> Result<(), PluginError> {
        sandbox.check(self)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.manifest.plugin.id
    }

    /// The offer of this name, or its only one where none is named.
    #[must_use]
    pub fn offer(&self, name: Option<&str>) -> Option<&Offer> {
        match (name, self.offers.offers.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), offers) => offers.iter().find(|offer| offer.id == name),
        }
    }

    /// The names that pipelines have for its offers, without `plugin:`.
    pub fn names(&self) -> impl Iterator<Item = (String, &Offer)> {
        let id = self.id();
        let only = self.offer(None).map(|offer| (id.to_owned(), offer));
        let all = self.offers.offers.iter();
        only.into_iter()
            .chain(all.map(move |offer| (format!("{id}/{}", offer.id), offer)))
    }

    /// The shortest name that pipelines have for an offer, without `plugin:`.
    #[must_use]
    pub fn name_of(&self, offer: &str) -> String {
        match self.offers.offers.len() {
            1 => self.id().to_owned(),
            _ => format!("{}/{offer}", self.id()),
        }
    }

    /// The component's bytes.
    pub(crate) fn component(&self) -> Result<Vec<u8>, PluginError> {
        let file = self.folder.join(COMPONENT);
        fs::read(&file).map_err(|source| PluginError::Unreadable { file, source })
    }
}

impl Manifest {
    /// Reads the manifest in this folder.
    ///
    /// # Errors
    /// When it cannot be read or does not fit.
    pub fn read(folder: &Path) -> Result<Self, PluginError> {
        let file = folder.join(manifest::FILE);
        let manifest: Self = read(&file, |text| {
            toml::from_str(text).map_err(|error| error.to_string())
        })?;
        let id = &manifest.plugin.id;
        if !kebab_case(id) {
            let why = format!("`{id}` is not a name in kebab case");
            return Err(PluginError::Manifest { file, why });
        }
        Ok(manifest)
    }
}

impl Library {
    /// The plugins in these folders, one to a folder in each. An earlier folder goes before a later
    /// one. What cannot be read is kept as a fault.
    #[must_use]
    pub fn open(places: &[PathBuf]) -> Self {
        let mut library = Self::default();
        for place in places {
            for folder in folders(place) {
                match Plugin::read(&folder) {
                    Ok(plugin) => {
                        let id = plugin.id().to_owned();
                        library.plugins.entry(id).or_insert(plugin);
                    }
                    Err(fault) => library.faults.push(fault),
                }
            }
        }
        // Where a plugin is found built, its source beside it is no fault.
        let Self { plugins, faults } = &mut library;
        faults.retain(|fault| {
            !matches!(fault, PluginError::NotBuilt { plugin, .. } if plugins.contains_key(plugin))
        });
        library
    }

    /// The plugin of this name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Plugin> {
        self.plugins.get(id)
    }

    /// All that can be used, by name.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    /// What looks like a plugin and cannot be used.
    #[must_use]
    pub fn faults(&self) -> &[PluginError] {
        &self.faults
    }
}

/// The folders in a place that have a manifest, by name.
fn folders(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<_> = paths
        .filter(|path| path.join(manifest::FILE).is_file())
        .collect();
    folders.sort();
    folders
}

fn read<T: DeserializeOwned>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, PluginError> {
    /// Far more than a manifest or a schema takes.
    const LIMIT: u64 = 1 << 20;
    let unreadable = |source| PluginError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(unreadable)?;
    io::Read::read_to_string(&mut io::Read::take(opened, LIMIT), &mut text).map_err(unreadable)?;
    parse(&text).map_err(|why| PluginError::Manifest {
        file: file.to_owned(),
        why,
    })
}

fn kebab_case(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= 64 && name.split('-').all(part)
}
