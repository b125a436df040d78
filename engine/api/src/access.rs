//! Who may do what: API keys, their scopes, rates and quotas.
//!
//! A key is 32 random bytes in base64, shown once. The file `keys.json` of the home holds its SHA-256
//! and is read again when it changes, so that a key that is revoked is refused within seconds. Where
//! there is no key at all, a service that only its own machine can reach takes everybody as `local`.

use std::{
    collections::HashMap,
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use axum::http::{HeaderMap, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use docgenie_runtime::{clock, files};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    error::{ApiError, ApiResult},
    service::Config,
};

/// What keys begin with, so that people and scanners know one when they see it.
const PREFIX: &str = "dg_";
/// How often the file of keys is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Who asks where no keys are needed.
pub(crate) const LOCAL: &str = "local";

/// What a key opens. Each scope holds those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Look at one's own runs and fetch their results.
    Read,
    /// Start, steer and remove one's own runs.
    Run,
    /// Everything: upload pipelines, see and steer all runs.
    Admin,
}

/// A key as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name, which also stands in the key.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it opens.
    pub scope: Scope,
    /// SHA-256 of the key, in hexadecimal digits.
    pub sha256: String,
    /// Requests a minute.
    pub requests_per_minute: u32,
    /// Runs that may be started in a day; absent where there is no limit.
    pub runs_per_day: Option<u32>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
    /// When it was revoked.
    pub revoked_at: Option<u64>,
}

/// The keys of a home.
#[derive(Clone, Debug)]
pub struct Keys {
    path: PathBuf,
}

/// Keys that cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is not to be read or written.
    #[error("the keys in `{}` cannot be read or written", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file has been altered by something else.
    #[error("the keys in `{}` cannot be understood", .0.display())]
    Format(PathBuf, #[source] serde_json::Error),
    /// No key has this id.
    #[error("there is no key `{0}`")]
    Unknown(String),
}

impl Keys {
    /// The keys of this home.
    #[must_use]
    pub fn of(home: &Path) -> Self {
        Self {
            path: home.join("keys.json"),
        }
    }

    /// All keys, revoked ones too.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self) -> Result<Vec<ApiKey>, KeyError> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|error| KeyError::File(self.path.clone(), error))?,
        };
        serde_json::from_slice(&text).map_err(|error| KeyError::Format(self.path.clone(), error))
    }

    /// Makes a key; its text is returned and kept nowhere.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(
        &self,
        name: &str,
        scope: Scope,
        requests_per_minute: u32,
        runs_per_day: Option<u32>,
    ) -> Result<(ApiKey, String), KeyError> {
        let mut keys = self.list()?;
        let mut random = [0; 38];
        rand::rng().fill_bytes(&mut random);
        let (id, secret) = random.split_at(6);
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let key = ApiKey {
            id,
            name: name.to_owned(),
            scope,
            sha256: hash(&text),
            requests_per_minute: requests_per_minute.max(1),
            runs_per_day,
            created_at: clock::now_ms(),
            revoked_at: None,
        };
        keys.push(key.clone());
        self.keep(&keys)?;
        Ok((key, text))
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// When there is no such key or the file cannot be written.
    pub fn revoke(&self, id: &str) -> Result<ApiKey, KeyError> {
        let mut keys = self.list()?;
        let key = keys.iter_mut().find(|key| key.id == id);
        let key = key.ok_or_else(|| KeyError::Unknown(id.to_owned()))?;
        key.revoked_at.get_or_insert_with(clock::now_ms);
        let revoked = key.clone();
        self.keep(&keys)?;
        Ok(revoked)
    }

    fn keep(&self, keys: &[ApiKey]) -> Result<(), KeyError> {
        let failed = |error| KeyError::File(self.path.clone(), error);
        let text = serde_json::to_vec_pretty(keys)
            .map_err(|error| KeyError::Format(self.path.clone(), error))?;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        files::write_atomically(&self.path, &text).map_err(failed)
    }

    fn changed_at(&self) -> Option<SystemTime> {
        fs::metadata(&self.path).and_then(|it| it.modified()).ok()
    }
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whoever sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The id of their key, or [`LOCAL`].
    pub(crate) owner: String,
    pub(crate) scope: Scope,
    runs: Option<Arc<DefaultDirectRateLimiter>>,
}

impl Caller {
    /// Somebody on a route that is open to all.
    pub(crate) const fn nobody() -> Self {
        Self {
            owner: String::new(),
            scope: Scope::Read,
            runs: None,
        }
    }

    /// Whether runs of this owner are theirs to see.
    pub(crate) fn sees(&self, owner: &str) -> bool {
        self.scope == Scope::Admin || self.owner == owner
    }

    /// Counts a run that they start.
    pub(crate) fn count_run(&self) -> ApiResult<()> {
        match &self.runs {
            Some(runs) if runs.check().is_err() => Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "this key has started as many runs today as it may",
            )
            .retry_after(3_600)),
            _ => Ok(()),
        }
    }
}

/// Lets requests in or not.
pub(crate) struct Gate {
    keys: Keys,
    /// Names that a service without keys is reached by; any where there are none. A web page that has
    /// its own name lead to this machine is not let in by them.
    hosts: Option<Vec<String>>,
    /// Origins of web pages that may change something.
    origins: Vec<String>,
    state: Mutex<State>,
}

struct State {
    looked: Option<Instant>,
    changed_at: Option<SystemTime>,
    /// By id.
    known: HashMap<String, Known>,
    /// Why the keys cannot be read: then nobody is let in.
    broken: bool,
}

struct Known {
    key: ApiKey,
    requests: Arc<DefaultDirectRateLimiter>,
    runs: Option<Arc<DefaultDirectRateLimiter>>,
}

impl Known {
    fn new(key: ApiKey) -> Self {
        let some = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let requests = RateLimiter::direct(Quota::per_minute(some(key.requests_per_minute)));
        let runs = key.runs_per_day.map(|count| {
            let every = Duration::from_secs(86_400) / some(count).get();
            let quota = Quota::with_period(every).unwrap_or(Quota::per_hour(NonZeroU32::MIN));
            Arc::new(RateLimiter::direct(quota.allow_burst(some(count))))
        });
        Self {
            key,
            requests: Arc::new(requests),
            runs,
        }
    }
}

impl Gate {
    pub(crate) fn new(keys: Keys, config: &Config) -> Self {
        let public = config.public_url.as_ref();
        let public = public.and_then(|url| url::Url::parse(url).ok());
        let public = public.and_then(|url| url.host_str().map(str::to_owned));
        let hosts = (!config.no_auth).then(|| {
            let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
            own.into_iter().chain(public).collect()
        });
        Self {
            keys,
            hosts,
            origins: config.cors_origins.clone(),
            state: Mutex::new(State {
                looked: None,
                changed_at: None,
                known: HashMap::new(),
                broken: false,
            }),
        }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// When a key is needed and there is none that opens this, it asks too often, or a web page of
    /// somebody else has sent it.
    pub(crate) fn admit(&self, headers: &HeaderMap, needed: Scope) -> ApiResult<Caller> {
        if needed > Scope::Read {
            self.check_origin(headers)?;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.look(&self.keys);
        if state.broken {
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the keys of the service cannot be read",
            ));
        }
        if state.known.is_empty() {
            self.check_host(headers)?;
            return Ok(Caller {
                owner: LOCAL.to_owned(),
                scope: Scope::Admin,
                runs: None,
            });
        }
        let refused = |detail: &str| ApiError::new(StatusCode::UNAUTHORIZED, detail);
        let given = given(headers).ok_or_else(|| {
            refused("an API key is needed").hint(
                "send `Authorization: Bearer KEY`, with a key of `docgenie-engine keys create`",
            )
        })?;
        let known = id_of(given).and_then(|id| state.known.get(id));
        let known = known.filter(|known| {
            let same = known.key.sha256.as_bytes().ct_eq(hash(given).as_bytes());
            known.key.revoked_at.is_none() && bool::from(same)
        });
        let known = known.ok_or_else(|| refused("the API key is not valid"))?;
        if known.requests.check().is_err() {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests with this key",
            )
            .retry_after(60_u64.div_ceil(known.key.requests_per_minute.into())));
        }
        if known.key.scope < needed {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "the API key does not open this",
            ));
        }
        Ok(Caller {
            owner: known.key.id.clone(),
            scope: known.key.scope,
            runs: known.runs.clone(),
        })
    }
}

impl Gate {
    /// Browsers name the page that sends a request, which may be anybody's.
    fn check_origin(&self, headers: &HeaderMap) -> ApiResult<()> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or_default();
        let own = origin.split_once("://").is_some_and(|(_, host)| {
            let asked = headers.get(header::HOST);
            asked.is_some_and(|asked| asked.as_bytes() == host.as_bytes())
        });
        let allowed = self.origins.iter().any(|it| it == "*" || it == origin);
        if own || allowed {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "web pages of this origin may not use the service",
        )
        .hint("name the origin in `cors_origins` of docgenie.toml"))
    }

    fn check_host(&self, headers: &HeaderMap) -> ApiResult<()> {
        let Some(hosts) = &self.hosts else {
            return Ok(());
        };
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        if name.is_empty() || hosts.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "without API keys the service answers to its own machine's names alone",
        )
        .hint("make a key with `docgenie-engine keys create NAME`, set `public_url`, or start with `--no-auth`"))
    }
}

impl State {
    fn look(&mut self, keys: &Keys) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        let first = self.looked.is_none();
        self.looked = Some(Instant::now());
        let changed_at = keys.changed_at();
        if !first && !self.broken && changed_at == self.changed_at {
            return;
        }
        self.changed_at = changed_at;
        match keys.list() {
            Ok(list) => {
                self.broken = false;
                let mut before = std::mem::take(&mut self.known);
                for key in list {
                    // A key that was known keeps what it has used up.
                    let known = match before.remove(&key.id) {
                        Some(known) => Known { key, ..known },
                        None => Known::new(key),
                    };
                    self.known.insert(known.key.id.clone(), known);
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no keys");
                self.broken = true;
            }
        }
    }
}

/// The key that a request brings.
fn given(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

fn id_of(key: &str) -> Option<&str> {
    Some(key.strip_prefix(PREFIX)?.split_once('_')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_key(key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {key}").parse().unwrap();
        headers.insert(header::AUTHORIZATION, value);
        headers
    }

    fn gate_of(keys: &Keys) -> Gate {
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: Some("https://docs.example".to_owned()),
            home: PathBuf::new(),
            version: "0",
            grace: Duration::ZERO,
            retention: None,
            cors_origins: vec!["https://friend.example".to_owned()],
            no_auth: false,
        };
        Gate::new(keys.clone(), &config)
    }

    #[test]
    fn pages_of_strangers_are_not_let_in() {
        let home = tempfile::tempdir().unwrap();
        let gate = gate_of(&Keys::of(home.path()));
        let check = |host: &str, origin: Option<&str>, needed: Scope, admitted: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            let got = gate.admit(&headers, needed).is_ok();
            assert_eq!(got, admitted, "{host} {origin:?}");
        };
        check("localhost:8000", None, Scope::Run, true);
        check("127.0.0.1", None, Scope::Run, true);
        check("[::1]:8000", None, Scope::Run, true);
        check("docs.example", None, Scope::Run, true);
        check("evil.example:8000", None, Scope::Read, false);
        check("localhost.evil.example", None, Scope::Read, false);
        let own = Some("http://localhost:8000");
        check("localhost:8000", own, Scope::Run, true);
        check("localhost:8001", own, Scope::Run, false);
        check(
            "localhost:8000",
            Some("https://friend.example"),
            Scope::Run,
            true,
        );
        check(
            "localhost:8000",
            Some("https://evil.example"),
            Scope::Run,
            false,
        );
        check("localhost:8000", Some("null"), Scope::Run, false);
    }

    #[test]
    fn a_key_opens_what_its_scope_says_until_it_is_revoked() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::of(home.path());
        let open = gate_of(&keys);
        assert_eq!(
            open.admit(&HeaderMap::new(), Scope::Admin).unwrap().owner,
            LOCAL
        );

        let (key, text) = keys.create("tests", Scope::Run, 1_000, Some(1)).unwrap();
        let kept = fs::read_to_string(home.path().join("keys.json")).unwrap();
        assert!(!kept.contains(&text));
        let gate = gate_of(&keys);
        assert!(gate.admit(&HeaderMap::new(), Scope::Read).is_err());
        let caller = gate.admit(&with_key(&text), Scope::Run).unwrap();
        assert!(caller.sees(&key.id) && !caller.sees("another"));
        assert!(caller.count_run().is_ok() && caller.count_run().is_err());
        assert!(gate.admit(&with_key(&text), Scope::Admin).is_err());
        for wrong in [&text[..text.len() - 1], &format!("{text}x"), "", "dg_"] {
            assert!(
                gate.admit(&with_key(wrong), Scope::Read).is_err(),
                "{wrong}"
            );
        }
        keys.revoke(&key.id).unwrap();
        assert!(gate_of(&keys).admit(&with_key(&text), Scope::Read).is_err());
        assert!(matches!(keys.revoke("nobody"), Err(KeyError::Unknown(_))));
    }

    #[test]
    fn a_key_that_asks_too_often_waits() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::of(home.path());
        let (_, text) = keys.create("tests", Scope::Run, 3, None).unwrap();
        let gate = gate_of(&keys);
        let admitted = (0..5).filter(|_| gate.admit(&with_key(&text), Scope::Read).is_ok());
        assert_eq!(admitted.count(), 3);
    }
}
