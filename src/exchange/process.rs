//! From the bytes of a request to those of its answer: reads the envelope, checks it, calls the operation.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Personality;
use super::faults::Action;
use super::ids::Ids;
use super::ops::{self, Context};
use super::schema;
use super::server::Shared;
use super::soap::{self, Answer, Refusal};
use super::store;
use super::xml::{self, Element, Ns};

/// An answer, whole or in pieces.
#[derive(Debug)]
pub(super) enum Reply {
    Whole(u16, String),
    Pieces(mpsc::Receiver<Bytes>),
}

/// A request at the door: what it is and what befalls it.
pub(super) struct Gate {
    document: Result<String, ()>,
    envelope: Result<Element, xml::Malformed>,
    pub(super) operation: String,
    pub(super) actions: Vec<Action>,
}

impl Gate {
    /// Reads a request.
    pub(super) fn new(shared: &Shared, body: &[u8]) -> Gate {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let document = std::str::from_utf8(body).map(str::to_owned).map_err(|_| ());
        let envelope = xml::parse(document.as_deref().unwrap_or_default());
        let operation =
            envelope.as_ref().ok().and_then(request_of).map(|request| request.name.clone()).unwrap_or_default();
        let actions = shared.faults.for_request(&operation, document.as_deref().unwrap_or_default());
        Gate { document, envelope, operation, actions }
    }

    /// How long a fault holds it back.
    pub(super) fn delay(&self) -> Duration {
        let slow = |action: &Action| match action {
            Action::Slow { ms } => *ms,
            _ => 0,
        };
        Duration::from_millis(self.actions.iter().map(slow).sum())
    }
}

fn request_of(envelope: &Element) -> Option<&Element> {
    envelope.child("Body").and_then(|body| body.children.first())
}

/// Answers a request.
pub(super) fn process(shared: &Shared, user: &str, gate: Gate, reply_to: oneshot::Sender<Reply>) {
    let recording = shared.record.as_ref().map(|folder| {
        let name = if gate.operation.is_empty() { "none" } else { gate.operation.as_str() };
        let stem = folder.join(format!("{:06}-{name}", shared.next_record()));
        record(&stem, "request", gate.document.as_deref().unwrap_or_default());
        stem
    });
    let whole = recording.is_some() || gate.actions.iter().any(|action| matches!(action, Action::CutBody { .. }));
    let mut outlet = Outlet::new(reply_to, whole, gate.actions.contains(&Action::IllegalXml), recording);
    if let Err((status, text)) = respond(shared, user, &gate, &mut outlet) {
        return outlet.fail(status, text);
    }
    outlet.finish();
}

/// Writes the answer, or tells the fault to answer instead.
fn respond(shared: &Shared, user: &str, gate: &Gate, outlet: &mut Outlet) -> Result<(), (u16, String)> {
    let like = shared.like;
    let refuse = |refusal: &Refusal, detail: &str| (fault_status(like), soap::fault(like, refusal, detail));
    if let Some(refusal) = faulty(&gate.actions) {
        return Err((500, soap::fault(Personality::Exchange, &refusal, "")));
    }
    let document = gate.document.as_deref().map_err(|()| (400, String::new()))?;
    let envelope = gate.envelope.as_ref().map_err(|malformed| {
        let (refusal, detail) = invalid(document, &malformed.reason, malformed.offset);
        refuse(&refusal, &detail)
    })?;
    let request = request_of(envelope).filter(|_| envelope.name == "Envelope" && envelope.ns == Ns::Soap);
    let request = request.ok_or_else(|| {
        let (refusal, detail) = invalid(document, "The request holds no SOAP body.", envelope.offset);
        refuse(&refusal, &detail)
    })?;
    check_operation(like, request)?;
    if like == Personality::Exchange {
        check_version(envelope).map_err(|refusal| refuse(&refusal, ""))?;
        schema::check(request).map_err(|violation| {
            let (refusal, detail) = invalid(document, &violation.text, violation.offset);
            refuse(&refusal, &detail)
        })?;
    }
    let mailbox = store::mailbox(&shared.store.read(), user).ok().flatten();
    let mailbox = mailbox.ok_or_else(|| refuse(&Refusal::new("ErrorNonExistentMailbox"), ""))?;
    let context = Context {
        store: &shared.store,
        mailbox: &mailbox,
        ids: Ids::new(&mailbox.guid),
        like,
        operation: &request.name,
        faults: &shared.faults,
        actions: &gate.actions,
    };
    let mut answer = Answer::begin(like, &request.name, Box::new(|piece| outlet.piece(piece)));
    ops::answer(&context, request, &mut answer).map_err(|refusal| refuse(&refusal, ""))?;
    answer.end();
    Ok(())
}

fn fault_status(like: Personality) -> u16 {
    match like {
        Personality::Exchange => 500,
        Personality::Gromox => 200,
    }
}

fn faulty(actions: &[Action]) -> Option<Refusal> {
    actions.iter().find_map(|action| match action {
        Action::ServerBusyFault { backoff_ms } => {
            let busy = Refusal::new("ErrorServerBusy");
            Some(backoff_ms.map_or(busy.clone(), |ms| busy.with_value("BackOffMilliseconds", ms)))
        }
        Action::ExceededConnectionCount => Some(Refusal::new("ErrorExceededConnectionCount")),
        Action::Fault { code } => Some(Refusal::new(code)),
        _ => None,
    })
}

/// The fault for a request that the schema does not allow.
fn invalid(document: &str, violation: &str, offset: usize) -> (Refusal, String) {
    let (line, column) = xml::position(document.as_bytes(), offset);
    let refusal =
        Refusal::because("ErrorSchemaValidation", format!("The request failed schema validation: {violation}"));
    let mut detail = xml::XmlOut::new();
    detail.put("t:LineNumber", &line.to_string());
    detail.put("t:LinePosition", &column.to_string());
    detail.put("t:Violation", violation);
    (refusal, detail.buffer)
}

/// Operations of Exchange that gromox does not have.
const NOT_IN_GROMOX: &[&str] = &["GetServerTimeZones", "MarkAllItemsAsRead"];

fn check_operation(like: Personality, request: &Element) -> Result<(), (u16, String)> {
    let known = schema::knows(&request.name);
    match like {
        Personality::Exchange if known => Ok(()),
        Personality::Exchange => {
            let refusal = Refusal::because("ErrorInvalidRequest", "The request is invalid.");
            Err((500, soap::fault(like, &refusal, "")))
        }
        Personality::Gromox if known && !NOT_IN_GROMOX.contains(&request.name.as_str()) => Ok(()),
        Personality::Gromox => {
            let refusal = Refusal::because("ErrorInvalidRequest", format!("Unknown request '{}'", request.name));
            Err((500, soap::fault(like, &refusal, "")))
        }
    }
}

/// The values of RequestServerVersion.
const VERSIONS: &[&str] = &[
    "Exchange2007",
    "Exchange2007_SP1",
    "Exchange2009",
    "Exchange2010",
    "Exchange2010_SP1",
    "Exchange2010_SP2",
    "Exchange2012",
    "Exchange2013",
    "Exchange2013_SP1",
    "Exchange2015",
    "Exchange2016",
    "V2015_10_05",
    "V2016_01_06",
    "V2016_04_13",
    "V2016_07_13",
    "V2016_10_10",
    "V2017_01_07",
    "V2017_04_14",
    "V2017_07_11",
];

fn check_version(envelope: &Element) -> Result<(), Refusal> {
    let version = envelope.child("Header").and_then(|header| header.child("RequestServerVersion"));
    match version.map(|element| element.attribute("Version").unwrap_or_default()) {
        Some(version) if !VERSIONS.contains(&version) => {
            Err(Refusal::because("ErrorInvalidServerVersion", "The specified server version is invalid."))
        }
        Some(_) | None => Ok(()),
    }
}

/// Where the pieces of an answer go: into one body while there is only one piece, else one by one to the connection.
struct Outlet {
    reply_to: Option<oneshot::Sender<Reply>>,
    pieces: Option<mpsc::Sender<Bytes>>,
    waiting: Option<String>,
    whole: bool,
    illegal: bool,
    recording: Option<PathBuf>,
}

impl Outlet {
    fn new(reply_to: oneshot::Sender<Reply>, whole: bool, illegal: bool, recording: Option<PathBuf>) -> Outlet {
        Outlet { reply_to: Some(reply_to), pieces: None, waiting: None, whole, illegal, recording }
    }

    /// Takes a piece; false when nobody listens any more.
    fn piece(&mut self, mut piece: String) -> bool {
        if self.illegal {
            piece = spoil(&piece);
        }
        if let Some(pieces) = &self.pieces {
            return pieces.blocking_send(Bytes::from(piece)).is_ok();
        }
        match self.waiting.take() {
            None => self.waiting = Some(piece),
            Some(mut first) if self.whole => {
                first.push_str(&piece);
                self.waiting = Some(first);
            }
            Some(first) => return self.begin(first, piece),
        }
        true
    }

    fn begin(&mut self, first: String, second: String) -> bool {
        let (sender, receiver) = mpsc::channel(4);
        let listening = self.reply_to.take().is_some_and(|reply_to| reply_to.send(Reply::Pieces(receiver)).is_ok());
        let sent = listening
            && sender.blocking_send(Bytes::from(first)).is_ok()
            && sender.blocking_send(Bytes::from(second)).is_ok();
        self.pieces = Some(sender);
        sent
    }

    fn finish(mut self) {
        let text = self.waiting.take().unwrap_or_default();
        self.reply(200, text);
    }

    fn fail(mut self, status: u16, text: String) {
        self.waiting = None;
        self.reply(status, text);
    }

    fn reply(&mut self, status: u16, text: String) {
        if let Some(stem) = &self.recording {
            record(stem, "response", &text);
        }
        if let Some(reply_to) = self.reply_to.take() {
            // Nobody listens when the client went away.
            let _ = reply_to.send(Reply::Whole(status, text));
        }
    }
}

/// Puts characters into texts that XML does not have, as references and raw.
fn spoil(piece: &str) -> String {
    let mut spoiled = piece.to_owned();
    for end in ["</t:Subject>", "</t:DisplayName>", "</t:Body>", "</t:Name>"] {
        spoiled = spoiled.replace(end, &format!("&#x1F;&#x0;&#xFFFF;\u{1}\u{b}{end}"));
    }
    spoiled
}

fn record(stem: &std::path::Path, what: &str, text: &str) {
    let mut name = stem.as_os_str().to_owned();
    name.push(format!("-{what}.xml"));
    if let Err(error) = std::fs::write(&name, text) {
        tracing::warn!(%error, "embedded Exchange: cannot record a message");
    }
}
