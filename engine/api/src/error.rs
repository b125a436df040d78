//! What a client is told when something cannot be done.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use docgenie_document::{Code, code::Problem};
use docgenie_runtime::{
    job::{Delivery, DeliveryOutcome, RunId, StoreError},
    queue::{CLOSING, QUEUE_FULL, SubmitError},
};
use serde_json::{Value, json};

/// A response that is no success. Its body has `detail`, as clients of FastAPI expect it, and where
/// there is more to say `code`, `hint` and `link`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    detail: Box<Value>,
    code: Option<String>,
    hint: Option<String>,
    retry_after: Option<u64>,
}

pub(crate) type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: Box::new(Value::String(detail.into())),
            code: None,
            hint: None,
            retry_after: None,
        }
    }

    /// What is wrong with a request, an item for each fault.
    pub(crate) fn invalid(faults: Vec<Fault>) -> Self {
        let items = faults.into_iter().map(Fault::item).collect();
        Self {
            detail: Box::new(Value::Array(items)),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "")
        }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub(crate) fn no_such_run(run: RunId) -> Self {
        Self::not_found(format!("there is no {run}"))
    }

    /// A run's problem, as the response to whoever waits for it.
    pub(crate) fn problem(status: StatusCode, problem: &Problem) -> Self {
        let problem = shown(problem);
        let causes = problem.causes.iter().map(|cause| format!(": {cause}"));
        let detail = format!("{}{}", problem.message, causes.collect::<String>());
        Self {
            code: Some(problem.code),
            hint: problem.hint,
            ..Self::new(status, detail)
        }
    }

    pub(crate) fn code(mut self, code: Code) -> Self {
        self.code = Some(code.to_string());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "detail": self.detail });
        if let Some(code) = self.code {
            body["link"] = json!(format!("/errors/{code}"));
            body["code"] = json!(code);
        }
        if let Some(hint) = self.hint {
            body["hint"] = json!(hint);
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NoSuchRun(run) => Self::no_such_run(*run),
            StoreError::NotStarted | StoreError::Illegal(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string()).code(error.code())
            }
            StoreError::Failed { .. } => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the job store failed"
                );
                // What failed in detail is the operator's to read.
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the job store cannot be used now",
                )
                .code(error.code())
                .retry_after(10)
            }
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Full(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                .code(QUEUE_FULL)
                .retry_after(30),
            SubmitError::Quota(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(30)
            }
            SubmitError::Closing => Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                .code(CLOSING)
                .retry_after(10),
            SubmitError::Store(error) => error.into(),
        }
    }
}

/// A problem as clients see it: where files lie on this machine is the operator's to know, and in the
/// log.
pub(crate) fn shown(problem: &Problem) -> Problem {
    Problem {
        code: problem.code.clone(),
        message: without_folders(&problem.message),
        causes: problem
            .causes
            .iter()
            .map(|it| without_folders(it))
            .collect(),
        hint: problem.hint.as_deref().map(without_folders),
    }
}

/// What came of a delivery, as clients see it.
pub(crate) fn shown_delivery(delivery: &Delivery) -> Delivery {
    let mut shown_delivery = delivery.clone();
    if let DeliveryOutcome::Failed { problem } = &mut shown_delivery.outcome {
        *problem = shown(problem);
    }
    shown_delivery
}

/// A text in which each absolute path is shortened to its last part.
fn without_folders(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "`'\"(),;:".contains(c);
    let short = |word: &str| match word.rsplit_once('/') {
        Some((folders, last)) if word.starts_with('/') && !folders.is_empty() => {
            format!("…/{last}")
        }
        _ => word.to_owned(),
    };
    let mut shown = String::with_capacity(text.len());
    for part in text.split_inclusive(ends) {
        let word = part.strip_suffix(ends).unwrap_or(part);
        // Behind a colon it is the rest of an address.
        if shown.ends_with(':') && word.starts_with("//") {
            shown.push_str(part);
        } else {
            shown.push_str(&short(word));
            shown.push_str(&part[word.len()..]);
        }
    }
    shown
}

/// One thing that is wrong with a request, in the form that FastAPI gives it.
#[derive(Debug)]
pub(crate) struct Fault {
    /// A machine's word for it, such as `missing`.
    pub(crate) kind: &'static str,
    /// Where it is: `body`, `query`, `path` or `header`, then names and positions.
    pub(crate) at: Vec<Value>,
    pub(crate) message: String,
    pub(crate) input: Value,
}

impl Fault {
    fn item(self) -> Value {
        json!({
            "type": self.kind,
            "loc": self.at,
            "msg": self.message,
            "input": self.input,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_not_told() {
        let check = |text: &str, expected: &str| assert_eq!(without_folders(text), expected);
        check(
            "cannot write `/var/lib/x/a.zip`: full",
            "cannot write `…/a.zip`: full",
        );
        check("/home/me/key", "…/key");
        check(
            "no answer from https://a.example/v1/x",
            "no answer from https://a.example/v1/x",
        );
        check("see /docs, or (/tmp/x/y)", "see /docs, or (…/y)");
        check("3/4 of `a/b.pdf`", "3/4 of `a/b.pdf`");
        check("", "");
    }
}
