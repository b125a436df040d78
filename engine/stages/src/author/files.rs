//! The files of the template set: those embedded in the program, and a user's folder over them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use docgenie_document::Digest;

static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The files by their path in the set, with `/` between folders.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(BTreeMap<String, File>);

/// One file.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Where its reader finds it: a path of the user's folder, or the path in the embedded set.
    pub origin: String,
    /// Its text.
    pub text: Arc<str>,
}

/// A template folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", .path.display())]
pub(super) struct FilesError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Files {
    /// The embedded files.
    pub(super) fn embedded() -> Self {
        let file = |(path, text): &(&str, &str)| {
            let origin = format!("templates/{path}");
            let text = Arc::from(*text);
            ((*path).to_owned(), File { origin, text })
        };
        Self(EMBEDDED.iter().map(file).collect())
    }

    /// These files with those of `folder` over them: the same path replaces, another adds.
    ///
    /// # Errors
    /// When the folder or one of its files cannot be read as UTF-8.
    pub(super) fn overlaid(mut self, folder: &Path) -> Result<Self, FilesError> {
        self.add_folder(folder, "")?;
        Ok(self)
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), FilesError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FilesError { path, source }
        };
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let entry = entry.map_err(failed(folder))?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let inner = format!("{prefix}{name}");
            if path.is_dir() {
                self.add_folder(&path, &format!("{inner}/"))?;
            } else {
                let text = fs::read_to_string(&path).map_err(failed(&path))?;
                let origin = path.display().to_string();
                let text = Arc::from(text);
                self.0.insert(inner, File { origin, text });
            }
        }
        Ok(())
    }

    /// The file at `path`.
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.0.get(path)
    }

    /// The files below `folder` in order of path, each with the rest of its path.
    pub(super) fn below<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a File)> {
        self.0.iter().filter_map(move |(path, file)| {
            let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
            Some((rest, file))
        })
    }

    /// All files in order of path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The digest of all paths and texts.
    pub(super) fn digest(&self) -> Digest {
        let parts = self.0.iter();
        Digest::of_parts(parts.flat_map(|(path, file)| [path.as_bytes(), file.text.as_bytes()]))
    }
}
