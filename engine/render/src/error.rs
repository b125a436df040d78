//! What can go wrong between HTML and PDF.

use std::{io, path::PathBuf, time::Duration};

use crate::executable::PACKAGE;

/// A page that was not printed.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// There is no browser on this machine.
    #[error("no browser found: looked for {looked_for}")]
    NoBrowser {
        /// What was looked for, and where.
        looked_for: String,
    },
    /// A program that tells what this machine renders with does not answer.
    #[error("`{program}` does not answer")]
    NoAnswer {
        /// The program with its arguments.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder for the browser's profiles cannot be used.
    #[error("cannot use `{}` for the browser's profile", path.display())]
    Profile {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The browser cannot be started.
    #[error("cannot start `{}`", program.display())]
    Spawn {
        /// The browser.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The browser started and ended, or never became ready.
    #[error("`{}` did not become ready; it said: {said}", program.display())]
    NotReady {
        /// The browser.
        program: PathBuf,
        /// The end of its standard error.
        said: String,
    },
    /// The browser died while it held the page.
    #[error("the browser died while it printed the page")]
    Died,
    /// The page took longer than the limit.
    #[error("the page was not printed within {} s", limit.as_secs_f64())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The browser refuses to print the page.
    #[error("the browser refuses to print the page: {reason}")]
    Refused {
        /// In the browser's words.
        reason: String,
    },
    /// There is nothing to print.
    #[error("the page is empty")]
    Empty,
    /// The page is larger than any PDF page may be.
    #[error("the page is {width:.0} by {height:.0} points; at most {limit:.0} is possible")]
    TooLarge {
        /// Width in points.
        width: f64,
        /// Height in points.
        height: f64,
        /// The largest side in points.
        limit: f64,
    },
}

impl RenderError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoBrowser { .. } => format!(
                "install one with `apt-get install {PACKAGE}`, or name one in $DOCGENIE_CHROMIUM"
            ),
            Self::NoAnswer { .. } => {
                format!("install what is missing with `apt-get install {PACKAGE} fontconfig`")
            }
            Self::Profile { .. } => "see that $DOCGENIE_HOME can be written to".to_owned(),
            Self::Spawn { .. } | Self::NotReady { .. } => {
                format!(
                    "try `apt-get install --reinstall {PACKAGE}`; as an ordinary user the \
                    browser needs user namespaces for its sandbox"
                )
            }
            Self::Died => "the machine may be short of memory: try fewer `--jobs`".to_owned(),
            Self::TimedOut { .. } => {
                "simplify the document, or raise `limit_s` of the render stage".to_owned()
            }
            Self::Refused { .. } | Self::Empty | Self::TooLarge { .. } => {
                "change the document's content or its `@page` size".to_owned()
            }
        }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Died | Self::TimedOut { .. } | Self::NotReady { .. }
        )
    }

    /// Whether no page at all can be printed on this machine as it is.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NoBrowser { .. }
                | Self::NoAnswer { .. }
                | Self::Profile { .. }
                | Self::Spawn { .. }
                | Self::NotReady { .. }
        )
    }
}
