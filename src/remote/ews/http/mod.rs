//! HTTP, in the two ways that signing in takes: any connection of a pool where each request is signed, connections of one's own ([`lanes`])
//! where a connection is.

mod lanes;
mod unzip;

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::cookie::Jar;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Settings, TimeLimits};
use crate::clock::{Clock, within};
use crate::remote::RemoteError;
use crate::remote::auth::oauth::{Serial, TokenError};
use crate::remote::auth::{BadChallenge, Challenges, Manner, SignIn, Unknown};
use crate::remote::reach::{Proxy, Reach};
use crate::remote::tls::{self, chain};
use lanes::{Lane, Lanes};

/// Connections that are kept for the next request.
pub(super) const MOST_CONNECTIONS: usize = 4;

/// The body of an answer.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The body of a request.
pub(super) enum Content {
    Text(String),
    /// Pieces, and how many bytes they have together.
    Pieces(Chunks, u64),
}

/// Why a request was not sent, or has no answer.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The connection could not be made, or broke.
    Broken(String),
    /// The server's certificate is not trusted.
    Untrusted(String),
    /// Nothing came in time.
    Silence,
    /// The server offers no way to sign in that is known here.
    NoWay(Unknown),
    /// The server's part of the handshake makes no sense.
    Odd(BadChallenge),
    /// The server did not even begin the handshake.
    Refused,
    /// The server answered something else in place of the handshake.
    Answered(StatusCode, HeaderMap),
    /// The user's name or the password cannot be sent.
    Unsendable,
    /// There is no token to send.
    Tokenless(TokenError),
}

/// What an answer says of the sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The request proved who asks, so that a refusal means that.
    Proved,
    /// The connection had been signed in before, which the server may have forgotten.
    Presumed,
    /// The request bore this token, which may have ended.
    Borne(Serial),
}

/// An answer that begins.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) standing: Standing,
    pub(super) chunks: Chunks,
}

/// A connection for one request, signed in as far as that goes without it.
pub(super) enum Carrier {
    Pooled(reqwest::Client, SecretString, Standing),
    Lane(Box<Lane>),
}

/// Who asks servers, and whom of them to trust.
#[derive(Clone)]
pub(super) struct Asker {
    /// None to a server within this machine.
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
    user_agent: HeaderValue,
    limits: TimeLimits,
    clock: Arc<dyn Clock>,
}

impl Asker {
    /// Asks servers whose certificate the system trusts, or whom `reach` names.
    pub(super) fn new(
        reach: &Reach,
        user_agent: &str,
        limits: TimeLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RemoteError> {
        let (tls, proxy) = (Some(Arc::new(tls::config(reach)?)), reach.proxy.clone());
        Ok(Self { tls, proxy, ..Self::within_this_machine(user_agent, limits, clock)? })
    }

    /// The system's certificates are not needed for loopback, and may be missing there.
    fn within_this_machine(user_agent: &str, limits: TimeLimits, clock: Arc<dyn Clock>) -> Result<Self, RemoteError> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let user_agent = HeaderValue::from_str(user_agent).map_err(|error| RemoteError::Refused {
            code: "User-Agent".to_owned(),
            hint: format!("{user_agent:?} cannot be sent: {error}"),
        })?;
        Ok(Self { tls: None, proxy: None, user_agent, limits, clock })
    }
}

/// The way to one server.
pub(super) struct Http {
    url: Url,
    limits: TimeLimits,
    clock: Arc<dyn Clock>,
    user_agent: HeaderValue,
    tls: Option<Arc<ClientConfig>>,
    /// In place of the environment's.
    proxy: Option<Proxy>,
    cookies: Arc<Jar>,
    pooled: Mutex<reqwest::Client>,
    lanes: Lanes,
}

impl Http {
    pub(super) fn new(settings: &Settings) -> Result<Self, RemoteError> {
        let url = check_url(&settings.url)?;
        let (agent, limits, clock) = (settings.user_agent.as_str(), settings.limits, settings.clock.clone());
        let asker = match url.scheme() {
            "http" => Asker::within_this_machine(agent, limits, clock)?,
            _ => Asker::new(&settings.reach, agent, limits, clock)?,
        };
        Self::at(asker, url)
    }

    /// The way to a URL that is known to be https, or within this machine.
    pub(super) fn at(asker: Asker, url: Url) -> Result<Self, RemoteError> {
        let cookies = Arc::new(Jar::default());
        let pooled = Mutex::new(build_pool(&asker, &cookies)?);
        let Asker { tls, proxy, user_agent, limits, clock } = asker;
        Ok(Self { url, limits, clock, user_agent, tls, proxy, cookies, pooled, lanes: Lanes::default() })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// Prepares a connection for a request; the server is asked how to sign in where that is not known yet.
    pub(super) async fn carrier(&self, sign_in: &dyn SignIn) -> Result<Carrier, Unsent> {
        loop {
            match sign_in.manner() {
                Manner::Ask(offered) => offered.choose(&self.ask().await?).map_err(Unsent::NoWay)?,
                Manner::Request(_, authorization) => {
                    return Ok(Carrier::Pooled(self.pool(), authorization, Standing::Proved));
                }
                Manner::Token(tokens) => {
                    let (authorization, serial) = tokens.authorization().await.map_err(Unsent::Tokenless)?;
                    return Ok(Carrier::Pooled(self.pool(), authorization, Standing::Borne(serial)));
                }
                Manner::Connection(handshakes) => {
                    return self.lane(handshakes).await.map(|lane| Carrier::Lane(Box::new(lane)));
                }
            }
        }
    }

    /// Sends a request; comes back when the answer's headers are there.
    pub(super) async fn send(
        &self,
        carrier: Carrier,
        mut headers: HeaderMap,
        content: Content,
    ) -> Result<Reply, Unsent> {
        match carrier {
            Carrier::Pooled(client, authorization, standing) => {
                headers.insert(header::AUTHORIZATION, authorization_header(&authorization)?);
                let request = client.post(self.url.clone()).headers(headers);
                let request = match content {
                    Content::Text(text) => request.body(text),
                    Content::Pieces(pieces, length) => {
                        request.header(header::CONTENT_LENGTH, length).body(reqwest::Body::wrap_stream(pieces))
                    }
                };
                begun(request.send().await, standing)
            }
            Carrier::Lane(lane) => self.send_on(*lane, headers, content).await,
        }
    }

    /// An answer's body, with a limit on how long nothing comes.
    pub(super) fn timed(&self, chunks: Chunks, idle: Duration) -> Chunks {
        let clock = self.clock.clone();
        Box::pin(stream::unfold((chunks, clock), move |(mut chunks, clock)| async move {
            let chunk = match within(&*clock, idle, chunks.next()).await {
                Some(chunk) => chunk?,
                None => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came for too long")),
            };
            Some((chunk, (chunks, clock)))
        }))
    }

    /// Lets go of all connections.
    pub(super) fn leave_connections(&self) {
        self.lanes.leave();
        let (tls, proxy, user_agent) = (self.tls.clone(), self.proxy.clone(), self.user_agent.clone());
        let asker = Asker { tls, proxy, user_agent, limits: self.limits, clock: self.clock.clone() };
        match build_pool(&asker, &self.cookies) {
            Ok(fresh) => *self.pooled.lock().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::warn!(%error, "the connections could not be renewed"),
        }
    }

    /// No connection stays signed in on this server, whatever it promised.
    pub(super) fn trust_no_lane(&self) {
        self.lanes.stop_keeping();
    }

    fn pool(&self) -> reqwest::Client {
        self.pooled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request that is not signed.
    pub(super) async fn unsigned(&self, method: Method, headers: HeaderMap, body: String) -> Result<Reply, Unsent> {
        let request = self.pool().request(method, self.url.clone()).headers(headers).body(body);
        begun(request.send().await, Standing::Presumed)
    }

    /// Asks the server how to sign in, by a request that is not signed.
    async fn ask(&self) -> Result<Challenges, Unsent> {
        let mut headers = HeaderMap::new();
        // IIS answers 411 where the length is not told.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let asking = self.unsigned(Method::POST, headers, String::new());
        let reply = within(&*self.clock, self.limits.idle, asking).await.ok_or(Unsent::Silence)??;
        match reply.status.as_u16() {
            401 => Ok(challenges(&reply.headers)),
            // What an empty request gets where nobody has to sign in, or nobody is told how.
            200 | 400 | 405 | 411 | 415 | 500 => Ok(Challenges::default()),
            _ => Err(Unsent::Answered(reply.status, reply.headers)),
        }
    }
}

/// What comes of a request over a connection of the pool.
fn begun(sent: reqwest::Result<reqwest::Response>, standing: Standing) -> Result<Reply, Unsent> {
    let response = sent.map_err(|error| broken(&error, error.is_connect()))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let chunks = response.bytes_stream().map(|chunk| chunk.map_err(|error| io::Error::other(chain(&error))));
    Ok(Reply { status, headers, standing, chunks: Box::pin(chunks) })
}

/// How an answer says that one can sign in.
pub(super) fn challenges(headers: &HeaderMap) -> Challenges {
    Challenges::read(headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()))
}

fn authorization_header(secret: &SecretString) -> Result<HeaderValue, Unsent> {
    let mut value = HeaderValue::from_str(secret.expose_secret()).map_err(|_| Unsent::Unsendable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A certificate that is not trusted stays so: no use to try again.
fn broken(error: &dyn std::error::Error, connecting: bool) -> Unsent {
    let reason = chain(error);
    if connecting && reason.to_ascii_lowercase().contains("certificate") {
        return Unsent::Untrusted(reason);
    }
    Unsent::Broken(reason)
}

/// Passwords travel over HTTPS, or not beyond this machine.
fn check_url(text: &str) -> Result<Url, RemoteError> {
    let refused = |hint: String| RemoteError::Refused { code: "the server's address".to_owned(), hint };
    let url = Url::parse(text).map_err(|error| refused(format!("{text} is no URL: {error}")))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(refused(format!("{text} would send the password in the clear: use https"))),
        other => Err(refused(format!("{other}: is no way to reach EWS: use https"))),
    }
}

fn build_pool(asker: &Asker, cookies: &Arc<Jar>) -> Result<reqwest::Client, RemoteError> {
    let unusable = |error: reqwest::Error| RemoteError::Refused {
        code: "TLS".to_owned(),
        hint: format!("the client cannot be set up: {}", chain(&error)),
    };
    let builder = reqwest::Client::builder()
        .user_agent(asker.user_agent.clone())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(asker.limits.connect)
        .pool_max_idle_per_host(MOST_CONNECTIONS)
        .http1_only()
        .retry(reqwest::retry::never())
        .cookie_provider(cookies.clone());
    let builder = match &asker.tls {
        None => builder.tls_certs_only(Vec::new()).no_proxy(),
        Some(config) => builder.tls_backend_preconfigured(ClientConfig::clone(config)),
    };
    let builder = match &asker.proxy {
        None => builder,
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(unusable)?),
    };
    builder.build().map_err(unusable)
}
