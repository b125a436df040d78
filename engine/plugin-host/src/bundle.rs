//! A plugin as one file: packed, looked at, installed, removed.
//!
//! A bundle comes from anybody. It is a ZIP in the one form that [`archive`] takes, and holds the
//! files of a built plugin and nothing else; compiled code is never taken from it. What its manifest
//! names is what it must hold, its component must have the digest that the manifest gives, and it is
//! checked in the sandbox before it is seen in its place.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use docgenie_document::Code;
use docgenie_guard::archive::{self, Archive, ArchiveError};
use docgenie_runtime::{
    files::{self, DatasetFileError, NewFolder, PublishError},
    stage::StageFailure,
};
use semver::Version;
use sha2::{Digest, Sha256};

use crate::{
    assets::Assets,
    error::PluginError,
    library::{self, COMPONENT, Library, Plugin},
    manifest::{self, Manifest},
    offers::{self, Offers},
    sandbox::Sandbox,
};

/// A bundle is refused.
const REFUSED: Code = Code::new("DG0812");
/// A plugin cannot be packed.
const UNPACKABLE: Code = Code::new("DG0813");
/// One of this name is installed, and not older.
const INSTALLED: Code = Code::new("DG0814");
/// A folder is not the engine's to replace or remove.
const NOT_OURS: Code = Code::new("DG0815");
/// The folder of plugins cannot be written.
const UNWRITABLE: Code = Code::new("DG0816");

/// The ending of a bundle's name.
const ENDING: &str = "docgenie-plugin";
/// A hundred times what shipped plugins need; a component with a whole interpreter has 20 MiB.
const LIMITS: archive::Limits = archive::Limits {
    entries: 512,
    bytes: 256 << 20,
    ratio: 100,
};

/// A plugin with all of its files, in memory.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What it is and asks for; with the digest of the component.
    pub manifest: Manifest,
    /// What it offers.
    pub offers: Offers,
    version: Version,
    /// By their paths.
    files: BTreeMap<String, Vec<u8>>,
}

/// What installing has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// There was none of this name.
    New,
    /// The same stood there already.
    Same,
    /// It stands where one of this version stood, or one that cannot be read.
    Instead(Option<String>),
}

/// What can be wrong with a plugin as a file.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file is no archive that is taken.
    #[error("the bundle `{}` is refused", .file.display())]
    Archive {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// What the file holds is no plugin.
    #[error("the bundle `{}` is refused: {why}", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// A built plugin cannot be packed.
    #[error("plugin `{plugin}` cannot be packed: {why}")]
    Unpackable {
        /// Its name.
        plugin: String,
        /// Why.
        why: String,
    },
    /// One of this name is installed, and there is no reason to replace it.
    #[error("plugin `{plugin}` is installed already, {}", standing(.installed.as_deref()))]
    Installed {
        /// Its name.
        plugin: String,
        /// The version that is installed, if it can be read.
        installed: Option<String>,
        /// The version that is not installed.
        version: String,
    },
    /// A folder is not the engine's to replace or remove.
    #[error("`{}` is not replaced or removed: {why}", .folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// The folder of plugins cannot be written.
    #[error("plugin `{plugin}` cannot be put into or taken out of its folder")]
    Unwritable {
        /// Its name.
        plugin: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no sound plugin, packed or not.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

fn standing(version: Option<&str>) -> String {
    version.map_or_else(
        || "in a state that cannot be read".to_owned(),
        |version| format!("in version {version}"),
    )
}

impl Bundle {
    /// The bundle of a built plugin.
    ///
    /// # Errors
    /// When a file of it cannot be read, or it is none that could be installed.
    pub fn of(plugin: &Plugin) -> Result<Self, BundleError> {
        let unpackable = |why: String| BundleError::Unpackable {
            plugin: plugin.id().to_owned(),
            why,
        };
        let component = plugin.component()?;
        let mut manifest = plugin.manifest.clone();
        let digest = sha256(&component);
        if manifest
            .plugin
            .sha256
            .replace(digest.clone())
            .is_some_and(|it| it != digest)
        {
            let why = format!("`{COMPONENT}` is not the one whose `sha256` its manifest gives");
            return Err(unpackable(why));
        }
        // What is needed to build it does not travel with it.
        manifest.build = None;
        let text = toml::to_string(&manifest).map_err(|error| unpackable(error.to_string()))?;
        let offers = serde_json::to_string_pretty(&plugin.offers);
        let offers = offers.map_err(|error| unpackable(error.to_string()))?;
        let mut files = BTreeMap::from([
            (manifest::FILE.to_owned(), text.into_bytes()),
            (offers::FILE.to_owned(), format!("{offers}\n").into_bytes()),
            (COMPONENT.to_owned(), component),
        ]);
        let assets = Assets::of(plugin);
        for asset in &manifest.wants.assets {
            let name = asset.to_string_lossy().into_owned();
            let bytes = assets.read(&name).map_err(unpackable)?;
            files.insert(name, bytes);
        }
        let papers = papers(&plugin.folder);
        files.extend(papers.map_err(|error| unpackable(error.to_string()))?);
        Ok(Self {
            version: version(&manifest).map_err(unpackable)?,
            manifest,
            offers: plugin.offers.clone(),
            files,
        })
    }

    /// Reads a bundle, which may come from anybody.
    ///
    /// # Errors
    /// When it cannot be read, goes over a limit, or is not whole and itself.
    pub fn read(file: &Path) -> Result<Self, BundleError> {
        let archive = Archive::read(file, LIMITS).map_err(refused(file))?;
        Self::unpacked(file, &archive)
    }

    fn unpacked(file: &Path, archive: &Archive) -> Result<Self, BundleError> {
        let bad = |why: String| BundleError::Content {
            file: file.to_owned(),
            why,
        };
        let text = |name: &str| {
            let bytes = archive.unpack(name).map_err(refused(file))?;
            if bytes.len() as u64 > library::TEXT_LIMIT {
                return Err(bad(format!("its `{name}` is over 1 MiB")));
            }
            let text = String::from_utf8(bytes);
            text.map_err(|_| bad(format!("its `{name}` is not text")))
        };
        let manifest = Manifest::parse(&file.join(manifest::FILE), &text(manifest::FILE)?)?;
        let offers = Offers::parse(&file.join(offers::FILE), &text(offers::FILE)?)?;
        if let Some(name) = archive.names().find(|name| !belongs(name, &manifest)) {
            return Err(bad(format!("`{name}` is no file that a plugin has")));
        }
        let needed = manifest.wants.assets.iter();
        let needed = needed.map(|asset| asset.to_string_lossy().into_owned());
        for name in needed.chain([COMPONENT.to_owned()]) {
            if !archive.names().any(|it| it == name) {
                return Err(bad(format!("it lacks `{name}`")));
            }
        }
        let unpack = |name: &str| {
            let bytes = archive.unpack(name).map_err(refused(file))?;
            Ok((name.to_owned(), bytes))
        };
        let files: BTreeMap<_, _> = archive
            .names()
            .map(unpack)
            .collect::<Result<_, BundleError>>()?;
        let found = files.get(COMPONENT).map(|bytes| sha256(bytes));
        if found != manifest.plugin.sha256 {
            let said = manifest.plugin.sha256.as_deref().unwrap_or("none");
            let found = found.unwrap_or_default();
            return Err(bad(format!(
                "the SHA-256 of `{COMPONENT}` is {found}, its manifest says {said}"
            )));
        }
        Ok(Self {
            version: version(&manifest).map_err(bad)?,
            manifest,
            offers,
            files,
        })
    }

    /// Its bytes. Equal plugins give equal bytes.
    ///
    /// # Errors
    /// When [`Self::read`] would refuse it.
    pub fn packed(&self) -> Result<Vec<u8>, BundleError> {
        let id = &self.manifest.plugin.id;
        let unpackable = |why: String| BundleError::Unpackable {
            plugin: id.clone(),
            why,
        };
        let bytes = files::zip_of(&self.files).map_err(|error| unpackable(error.to_string()))?;
        let archive = Archive::of(bytes.clone(), LIMITS);
        let archive = archive.map_err(|error| unpackable(error.to_string()))?;
        Self::unpacked(Path::new(&self.file_name()), &archive)?;
        Ok(bytes)
    }

    /// The name that its file has: `ID-VERSION.docgenie-plugin`.
    #[must_use]
    pub fn file_name(&self) -> String {
        let about = &self.manifest.plugin;
        format!("{}-{}.{ENDING}", about.id, about.version)
    }

    /// Puts it into a folder of its own below `place`, whole or not at all, after it was checked in
    /// the sandbox. One that is installed is replaced if it is older, or if that is `forced`.
    ///
    /// # Errors
    /// When it is not sound, one is installed that is not older, its folder holds what no bundle
    /// has, or the file system refuses.
    pub fn install(
        &self,
        sandbox: &Sandbox,
        place: &Path,
        forced: bool,
    ) -> Result<Installed, BundleError> {
        let id = &self.manifest.plugin.id;
        let folder = place.join(id);
        let installed = self.instead_of(&folder, forced)?;
        if installed == Installed::Same {
            return Ok(installed);
        }
        let unwritable = |source| BundleError::Unwritable {
            plugin: id.clone(),
            source,
        };
        let new = NewFolder::beside(&folder)
            .map_err(published)
            .map_err(unwritable)?;
        for (path, bytes) in &self.files {
            new.write(path, bytes)
                .map_err(written)
                .map_err(unwritable)?;
        }
        Plugin::read(new.path())?.check(sandbox)?;
        new.put().map_err(published).map_err(unwritable)?;
        Ok(installed)
    }

    /// What it would replace in this folder.
    fn instead_of(&self, folder: &Path, forced: bool) -> Result<Installed, BundleError> {
        if fs::symlink_metadata(folder).is_err_and(|it| it.kind() == io::ErrorKind::NotFound) {
            return Ok(Installed::New);
        }
        check_ours(folder, &self.manifest.plugin.id)?;
        let standing = Plugin::read(folder).ok();
        let same = standing.as_ref().and_then(|it| Self::of(it).ok());
        if same.is_some_and(|it| it.files == self.files) {
            return Ok(Installed::Same);
        }
        let installed = standing.map(|it| it.manifest.plugin.version);
        let older = installed.as_deref().and_then(|it| Version::parse(it).ok());
        if forced || older.is_some_and(|older| older < self.version) {
            return Ok(Installed::Instead(installed));
        }
        Err(BundleError::Installed {
            plugin: self.manifest.plugin.id.clone(),
            installed,
            version: self.version.to_string(),
        })
    }
}

impl Plugin {
    /// Removes the plugin of this name from `place` and says which folder that was.
    pub(crate) fn remove(place: &Path, id: &str) -> Result<PathBuf, BundleError> {
        let not_found = || PluginError::NotFound {
            plugin: id.to_owned(),
        };
        if !Plugin::is_name(id) {
            return Err(not_found().into());
        }
        let unwritable = |source| BundleError::Unwritable {
            plugin: id.to_owned(),
            source,
        };
        let library = Library::open(&[place.to_owned()]);
        // By its name even where it cannot be read.
        let folder = library
            .get(id)
            .map_or_else(|| place.join(id), |it| it.folder.clone());
        let found = fs::symlink_metadata(&folder).map_err(|_| not_found())?;
        if found.is_symlink() {
            fs::remove_file(&folder).map_err(unwritable)?;
        } else {
            check_ours(&folder, id)?;
            files::remove_folder(&folder)
                .map_err(published)
                .map_err(unwritable)?;
        }
        Ok(folder)
    }
}

/// Whether the engine may replace or remove a folder as that of this plugin: nothing is in it that
/// it would not have put there, such as a plugin's source.
fn check_ours(folder: &Path, id: &str) -> Result<(), BundleError> {
    let not_ours = |why: String, hint| BundleError::NotOurs {
        folder: folder.to_owned(),
        why,
        hint,
    };
    if fs::symlink_metadata(folder).is_ok_and(|it| !it.is_dir()) {
        let hint = "`docgenie-engine plugin remove` removes a link";
        return Err(not_ours("it is a link or a file".to_owned(), hint));
    }
    let manifest = Manifest::read(folder).ok();
    let other = manifest.as_ref().map(|it| &it.plugin.id);
    if let Some(other) = other.filter(|it| *it != id) {
        let hint = "give the folder the name of its plugin";
        return Err(not_ours(format!("it holds the plugin `{other}`"), hint));
    }
    let belongs = |name: &str| match &manifest {
        Some(manifest) => belongs(name, manifest),
        None => is_own(name) || is_paper(name),
    };
    match files_of(folder).map(|names| names.into_iter().find(|it| !belongs(it))) {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(not_ours(
            format!("it holds `{name}`, which the engine has not put there"),
            "move it out of the folder",
        )),
        Err(error) => Err(not_ours(
            format!("it cannot be read: {error}"),
            "look at its permissions",
        )),
    }
}

/// The paths of the files below a folder.
fn files_of(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let path = path.strip_prefix(root).unwrap_or(&path);
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a bundle of this manifest may hold a file of this name.
fn belongs(name: &str, manifest: &Manifest) -> bool {
    let assets = &manifest.wants.assets;
    let expected = is_own(name) || is_paper(name) || assets.iter().any(|it| it == Path::new(name));
    // Compiled code is made here or not at all.
    expected && !name.ends_with(".cwasm")
}

/// Whether it is a file that every bundle has.
fn is_own(name: &str) -> bool {
    [manifest::FILE, offers::FILE, COMPONENT].contains(&name)
}

/// Whether it is for people.
fn is_paper(name: &str) -> bool {
    !name.contains('/') && (matches!(name, "README.md" | "NOTICE") || name.starts_with("LICENSE"))
}

/// What a plugin's folder holds for people.
fn papers(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut papers = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_paper(&name) && fs::metadata(entry.path())?.is_file() {
            papers.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(papers)
}

fn version(manifest: &Manifest) -> Result<Version, String> {
    let version = &manifest.plugin.version;
    Version::parse(version)
        .map_err(|error| format!("its version `{version}` is none such as `1.2.0`: {error}"))
}

/// SHA-256 in hexadecimal, as `sha256sum` prints it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refused(file: &Path) -> impl Fn(ArchiveError) -> BundleError {
    let file = file.to_owned();
    move |source| BundleError::Archive {
        file: file.clone(),
        source,
    }
}

fn published(error: PublishError) -> io::Error {
    match error {
        PublishError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

fn written(error: DatasetFileError) -> io::Error {
    match error {
        DatasetFileError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

impl BundleError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Archive { .. } | Self::Content { .. } => REFUSED,
            Self::Unpackable { .. } => UNPACKABLE,
            Self::Installed { .. } => INSTALLED,
            Self::NotOurs { .. } => NOT_OURS,
            Self::Unwritable { .. } => UNWRITABLE,
            Self::Plugin(error) => error.code(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Archive { .. } | Self::Content { .. } => {
                "nothing was installed; ask for a bundle that `docgenie-engine plugin pack` has made"
                    .to_owned()
            }
            Self::Unpackable { .. } => "`docs/plugins/publishing.md` says what a bundle holds".to_owned(),
            Self::Installed { version, .. } => {
                format!("`--force` puts version {version} in its place all the same")
            }
            Self::NotOurs { hint, .. } => (*hint).to_owned(),
            Self::Unwritable { .. } => "check that the disk has room and can be written".to_owned(),
            Self::Plugin(error) => error.hint(),
        }
    }
}

impl From<BundleError> for StageFailure {
    fn from(error: BundleError) -> Self {
        let failure = Self::new(error.code(), error.to_string()).hint(error.hint());
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
