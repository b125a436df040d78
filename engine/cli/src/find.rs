//! Where pipelines are found.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use docgenie_document::Code;
use include_dir::{Dir, include_dir};

use crate::report::{Status, Stop};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../pipelines");

/// What the names of its files are shown with.
const SHIPPED_AS: &str = "shipped:";

/// No pipeline has this name or path.
pub(crate) const NO_PIPELINE: Code = Code::new("DG0902");
/// A pipeline file cannot be read.
const UNREADABLE: Code = Code::new("DG0903");

/// A pipeline file that was found.
pub(crate) struct Found {
    /// The path as messages show it.
    pub(crate) shown: String,
    /// Its bytes, not yet known to be text.
    pub(crate) bytes: Cow<'static, [u8]>,
    /// The file, absolute; absent for one that is shipped in the binary.
    pub(crate) file: Option<PathBuf>,
    /// The folder that relative paths of options start from.
    pub(crate) dir: PathBuf,
}

impl Found {
    /// The path of the `tests.toml` beside it as messages show it, and what reading it gave; `None` where
    /// there is none.
    pub(crate) fn tests(&self) -> Option<(String, io::Result<Cow<'static, [u8]>>)> {
        let shown = Path::new(&self.shown).with_file_name("tests.toml");
        let shown = shown.display().to_string();
        let Some(file) = &self.file else {
            let file = SHIPPED.get_file(shown.strip_prefix(SHIPPED_AS)?)?;
            return Some((shown, Ok(file.contents().into())));
        };
        match fs::read(file.with_file_name("tests.toml")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some((shown, read.map(Cow::Owned))),
        }
    }
}

/// Finds a pipeline by name (here, then the user's, then shipped) or by the path of its file or
/// folder.
pub(crate) fn pipeline(name: &str, home: &Path) -> Result<Found, Stop> {
    let looks_like_path = name.contains(['/', '\\']) || name.ends_with(".toml");
    if looks_like_path {
        let path = PathBuf::from(name);
        let file = if path.is_dir() {
            path.join("pipeline.toml")
        } else {
            path
        };
        return read(&file);
    }
    let folders = [PathBuf::from("pipelines"), home.join("pipelines")];
    for folder in &folders {
        let file = folder.join(name).join("pipeline.toml");
        if file.is_file() {
            return read(&file);
        }
    }
    let file = format!("{name}/pipeline.toml");
    let Some(shipped) = SHIPPED.get_file(&file) else {
        let names = names(home);
        return Err(Stop::new(Status::BadInput, NO_PIPELINE, format!("there is no pipeline `{name}`"))
            .hint(format!(
                "known are {}; `docgenie-engine new {name}` starts one, and a path needs a `/` or ends in .toml",
                names.join(", ")
            )));
    };
    Ok(Found {
        shown: format!("{SHIPPED_AS}{file}"),
        bytes: shipped.contents().into(),
        file: None,
        dir: PathBuf::from("."),
    })
}

/// Names of all pipelines that can be run by name.
pub(crate) fn names(home: &Path) -> Vec<String> {
    let folders = [PathBuf::from("pipelines"), home.join("pipelines")];
    let listed = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let own = listed
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("pipeline.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let shipped = SHIPPED.dirs().map(|dir| dir.path().display().to_string());
    let mut names: Vec<String> = own.chain(shipped).collect();
    names.sort();
    names.dedup();
    names
}

fn read(file: &Path) -> Result<Found, Stop> {
    let shown = file.display().to_string();
    let failed = |error| unreadable(&shown, &error);
    let bytes = fs::read(file).map_err(failed)?;
    let absolute = std::path::absolute(file).map_err(failed)?;
    let dir = absolute.parent().unwrap_or(Path::new(".")).to_owned();
    Ok(Found {
        shown,
        bytes: bytes.into(),
        dir,
        file: Some(absolute),
    })
}

/// A file of a pipeline that cannot be read.
pub(crate) fn unreadable(shown: &str, error: &io::Error) -> Stop {
    let code = if error.kind() == io::ErrorKind::NotFound {
        NO_PIPELINE
    } else {
        UNREADABLE
    };
    Stop::new(Status::BadInput, code, format!("cannot read `{shown}`")).because(error)
}
