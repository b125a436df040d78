//! What handlers share.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use docgenie_document::code::Problem;
use docgenie_runtime::{job::RunSpec, queue::Queue};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    access::{Gate, Keys},
    directory::Directory,
    docgenie::Pace,
    integrations::Integrations,
    vault::Vault,
};

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address that clients reach it by, for links; else the `Host` of each request.
    pub public_url: Option<String>,
    /// Below it lie results and uploads.
    pub home: PathBuf,
    /// The engine's version.
    pub version: &'static str,
    /// How long a stop waits for runs under way.
    pub grace: Duration,
    /// After how long ended runs and their results are removed; absent where they are kept.
    pub retention: Option<Duration>,
    /// Origins of web pages that may call it; `*` for any.
    pub cors_origins: Vec<String>,
    /// Whether everybody is let in who can reach it.
    pub no_auth: bool,
}

/// The pipelines there are, and the runs that can be made of them. The composition root implements
/// it.
pub trait Pipelines: Send + Sync {
    /// All that can be run, by name.
    fn list(&self) -> Vec<Summary>;

    /// One of them.
    ///
    /// # Errors
    /// When there is none of this name or it cannot be read.
    fn describe(&self, name: &str) -> Result<Description, Refusal>;

    /// What a run of it with these parameters and files is. Everything about them is checked.
    ///
    /// # Errors
    /// When there is no such pipeline or it cannot be planned with these.
    fn spec(
        &self,
        name: &str,
        params: &Map<String, Value>,
        seed: u64,
        inputs: Vec<PathBuf>,
    ) -> Result<RunSpec, Refusal>;

    /// Keeps a pipeline that was sent, in place of one of the same name that was sent before.
    ///
    /// # Errors
    /// When its name is taken by a shipped one or its text has faults.
    fn upload(&self, name: &str, text: &str) -> Result<(), Refusal>;

    /// Removes a pipeline that was sent.
    ///
    /// # Errors
    /// When none was sent under this name.
    fn remove(&self, name: &str) -> Result<(), Refusal>;

    /// The page that explains an error code, in Markdown.
    fn explain(&self, code: &str) -> Option<&'static str>;
}

/// A pipeline in a list.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `shipped` or `uploaded`.
    pub origin: &'static str,
}

/// A pipeline with what it takes.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Description {
    /// Name, purpose and origin.
    #[serde(flatten)]
    pub summary: Summary,
    /// Its parameters: type, default, limits and purpose of each.
    pub params: Vec<Value>,
    /// Its text.
    pub toml: String,
}

/// Why a pipeline cannot be had or run.
#[derive(Debug)]
pub enum Refusal {
    /// There is none of this name.
    Unknown,
    /// The name cannot be used.
    Name(&'static str),
    /// It has faults, or the parameters do not fit.
    Faults(Vec<Problem>),
    /// This machine cannot do it now.
    Environment(Problem),
}

/// The service: a queue, the pipelines and who may use them.
pub struct Service {
    pub(crate) config: Config,
    pub(crate) queue: Queue,
    pub(crate) pipelines: Arc<dyn Pipelines>,
    pub(crate) gate: Gate,
    pub(crate) directory: Directory,
    pub(crate) integrations: Integrations,
    pub(crate) vault: Vault,
    pub(crate) pace: Pace,
}

impl Service {
    /// A service over a queue that has been opened.
    ///
    /// # Errors
    /// When the job store cannot be read.
    pub async fn new(
        config: Config,
        queue: Queue,
        pipelines: Arc<dyn Pipelines>,
        keys: Keys,
        vault: Vault,
    ) -> Result<Self, docgenie_runtime::job::StoreError> {
        let directory = Directory::of(queue.jobs()).await?;
        Ok(Self {
            integrations: Integrations::of(&config.home),
            gate: Gate::new(keys, &config),
            config,
            queue,
            pipelines,
            directory,
            vault,
            pace: Pace::default(),
        })
    }

    /// Where results lie, a folder a run.
    pub(crate) fn results(&self) -> PathBuf {
        results_in(&self.config.home)
    }
}

pub(crate) fn results_in(home: &Path) -> PathBuf {
    home.join("results")
}
