//! The settings of the service: a file, the environment over it, options over both.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use docgenie_document::Code;
use serde::Deserialize;

use crate::{
    args::ServeArguments,
    report::{self, Status, Stop},
};

/// The settings cannot be read.
const BAD_SETTINGS: Code = Code::new("DG0918");
const FILE: &str = "docgenie.toml";

/// What the service can be told. Each field is a key of the file; `DOCGENIE_` and its name in
/// capitals is its variable.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) public_url: Option<String>,
    pub(super) no_auth: bool,
    pub(super) runs: usize,
    pub(super) jobs: Option<usize>,
    pub(super) queue: usize,
    pub(super) runs_per_user: usize,
    pub(super) grace_s: u64,
    /// 0 keeps everything.
    pub(super) retention_hours: u64,
    pub(super) cors_origins: Vec<String>,
    pub(super) allow_private_addresses: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            public_url: None,
            no_auth: false,
            runs: 2,
            jobs: None,
            queue: 10_000,
            runs_per_user: 1_000,
            grace_s: 30,
            retention_hours: 168,
            cors_origins: Vec::new(),
            allow_private_addresses: false,
        }
    }
}

/// What may stand behind `DOCGENIE_` in the name of a variable.
const SETTINGS: &[&str] = &[
    "ALLOW_PRIVATE_ADDRESSES",
    "ALLOW_WASI",
    "CHROMIUM",
    "CORS_ORIGINS",
    "DROPBOX_API_URL",
    "GOOGLE_API_URL",
    "GRACE_S",
    "HOME",
    "JOBS",
    "LISTEN",
    "NO_AUTH",
    "PUBLIC_URL",
    "QUEUE",
    "RETENTION_HOURS",
    "RUNS",
    "RUNS_PER_USER",
    "S3_BUCKET",
    "SECRET_KEY",
    "WASM_RUSTC",
];

/// Variables of the original service that change nothing any more, and why.
const OF_THE_ORIGINAL: &[(&[&str], &str)] = &[
    (
        &["REDIS_URL", "RQ_QUEUE_NAME", "SUPABASE_URL", "SUPABASE_KEY"],
        "jobs are kept in DOCGENIE_HOME",
    ),
    (
        &["BATCH_DATA_DIR", "MESSAGE_DATA_DIR"],
        "batches and answers are kept in DOCGENIE_HOME",
    ),
    (
        &[
            "HANDWRITING_SERVICE_URL",
            "HANDWRITING_SERVICE_ENABLED",
            "HANDWRITING_SERVICE_TIMEOUT",
            "HANDWRITING_SERVICE_MAX_RETRIES",
            "HANDWRITING_SERVICE_SUPPORTS_BATCH",
            "RUNPOD_API_KEY",
        ],
        "handwriting is no service of its own",
    ),
    (
        &[
            "OCR_SERVICE_URL",
            "OCR_SERVICE_ENABLED",
            "OCR_SERVICE_TIMEOUT",
            "OCR_ENGINE",
            "OCR_USE_LOCAL",
        ],
        "documents are read by Tesseract, in the engine",
    ),
    (
        &["OCR_DPI"],
        "documents are read at the resolution of their images",
    ),
    (&["WORKER_VERBOSE_LOGGING"], "-v and -vv log more"),
];

impl Settings {
    pub(super) fn of(arguments: &ServeArguments, home: &Path) -> Result<Self, Stop> {
        let mut settings = Self::of_file(arguments.config.as_deref(), home)?;
        settings.read_environment()?;
        for name in unknown_variables() {
            report::talk(&format!(
                "warning: {name} is no setting of the service; docs/service.md lists them"
            ));
        }
        for (names, now) in OF_THE_ORIGINAL {
            for name in names.iter().filter(|it| std::env::var_os(it).is_some()) {
                report::talk(&format!("warning: {name} changes nothing: {now}"));
            }
        }
        let ServeArguments {
            listen,
            runs,
            jobs,
            public_url,
            ..
        } = arguments;
        settings.listen = listen.unwrap_or(settings.listen);
        settings.runs = runs.unwrap_or(settings.runs);
        settings.jobs = jobs.or(settings.jobs);
        settings.public_url = public_url.clone().or(settings.public_url);
        settings.no_auth |= arguments.no_auth;
        settings.allow_private_addresses |= arguments.allow_private_addresses;
        Ok(settings)
    }

    fn of_file(given: Option<&Path>, home: &Path) -> Result<Self, Stop> {
        let places = [PathBuf::from(FILE), home.join(FILE)];
        let found = given.map(Path::to_owned);
        let found = found.or_else(|| places.into_iter().find(|path| path.is_file()));
        let Some(path) = found else {
            return Ok(Self::default());
        };
        let failed = |error: &(dyn std::error::Error + 'static)| {
            let message = format!("the settings in `{}` cannot be read", path.display());
            Stop::new(Status::BadInput, BAD_SETTINGS, message)
                .because(error)
                .hint("docs/service.md has a commented docgenie.toml")
        };
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
        toml::from_str(&text).map_err(|error| failed(&error))
    }

    fn read_environment(&mut self) -> Result<(), Stop> {
        take("LISTEN", &mut self.listen)?;
        take("NO_AUTH", &mut self.no_auth)?;
        take("RUNS", &mut self.runs)?;
        take("QUEUE", &mut self.queue)?;
        take("RUNS_PER_USER", &mut self.runs_per_user)?;
        take("GRACE_S", &mut self.grace_s)?;
        take("RETENTION_HOURS", &mut self.retention_hours)?;
        take("ALLOW_PRIVATE_ADDRESSES", &mut self.allow_private_addresses)?;
        if let Some(url) = variable("PUBLIC_URL") {
            self.public_url = Some(url);
        }
        if let Some(origins) = variable("CORS_ORIGINS") {
            let origins = origins.split(',').map(|origin| origin.trim().to_owned());
            self.cors_origins = origins.collect();
        }
        let mut jobs = 0;
        take("JOBS", &mut jobs)?;
        self.jobs = Some(jobs).filter(|jobs| *jobs > 0).or(self.jobs);
        Ok(())
    }

    pub(super) const fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_s)
    }

    pub(super) fn retention(&self) -> Option<Duration> {
        let hours = Some(self.retention_hours).filter(|hours| *hours > 0)?;
        Some(Duration::from_secs(hours.saturating_mul(3_600)))
    }
}

/// Variables that look like settings and are none.
fn unknown_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = names.filter(|name| {
        let setting = name.strip_prefix("DOCGENIE_");
        setting.is_some_and(|setting| !SETTINGS.contains(&setting))
    });
    unknown.collect()
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(format!("DOCGENIE_{name}")).ok();
    value.filter(|value| !value.is_empty())
}

fn take<T: std::str::FromStr>(name: &str, setting: &mut T) -> Result<(), Stop> {
    if let Some(value) = variable(name) {
        *setting = value.parse().map_err(|_| {
            let message = format!("DOCGENIE_{name} cannot be `{value}`");
            Stop::new(Status::BadInput, BAD_SETTINGS, message)
                .hint("docs/service.md lists the settings and what they can be")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../../docs/service.md");

    #[test]
    fn those_who_come_from_the_original_find_their_variables() {
        let page = include_str!("../../../../../docs/migration-from-docgenie.md");
        for name in OF_THE_ORIGINAL.iter().flat_map(|(names, _)| *names) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn the_documented_file_has_every_setting_with_its_default() {
        let (_, file) = PAGE.split_once("```toml\n").unwrap();
        let (file, _) = file.split_once("```").unwrap();
        let set = |line: &&str| {
            let key = line.split_once(" = ").map_or("", |(key, _)| key);
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        let lines = file.lines().filter_map(|line| line.strip_prefix("# "));
        let lines: Vec<_> = lines.filter(set).collect();
        let mut settings: Settings = toml::from_str(&lines.join("\n")).unwrap();
        // These are off by default, which no value says.
        assert!(settings.public_url.take().is_some() && settings.jobs.take().is_some());
        assert_eq!(settings, Settings::default());

        let refused = toml::from_str::<Settings>("nothing = 1").unwrap_err();
        for key in refused.message().split('`').skip(3).step_by(2) {
            let start = format!("{key} = ");
            assert!(lines.iter().any(|line| line.starts_with(&start)), "{key}");
            let variable = format!("DOCGENIE_{}", key.to_uppercase());
            assert!(PAGE.contains(&variable), "{variable}");
        }
    }
}
