//! Stable codes of everything that can go wrong.
//!
//! A code is declared as a constant beside the error that carries it and explained by a page
//! `docs/errors/<code>.md`, which `docgenie-engine explain <code>` prints. Hundreds by room:
//! `DG00` pipeline files, `DG01` running, `DG02` stores, `DG03` rendering, `DG04` boxes and pixels,
//! `DG05` recognition, `DG06` authoring, `DG07` datasets, `DG08` plugins, `DG09` the environment.

use std::{error::Error, fmt, iter};

use serde::{Deserialize, Serialize};

/// A stable code such as `DG0012`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// Declares a code. The text must be `DG` and four digits; a repository test holds this.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An error as people meet it and as a job keeps it: what failed, why, and what cures it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The stable code, such as `DG0301`.
    pub code: String,
    /// What failed: lower case, no full stop.
    pub message: String,
    /// The causes beneath it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What the reader can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// This failed, for no reason known yet.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.to_string(),
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// With this error and those beneath it as causes.
    #[must_use]
    pub fn because(self, cause: &(dyn Error + 'static)) -> Self {
        self.because_of(Some(cause))
    }

    /// As [`Self::because`], where there may be no cause.
    #[must_use]
    pub fn because_of(mut self, cause: Option<&(dyn Error + 'static)>) -> Self {
        self.causes.extend(chain(cause));
        self
    }

    /// With what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The texts of an error and of those beneath it, outermost first.
pub fn chain(error: Option<&(dyn Error + 'static)>) -> impl Iterator<Item = String> {
    iter::successors(error, |error| (*error).source()).map(ToString::to_string)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}
