//! One request, one answer: HTTP, and how the server's moods show in it.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::answer::{Answer, Envelopes, Receiver, Response, ServerBuild, Verdict, read_answer};
use super::codes::CodeClass;
use super::http::{Chunks, Content, Http, MOST_CONNECTIONS, Reply, Standing, Unsent};
use super::payload::{Payload, Unreadable};
use super::request::Version;
use super::throttle::Throttle;
use super::trace::{Pages, Trace};
use super::xml::{Source, XmlError};
use super::{Settings, TimeLimits};
use crate::clock::{Clock, within};
use crate::remote::RemoteError;
use crate::remote::auth::{Manner, Scheme, SignIn};

/// Requests to a server at once: Exchange allows a mailbox few (`EWSMaxConcurrency`, 10 in 2010), and the user's other programs need some.
const MOST_REQUESTS: usize = MOST_CONNECTIONS;
/// The longest pause on a connection over which notifications come: servers say something every 45 seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// The operations that are about notifications.
const NOTIFICATIONS: [&str; 4] = ["Subscribe", "GetStreamingEvents", "GetEvents", "Unsubscribe"];
/// A request this large that is answered with 400 or 404 was too large: IIS has these two for it.
const SUSPICIOUSLY_LARGE: u64 = 4 << 20;

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server wants it again: later (the gate knows when), or in another version. Most likely it did nothing.
    Again,
    /// No answer came, or none that makes sense. It may have been done or not.
    Lost { reason: String, how: Loss },
    /// The server does not take a request of that size.
    TooLarge(String),
    /// The server rejected the request as a whole.
    Fault(Verdict),
    /// A body to be sent could not be read; the request never was complete.
    Unreadable(Unreadable),
    /// No use to go on.
    Final(RemoteError),
}

/// Which mailbox the servers behind an address are to lead a request to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Route {
    /// That of who signs in.
    #[default]
    Own,
    /// The one that holds what is in a public folder: `GUID@domain`.
    Public(Arc<str>),
    /// That with this address.
    Mailbox(Arc<str>),
}

/// How an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The connection broke, or something on the way to the server.
    Broken,
    /// The server had an accident, and says so.
    Accident,
    /// Something came that is no answer.
    Nonsense,
    /// Nothing came in time: the server may still be at it.
    Silence,
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Self::Final(error)
    }
}

/// The way to one server for one account.
pub(super) struct Transport {
    http: Http,
    sign_in: Box<dyn SignIn>,
    /// [`Settings::impersonate`].
    acts_as: Option<String>,
    clock: Arc<dyn Clock>,
    limits: TimeLimits,
    permits: Semaphore,
    trace: Option<Trace>,
    pub(super) throttle: Throttle,
    version: AtomicU8,
    build: Mutex<Option<ServerBuild>>,
    /// How many seconds the server's clock is ahead of ours.
    ahead: Mutex<Option<i64>>,
    /// The sign-in worked before: a refusal may be a mood.
    signed_in: AtomicBool,
    /// The sign-in was refused after it had worked; it is tried once more and never again.
    doubted: AtomicBool,
    /// The sign-in was refused for good: nobody tries it again, so that no account is locked.
    refused: AtomicBool,
}

/// An answer that begins.
struct Opened {
    status: StatusCode,
    headers: HeaderMap,
    source: Source<Chunks>,
}

impl Transport {
    pub(super) fn new(settings: Settings) -> Result<Self, RemoteError> {
        let http = Http::new(&settings)?;
        Ok(Self {
            throttle: Throttle::new(settings.clock.clone(), settings.max_throttle_wait),
            clock: settings.clock,
            trace: settings.trace.as_deref().map(Trace::new).transpose()?,
            permits: Semaphore::new(MOST_REQUESTS),
            http,
            version: AtomicU8::new(0),
            build: Mutex::new(None),
            ahead: Mutex::new(None),
            signed_in: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            sign_in: settings.sign_in,
            acts_as: settings.impersonate,
            limits: settings.limits,
        })
    }

    /// The version that requests are written for.
    pub(super) fn version(&self) -> Version {
        Version::nth(self.version.load(Ordering::Relaxed))
    }

    /// What the server said of itself, once it did.
    pub(super) fn build(&self) -> Option<ServerBuild> {
        *self.build.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many seconds the server's clock is ahead of this machine's, once it told the time.
    pub(super) fn ahead(&self) -> Option<i64> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the server's clock says. An answer takes its time, but not minutes.
    fn compare_clocks(&self, headers: &HeaderMap) {
        if let Some(told) = date(headers) {
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(told - self.clock.now().0);
        }
    }

    /// The error for when all tries were lost.
    pub(super) fn unreachable(&self, reason: String) -> RemoteError {
        RemoteError::Unreachable { host: self.host().to_owned(), reason }
    }

    /// How it signs in, once that is known.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.sign_in.manner().scheme()
    }

    fn host(&self) -> &str {
        self.http.host()
    }

    /// Sends a request once the gate lets it pass, and hands its responses to `receiver` as they come in. Whatever shape a request
    /// to slow down has, the gate has heard it when this returns.
    pub(super) async fn post(
        &self,
        route: &Route,
        operation: &'static str,
        payload: &Payload<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<(), Failure> {
        let permit = self.permits.acquire().await;
        self.throttle.pass().await?;
        let Opened { status, headers, source } = self.open(route, operation, payload, self.limits.idle).await?;
        let mut listening = Listening { receiver, busy: None };
        let result = read_answer(source, &mut listening).await;
        let busy = listening.busy;
        drop(permit);
        match result {
            Ok(answer) => self.take(operation, status, &headers, answer, busy),
            Err(error) => Err(self.unreadable(operation, status, &headers, error)),
        }
    }

    /// Sends a request that is answered by one envelope after the other for as long as the server likes, and hands the responses of each to
    /// `receiver` as they come in. It takes no turn at the connections, since it would keep it.
    pub(super) async fn listen(
        &self,
        route: &Route,
        operation: &'static str,
        payload: &Payload<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<(), Failure> {
        self.throttle.pass().await?;
        let Opened { status, headers, source } = self.open(route, operation, payload, LONGEST_PAUSE).await?;
        let mut envelopes = Envelopes::new(source);
        loop {
            let mut listening = Listening { receiver: &mut *receiver, busy: None };
            let answer = envelopes.next(&mut listening).await;
            let busy = listening.busy;
            match answer {
                Ok(Some(answer)) => self.take(operation, status, &headers, answer, busy)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.unreadable(operation, status, &headers, error)),
            }
        }
    }

    /// Sends a request and begins to read its answer, in which nothing may come for `idle`.
    async fn open(
        &self,
        route: &Route,
        operation: &'static str,
        payload: &Payload<'_>,
        idle: Duration,
    ) -> Result<Opened, Failure> {
        let acting = self.acts_as.as_deref().map(|address| payload.acting_as(address));
        let payload = acting.as_ref().unwrap_or(payload);
        let pages = self.trace.as_ref().map(|trace| trace.next(operation));
        let Reply { status, headers, standing, chunks } = self.send(route, operation, payload, pages.as_ref()).await?;
        if let Some(pages) = &pages {
            pages.status(status.as_u16(), &headers);
        }
        self.compare_clocks(&headers);
        if status == StatusCode::UNAUTHORIZED {
            return Err(self.unproven(standing, &headers).await);
        }
        if !matches!(status.as_u16(), 200 | 500 | 503) {
            return Err(self.refusal(operation, status, &headers, payload.length()));
        }
        let source = Source::new(self.http.timed(chunks, idle), pages.map(|pages| pages.response()));
        Ok(Opened { status, headers, source })
    }

    /// An answer that could be read.
    fn take(
        &self,
        operation: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
        answer: Answer,
        busy: Option<Option<Duration>>,
    ) -> Result<(), Failure> {
        if answer.build.is_some() {
            *self.build.lock().unwrap_or_else(PoisonError::into_inner) = answer.build;
        }
        if let Some(fault) = answer.fault {
            if status == StatusCode::OK {
                self.http.leave_connections();
            }
            return Err(self.fault(operation, fault, retry_after(headers)));
        }
        self.signed_in.store(true, Ordering::Relaxed);
        self.doubted.store(false, Ordering::Relaxed);
        match busy {
            Some(said) => self.throttle.hear(said),
            None => self.throttle.went_through(),
        }
        Ok(())
    }

    fn fault(&self, operation: &'static str, fault: Verdict, retry_after: Option<Duration>) -> Failure {
        match fault.class() {
            CodeClass::Transient => {
                self.throttle.hear(fault.back_off().or(retry_after));
                Failure::Again
            }
            CodeClass::Suspect => {
                Failure::Lost { reason: format!("{}: {}", fault.code, fault.message), how: Loss::Accident }
            }
            CodeClass::Version => self.older_version(operation, fault),
            _ if fault.code == "ErrorInvalidRequest" && self.build().is_none() => self.older_version(operation, fault),
            CodeClass::Account => Failure::Final(account_error(&fault)),
            _ => Failure::Fault(fault),
        }
    }

    /// Goes one version down; the mailbox may be older than the server that answers for it.
    fn older_version(&self, operation: &'static str, fault: Verdict) -> Failure {
        let now = self.version.load(Ordering::Relaxed);
        if Version::nth(now) == Version::OLDEST {
            return Failure::Final(rejected(operation, &fault));
        }
        self.version.store(now + 1, Ordering::Relaxed);
        Failure::Again
    }

    /// An answer that could not be read.
    fn unreadable(&self, operation: &'static str, status: StatusCode, headers: &HeaderMap, error: XmlError) -> Failure {
        match error {
            XmlError::Sink(error) => Failure::Final(RemoteError::Io(error)),
            XmlError::Connection(_) | XmlError::CutOff if status == StatusCode::OK => {
                Failure::Lost { reason: error.to_string(), how: Loss::Broken }
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                self.throttle.hear(retry_after(headers));
                Failure::Again
            }
            // A web page instead of SOAP: a server in trouble if it has answered before, else no EWS at all.
            _ if self.signed_in.load(Ordering::Relaxed) || status != StatusCode::OK => {
                self.throttle.hear(retry_after(headers));
                let how = if status == StatusCode::OK { Loss::Nonsense } else { Loss::Broken };
                Failure::Lost { reason: format!("HTTP {}: {error}", status.as_u16()), how }
            }
            _ => Failure::Final(RemoteError::Protocol {
                operation,
                reason: format!("{error}; is there EWS at {}?", self.http.url()),
            }),
        }
    }

    /// What a status means that comes without SOAP.
    fn refusal(&self, operation: &'static str, status: StatusCode, headers: &HeaderMap, sent: u64) -> Failure {
        let reason = format!("HTTP {status}");
        match status.as_u16() {
            429 => self.slow_down(headers),
            300..400 => self.redirected(operation, headers),
            401 => self.unauthorized(headers),
            403 => Failure::Final(RemoteError::EwsDisabled { host: self.host().to_owned(), status: 403 }),
            413 | 507 => Failure::TooLarge(reason),
            400 | 404 if sent > SUSPICIOUSLY_LARGE => Failure::TooLarge(reason),
            408 | 504 => Failure::Lost { reason, how: Loss::Silence },
            501..600 => Failure::Lost { reason, how: Loss::Broken },
            404 | 405 => {
                let reason = format!("{reason}; is there EWS at {}?", self.http.url());
                Failure::Final(RemoteError::Protocol { operation, reason })
            }
            _ => Failure::Final(RemoteError::Protocol { operation, reason }),
        }
    }

    /// A 401 in answer to a request: what was thought to hold may have ended.
    async fn unproven(&self, standing: Standing, headers: &HeaderMap) -> Failure {
        match (standing, self.sign_in.manner()) {
            (Standing::Presumed, _) => {
                self.http.trust_no_lane();
                Failure::Again
            }
            (Standing::Borne(serial), Manner::Token(tokens)) => {
                // Where others noted it before, a newer token is there. Else another is got, once.
                if !tokens.discard(serial).await || !self.doubted.swap(true, Ordering::Relaxed) {
                    return Failure::Again;
                }
                self.refused.store(true, Ordering::Relaxed);
                Failure::Final(self.token_refused(headers))
            }
            (Standing::Borne(_) | Standing::Proved, _) => self.unauthorized(headers),
        }
    }

    fn token_refused(&self, headers: &HeaderMap) -> RemoteError {
        let (host, user) = (self.host().to_owned(), self.sign_in.user().to_owned());
        RemoteError::TokenRefused { host, user, reason: diagnosis(headers), ahead: self.ahead() }
    }

    fn slow_down(&self, headers: &HeaderMap) -> Failure {
        self.throttle.hear(retry_after(headers));
        Failure::Again
    }

    /// Exchange sends to an error page when it is overloaded; anything else is a wrong address, and is not followed: the sign-in
    /// would go along.
    fn redirected(&self, operation: &'static str, headers: &HeaderMap) -> Failure {
        let to = headers.get(header::LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        match to {
            Some(to) if !to.to_ascii_lowercase().contains("error") => {
                Failure::Final(RemoteError::Protocol { operation, reason: format!("the server sends elsewhere: {to}") })
            }
            _ => self.slow_down(headers),
        }
    }

    /// Never in a loop: servers lock accounts after a few.
    fn unauthorized(&self, headers: &HeaderMap) -> Failure {
        if self.signed_in.load(Ordering::Relaxed) && !self.doubted.swap(true, Ordering::Relaxed) {
            return self.slow_down(headers);
        }
        self.refused.store(true, Ordering::Relaxed);
        Failure::Final(self.sign_in_refused())
    }

    fn sign_in_refused(&self) -> RemoteError {
        if let Manner::Token(_) = self.sign_in.manner() {
            return self.token_refused(&HeaderMap::new());
        }
        let (host, user) = (self.host().to_owned(), self.sign_in.user().to_owned());
        let (scheme, ahead) = (self.scheme().unwrap_or(Scheme::Basic), self.ahead());
        RemoteError::SignInRefused { host, user, scheme, ahead }
    }

    /// Sends the request; comes back when the answer's headers are there.
    async fn send(
        &self,
        route: &Route,
        operation: &'static str,
        payload: &Payload<'_>,
        pages: Option<&Pages>,
    ) -> Result<Reply, Failure> {
        if self.refused.load(Ordering::Relaxed) {
            return Err(Failure::Final(self.sign_in_refused()));
        }
        let not_sent = |unsent| self.not_sent(operation, unsent);
        let carrier = self.http.carrier(&*self.sign_in).await.map_err(not_sent)?;
        let headers = self.headers(route, operation);
        let mut witness = pages.map(Pages::request);
        if let Some(text) = payload.only_text() {
            if let Some(witness) = &mut witness {
                witness(text.as_bytes());
            }
            let sending = self.http.send(carrier, headers, Content::Text(text.to_owned()));
            let sent = within(&*self.clock, self.limits.idle, sending).await;
            return sent.ok_or_else(silence)?.map_err(not_sent);
        }
        let (to, from) = mpsc::channel(2);
        let body = stream::unfold(from, |mut from| async { from.recv().await.map(|piece| (piece, from)) });
        let body: Chunks = Box::pin(body);
        let alive = Notify::new();
        let mut feeding = pin!(payload.feed(to.clone(), witness, || alive.notify_one()));
        let mut sending = pin!(self.http.send(carrier, headers, Content::Pieces(body, payload.length())));
        let mut all_fed = false;
        let mut to = Some(to);
        loop {
            tokio::select! {
                reply = &mut sending => return reply.map_err(not_sent),
                fed = &mut feeding, if !all_fed => {
                    if let (Err(unreadable), Some(to)) = (fed, &to) {
                        // An error in the body breaks the connection: the server never sees a whole request.
                        let _ = to.send(Err(io::Error::other("the body cannot be read"))).await;
                        return Err(Failure::Unreadable(unreadable));
                    }
                    all_fed = true;
                    to = None;
                }
                () = alive.notified() => {}
                () = self.clock.alarm(self.limits.idle) => return Err(silence()),
            }
        }
    }

    fn headers(&self, route: &Route, operation: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/xml"));
        let id = uuid(self.clock.unique());
        headers.extend(HeaderValue::from_str(&id).map(|id| (header::HeaderName::from_static("client-request-id"), id)));
        headers.insert("return-client-request-id", HeaderValue::from_static("true"));
        if NOTIFICATIONS.contains(&operation) {
            // A subscription is known to one of the servers behind the address; with this and a cookie the others are passed over.
            headers.insert("x-preferserveraffinity", HeaderValue::from_static("true"));
            // What is packed comes late.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let (anchor, public) = match route {
            Route::Own => {
                (self.acts_as.as_deref().or(Some(self.sign_in.user())).filter(|user| user.contains('@')), None)
            }
            Route::Mailbox(mailbox) => (Some(&**mailbox), None),
            Route::Public(mailbox) => (Some(&**mailbox), Some(&**mailbox)),
        };
        for (name, mailbox) in [("x-anchormailbox", anchor), ("x-publicfoldermailbox", public)] {
            let value = mailbox.and_then(|mailbox| HeaderValue::from_str(mailbox).ok());
            headers.extend(value.map(|value| (header::HeaderName::from_static(name), value)));
        }
        headers
    }

    fn not_sent(&self, operation: &'static str, unsent: Unsent) -> Failure {
        match unsent {
            Unsent::Broken(reason) => Failure::Lost { reason, how: Loss::Broken },
            Unsent::Silence => silence(),
            Unsent::Untrusted(reason) => {
                Failure::Final(RemoteError::Untrusted { host: self.host().to_owned(), reason })
            }
            Unsent::NoWay(unknown) => Failure::Final(RemoteError::NoSignIn {
                host: self.host().to_owned(),
                offered: unknown.offered,
                wanted: self.scheme(),
            }),
            Unsent::Odd(challenge) => {
                Failure::Final(RemoteError::Protocol { operation, reason: challenge.to_string() })
            }
            Unsent::Refused => self.unauthorized(&HeaderMap::new()),
            Unsent::Answered(status, headers) => self.refusal(operation, status, &headers, 0),
            Unsent::Unsendable => Failure::Final(self.sign_in_refused()),
            Unsent::Tokenless(error) => Failure::Final(error.into()),
        }
    }
}

/// Passes responses on, and hears which of them ask to slow down.
struct Listening<'a> {
    receiver: &'a mut dyn Receiver,
    /// A response asked for it, and for how long.
    busy: Option<Option<Duration>>,
}

impl Receiver for Listening<'_> {
    fn begin(&mut self, response: usize) -> io::Result<()> {
        self.receiver.begin(response)
    }
    fn expect(&mut self, length: usize) -> io::Result<()> {
        self.receiver.expect(length)
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.receiver.write(bytes)
    }
    fn end(&mut self, sound: bool) {
        self.receiver.end(sound);
    }
    fn response(&mut self, response: Response) {
        if response.verdict.class() == CodeClass::Transient {
            self.busy = self.busy.max(Some(response.verdict.back_off()));
        }
        self.receiver.response(response);
    }
}

/// A version 4 UUID (RFC 9562 §5.4) out of random bits.
fn uuid(bits: u128) -> String {
    let hex = format!("{:032x}", bits & !(0xf << 76) & !(0xf << 60) | 4 << 76 | 8 << 60);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
    parts.join("-")
}

fn silence() -> Failure {
    Failure::Lost { reason: "no answer in time".to_owned(), how: Loss::Silence }
}

/// The error of a mailbox that cannot be used at all.
pub(super) fn account_error(verdict: &Verdict) -> RemoteError {
    RemoteError::Account { code: verdict.code.clone(), message: verdict.message.clone() }
}

/// The error of a request that was rejected as a whole.
pub(super) fn rejected(operation: &'static str, fault: &Verdict) -> RemoteError {
    RemoteError::Rejected { operation, code: fault.code.clone(), message: fault.message.clone() }
}

/// The time of day that an answer tells (`Date`, RFC 9110 §6.6.1), in seconds since 1970.
fn date(headers: &HeaderMap) -> Option<i64> {
    let told = headers.get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(told).ok()?.timestamp().as_second())
}

/// Why Exchange does not take a token: `x-ms-diagnostics: 2000000;reason="…";error_category="…"`.
fn diagnosis(headers: &HeaderMap) -> Option<String> {
    /// The longest text that is passed on.
    const LONGEST: usize = 400;
    let said = headers.get("x-ms-diagnostics")?.to_str().ok()?;
    let (_, rest) = said.split_once("reason=\"")?;
    Some(rest.split('"').next()?.chars().filter(|character| !character.is_control()).take(LONGEST).collect())
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); the form with a date is not met in practice.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
