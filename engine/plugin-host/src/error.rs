//! What can be wrong with a plugin, as people read it.

use std::{io, path::PathBuf};

use docgenie_document::Code;
use docgenie_runtime::stage::StageFailure;
use wasmtime::Trap;

use crate::limits::Exceeded;

/// A file of a plugin cannot be read or does not fit.
const MANIFEST: Code = Code::new("DG0801");
/// A plugin has no component yet.
const NOT_BUILT: Code = Code::new("DG0802");
/// A component that the engine cannot run.
const COMPONENT: Code = Code::new("DG0803");
/// A component imports what plugins are not given.
const REFUSED: Code = Code::new("DG0804");
/// The params are wrong, by the plugin's own word.
pub(crate) const PARAMS: Code = Code::new("DG0805");
/// A plugin trapped, broke off or returned what cannot be.
pub(crate) const BROKEN: Code = Code::new("DG0806");
/// A plugin went over a limit.
const LIMIT: Code = Code::new("DG0807");
/// An export does not hold what it was given.
const RECONCILIATION: Code = Code::new("DG0808");
/// There is no plugin of this name.
const NOT_FOUND: Code = Code::new("DG0811");
/// A plugin cannot be built from its source.
const BUILD: Code = Code::new("DG0810");
/// A plugin has no cases.
const NO_CASES: Code = Code::new("DG0821");
/// A plugin failed earlier in the run.
const DISABLED: Code = Code::new("DG0820");
/// The sandbox cannot be set up.
const SANDBOX: Code = Code::new("DG0809");

/// What is wrong with a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A file of it cannot be read.
    #[error("`{}` cannot be read", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of it does not fit.
    #[error("`{}` does not fit: {why}", .file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// Why, with its place.
        why: String,
    },
    /// It has no component yet.
    #[error("plugin `{plugin}` is not built")]
    NotBuilt {
        /// Its name.
        plugin: String,
        /// Its folder.
        folder: PathBuf,
    },
    /// Its component cannot be run.
    #[error("plugin `{plugin}` is no component that this engine can run: {why}")]
    Component {
        /// Its name.
        plugin: String,
        /// Why.
        why: String,
    },
    /// There is none of this name.
    #[error("plugin `{plugin}` is not found")]
    NotFound {
        /// The name.
        plugin: String,
    },
    /// It cannot be built.
    #[error("plugin `{plugin}` cannot be built: {why}")]
    Build {
        /// Its name.
        plugin: String,
        /// Why.
        why: String,
    },
    /// It imports what plugins are not given.
    #[error("plugin `{plugin}` asks for what it is not given: {}", .imports.join(", "))]
    Refused {
        /// Its name.
        plugin: String,
        /// The imports.
        imports: Vec<String>,
        /// What its author or its user can do.
        hint: String,
    },
    /// A call of it failed.
    #[error("{} failed: {}", .0.call, .0.reason)]
    Call(Box<FailedCall>),
    /// It has no cases to be tried on.
    #[error("there are no cases in `{}`", .folder.display())]
    NoCases {
        /// Where they are looked for.
        folder: PathBuf,
    },
    /// It is not asked any more, since an earlier call failed.
    #[error("plugin `{plugin}` is not asked any more in this run, since it failed before: {why}")]
    Disabled {
        /// Its name.
        plugin: String,
        /// What it failed with.
        why: String,
    },
    /// What an export wrote is not what it was given.
    #[error("{call}: the export does not hold what it was given: {}", .differences.join(", "))]
    Unreconciled {
        /// What was called.
        call: Called,
        /// Each with both numbers.
        differences: Vec<String>,
    },
    /// The sandbox cannot be set up.
    #[error("the sandbox for plugins cannot be set up: {0}")]
    Sandbox(String),
}

/// A call that ended without what was asked for.
#[derive(Debug)]
pub struct FailedCall {
    /// What was called.
    pub call: Called,
    /// Why.
    pub reason: Reason,
    /// The last lines of its log.
    pub log: Vec<String>,
    /// The file from which its author can make the call again.
    pub replay: Option<PathBuf>,
}

impl FailedCall {
    fn hint(&self) -> String {
        if let Reason::Output(_) = self.reason {
            return "check that the disk of the output folder has room and can be written, and run again: finished \
                    work is kept"
                .to_owned();
        }
        let mut hint = match self.log.as_slice() {
            [] => "it has written nothing into its log".to_owned(),
            lines => format!("its log ended with:\n    {}", lines.join("\n    ")),
        };
        if let Some(file) = &self.replay {
            let file = file.display();
            hint.push_str(&format!(
                "\n  its author can make the call again: `docgenie-engine plugin test DIR --replay {file}`"
            ));
        }
        hint
    }
}

/// A call as messages name it.
#[derive(Clone, Debug)]
pub struct Called {
    /// Id and version of the plugin.
    pub plugin: String,
    /// The function of the interface.
    pub export: &'static str,
    /// The offer.
    pub offer: String,
}

impl std::fmt::Display for Called {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            plugin,
            export,
            offer,
        } = self;
        write!(f, "`{export}` of plugin {plugin} (offer `{offer}`)")
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The plugin says that its params are wrong.
    #[error("the options are wrong: {}", .0.join("; "))]
    BadParams(Vec<String>),
    /// The plugin cannot serve this one.
    #[error("{0}")]
    Unsuitable(String),
    /// The plugin says that it is broken.
    #[error("{0}")]
    Broken(String),
    /// It went over a limit.
    #[error(transparent)]
    Limit(Exceeded),
    /// It trapped: panicked, overran its stack, divided by zero.
    #[error("{0}")]
    Trap(String),
    /// What it returned cannot be.
    #[error("it returned what cannot be: {0}")]
    Unbelievable(String),
    /// A file of the dataset cannot be written.
    #[error("its output cannot be written: {0}")]
    Output(String),
}

impl Reason {
    /// Why a call ended without an answer.
    pub(crate) fn of_trap(trap: wasmtime::Error) -> Self {
        let trap = match trap.downcast::<Self>() {
            Ok(reason) => return reason,
            Err(trap) => trap,
        };
        if let Some(exceeded) = trap.downcast_ref::<Exceeded>() {
            return Self::Limit(exceeded.clone());
        }
        match trap.downcast_ref::<Trap>() {
            Some(Trap::UnreachableCodeReached) => Self::Trap("it panicked".to_owned()),
            Some(Trap::StackOverflow) => Self::Trap("it ran out of stack".to_owned()),
            Some(Trap::MemoryOutOfBounds) => {
                Self::Trap("it reached outside its memory, as endless recursion does".to_owned())
            }
            Some(trap) => Self::Trap(format!("it trapped: {trap}")),
            None if trap.downcast_ref::<std::str::Utf8Error>().is_some() => {
                Self::Unbelievable("text that is no UTF-8".to_owned())
            }
            None => Self::Trap(plain(&trap.root_cause().to_string())),
        }
    }
}

/// Text of a plugin as a terminal may have it, and not too much of it.
pub(crate) fn plain(text: &str) -> String {
    const LIMIT: usize = 2_000;
    let shown = |c: char| {
        if c.is_control() && c != '\n' {
            '\u{fffd}'
        } else {
            c
        }
    };
    let mut plain: String = text.chars().take(LIMIT).map(shown).collect();
    if text.chars().nth(LIMIT).is_some() {
        plain.push('…');
    }
    plain
}

impl PluginError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } | Self::Manifest { .. } => MANIFEST,
            Self::NotBuilt { .. } => NOT_BUILT,
            Self::NotFound { .. } => NOT_FOUND,
            Self::Build { .. } => BUILD,
            Self::Component { .. } => COMPONENT,
            Self::Refused { .. } => REFUSED,
            Self::Call(failed) => match failed.reason {
                Reason::BadParams(_) => PARAMS,
                Reason::Limit(_) => LIMIT,
                _ => BROKEN,
            },
            Self::NoCases { .. } => NO_CASES,
            Self::Disabled { .. } => DISABLED,
            Self::Unreconciled { .. } => RECONCILIATION,
            Self::Sandbox(_) => SANDBOX,
        }
    }

    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NotBuilt { folder, .. } => {
                format!("run `docgenie-engine plugin build {}`", folder.display())
            }
            Self::Component { .. } => {
                "build it again with `docgenie-engine plugin build`".to_owned()
            }
            Self::NotFound { .. } => {
                "`docgenie-engine plugin list` names those there are".to_owned()
            }
            Self::Build { .. } => "`docs/plugins` says how plugins are built".to_owned(),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Call(failed) => failed.hint(),
            Self::NoCases { .. } => {
                "`docs/plugins/README.md` says what a case looks like".to_owned()
            }
            Self::Disabled { .. } => {
                "the first document that failed in this stage says more".to_owned()
            }
            Self::Unreconciled { .. } => {
                "the plugin is at fault: leave its stage out and run again, finished work is kept"
                    .to_owned()
            }
            Self::Unreadable { .. } | Self::Manifest { .. } => {
                "`docgenie-engine plugin check` looks at a plugin as a whole".to_owned()
            }
            Self::Sandbox(_) => "plugins need some address space: see `ulimit -v`".to_owned(),
        }
    }
}

impl From<PluginError> for StageFailure {
    fn from(error: PluginError) -> Self {
        let hint = error.hint();
        let failure = Self::new(error.code(), error.to_string()).hint(hint);
        let for_all = match &error {
            // A disk that is full is full for all that the run writes.
            PluginError::Call(failed) => {
                matches!(failed.reason, Reason::BadParams(_) | Reason::Output(_))
            }
            PluginError::Disabled { .. } | PluginError::Unreconciled { .. } => false,
            _ => true,
        };
        let failure = if for_all { failure.ends_run() } else { failure };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
