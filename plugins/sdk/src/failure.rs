//! What can go wrong, by how far the damage goes.

use std::{fmt::Display, io};

use crate::{Failure, Problem, host::sink::Refusal};

/// What most functions of a plugin give.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// This document or request cannot be served: it is left out and counted, and others go on.
    pub fn unsuitable(reason: impl Display) -> Self {
        Self::Unsuitable(reason.to_string())
    }

    /// Nothing more can be done: the plugin is not asked again in this run.
    pub fn broken(reason: impl Display) -> Self {
        Self::Broken(reason.to_string())
    }
}

impl Problem {
    /// A problem at a JSON Pointer, which is empty for the whole.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// With advice on how to cure it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self::BadParams(problems)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Broken(explain(refusal))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::broken(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::broken(error)
    }
}

pub(crate) fn explain(refusal: Refusal) -> String {
    match refusal {
        Refusal::BadPath(what) => format!("a path cannot be used: {what}"),
        Refusal::Exists(what) => format!("a file cannot be written again: {what}"),
        Refusal::OverQuota(what) => format!("the dataset has grown too large: {what}"),
        Refusal::Io(what) => format!("a file cannot be written: {what}"),
    }
}
