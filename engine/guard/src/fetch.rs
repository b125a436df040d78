//! Fetching what strangers name.
//!
//! An address of the net may lead anywhere: to a service of this machine, to the keys that a cloud
//! hands out beside it, to a server that never ends. So a name is resolved here, every address it has
//! is judged by its number (`reach`), and the connection goes to the judged addresses themselves: there
//! is no second look-up that could answer otherwise. A redirect is a new address and judged anew.
//! Whatever cannot be decided is refused.

mod reach;

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, Method, Request, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION},
    redirect,
};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

pub use reach::Reach;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// Bytes of an address.
const MAX_ADDRESS: usize = 8 << 10;
/// Where servers of the open net are. Others speak something else than HTTP, and may take a request
/// for their own commands.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// What is fetched, and how much.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether private networks and this machine may be reached, at any port. Addresses that no server
    /// has, and the metadata services of clouds, never are.
    pub allow_private: bool,
    /// Bytes of an answer's body.
    pub max_bytes: usize,
    /// For looking up a name, connecting and agreeing on encryption.
    pub connect_timeout: Duration,
    /// For all of it, redirects and body included.
    pub timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_private: false,
            max_bytes: 32 << 20,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
        }
    }
}

/// What was fetched. What its server says it is has not been looked at.
#[derive(Debug)]
pub struct Fetched {
    /// The body as it was sent: nothing is unpacked.
    pub bytes: Vec<u8>,
}

/// What a service has answered, whatever it says.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it was sent.
    pub body: Vec<u8>,
}

/// Why an address was not fetched.
///
/// What is printed is for whoever named the address. It tells what the address's text or its public
/// server tells, and nothing of what lies behind this machine.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no address, or none of a kind that is fetched.
    #[error("{0}")]
    Address(&'static str),
    /// Nothing was had from it. One text for all causes: they tell apart what is there and what is not.
    #[error("the address cannot be reached")]
    Unreachable(Cause),
    /// The server has something else to say.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// Redirects without an end.
    #[error("the address leads to more than {MAX_REDIRECTS} others, one after another")]
    Redirects,
    /// The body is too long.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The body took too long.
    #[error("the answer has not ended after {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The body ended before its end.
    #[error("the answer broke off")]
    BrokenOff(#[source] reqwest::Error),
    /// No encrypted connection can be made from this machine.
    #[error("there is no client for HTTP")]
    Client(#[source] reqwest::Error),
}

impl FetchError {
    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(Cause::Name(_) | Cause::NoAnswer(_))
                | Self::TooSlow(_)
                | Self::BrokenOff(_)
        )
    }
}

/// Why nothing was had from an address: for logs, never for whoever named it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// An address that is not to be reached.
    #[error("{0} is {1}; private ones are reached with --allow-private-addresses")]
    Refused(IpAddr, Reach),
    /// A port that is not to be reached.
    #[error("port {0} is not among {PORTS:?}; all are reached with --allow-private-addresses")]
    Port(u16),
    /// A name without an address.
    #[error("the name has no address: {0}")]
    Name(String),
    /// Nobody answers there.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Fetches what strangers name.
pub struct Fetcher {
    policy: Policy,
    client: Client,
}

impl Fetcher {
    /// A fetcher for this policy.
    ///
    /// # Errors
    /// [`FetchError::Client`] where the machine has no certificates to trust.
    pub fn new(policy: Policy) -> Result<Self, FetchError> {
        Self::with_lookup(policy, Arc::new(system_lookup))
    }

    fn with_lookup(policy: Policy, lookup: Arc<Lookup>) -> Result<Self, FetchError> {
        install_tls();
        let resolver = CheckedNames {
            allow_private: policy.allow_private,
            lookup,
        };
        let client = Client::builder()
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(policy.connect_timeout)
            .redirect(redirect::Policy::none())
            // A proxy of the environment would look names up by itself.
            .no_proxy()
            .referer(false)
            .http1_only()
            // A kept connection would be one more thing that was judged at another time.
            .pool_max_idle_per_host(0)
            .user_agent("docgenie-engine")
            .build()
            .map_err(FetchError::Client)?;
        Ok(Self { policy, client })
    }

    /// What is at an `http` or `https` address.
    ///
    /// # Errors
    /// See [`FetchError`]; why an address cannot be reached goes to the log.
    pub async fn fetch(&self, address: &str) -> Result<Fetched, FetchError> {
        let deadline = Instant::now() + self.policy.timeout;
        if address.len() > MAX_ADDRESS {
            return Err(FetchError::Address("the address is too long"));
        }
        let mut url = Url::parse(address).map_err(|_| NO_ADDRESS)?;
        for _ in 0..=MAX_REDIRECTS {
            match self.step(&url, deadline).await {
                Ok(Step::Redirect(next)) => url = next,
                Ok(Step::Body(fetched)) => return Ok(fetched),
                Err(error) => {
                    tell(&url, &error);
                    return Err(error);
                }
            }
        }
        Err(FetchError::Redirects)
    }

    /// What a service answers to a request. A redirect is not followed: what signs the request is for
    /// this service alone.
    ///
    /// # Errors
    /// Where there is no answer, or not all of one. A status of failure is an answer.
    pub async fn send(&self, request: Request) -> Result<Answer, FetchError> {
        let deadline = Instant::now() + self.policy.timeout;
        let url = request.url().clone();
        let answer = async {
            let response = self.response(request, deadline).await?;
            Ok(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                body: self.body(response, deadline).await?,
            })
        };
        answer.await.inspect_err(|error| tell(&url, error))
    }

    async fn step(&self, url: &Url, deadline: Instant) -> Result<Step, FetchError> {
        let request = Request::new(Method::GET, url.clone());
        let response = self.response(request, deadline).await?;
        let status = response.status();
        if is_redirect(status) {
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let next = location.and_then(|text| url.join(text).ok());
            return next.map(Step::Redirect).ok_or(NO_ADDRESS);
        }
        if !status.is_success() {
            return Err(FetchError::Status(status.as_u16()));
        }
        let body = self.body(response, deadline).await?;
        Ok(Step::Body(Fetched { bytes: body }))
    }

    async fn response(
        &self,
        mut request: Request,
        deadline: Instant,
    ) -> Result<Response, FetchError> {
        self.check(request.url())?;
        let identity = HeaderValue::from_static("identity");
        request.headers_mut().insert(ACCEPT_ENCODING, identity);
        let no_answer = |why: String| FetchError::Unreachable(Cause::NoAnswer(why));
        timeout_at(deadline, self.client.execute(request))
            .await
            .map_err(|_| no_answer("the time is over".to_owned()))?
            .map_err(|error| FetchError::Unreachable(cause(&error)))
    }

    /// What can be judged before a name is looked up. An address may be spelt in many ways (octal,
    /// hexadecimal, as one number, mixed with blanks); parsing has made it one.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NO_ADDRESS);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Address(
                "the address holds a user's name or password",
            ));
        }
        let port = url.port_or_known_default().ok_or(NO_ADDRESS)?;
        if !self.policy.allow_private && !PORTS.contains(&port) {
            return Err(FetchError::Unreachable(Cause::Port(port)));
        }
        let address = match url.host().ok_or(NO_ADDRESS)? {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return Ok(()),
        };
        admit(address, self.policy.allow_private).map_err(FetchError::Unreachable)
    }

    async fn body(&self, mut response: Response, deadline: Instant) -> Result<Vec<u8>, FetchError> {
        let limit = self.policy.max_bytes;
        let too_large = || FetchError::TooLarge(limit);
        // Only a reason to give up early: the length may be missing or a lie.
        if response.content_length() > u64::try_from(limit).ok() {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            let chunk = timeout_at(deadline, response.chunk()).await;
            let chunk = chunk.map_err(|_| FetchError::TooSlow(self.policy.timeout))?;
            let chunk = chunk.map_err(|error| FetchError::BrokenOff(error.without_url()))?;
            let Some(chunk) = chunk else {
                return Ok(body);
            };
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
    }
}

const NO_ADDRESS: FetchError =
    FetchError::Address("the address is none that begins with `http://` or `https://`");

enum Step {
    Redirect(Url),
    Body(Fetched),
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Why an address cannot be reached goes to the log alone.
fn tell(url: &Url, error: &FetchError) {
    if let FetchError::Unreachable(cause) = error {
        let host = url.host_str().unwrap_or_default();
        tracing::warn!(%host, %cause, "an address was not reached");
    }
}

/// Makes the choice of who encrypts, once for the process. Libraries that speak TLS ask for it.
pub fn install_tls() {
    // An error says that it has been made before.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn admit(address: IpAddr, allow_private: bool) -> Result<(), Cause> {
    match reach::of(address) {
        Reach::Public => Ok(()),
        Reach::Private if allow_private => Ok(()),
        refused => Err(Cause::Refused(address, refused)),
    }
}

/// Our own cause, where the resolver has given one; else what the client says.
fn cause(error: &reqwest::Error) -> Cause {
    let chain = std::iter::successors(error.source(), |error| (*error).source());
    let (mut own, mut last) = (None, String::new());
    for error in chain {
        own = own.or_else(|| error.downcast_ref::<Cause>().cloned());
        last = error.to_string();
    }
    own.unwrap_or(Cause::NoAnswer(last))
}

/// Where the addresses of a name come from.
type Lookup = dyn Fn(String) -> Found + Send + Sync;
type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

fn system_lookup(name: String) -> Found {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// Looks names up for the client, and hands it addresses only if all of them may be reached: of a name
/// that has a private one beside a public one nothing good is to be expected.
struct CheckedNames {
    allow_private: bool,
    lookup: Arc<Lookup>,
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = found
                .await
                .map_err(|error| Cause::Name(error.to_string()))?;
            if found.is_empty() {
                return Err(Cause::Name("none was found".to_owned()).into());
            }
            for address in &found {
                admit(*address, allow_private)?;
            }
            // The client puts the address's own port in.
            let dialled = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(dialled) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
