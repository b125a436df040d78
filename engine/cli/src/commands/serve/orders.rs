//! Pipelines as the service sees them: listed, planned, and made into orders when their turn comes.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use docgenie_api::{Description, Pipelines, Refusal, Summary, Vault};
use docgenie_document::{Code, Seed, code::Problem};
use docgenie_pipeline::{Catalogue, Diagnostic, Level};
use docgenie_runtime::{
    executor::RunOrder,
    files,
    job::{RunRecord, RunSpec},
    queue::Orders,
    resident::Residents,
    secret::{Secret, Secrets},
};
use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::{
    app::{self, Loaded, Parsed},
    commands::{explain, run},
    find::{self, Found},
    report::Stop,
};

/// The secrets of a request cannot be opened.
const SEALED: Code = Code::new("DG0919");
/// Variables that hold what signs in to storages, by what a request calls it. Those of one storage
/// belong together.
const STORAGE_TOKENS: [[(&str, &str); 2]; 2] = [
    [
        ("google_drive_token", "GOOGLE_DRIVE_TOKEN"),
        ("google_drive_refresh_token", "GOOGLE_DRIVE_REFRESH_TOKEN"),
    ],
    [
        ("dropbox_token", "DROPBOX_TOKEN"),
        ("dropbox_refresh_token", "DROPBOX_REFRESH_TOKEN"),
    ],
];
/// Variables that hold the key for a language model.
const MODEL_KEYS: [&str; 2] = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"];

/// The bytes of a pipeline's file, and what they were parsed to.
type Known = (Cow<'static, [u8]>, Parsed);

/// The pipelines and plugins of this machine.
pub(super) struct Engine {
    home: PathBuf,
    catalogue: Catalogue,
    jobs: Option<usize>,
    private_addresses: bool,
    vault: Vault,
    residents: Residents,
    /// Pipelines by where they lie, each with the bytes that it was parsed from.
    parsed: Mutex<HashMap<String, Known>>,
}

impl Engine {
    pub(super) fn new(home: &Path, settings: &Settings, vault: Vault) -> Self {
        Self {
            home: home.to_owned(),
            catalogue: app::registry(home).catalogue(),
            jobs: settings.jobs,
            private_addresses: settings.allow_private_addresses,
            vault,
            residents: Residents::kept(),
            parsed: Mutex::default(),
        }
    }

    /// Ends what was kept for runs to come.
    pub(super) async fn close(&self) {
        self.residents.close().await;
    }

    fn loaded(&self, name: &str) -> Result<Loaded, Stop> {
        let found = find::pipeline(name, &self.home)?;
        let parsed = self.parsed(&found)?;
        Loaded::locked(found, parsed, &self.home)
    }

    /// The file is read for each request, and parsed where its text has changed: parsing takes longer
    /// than all else that a request needs.
    fn parsed(&self, found: &Found) -> Result<Parsed, Stop> {
        // Held while it is parsed, so that requests that come together do it once.
        let mut known = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bytes, parsed)) = known.get(&found.shown)
            && *bytes == found.bytes
        {
            return Ok(parsed.clone());
        }
        let parsed = Parsed::of(found, &self.catalogue)?;
        let entry = (found.bytes.clone(), parsed.clone());
        known.insert(found.shown.clone(), entry);
        Ok(parsed)
    }

    fn uploaded(&self, name: &str) -> PathBuf {
        self.home.join("pipelines").join(name)
    }

    /// A pipeline by its name alone: a request cannot name a path.
    fn named(&self, name: &str) -> Result<Loaded, Refusal> {
        if !is_name(name) {
            return Err(Refusal::Unknown);
        }
        self.loaded(name).map_err(|stop| match stop {
            Stop::Problem(_, problem) if problem.code == find::NO_PIPELINE.as_str() => {
                Refusal::Unknown
            }
            stop => refused(stop),
        })
    }

    fn summary(&self, name: &str, loaded: &Loaded) -> Summary {
        Summary {
            name: name.to_owned(),
            description: loaded.pipeline.description().to_owned(),
            origin: if loaded.found.file.is_some() {
                "uploaded"
            } else {
                "shipped"
            },
        }
    }

    fn order_of(&self, record: &RunRecord) -> Result<RunOrder, Stop> {
        let spec = &record.spec;
        let name = match &spec.file {
            Some(file) => file.display().to_string(),
            None => spec.pipeline.clone(),
        };
        let loaded = self.loaded(&name)?;
        let plan = loaded.plan_json(&spec.params.values())?;
        let mut order = run::order_of(&loaded, plan, &self.home, spec.seed, &spec.inputs)?;
        order.spec = (**spec).clone();
        order.env.jobs = self.jobs.unwrap_or(order.env.jobs);
        order.env.residents = self.residents.clone();
        order.env.private_addresses = self.private_addresses;
        Ok(order)
    }
}

impl Pipelines for Engine {
    fn list(&self) -> Vec<Summary> {
        let names = find::names(&self.home);
        let known = names.iter().filter_map(|name| {
            let loaded = self.loaded(name).ok()?;
            Some(self.summary(name, &loaded))
        });
        known.collect()
    }

    fn describe(&self, name: &str) -> Result<Description, Refusal> {
        let loaded = self.named(name)?;
        let params = loaded.pipeline.params().iter().map(|param| {
            json!({
                "name": param.name,
                "type": param.kind.name(),
                "default": param.default,
                "min": param.min,
                "max": param.max,
                "one_of": param.one_of,
                "description": param.description,
            })
        });
        Ok(Description {
            summary: self.summary(name, &loaded),
            params: params.collect(),
            toml: loaded.pipeline.text().to_owned(),
        })
    }

    fn spec(
        &self,
        name: &str,
        params: &Map<String, Value>,
        seed: u64,
        inputs: Vec<PathBuf>,
    ) -> Result<RunSpec, Refusal> {
        let loaded = self.named(name)?;
        let plan = loaded.plan_json(params).map_err(refused)?;
        let spec = run::spec_of(&loaded, &plan, Seed(seed), &inputs);
        spec.map_err(refused)
    }

    fn upload(&self, name: &str, text: &str) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::Name(
                "a pipeline's name has small letters, digits and `-`",
            ));
        }
        let folder = self.uploaded(name);
        if find::names(&self.home).iter().any(|it| it == name) && !folder.is_dir() {
            return Err(Refusal::Name("a pipeline of this name is there already"));
        }
        let shown = format!("{name}/pipeline.toml");
        let (_, found) = docgenie_pipeline::Pipeline::parse(&shown, text, &self.catalogue);
        let faults = faults(&found);
        if !faults.is_empty() {
            return Err(Refusal::Faults(faults));
        }
        let kept = fs::create_dir_all(&folder)
            .and_then(|()| files::write_atomically(&folder.join("pipeline.toml"), text.as_bytes()));
        kept.map_err(|error| {
            let problem = Problem::new(SEALED, "the pipeline cannot be kept");
            Refusal::Environment(problem.because(&error))
        })
    }

    fn remove(&self, name: &str) -> Result<(), Refusal> {
        let folder = self.uploaded(name);
        if !is_name(name) || !folder.is_dir() {
            return Err(Refusal::Unknown);
        }
        let shown = folder.join("pipeline.toml").display().to_string();
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.remove(&shown);
        drop(parsed);
        files::remove_folder(&folder).map_err(|error| {
            let problem = Problem::new(error.code(), "the pipeline cannot be removed");
            Refusal::Environment(problem.because(&error))
        })
    }

    fn explain(&self, code: &str) -> Option<&'static str> {
        explain::page(code)
    }
}

impl Orders for Engine {
    fn order(&self, record: &RunRecord) -> Result<RunOrder, Box<Problem>> {
        let mut order = self.order_of(record).map_err(|stop| match refused(stop) {
            Refusal::Faults(mut faults) if !faults.is_empty() => Box::new(faults.swap_remove(0)),
            Refusal::Environment(problem) => Box::new(problem),
            _ => Box::new(Problem::new(SEALED, "the pipeline of the run is gone")),
        })?;
        let sealed = record
            .spec
            .origin
            .as_ref()
            .and_then(|it| it.sealed.as_ref());
        if let Some(sealed) = sealed {
            let opened = self.vault.open(sealed);
            let opened = opened.map_err(|error| {
                let hint = "start the service with the DOCGENIE_SECRET_KEY it had, or send the request again";
                Box::new(Problem::new(SEALED, error.to_string()).hint(hint))
            })?;
            order.env.secrets = secrets(&opened);
        }
        Ok(order)
    }
}

fn secrets(opened: &Map<String, Value>) -> Secrets {
    let mut secrets = Secrets::default();
    let given = |name: &str| opened.get(name).and_then(Value::as_str);
    if let Some(key) = given("api_key") {
        for name in MODEL_KEYS {
            secrets = secrets.with(name, Secret::new(key));
        }
    }
    for tokens in STORAGE_TOKENS {
        if tokens.iter().any(|(name, _)| given(name).is_some()) {
            for (name, variable) in tokens {
                // One that was not given is not to be the operator's own.
                secrets = secrets.with(variable, Secret::new(given(name).unwrap_or_default()));
            }
        }
    }
    secrets
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(plain)
}

fn refused(stop: Stop) -> Refusal {
    match stop {
        Stop::Faults(found) => Refusal::Faults(faults(&found)),
        Stop::Problem(crate::report::Status::Environment, problem) => {
            Refusal::Environment(*problem)
        }
        Stop::Problem(_, problem) => Refusal::Faults(vec![*problem]),
    }
}

/// The errors among diagnostics, with their places.
fn faults(found: &[Diagnostic]) -> Vec<Problem> {
    let errors = found.iter().filter(|it| it.level == Level::Error);
    errors
        .map(|fault| {
            let place = fault.argument.clone().or_else(|| fault.location());
            let place = place.map_or_else(String::new, |place| format!("{place}: "));
            let mut problem = Problem::new(fault.code, format!("{place}{}", fault.message));
            problem.hint.clone_from(&fault.hint);
            problem
        })
        .collect()
}
