//! The plugins there are, found by their manifests; none of their code is run.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    bundle::sha256,
    error::{PluginError, plain},
    manifest::{self, Manifest},
    offers::{self, Offer, Offers},
    sandbox::Sandbox,
};

/// The file that holds the component.
pub(crate) const COMPONENT: &str = "plugin.wasm";
/// Bytes of a manifest or of offers: far more than either takes.
pub(crate) const TEXT_LIMIT: u64 = 1 << 20;

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
        let offers = Offers::parse(&file, &read(&file)?)?;
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
        if let Some(said) = &self.manifest.plugin.sha256 {
            let found = sha256(&self.component()?);
            if found != *said {
                return Err(PluginError::Component {
                    plugin: self.id().to_owned(),
                    why: format!("its SHA-256 is {found}, its manifest says {said}"),
                });
            }
        }
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
        match name {
            None => self.offers.only(),
            Some(name) => self.offers.offers.iter().find(|offer| offer.id == name),
        }
    }

    /// The names that pipelines have for its offers, without `plugin:`.
    pub fn names(&self) -> impl Iterator<Item = (String, &Offer)> {
        self.offers.names(self.id())
    }

    /// Whether a plugin may have this name.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        name.len() <= 64 && name.split('-').all(part)
    }

    /// The shortest name that pipelines have for an offer, without `plugin:`.
    #[must_use]
    pub fn name_of(&self, offer: &str) -> String {
        match self.offers.offers.len() {
            1 => self.id().to_owned(),
            _ => format!("{}/{offer}", self.id()),
        }
    }

    /// The files that change when it is built anew.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let names = [manifest::FILE, offers::FILE, COMPONENT];
        names.map(|name| self.folder.join(name)).to_vec()
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
        Self::parse(&file, &read(&file)?)
    }

    /// The manifest with this text; messages name the file.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, PluginError> {
        let manifest: Self = toml::from_str(text).map_err(|error| unfit(file, &error))?;
        let about = &manifest.plugin;
        if !Plugin::is_name(&about.id) {
            let why = format!("`{}` is not a name in kebab case", about.id);
            return Err(unfit(file, &why));
        }
        let lines = [&about.version, &about.api, &about.summary, &about.license];
        lines.into_iter().try_for_each(|line| is_line(file, line))?;
        Ok(manifest)
    }
}

impl Offers {
    /// The offers with this text; messages name the file.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, PluginError> {
        let offers: Self = serde_json::from_str(text).map_err(|error| unfit(file, &error))?;
        if offers.offers.is_empty() {
            return Err(unfit(file, &"it offers nothing"));
        }
        for offer in &offers.offers {
            let lines = [&offer.id, &offer.title, &offer.summary];
            lines.into_iter().try_for_each(|line| is_line(file, line))?;
        }
        Ok(offers)
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

/// The folders in a place that have a manifest, by name. Hidden ones are under construction.
fn folders(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<_> = paths
        .filter(|path| {
            let hidden = path
                .file_name()
                .is_some_and(|it| it.as_encoded_bytes()[0] == b'.');
            !hidden && path.join(manifest::FILE).is_file()
        })
        .collect();
    folders.sort();
    folders
}

/// The text of a manifest or of offers.
fn read(file: &Path) -> Result<String, PluginError> {
    let unreadable = |source| PluginError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(unreadable)?;
    io::Read::read_to_string(&mut io::Read::take(opened, TEXT_LIMIT), &mut text)
        .map_err(unreadable)?;
    Ok(text)
}

fn unfit(file: &Path, why: &dyn std::fmt::Display) -> PluginError {
    PluginError::Manifest {
        file: file.to_owned(),
        why: plain(&why.to_string()),
    }
}

/// What is shown at a terminal is one line and nothing that a terminal would obey.
fn is_line(file: &Path, text: &str) -> Result<(), PluginError> {
    if text.chars().any(char::is_control) {
        let why = format!("`{}` is not one line of plain text", text.escape_debug());
        return Err(unfit(file, &why));
    }
    Ok(())
}
