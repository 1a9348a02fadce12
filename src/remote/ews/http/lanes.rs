//! Connections of one's own, for sign-ins that belong to a connection: nobody else's request may come on one, and a handshake may not
//! begin on one and end on another, as in a pool.
//!
//! A request without a body begins the handshake; the proof goes along with the first real request. So a password that is refused is known
//! before the body of an upload has been read twice, and no request is sent for the handshake's sake alone.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use reqwest::StatusCode;
use reqwest::cookie::CookieStore as _;
use reqwest::header::{self, HeaderMap, HeaderValue};
use rustls::pki_types::ServerName;
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::unzip::Unzip;
use super::{Content, Http, MOST_CONNECTIONS, Reply, Standing, Unsent, authorization_header, broken, challenges};
use crate::clock::within;
use crate::remote::auth::{Channel, Handshakes, Unknown};
use crate::remote::reach::Proxy;
use crate::remote::tls::chain;

/// The longest answer to the beginning of a handshake.
const MAX_REFUSAL: usize = 256 * 1024;
/// From 1601 to 1970, in seconds.
const EPOCH: u64 = 11_644_473_600;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A connection and who is signed in on it.
pub(in crate::remote::ews) struct Lane {
    sender: SendRequest<Body>,
    /// To go with the first request.
    proof: Option<SecretString>,
    generation: u64,
}

/// The connections that wait for a request.
#[derive(Default)]
pub(super) struct Lanes(Arc<Idle>);

#[derive(Default)]
struct Idle {
    lanes: Mutex<Vec<Lane>>,
    generation: AtomicU64,
    /// The server does not keep connections signed in.
    forgetful: AtomicBool,
}

impl Lanes {
    fn take(&self) -> Option<Lane> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Lets go of all, also of those that are in use, once they are not.
    pub(super) fn leave(&self) {
        self.0.generation.fetch_add(1, Ordering::Relaxed);
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// From now on each request has a connection of its own.
    pub(super) fn stop_keeping(&self) {
        self.0.forgetful.store(true, Ordering::Relaxed);
        self.leave();
    }
}

impl Idle {
    fn put(&self, lane: Lane) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = lane.generation == self.generation.load(Ordering::Relaxed);
        if is_current && !self.forgetful.load(Ordering::Relaxed) && lanes.len() < MOST_CONNECTIONS {
            lanes.push(lane);
        }
    }
}

impl Http {
    /// A connection that is signed in, or will be with the next request.
    pub(super) async fn lane(&self, handshakes: &dyn Handshakes) -> Result<Lane, Unsent> {
        while let Some(mut lane) = self.lanes.take() {
            // The server may have closed it meanwhile.
            if lane.sender.ready().await.is_ok() {
                return Ok(lane);
            }
        }
        let connected = within(&*self.clock, self.limits.connect, self.connect()).await;
        let (lane, channel) = connected.ok_or(Unsent::Silence)??;
        let shaken = within(&*self.clock, self.limits.idle, self.shake_hands(lane, &channel, handshakes)).await;
        shaken.ok_or(Unsent::Silence)?
    }

    async fn connect(&self) -> Result<(Lane, Channel), Unsent> {
        let uri: Uri = self.url.as_str().parse().map_err(|error| Unsent::Broken(format!("{error}")))?;
        let tcp = match &self.tls {
            None => call(connector(), uri).await?,
            Some(_) => dial(uri, self.proxy.as_ref()).await?,
        };
        let host = self.host();
        let (sender, channel) = match &self.tls {
            None => (speak(tcp).await?, Channel::open(host)),
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|error| broken(&error, false))?;
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
                let stream = stream.map_err(|error| broken(&error, true))?;
                let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let channel = Channel::tls(host, certificates.first().map(AsRef::as_ref).unwrap_or_default());
                (speak(stream).await?, channel)
            }
        };
        let generation = self.lanes.0.generation.load(Ordering::Relaxed);
        Ok((Lane { sender, proof: None, generation }, channel))
    }

    async fn shake_hands(
        &self,
        mut lane: Lane,
        channel: &Channel,
        handshakes: &dyn Handshakes,
    ) -> Result<Lane, Unsent> {
        let scheme = handshakes.scheme();
        let since = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = (since.as_secs() + EPOCH) * 10_000_000 + u64::from(since.subsec_nanos() / 100);
        let mut handshake = handshakes.begin(channel, now, chance()?);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization_header(&handshake.hello())?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let (head, body) = self.exchange(&mut lane, headers, nothing).await?.into_parts();
        let rest = Limited::new(body, MAX_REFUSAL).collect().await;
        rest.map_err(|error| Unsent::Broken(format!("in the middle of the {scheme} handshake: {error}")))?;
        lane.sender.ready().await.map_err(|_| Unsent::Broken(cut_off(scheme.name())))?;
        match head.status.as_u16() {
            401 => {}
            // Nobody has to sign in.
            200 | 400 | 405 | 411 | 415 | 500 => return Ok(lane),
            _ => return Err(Unsent::Answered(head.status, head.headers)),
        }
        let offered = challenges(&head.headers);
        match offered.said_to(scheme) {
            None => Err(Unsent::NoWay(Unknown { offered: offered.names() })),
            Some("") => Err(Unsent::Refused),
            Some(challenge) => {
                lane.proof = Some(handshake.prove(challenge).map_err(Unsent::Odd)?);
                Ok(lane)
            }
        }
    }

    /// Sends a request on a lane; the lane is free again when the answer was read to its end.
    pub(super) async fn send_on(
        &self,
        mut lane: Lane,
        mut headers: HeaderMap,
        content: Content,
    ) -> Result<Reply, Unsent> {
        let body = match content {
            Content::Text(text) => Full::from(text).map_err(|never| match never {}).boxed_unsync(),
            Content::Pieces(pieces, length) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                UnsyncBoxBody::new(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
            }
        };
        let standing = match lane.proof.take() {
            Some(proof) => {
                headers.insert(header::AUTHORIZATION, authorization_header(&proof)?);
                Standing::Proved
            }
            None => Standing::Presumed,
        };
        if !headers.contains_key(header::ACCEPT_ENCODING) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let (mut head, body) = self.exchange(&mut lane, headers, body).await?.into_parts();
        let is_packed = head.headers.get(header::CONTENT_ENCODING).is_some_and(|value| value == "gzip");
        if is_packed {
            head.headers.remove(header::CONTENT_ENCODING);
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let is_forgotten =
            head.headers.get("persistent-auth").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"false"));
        let keep = !is_forgotten && head.status != StatusCode::UNAUTHORIZED;
        let home = keep.then(|| (lane, Arc::clone(&self.lanes.0)));
        let answer = Answer { body, unzip: is_packed.then(Unzip::new), home, ended: false };
        let chunks = stream::unfold(answer, |mut answer| async { answer.next().await.map(|chunk| (chunk, answer)) });
        Ok(Reply { status: head.status, headers: head.headers, standing, chunks: Box::pin(chunks) })
    }

    async fn exchange(
        &self,
        lane: &mut Lane,
        mut headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Incoming>, Unsent> {
        let path = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let odd = |error: hyper::http::Error| Unsent::Broken(error.to_string());
        let mut request = Request::post(path).header(header::HOST, authority).body(body).map_err(odd)?;
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        headers.extend(self.cookies.cookies(&self.url).map(|cookies| (header::COOKIE, cookies)));
        request.headers_mut().extend(headers);
        let response = lane.sender.send_request(request).await.map_err(|error| broken(&error, false))?;
        self.cookies.set_cookies(&mut response.headers().get_all(header::SET_COOKIE).iter(), &self.url);
        Ok(response)
    }
}

fn cut_off(scheme: &str) -> String {
    format!(
        "the connection was closed in the middle of the {scheme} handshake; a proxy in between may keep no connections, and then only Basic can \
         pass it"
    )
}

/// Eight bytes that were never used before.
fn chance() -> Result<[u8; 8], Unsent> {
    let mut bytes = [0; 8];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Unsent::Broken("the system has no random numbers to give".to_owned()))?;
    Ok(bytes)
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}

/// Connects, through a proxy where one is named, or the environment names one.
async fn dial(uri: Uri, proxy: Option<&Proxy>) -> Result<TcpStream, Unsent> {
    let matcher = match proxy {
        Some(proxy) => Matcher::builder().all(proxy.as_str().to_owned()).build(),
        None => Matcher::from_env(),
    };
    let Some(proxy) = matcher.intercept(&uri) else { return call(connector(), uri).await };
    match proxy.uri().scheme_str() {
        Some(scheme @ ("socks5" | "socks5h")) => {
            let socks = SocksV5::new(proxy.uri().clone(), connector()).local_dns(scheme == "socks5");
            match proxy.raw_auth() {
                Some((user, password)) => call(socks.with_auth(user.to_owned(), password.to_owned()), uri).await,
                None => call(socks, uri).await,
            }
        }
        Some("http") => {
            let tunnel = Tunnel::new(proxy.uri().clone(), connector());
            match proxy.basic_auth() {
                Some(authorization) => call(tunnel.with_auth(authorization.clone()), uri).await,
                None => call(tunnel, uri).await,
            }
        }
        other => Err(Unsent::Broken(format!(
            "NTLM and Negotiate cannot pass a proxy of the kind {}: http, socks5 and socks5h are known",
            other.unwrap_or("that is not named")
        ))),
    }
}

async fn call<S>(mut connector: S, uri: Uri) -> Result<TcpStream, Unsent>
where
    S: Service<Uri, Response = TokioIo<TcpStream>>,
    S::Error: std::error::Error,
{
    let lost = |error: S::Error| Unsent::Broken(chain(&error));
    poll_fn(|context| connector.poll_ready(context)).await.map_err(lost)?;
    Ok(connector.call(uri).await.map_err(lost)?.into_inner())
}

/// Speaks HTTP on a connection, which lives as long as something is sent or awaited on it.
async fn speak<S>(stream: S) -> Result<SendRequest<Body>, Unsent>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error, false))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
    Ok(sender)
}

/// The body of an answer, and the connection that it comes on.
struct Answer {
    body: Incoming,
    unzip: Option<Unzip>,
    home: Option<(Lane, Arc<Idle>)>,
    ended: bool,
}

impl Answer {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(piece) = self.unzip.as_mut().and_then(|unzip| unzip.next().transpose()) {
                return Some(piece);
            }
            if self.ended {
                return None;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match (frame.into_data(), &mut self.unzip) {
                    (Ok(data), None) => return Some(Ok(data)),
                    (Ok(data), Some(unzip)) => unzip.take(data),
                    (Err(_trailers), _) => {}
                },
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(io::Error::other(chain(&error))));
                }
                None => {
                    self.ended = true;
                    if let Some((lane, idle)) = self.home.take() {
                        idle.put(lane);
                    }
                    return self.unzip.take().map(|mut unzip| unzip.finish());
                }
            }
        }
    }
}
