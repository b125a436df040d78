//! Tools that make components of other languages: pinned, and installed once into a folder of their
//! own below the home.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_guard::child::{self, Launch};
use tracing::warn;

/// A download of some ten megabytes.
const PATIENCE: Duration = Duration::from_mins(15);

/// A tool for a language.
pub(super) struct Toolchain {
    /// The language.
    pub(super) language: &'static str,
    /// The tool's version.
    pub(super) version: &'static str,
}

impl Toolchain {
    /// The folder that holds the tool, which `install` fills where there is none. It appears whole
    /// or not at all, whoever else installs it at the same time.
    pub(super) fn folder(
        &self,
        home: &Path,
        install: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<PathBuf, String> {
        let Self { language, version } = self;
        let toolchains = home.join("toolchains");
        let folder = toolchains.join(format!("{language}-{version}"));
        if folder.is_dir() {
            return Ok(folder);
        }
        let shown = folder.display();
        warn!("installing what builds plugins in {language}, once, into `{shown}`");
        let unwritable = |error: io::Error| format!("`{shown}` cannot be made: {error}");
        fs::create_dir_all(&toolchains).map_err(unwritable)?;
        let mut partial = tempfile::Builder::new();
        let partial = partial.prefix(".partial-").tempdir_in(&toolchains);
        let partial = partial.map_err(unwritable)?;
        install(partial.path()).map_err(|why| {
            format!(
                "{why}\nwhere the registry cannot be reached, copy `{shown}` from a machine on which it is installed"
            )
        })?;
        match fs::rename(partial.path(), &folder) {
            Err(error) if !folder.is_dir() => Err(unwritable(error)),
            _ => Ok(folder),
        }
    }
}

/// Runs a step of an installation.
pub(super) fn run(step: &Launch, name: &str, cure: &str) -> Result<(), String> {
    match child::output(step, PATIENCE) {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(name, cure, &error)),
    }
}

/// What is said of a program that is not there or does not succeed.
pub(super) fn failed(name: &str, cure: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no `{name}` on this machine: {cure}"),
        _ => format!("`{name}` did not succeed: {error}"),
    }
}

/// The program of this name that a shell would find.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut files = env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Toolchain = Toolchain {
        language: "latin",
        version: "1.2.3",
    };

    fn put(folder: &Path) -> Result<(), String> {
        fs::create_dir(folder.join("bin")).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_installed_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = TOOL.folder(home.path(), put).unwrap();
        assert_eq!(folder, home.path().join("toolchains/latin-1.2.3"));
        assert!(folder.join("bin").is_dir());
        let again = TOOL.folder(home.path(), |_| Err("asked again".to_owned()));
        assert_eq!(again.unwrap(), folder);
    }

    #[test]
    fn half_an_installation_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let failed = TOOL.folder(home.path(), |folder| {
            put(folder)?;
            Err("the registry is away".to_owned())
        });
        let why = failed.unwrap_err();
        assert!(why.starts_with("the registry is away\n") && why.contains("latin-1.2.3"));
        let left = fs::read_dir(home.path().join("toolchains"))
            .unwrap()
            .count();
        assert_eq!(left, 0);
    }

    #[test]
    fn who_comes_second_takes_what_the_first_has_installed() {
        let home = tempfile::tempdir().unwrap();
        let folder = TOOL.folder(home.path(), |slower| {
            put(slower)?;
            TOOL.folder(home.path(), put).map(drop)
        });
        assert!(folder.unwrap().join("bin").is_dir());
        let left = fs::read_dir(home.path().join("toolchains"))
            .unwrap()
            .count();
        assert_eq!(left, 1);
    }

    #[test]
    fn a_missing_program_is_named_with_its_cure() {
        let missing = run(&Launch::new("/no/such/npm"), "npm", "install Node.js");
        assert_eq!(
            missing,
            Err("there is no `npm` on this machine: install Node.js".to_owned())
        );
    }
}
