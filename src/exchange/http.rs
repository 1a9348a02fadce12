//! HTTP: connections, sign-in, bodies, compression, and answers that break where a fault wants it.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use super::Personality;
use super::autodiscover;
use super::faults::Action;
use super::process::{self, Caller, Reply};
use super::server::{RequestLog, Shared};
use super::sign_in::{self, Door, Entry};
use super::stream;
use super::wire::{Afterword, Wire};

/// The longest request that is taken.
const MAX_REQUEST: usize = 64 * 1024 * 1024;
/// The longest request of Autodiscover that is taken.
const MAX_DISCOVERY: usize = 64 * 1024;
/// The shortest answer that is worth compressing.
const MIN_COMPRESSED: usize = 1024;

/// The connection is to break.
#[derive(Debug, thiserror::Error)]
#[error("the connection is broken on purpose")]
pub(super) struct Broken;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
    /// What comes until it ends or breaks.
    Flow(mpsc::Receiver<Result<Bytes, Broken>>),
    /// As many bytes as are still sent of a longer body.
    Cut(Option<Bytes>, u64),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Answer::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Pieces(pieces) => pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Flow(flow) => flow.poll_recv(context).map(|piece| piece.map(|bytes| bytes.map(Frame::data))),
            Answer::Cut(bytes, _) => match bytes.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Poll::Ready(Some(Err(Broken))),
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Answer::Pieces(_) | Answer::Flow(_) => SizeHint::default(),
            Answer::Cut(_, whole) => SizeHint::with_exact(*whole),
        }
    }
}

/// Serves until told to stop.
pub(super) async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "embedded Exchange: cannot listen"),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "embedded Exchange: cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // A failure only means that small answers wait a little.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let afterword = Afterword::default();
        match shared.like {
            Personality::Exchange => tokio::spawn(converse(stream, shared, afterword)),
            Personality::Gromox => tokio::spawn(converse(Wire::new(stream, afterword.clone()), shared, afterword)),
        };
    }
}

/// Answers all requests of a connection.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send>(stream: S, shared: Arc<Shared>, afterword: Afterword) {
    let door = Arc::new(Mutex::new(Door::default()));
    let service = service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&door), afterword.clone(), request));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "embedded Exchange: a connection ended");
    }
}

async fn answer(
    shared: Arc<Shared>,
    door: Arc<Mutex<Door>>,
    afterword: Afterword,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Broken> {
    let path = request.uri().path().to_ascii_lowercase();
    if path == "/ews/genericerrorpage.htm" {
        return Ok(page(StatusCode::OK, "<html><body>Something went wrong.</body></html>"));
    }
    let discovery = autodiscover::Way::at(&path);
    if let (Some(autodiscover::Way::Json), &Method::GET) = (discovery, request.method()) {
        let (status, text) = autodiscover::json(&shared, request.uri().query().unwrap_or_default());
        return Ok(document(autodiscover::Way::Json, status, text));
    }
    if path != "/ews/exchange.asmx" && discovery.is_none() {
        return Ok(page(StatusCode::NOT_FOUND, "<html><body>404 - File or directory not found.</body></html>"));
    }
    let entry = door.lock().unwrap_or_else(PoisonError::into_inner).enter(&shared, request.headers());
    let user = match entry {
        Entry::In(user) => user,
        Entry::Out(said) => {
            shared.log(RequestLog { operation: String::new(), bytes_in: 0, bytes_out: 0, status: 401 });
            return Ok(unauthorized(&said));
        }
    };
    match (discovery, request.method()) {
        (Some(way), &Method::POST) => discover(&shared, way, request).await,
        (Some(_), _) => Ok(page(StatusCode::METHOD_NOT_ALLOWED, "")),
        (None, &Method::POST) => {
            let public_mailbox = request.headers().get("x-publicfoldermailbox").and_then(|value| value.to_str().ok());
            let caller = Caller { user, public_mailbox: public_mailbox.map(str::to_owned) };
            post(shared, afterword, caller, request).await
        }
        (None, &Method::GET) => Ok(page(StatusCode::OK, "<html><body>You have created a service.</body></html>")),
        _ => Ok(page(StatusCode::METHOD_NOT_ALLOWED, "")),
    }
}

async fn discover(
    shared: &Shared,
    way: autodiscover::Way,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Broken> {
    let body = Limited::new(request.into_body(), MAX_DISCOVERY).collect().await.map_err(|_| Broken)?.to_bytes();
    let (status, text) = autodiscover::xml(shared, way, &body);
    Ok(document(way, status, text))
}

fn document(way: autodiscover::Way, status: StatusCode, text: String) -> Response<Answer> {
    let mut response = page(status, &text);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(way.content_type()));
    response
}

fn page(status: StatusCode, html: &str) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(Bytes::copy_from_slice(html.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn unauthorized(said: &[String]) -> Response<Answer> {
    let mut response = page(StatusCode::UNAUTHORIZED, "");
    for challenge in said.iter().filter_map(|said| HeaderValue::from_str(said).ok()) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

async fn post(
    shared: Arc<Shared>,
    afterword: Afterword,
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Broken> {
    let (head, body) = request.into_parts();
    if shared.like == Personality::Gromox && head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(close(page(StatusCode::BAD_REQUEST, "")));
    }
    if shared.like == Personality::Exchange && !is_xml(&head.headers) {
        return Ok(page(StatusCode::UNSUPPORTED_MEDIA_TYPE, ""));
    }
    let body = match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Ok(close(page(
                StatusCode::NOT_FOUND,
                "<html><body>404.13 - Content length too large</body></html>",
            )));
        }
    };
    let door = Arc::clone(&shared);
    let gate = tokio::task::spawn_blocking(move || process::Gate::new(&door, &body)).await.map_err(|_| Broken)?;
    tokio::time::sleep(shared.latency + gate.delay()).await;
    if let Some(response) = before(&shared, &gate.actions) {
        let status = response.as_ref().map_or(0, |response| response.status().as_u16());
        shared.log(RequestLog { operation: gate.operation, bytes_in: gate.bytes_in, bytes_out: 0, status });
        return response.ok_or(Broken);
    }
    let actions = gate.actions.clone();
    let (reply_to, reply) = oneshot::channel();
    let worker = Arc::clone(&shared);
    tokio::task::spawn_blocking(move || process::process(&worker, &caller, gate, reply_to));
    let reply = reply.await.map_err(|_| Broken)?;
    if actions.contains(&Action::ResetAfterCommit) {
        return Err(Broken);
    }
    let (status, body) = match reply {
        Reply::Whole(text) => (200, whole(text, &actions)),
        Reply::Fault(status, text) => {
            if shared.like == Personality::Gromox && status == 200 {
                afterword.say(&text);
            }
            (status, whole(text, &actions))
        }
        Reply::Pieces(pieces) => (200, Answer::Pieces(pieces)),
        Reply::Flow(text, plan) => {
            let (out, flow) = mpsc::channel(4);
            // From before the client hears of it.
            let breaks = shared.subscriptions.breaks();
            // The channel is empty: there is room.
            let _ = out.try_send(Ok(Bytes::from(text)));
            tokio::spawn(stream::flow(Arc::clone(&shared), plan, breaks, out));
            (200, Answer::Flow(flow))
        }
    };
    Ok(dress(&shared, &head.headers, status, body))
}

/// A body, or as much of it as a fault leaves.
fn whole(text: String, actions: &[Action]) -> Answer {
    let cut = actions.iter().find_map(|action| match action {
        Action::CutBody { at } => Some(*at),
        _ => None,
    });
    let bytes = Bytes::from(text);
    let length = bytes.len();
    match cut.map(|at| at.min(length)) {
        Some(at) => Answer::Cut(Some(bytes.slice(..at)), length.max(at + 1) as u64),
        None => Answer::Whole(Some(bytes)),
    }
}

/// Whether the body says that it is SOAP 1.1.
fn is_xml(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/xml"))
}

/// What faults answer before anything is done; the inner none breaks the connection.
fn before(shared: &Shared, actions: &[Action]) -> Option<Option<Response<Answer>>> {
    actions.iter().find_map(|action| match action {
        Action::ResetBeforeCommit => Some(None),
        Action::Http429 { retry_after } => Some(Some(later(StatusCode::TOO_MANY_REQUESTS, *retry_after))),
        Action::Http503 { retry_after } => Some(Some(later(StatusCode::SERVICE_UNAVAILABLE, *retry_after))),
        Action::Unauthorized401 => Some(Some(unauthorized(&sign_in::offers(shared)))),
        Action::Redirect302 => {
            let mut response = page(StatusCode::FOUND, "<html><body>Object moved</body></html>");
            let target = HeaderValue::from_static("/ews/genericerrorpage.htm?aspxerrorpath=/EWS/Exchange.asmx");
            response.headers_mut().insert(header::LOCATION, target);
            Some(Some(response))
        }
        Action::HtmlErrorPage => Some(Some(close(page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "<html><head><title>Runtime Error</title></head><body><h1>Server Error in '/EWS' Application.</h1></body></html>",
        )))),
        Action::Garbage => {
            let mut response = page(StatusCode::OK, "\u{0}\u{1}<html><not xml & at all");
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
            Some(Some(response))
        }
        _ => None,
    })
}

fn later(status: StatusCode, seconds: Option<u64>) -> Response<Answer> {
    let mut response = page(status, "<html><body>The service is unavailable.</body></html>");
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn close(mut response: Response<Answer>) -> Response<Answer> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Puts the headers on an answer, and compresses it when the client takes that.
fn dress(shared: &Shared, asked: &HeaderMap, status: u16, body: Answer) -> Response<Answer> {
    let gromox = shared.like == Personality::Gromox;
    let takes_gzip = asked
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let (body, packed) = match body {
        Answer::Whole(Some(bytes)) if takes_gzip && !gromox && bytes.len() >= MIN_COMPRESSED => match gzip(&bytes) {
            Ok(packed) => (Answer::Whole(Some(packed)), true),
            Err(_) => (Answer::Whole(Some(bytes)), false),
        },
        body => (body, false),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let kind = if gromox { "text/xml" } else { "text/xml; charset=utf-8" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if !gromox {
        headers.insert(header::SERVER, HeaderValue::from_static("Microsoft-IIS/10.0"));
        headers.insert("x-feserver", HeaderValue::from_static("DEMO"));
        let wanted =
            asked.get("return-client-request-id").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        if let Some(id) = asked.get("client-request-id").filter(|_| wanted) {
            headers.insert("client-request-id", id.clone());
        }
    }
    response
}

fn gzip(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish().map(Bytes::from)
}
