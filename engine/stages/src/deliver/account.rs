//! An account with a storage: requests that are signed in, and what renews the sign-in.

use docgenie_guard::fetch::{Answer, Fetcher};
use docgenie_runtime::{
    secret::Secret,
    stage::{StageEnv, StageFailure},
};
use reqwest::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{NO_ANSWER, NOT_CONNECTED, Patience, REFUSED, SIGNED_OUT, fetcher, no_answer};

/// What a storage is called, and the variables that hold what signs in there.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) token: &'static str,
    pub(super) refresh_token: &'static str,
    pub(super) client_id: &'static str,
    pub(super) client_secret: &'static str,
    /// A variable that puts another address in place of the storage's own: a proxy's, a test's.
    pub(super) address: &'static str,
}

pub(super) struct Account {
    kind: &'static Kind,
    fetcher: Fetcher,
    token: Mutex<Option<Secret>>,
    renewal: Option<Renewal>,
}

/// What a new access token is had with.
struct Renewal {
    address: Url,
    refresh_token: Secret,
    client_id: Option<Secret>,
    client_secret: Option<Secret>,
}

impl Account {
    /// The account of a run. `renewed_at` gives new access tokens.
    pub(super) fn new(
        kind: &'static Kind,
        env: &StageEnv,
        renewed_at: Url,
    ) -> Result<Self, StageFailure> {
        let get = |name| env.secrets.get(name);
        let renewal = get(kind.refresh_token).map(|refresh_token| Renewal {
            address: renewed_at,
            refresh_token,
            client_id: get(kind.client_id),
            client_secret: get(kind.client_secret),
        });
        let token = get(kind.token);
        if token.is_none() && renewal.is_none() {
            let message = format!("there is nothing to sign in to {} with", kind.name);
            let hint = format!("set {} or {}", kind.token, kind.refresh_token);
            return Err(StageFailure::new(NOT_CONNECTED, message).hint(hint));
        }
        let moved = get(kind.address).is_some();
        Ok(Self {
            kind,
            fetcher: fetcher(env.private_addresses || moved)?,
            token: Mutex::new(token),
            renewal,
        })
    }

    /// The answer to a request, tried again where it is worth it.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, StageFailure> {
        let mut patience = Patience::default();
        loop {
            match self.try_once(&request).await {
                Err(failure) if patience.bears(&failure).await => {}
                done => return done,
            }
        }
    }

    /// The answer to one attempt. That of a storage which is busy is a failure that may pass.
    pub(super) async fn try_once(&self, request: &Request) -> Result<Answer, StageFailure> {
        let mut token = self.token.lock().await;
        let known = match &*token {
            Some(known) => known.clone(),
            None => self.renew().await?,
        };
        let mut answer = self.ask(request, &known).await?;
        *token = Some(known);
        if answer.status == StatusCode::UNAUTHORIZED && self.renewal.is_some() {
            let renewed = self.renew().await?;
            answer = self.ask(request, &renewed).await?;
            *token = Some(renewed);
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.signed_out(&answer));
        }
        self.patient(answer)
    }

    async fn ask(&self, request: &Request, token: &Secret) -> Result<Answer, StageFailure> {
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let mut bearer = bearer.map_err(|_| {
            let message = format!("what signs in to {} is no token", self.kind.name);
            StageFailure::new(SIGNED_OUT, message)
        })?;
        bearer.set_sensitive(true);
        let mut request = copy(request);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let answer = self.fetcher.send(request).await;
        answer.map_err(|error| no_answer(self.kind.name, &error))
    }

    async fn renew(&self) -> Result<Secret, StageFailure> {
        #[derive(Deserialize)]
        struct Renewed {
            access_token: Secret,
        }
        let Some(renewal) = &self.renewal else {
            let message = format!("there is no refresh token for {}", self.kind.name);
            return Err(StageFailure::new(NOT_CONNECTED, message));
        };
        let answer = self.fetcher.send(renewal.request()).await;
        let answer = answer.map_err(|error| no_answer(self.kind.name, &error))?;
        let answer = self.patient(answer)?;
        if !answer.status.is_success() {
            return Err(self.signed_out(&answer));
        }
        let renewed: Renewed = self.json(&answer)?;
        Ok(renewed.access_token)
    }

    /// Turns the answer of a storage that is busy into a failure that may pass.
    fn patient(&self, answer: Answer) -> Result<Answer, StageFailure> {
        let status = answer.status;
        // Google says so with 403 and a reason.
        let limited = status == StatusCode::FORBIDDEN
            && String::from_utf8_lossy(&answer.body).contains("ateLimitExceeded");
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        if !limited && !status.is_server_error() && !busy.contains(&status) {
            return Ok(answer);
        }
        let message = format!("{} answers with status {}", self.kind.name, status.as_u16());
        let mut failure = StageFailure::new(NO_ANSWER, message).hint("run again later");
        failure.problem.causes.extend(said(&answer));
        Err(failure.retryable())
    }

    /// The failure that an answer stands for which nothing can be done about here.
    pub(super) fn refused(&self, answer: &Answer) -> StageFailure {
        let status = answer.status.as_u16();
        let message = format!(
            "{} refuses the dataset with status {status}",
            self.kind.name
        );
        let mut failure = StageFailure::new(REFUSED, message)
            .hint("check that the account has room and lets the dataset in, then run again");
        failure.problem.causes.extend(said(answer));
        failure
    }

    fn signed_out(&self, answer: &Answer) -> StageFailure {
        let message = format!("{} does not accept what signs in", self.kind.name);
        let mut failure = StageFailure::new(SIGNED_OUT, message)
            .hint("connect the account again: its token has run out or was withdrawn");
        failure.problem.causes.extend(said(answer));
        failure
    }

    /// What an answer of success says.
    pub(super) fn json<T: for<'de> Deserialize<'de>>(
        &self,
        answer: &Answer,
    ) -> Result<T, StageFailure> {
        if !answer.status.is_success() {
            return Err(self.refused(answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            let message = format!("{} answers with something else than JSON", self.kind.name);
            StageFailure::new(REFUSED, message).because(&error)
        })
    }
}

impl Renewal {
    fn request(&self) -> Request {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("refresh_token", self.refresh_token.expose());
        for (name, value) in [
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
        ] {
            if let Some(value) = value {
                form.append_pair(name, value.expose());
            }
        }
        let kind = "application/x-www-form-urlencoded";
        post(&self.address, kind, form.finish().into_bytes())
    }
}

/// A base address: the storage's own, or the one that is put in its place.
pub(super) fn base(kind: &Kind, own: &str, env: &StageEnv) -> Result<Url, StageFailure> {
    let moved = env.secrets.get(kind.address);
    let text = moved.as_ref().map_or(own, Secret::expose);
    Url::parse(text).map_err(|error| {
        let message = format!("{} is no address", kind.address);
        StageFailure::new(NOT_CONNECTED, message).because(&error)
    })
}

/// An address below a base.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

pub(super) fn post(url: &Url, kind: &'static str, body: Vec<u8>) -> Request {
    let mut request = Request::new(Method::POST, url.clone());
    set(&mut request, CONTENT_TYPE, kind);
    *request.body_mut() = Some(body.into());
    request
}

pub(super) fn post_json(url: &Url, body: &Value) -> Request {
    post(
        url,
        "application/json; charset=UTF-8",
        body.to_string().into_bytes(),
    )
}

/// Sets a header to a text in ASCII.
pub(super) fn set(request: &mut Request, name: impl Into<HeaderName>, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        request.headers_mut().insert(name.into(), value);
    }
}

/// A copy to send, whose body shares the bytes.
fn copy(request: &Request) -> Request {
    // Only a body that streams has no copy, and there is none here.
    let bare = || Request::new(request.method().clone(), request.url().clone());
    request.try_clone().unwrap_or_else(bare)
}

/// What a storage gives as its reason, in the forms that they use.
fn said(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let places = [
        &body["error"]["message"],
        &body["error_summary"],
        &body["error_description"],
        &body["error"],
    ];
    let text = places.into_iter().find_map(Value::as_str)?;
    Some(text.chars().take(300).collect())
}
