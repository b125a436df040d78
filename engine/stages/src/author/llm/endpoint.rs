//! Calls to a model's interface that are made again while that is of use, and what is told when it
//! is not.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use docgenie_document::{Code, Digest, Seed};
use docgenie_guard::api_client::{ApiClient, ApiError, Lines, Reply};
use docgenie_runtime::{secret::Secret, stage::StageFailure};
use serde_json::Value;
use tracing::debug;

use super::{
    super::dice::Dice, KEY_REFUSED, NO_ANSWER, NO_KEY, REFUSED_REQUEST, UNKNOWN_MODEL, pace::Pace,
};

/// How long a model may think and write.
const LIMIT: Duration = Duration::from_secs(600);
/// How often a call is made.
const ATTEMPTS: u32 = 8;
/// The wait before the second attempt, doubled for each one after, where the endpoint says nothing.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Characters of a reply that a message repeats.
const SHOWN: usize = 300;

/// Whose interface it is, and how it wants to be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The variable that holds its key, and the header that carries it, with what stands before.
    pub(super) key: &'static str,
    pub(super) header: &'static str,
    pub(super) before_key: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The variable that holds its address.
    pub(super) address: &'static str,
}

/// An interface, shared by all that call it at one address with one key.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: ApiClient,
    manner: Manner,
    pace: Pace,
}

/// A call that was in vain.
#[derive(Debug)]
pub(super) struct Declined {
    /// The status of the reply, if there was one.
    pub(super) status: Option<u16>,
    pub(super) failure: StageFailure,
}

/// When a call is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Whenever it may succeed.
    Always,
    /// Where nothing can have been done the first time.
    WhereUndone,
}

impl Declined {
    /// A failure of our own.
    pub(super) const fn of(failure: StageFailure) -> Self {
        Self {
            status: None,
            failure,
        }
    }

    /// The endpoint has done nothing because it has too much to do.
    pub(super) fn too_much(&self) -> bool {
        matches!(self.status, Some(429 | 529))
    }

    /// Whether what was asked for may have been done all the same.
    pub(super) fn may_be_done(&self) -> bool {
        !self.too_much() && self.passes()
    }

    /// Whether the same call may succeed later.
    pub(super) fn passes(&self) -> bool {
        self.status
            .map_or(self.failure.problem.code == NO_ANSWER.as_str(), passes)
    }

    fn worth(&self, again: Again) -> bool {
        self.too_much() || (self.passes() && again == Again::Always)
    }
}

impl From<Declined> for StageFailure {
    fn from(declined: Declined) -> Self {
        declined.failure
    }
}

impl Endpoint {
    /// The interface at an address; a key is needed where `key_needed`.
    pub(super) fn at(
        address: &str,
        manner: Manner,
        key: Option<&Secret>,
        key_needed: bool,
    ) -> Result<Arc<Self>, StageFailure> {
        static ENDPOINTS: Mutex<Vec<(Digest, Weak<Endpoint>)>> = Mutex::new(Vec::new());
        if key.is_none() && key_needed {
            return Err(no_key(manner));
        }
        let name = [address, manner.key, key.map_or("", Secret::expose)];
        let name = Digest::of_parts(name.map(str::as_bytes));
        let mut endpoints = ENDPOINTS.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|(_, endpoint)| endpoint.strong_count() > 0);
        let known = endpoints.iter().find(|(known, _)| *known == name);
        if let Some(endpoint) = known.and_then(|(_, endpoint)| endpoint.upgrade()) {
            return Ok(endpoint);
        }
        let key = key.map(|key| format!("{}{}", manner.before_key, key.expose().trim()));
        let key = key.as_deref().map(|key| (manner.header, key));
        let client = ApiClient::new(address, manner.headers, key, LIMIT);
        let client = client.map_err(|error| {
            let code = match error {
                ApiError::Header { .. } => KEY_REFUSED,
                _ => NO_ANSWER,
            };
            let message = format!("the language model at `{address}` cannot be called");
            let hint = match error {
                ApiError::Header { .. } => format!("{}: {}", manner.key, error.hint()),
                _ => format!("`base_url` or {}: {}", manner.address, error.hint()),
            };
            StageFailure::new(code, message)
                .because(&error)
                .hint(hint)
                .ends_run()
        })?;
        let endpoint = Arc::new(Self {
            client,
            manner,
            pace: Pace::default(),
        });
        endpoints.push((name, Arc::downgrade(&endpoint)));
        Ok(endpoint)
    }

    /// Its address.
    pub(super) fn address(&self) -> &str {
        self.client.base()
    }

    /// Sends JSON and gets JSON. Waits between attempts vary by `seed`.
    pub(super) async fn post(
        &self,
        path: &str,
        json: &Value,
        seed: Seed,
    ) -> Result<Value, Declined> {
        let json = json.to_string().into_bytes();
        let call = || self.client.post(path, json.clone());
        self.json(path, &self.persistently(call, Again::Always, seed).await?)
    }

    /// As [`Self::post`] for what must not be done twice: where it is not known whether it has been
    /// done, it is not asked for again.
    pub(super) async fn post_once(
        &self,
        path: &str,
        json: &Value,
        seed: Seed,
    ) -> Result<Value, Declined> {
        let json = json.to_string().into_bytes();
        let call = || self.client.post(path, json.clone());
        self.json(
            path,
            &self.persistently(call, Again::WhereUndone, seed).await?,
        )
    }

    /// Gets JSON.
    pub(super) async fn get(&self, path: &str, seed: Seed) -> Result<Value, Declined> {
        let call = || self.client.get(path);
        self.json(path, &self.persistently(call, Again::Always, seed).await?)
    }

    /// Gets a reply line by line.
    pub(super) async fn lines(&self, path: &str) -> Result<Lines, Declined> {
        match self.client.lines(path).await {
            Ok(Ok(lines)) => Ok(lines),
            Ok(Err(reply)) => Err(self.declined(&reply)),
            Err(error) => Err(self.silent(&error)),
        }
    }

    /// Makes a call until there is a reply that more attempts would not change.
    async fn persistently<F>(
        &self,
        call: impl Fn() -> F,
        again: Again,
        seed: Seed,
    ) -> Result<Reply, Declined>
    where
        F: Future<Output = Result<Reply, ApiError>>,
    {
        let mut dice = Dice::new(seed.derive("wait"));
        let (mut wait, mut attempt) = (FIRST_WAIT, 1);
        loop {
            let turn = self.pace.turn().await;
            let result = call().await;
            let (declined, asked) = match result {
                Ok(reply) if reply.good() => {
                    turn.went_well();
                    return Ok(reply);
                }
                Ok(reply) => (self.declined(&reply), reply.retry_after),
                Err(error) => (self.silent(&error), None),
            };
            if declined.too_much() {
                turn.was_too_much();
            }
            drop(turn);
            if attempt == ATTEMPTS || !declined.worth(again) {
                return Err(declined);
            }
            // Between half of it and all, so that those who were refused together come back apart.
            let share = f64::from(u32::try_from(dice.below(500)).unwrap_or(0)) / 1000.0 + 0.5;
            let pause = asked.unwrap_or_else(|| wait.mul_f64(share));
            wait = (wait * 2).min(LONGEST_WAIT);
            attempt += 1;
            debug!(
                address = self.address(),
                status = declined.status,
                attempt,
                ?pause,
                "the call is made again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    fn json(&self, path: &str, reply: &Reply) -> Result<Value, Declined> {
        serde_json::from_slice(&reply.body).map_err(|error| Declined {
            status: Some(reply.status),
            failure: StageFailure::new(
                REFUSED_REQUEST,
                format!("{}/{path} replies with what is not JSON", self.address()),
            )
            .because(&error)
            .hint(format!(
                "check that `base_url` or {} is the address of the interface",
                self.manner.address
            )),
        })
    }

    /// What it means that there was no reply.
    pub(super) fn silent(&self, error: &ApiError) -> Declined {
        let code = if error.passing() {
            NO_ANSWER
        } else {
            REFUSED_REQUEST
        };
        let message = format!("the language model at {} does not answer", self.address());
        Declined {
            status: None,
            failure: StageFailure::new(code, message)
                .because(error)
                .hint(error.hint()),
        }
    }

    /// What a reply that is not good means.
    fn declined(&self, reply: &Reply) -> Declined {
        let address = self.address();
        let Manner { key, .. } = self.manner;
        // A spent budget is told like a busy moment, but does not pass.
        let status = match reply.status {
            429 if is_spent(&reply.body) => 402,
            status => status,
        };
        let (code, message, hint) = match status {
            401 | 403 => (
                KEY_REFUSED,
                format!("{address} refuses the key"),
                format!("set {key} to a key that is valid there and may use the model"),
            ),
            404 => (
                UNKNOWN_MODEL,
                format!("{address} does not know the model"),
                "give `model` a name that is known there".to_owned(),
            ),
            status if passes(status) => (
                NO_ANSWER,
                format!("{address} is too busy or broken"),
                "run it again later: what has been answered is kept".to_owned(),
            ),
            _ => (
                REFUSED_REQUEST,
                format!("{address} refuses what it is asked"),
                "the cause is in the interface's own words".to_owned(),
            ),
        };
        let mut failure = StageFailure::new(code, message).hint(hint);
        failure
            .problem
            .causes
            .push(format!("status {}: {}", reply.status, said(&reply.body)));
        let same_for_all = code == KEY_REFUSED || code == UNKNOWN_MODEL;
        Declined {
            status: Some(status),
            failure: if same_for_all {
                failure.ends_run()
            } else {
                failure
            },
        }
    }
}

/// Whether a status is one that passes.
const fn passes(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 500..=599)
}

/// Whether an error's body says that the account has spent what it may.
fn is_spent(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = |path: &str| value.pointer(path).and_then(Value::as_str);
    code("/error/details/error_code") == Some("enforced_spend_limit_reached")
        || code("/error/code") == Some("insufficient_quota")
}

/// What an error's body says: `{"error": {"type", "message"}}` in all interfaces, and else its text.
fn said(body: &[u8]) -> String {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let error = value.as_ref().and_then(|value| value.get("error"));
    let text = |name: &str| {
        error
            .and_then(|error| error.get(name))
            .and_then(Value::as_str)
    };
    let plain = || error.and_then(Value::as_str).map(str::to_owned);
    let told = match (text("type"), text("message")) {
        (Some(kind), Some(message)) => Some(format!("{kind}: {message}")),
        (None, Some(message)) => Some(message.to_owned()),
        _ => plain(),
    };
    let told = told.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let told: Vec<&str> = told.split_whitespace().collect();
    told.join(" ").chars().take(SHOWN).collect()
}

fn no_key(manner: Manner) -> StageFailure {
    let key = manner.key;
    StageFailure::new(
        NO_KEY,
        format!("{key} is not set, so the language model cannot be asked"),
    )
    .hint(format!(
        "set {key} in the environment, or let the templates write: `provider = \"template\"`"
    ))
    .ends_run()
}

/// The failure's code where a message of the interface stands alone, as in the results of a batch.
pub(super) fn code_of(kind: &str) -> Code {
    match kind {
        "authentication_error" | "permission_error" => KEY_REFUSED,
        "not_found_error" => UNKNOWN_MODEL,
        "overloaded_error" | "rate_limit_error" | "api_error" | "timeout_error" => NO_ANSWER,
        _ => REFUSED_REQUEST,
    }
}
