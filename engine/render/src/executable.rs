//! Where the browser is.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_guard::child::{self, Launch};

use crate::RenderError;

/// The Debian package that brings the browser.
pub(crate) const PACKAGE: &str = "chromium-headless-shell";

/// The environment variable that names a browser other than the first on `PATH`.
const OVERRIDE: &str = "DOCGENIE_CHROMIUM";

/// Looked for on `PATH`, in this order: the headless shell costs less than half of what a full
/// browser does.
const NAMES: [&str; 4] = [
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "google-chrome",
];

/// How long a program may take to tell its version, on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A browser that answers.
#[derive(Clone, Debug)]
pub struct Executable {
    /// The program.
    pub path: PathBuf,
    /// Its name and version, such as `Chromium 156.0.8078.79`.
    pub version: String,
}

impl Executable {
    /// The browser this machine has: `$DOCGENIE_CHROMIUM`, else the first known one on `PATH`.
    /// Nothing is ever downloaded.
    ///
    /// # Errors
    /// When there is none, or it does not tell its version.
    pub fn find() -> Result<Self, RenderError> {
        let path = match env::var_os(OVERRIDE) {
            Some(path) => Self::named(PathBuf::from(path))?,
            None => Self::on_path()?,
        };
        let version = answer(&Launch::new(&path).args(["--version"]), &path)?;
        let version = version.trim().to_owned();
        Ok(Self { path, version })
    }

    fn named(path: PathBuf) -> Result<PathBuf, RenderError> {
        if path.is_file() {
            return Ok(path);
        }
        let looked_for = format!("`{}` (from ${OVERRIDE})", path.display());
        Err(RenderError::NoBrowser { looked_for })
    }

    fn on_path() -> Result<PathBuf, RenderError> {
        let folders = env::var_os("PATH").unwrap_or_default();
        NAMES
            .iter()
            .flat_map(|name| env::split_paths(&folders).map(move |folder| folder.join(name)))
            .find(|path| path.is_file())
            .ok_or_else(|| RenderError::NoBrowser {
                looked_for: format!("`{}` on PATH", NAMES.join("`, `")),
            })
    }
}

/// A digest of the fonts the browser can use, as fontconfig lists them, wherever they are.
pub(crate) fn font_set() -> Result<String, RenderError> {
    let format = "%{family}|%{style}|%{fontversion}|%{index}\n";
    let program = Path::new("fc-list");
    let listed = answer(&Launch::new(program).args(["--format", format]), program)?;
    let mut fonts: Vec<_> = listed.lines().collect();
    fonts.sort_unstable();
    fonts.dedup();
    let digest = blake3::hash(fonts.join("\n").as_bytes()).to_hex();
    Ok(digest[..16].to_owned())
}

fn answer(launch: &Launch, program: &Path) -> Result<String, RenderError> {
    let answered = child::output(launch, ANSWER_LIMIT);
    let bytes = answered.map_err(|source| RenderError::NoAnswer {
        program: program.display().to_string(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
