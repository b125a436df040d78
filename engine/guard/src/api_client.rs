//! Calls to the HTTP interfaces that whoever runs the engine has named, such as a language model's.
//!
//! The address is believed, what comes back is not: it is taken within limits of size and time, and
//! a redirection is an answer like any other, so that a key goes nowhere but to the address it is
//! for. A key travels as a header that is marked as sensitive; no error and no log shows it.

use std::{fmt, time::Duration};

use reqwest::{
    Client, Method, RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use url::Url;

use crate::fetch;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// The most bytes of an answer, or of a line of a streamed one.
const MOST_BYTES: usize = 64 << 20;
/// The longest wait that an endpoint may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// An endpoint that is called with the same headers each time.
pub struct ApiClient {
    http: Client,
    base: String,
    limit: Duration,
}

/// What an endpoint replied, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether it is what was asked for.
    #[must_use]
    pub const fn good(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// A call that brought no reply.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address is none.
    #[error("`{given}` is no address of an HTTP interface")]
    Address {
        /// As it was given.
        given: String,
        /// Why, where the parser says so.
        #[source]
        source: Option<url::ParseError>,
    },
    /// A header cannot be sent. Its value is not told: it may be a key.
    #[error("the value for the header `{name}` holds characters that cannot be sent")]
    Header {
        /// Which.
        name: &'static str,
    },
    /// TLS or the resolver cannot be set up.
    #[error("this machine cannot make HTTP calls")]
    Machine(#[source] reqwest::Error),
    /// Nobody answers there, or the connection broke.
    #[error("no answer from {address}")]
    Unreachable {
        /// Which.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It took longer than it may.
    #[error("no answer from {address} within {} s", .limit.as_secs_f64())]
    TimedOut {
        /// Which.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// The answer is larger than any may be.
    #[error("{address} answers with more than {} MiB", MOST_BYTES >> 20)]
    TooLarge {
        /// Which.
        address: String,
    },
}

impl ApiError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. })
    }

    /// What the reader can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Address { .. } => "write it whole, such as https://example.org/v1",
            Self::Header { .. } => "look for blanks and line breaks around the key",
            Self::Machine(_) => "see that the certificates of the system are installed",
            Self::Unreachable { .. } => "check the address and the network, and whether it runs",
            Self::TimedOut { .. } => "ask for less at once, or try again later",
            Self::TooLarge { .. } => "check that the address is that of the interface",
        }
    }
}

impl ApiClient {
    /// A client for the endpoint below this address. `headers` go with each call; `key` does, too,
    /// and is never shown. A call may take as long as `limit`.
    ///
    /// # Errors
    /// When the address is none or a header cannot be sent.
    pub fn new(
        base: &str,
        headers: &[(&'static str, &str)],
        key: Option<(&'static str, &str)>,
        limit: Duration,
    ) -> Result<Self, ApiError> {
        fetch::install_tls();
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(HeaderName::from_static(name), header(name, value)?);
        }
        if let Some((name, value)) = key {
            let mut value = header(name, value)?;
            value.set_sensitive(true);
            all.insert(HeaderName::from_static(name), value);
        }
        let http = Client::builder()
            .user_agent(concat!("docgenie-engine/", env!("CARGO_PKG_VERSION")))
            .default_headers(all)
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(limit)
            .build()
            .map_err(ApiError::Machine)?;
        Ok(Self {
            http,
            base: address(base)?,
            limit,
        })
    }

    /// The address below which it calls.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Fetches what is at a path below the address.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn get(&self, path: &str) -> Result<Reply, ApiError> {
        self.whole(self.request(Method::GET, path)).await
    }

    /// Sends JSON to a path below the address.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<Reply, ApiError> {
        let request = self.request(Method::POST, path);
        let request = request.header(CONTENT_TYPE, "application/json");
        self.whole(request.body(json)).await
    }

    /// Fetches what is at a path below the address line by line, however much it is; a reply that is
    /// not good comes whole.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn lines(&self, path: &str) -> Result<Result<Lines, Reply>, ApiError> {
        let response = self.request(Method::GET, path).send().await;
        let response = response.map_err(|error| self.error(error))?;
        if !response.status().is_success() {
            return Ok(Err(self.reply(response).await?));
        }
        Ok(Ok(Lines {
            response,
            waiting: Vec::new(),
            ended: false,
            address: self.base.clone(),
            limit: self.limit,
        }))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/{path}", self.base))
    }

    async fn whole(&self, request: RequestBuilder) -> Result<Reply, ApiError> {
        let response = request.timeout(self.limit).send().await;
        let response = response.map_err(|error| self.error(error))?;
        self.reply(response).await
    }

    async fn reply(&self, mut response: Response) -> Result<Reply, ApiError> {
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.error(error))? {
            if body.len() + part.len() > MOST_BYTES {
                let address = self.base.clone();
                return Err(ApiError::TooLarge { address });
            }
            body.extend_from_slice(&part);
        }
        Ok(Reply {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
            body,
        })
    }

    fn error(&self, error: reqwest::Error) -> ApiError {
        no_reply(&self.base, self.limit, error)
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiClient({})", self.base)
    }
}

/// The lines of a reply, as they arrive.
#[derive(Debug)]
pub struct Lines {
    response: Response,
    waiting: Vec<u8>,
    ended: bool,
    address: String,
    limit: Duration,
}

impl Lines {
    /// The next line that is not empty, without its end; `None` after the last.
    ///
    /// # Errors
    /// When the connection breaks or the line is larger than any answer may be.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        let mut searched = 0;
        loop {
            let end = self.waiting[searched..].iter().position(|&b| b == b'\n');
            let line = match end {
                Some(end) => self.waiting.drain(..=searched + end).collect(),
                None if self.ended => std::mem::take(&mut self.waiting),
                None => {
                    searched = self.waiting.len();
                    if searched > MOST_BYTES {
                        let address = self.address.clone();
                        return Err(ApiError::TooLarge { address });
                    }
                    let part = self.response.chunk().await;
                    let part = part.map_err(|e| no_reply(&self.address, self.limit, e))?;
                    match part {
                        Some(part) => self.waiting.extend_from_slice(&part),
                        None => self.ended = true,
                    }
                    continue;
                }
            };
            let line: Vec<u8> = line.trim_ascii().to_vec();
            if !line.is_empty() {
                return Ok(Some(line));
            }
            if self.ended && self.waiting.is_empty() {
                return Ok(None);
            }
            searched = 0;
        }
    }
}

fn header(name: &'static str, value: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(value.trim()).map_err(|_| ApiError::Header { name })
}

/// The address without a slash at its end.
fn address(given: &str) -> Result<String, ApiError> {
    let refused = |source| {
        // An address with a password in it is not repeated.
        let given = given.rsplit('@').next().unwrap_or_default().to_owned();
        ApiError::Address { given, source }
    };
    let url = Url::parse(given.trim()).map_err(|error| refused(Some(error)))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !plain || !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused(None));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn no_reply(address: &str, limit: Duration, error: reqwest::Error) -> ApiError {
    let address = address.to_owned();
    if error.is_timeout() && !error.is_connect() {
        return ApiError::TimedOut { address, limit };
    }
    let source = error.without_url();
    ApiError::Unreachable { address, source }
}

/// Seconds, whole or not. The other form of the header, a date, is not used by those we call.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: f64 = value.trim().parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Answers each connection with these bytes, and gives its address.
    fn answering(reply: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        address
    }

    fn client(base: &str) -> ApiClient {
        let key = Some(("x-api-key", "sk-123"));
        ApiClient::new(base, &[], key, Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn addresses() {
        for bad in [
            "",
            "example.org",
            "ftp://a.org",
            "https://a:b@c.org",
            "http://a.org/?x=1",
        ] {
            let refused = ApiClient::new(bad, &[], None, Duration::from_secs(1));
            assert!(matches!(refused, Err(ApiError::Address { .. })), "{bad}");
        }
        let shown = ApiClient::new("https://a:pass@c.org", &[], None, CONNECT).unwrap_err();
        assert!(!shown.to_string().contains("pass"));
        assert_eq!(client("https://a.org/v1/").base(), "https://a.org/v1");
    }

    #[test]
    fn a_key_is_not_shown() {
        let bad = ApiClient::new("http://a.org", &[], Some(("x-api-key", "sk\n1")), CONNECT);
        let told = format!("{:?} {}", client("http://a.org"), bad.unwrap_err());
        assert!(!told.contains("sk"), "{told}");
    }

    #[tokio::test]
    async fn replies_come_whole_and_redirections_are_not_followed() {
        let moved = "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\nretry-after: 1.5\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
        let reply = client(&answering(moved)).get("v1").await.unwrap();
        assert_eq!((reply.status, reply.good()), (302, false));
        assert_eq!(reply.retry_after, Some(Duration::from_millis(1500)));
        assert_eq!(reply.body, b"no");
    }

    #[tokio::test]
    async fn lines_come_one_by_one() {
        let body = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none\r\n\ntwo\nthree";
        let mut lines = client(&answering(body)).lines("x").await.unwrap().unwrap();
        let mut got = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            got.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(got, ["one", "two", "three"]);
    }

    #[tokio::test]
    async fn nobody_there() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let error = client(&base).get("v1").await.unwrap_err();
        assert!(
            error.passing() && error.to_string().contains(&base),
            "{error}"
        );
    }
}
