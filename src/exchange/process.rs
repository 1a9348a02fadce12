//! From the bytes of a request to those of its answer: reads the envelope, checks it, calls the operation.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Personality;
use super::faults::Action;
use super::ids::Ids;
use super::ops::{self, Context};
use super::schema;
use super::server::{RequestLog, Shared};
use super::soap::{self, Answer, Refusal};
use super::store;
use super::stream::Plan;
use super::xml::{self, Element, Ns};
use super::zones::Zone;

/// An answer: whole, in pieces, or a fault with its status.
#[derive(Debug)]
pub(super) enum Reply {
    Whole(String),
    Pieces(mpsc::Receiver<Bytes>),
    /// The first of many envelopes, and what the others come from.
    Flow(String, Plan),
    Fault(u16, String),
}

/// Who asks, and where they want to be led.
pub(super) struct Caller {
    /// Who signed in.
    pub(super) user: String,
    /// X-PublicFolderMailbox.
    pub(super) public_mailbox: Option<String>,
}

/// A request at the door: what it is and what befalls it.
pub(super) struct Gate {
    document: Result<String, ()>,
    envelope: Result<Element, xml::Malformed>,
    pub(super) operation: String,
    /// The length of the body.
    pub(super) bytes_in: u64,
    pub(super) actions: Vec<Action>,
}

impl Gate {
    /// Reads a request.
    pub(super) fn new(shared: &Shared, body: &[u8]) -> Gate {
        let bytes_in = body.len() as u64;
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let document = std::str::from_utf8(body).map(str::to_owned).map_err(|_| ());
        let envelope = xml::parse(document.as_deref().unwrap_or_default());
        let operation =
            envelope.as_ref().ok().and_then(request_of).map(|request| request.name.clone()).unwrap_or_default();
        let actions = shared.faults.for_request(&operation, document.as_deref().unwrap_or_default());
        Gate { document, envelope, operation, bytes_in, actions }
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
pub(super) fn process(shared: &Shared, caller: &Caller, gate: Gate, reply_to: oneshot::Sender<Reply>) {
    let recording = shared.record.as_ref().map(|folder| {
        let name = if gate.operation.is_empty() { "none" } else { gate.operation.as_str() };
        let stem = folder.join(format!("{:06}-{name}", shared.next_record()));
        record(&stem, "request", gate.document.as_deref().unwrap_or_default());
        stem
    });
    let lost = gate.actions.contains(&Action::ResetAfterCommit);
    let cut = gate.actions.iter().any(|action| matches!(action, Action::CutBody { .. }));
    let mut outlet = Outlet {
        shared,
        log: RequestLog { operation: gate.operation.clone(), bytes_in: gate.bytes_in, bytes_out: 0, status: 200 },
        reply_to: Some(reply_to),
        pieces: None,
        waiting: None,
        plan: None,
        whole: recording.is_some() || cut || lost,
        illegal: gate.actions.contains(&Action::IllegalXml),
        odd_base64: gate.actions.contains(&Action::OddBase64),
        lost,
        recording,
    };
    if let Err((status, text)) = respond(shared, caller, &gate, &mut outlet) {
        return outlet.fail(status, text);
    }
    outlet.finish();
}

/// Writes the answer, or tells the fault to answer instead.
fn respond(shared: &Shared, caller: &Caller, gate: &Gate, outlet: &mut Outlet<'_>) -> Result<(), (u16, String)> {
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
    let user = acting_user(shared, envelope, &caller.user).map_err(|refusal| refuse(&refusal, ""))?;
    let owner = store::mailbox(&shared.store.read(), &user).ok().flatten();
    let owner = owner.ok_or_else(|| refuse(&Refusal::new("ErrorNonExistentMailbox"), ""))?;
    let (mailbox, access) = ops::addressed(&shared.store.read(), request, &owner, caller.public_mailbox.as_deref())
        .map_err(|refusal| refuse(&refusal, ""))?;
    let plan = OnceCell::new();
    let context = Context {
        store: &shared.store,
        mailbox: &mailbox,
        access: &access,
        ids: Ids::new(&mailbox.guid),
        like,
        zone: zone(envelope).map_err(|refusal| refuse(&refusal, ""))?,
        operation: &request.name,
        faults: &shared.faults,
        lists: &shared.lists,
        actions: &gate.actions,
        subscriptions: &shared.subscriptions,
        plan: &plan,
    };
    let mut answer = Answer::begin(like, &request.name, Box::new(|piece| outlet.piece(piece)));
    ops::answer(&context, request, &mut answer).map_err(|refusal| refuse(&refusal, ""))?;
    answer.end();
    outlet.plan = plan.into_inner();
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

/// The zone of a TimeZoneContext; UTC without one.
fn zone(envelope: &Element) -> Result<Zone, Refusal> {
    let context = envelope.child("Header").and_then(|header| header.child("TimeZoneContext"));
    let Some(definition) = context.and_then(|context| context.child("TimeZoneDefinition")) else {
        return Ok(Zone::utc());
    };
    Zone::read(definition).ok_or_else(|| Refusal::because("ErrorTimeZone", "The time zone is not known."))
}

/// As whom a request acts: who signed in, or whom they impersonate. Who may do that for one mailbox may do it for any.
fn acting_user(shared: &Shared, envelope: &Element, user: &str) -> Result<String, Refusal> {
    let identity = envelope
        .child("Header")
        .and_then(|header| header.child("ExchangeImpersonation"))
        .and_then(|impersonation| impersonation.child("ConnectingSID"))
        .and_then(|sid| sid.children.first());
    let Some(identity) = identity else { return Ok(user.to_owned()) };
    let wanted = identity.text.trim();
    let may = shared.impersonators.iter().any(|impersonator| impersonator.eq_ignore_ascii_case(user));
    match () {
        () if wanted.eq_ignore_ascii_case(user) => Ok(user.to_owned()),
        () if !may => Err(Refusal::because(
            "ErrorImpersonateUserDenied",
            "The account does not have permission to impersonate the requested user.",
        )),
        () if identity.name == "SID" => Err(Refusal::because("ErrorInvalidUserSid", "The SID is not known.")),
        () => Ok(wanted.to_owned()),
    }
}

/// Where the pieces of an answer go: into one body while there is only one piece, else one by one to the connection.
/// The request is logged before the end of the answer leaves.
struct Outlet<'a> {
    shared: &'a Shared,
    log: RequestLog,
    reply_to: Option<oneshot::Sender<Reply>>,
    pieces: Option<mpsc::Sender<Bytes>>,
    waiting: Option<String>,
    plan: Option<Plan>,
    /// The answer is needed as a whole.
    whole: bool,
    illegal: bool,
    odd_base64: bool,
    lost: bool,
    recording: Option<PathBuf>,
}

impl Outlet<'_> {
    /// Takes a piece; false when nobody listens any more.
    fn piece(&mut self, mut piece: String) -> bool {
        if self.illegal {
            piece = spoil(&piece);
        }
        if self.odd_base64 {
            piece = fold_base64(&piece);
        }
        let Some(mut before) = self.waiting.take() else {
            self.waiting = Some(piece);
            return true;
        };
        if self.whole {
            before.push_str(&piece);
            self.waiting = Some(before);
            return true;
        }
        self.waiting = Some(piece);
        self.pass_on(before)
    }

    fn pass_on(&mut self, piece: String) -> bool {
        if self.pieces.is_none() {
            let (sender, receiver) = mpsc::channel(4);
            let listening = self.reply_to.take().is_some_and(|reply_to| reply_to.send(Reply::Pieces(receiver)).is_ok());
            self.pieces = Some(sender).filter(|_| listening);
        }
        self.log.bytes_out += piece.len() as u64;
        self.pieces.as_ref().is_some_and(|pieces| pieces.blocking_send(Bytes::from(piece)).is_ok())
    }

    fn finish(mut self) {
        let text = self.waiting.take().unwrap_or_default();
        if let Some(plan) = self.plan.take().filter(|_| !self.lost) {
            return self.reply(200, |text| Reply::Flow(text, plan), text);
        }
        if self.pieces.is_none() {
            return self.reply(200, Reply::Whole, text);
        }
        self.log.bytes_out += text.len() as u64;
        self.shared.log(self.log);
        if let Some(pieces) = self.pieces {
            // Nobody listens when the client went away.
            let _ = pieces.blocking_send(Bytes::from(text));
        }
    }

    fn fail(mut self, status: u16, text: String) {
        self.waiting = None;
        self.reply(status, |text| Reply::Fault(status, text), text);
    }

    fn reply(self, status: u16, reply: impl FnOnce(String) -> Reply, text: String) {
        if let Some(stem) = &self.recording {
            record(stem, "response", &text);
        }
        let (status_seen, bytes_out) = if self.lost { (0, 0) } else { (status, text.len() as u64) };
        self.shared.log(RequestLog { status: status_seen, bytes_out, ..self.log });
        if let Some(reply_to) = self.reply_to {
            // Nobody listens when the client went away.
            let _ = reply_to.send(reply(text));
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

/// Breaks the base64 of MIME into lines and takes its padding away.
fn fold_base64(piece: &str) -> String {
    let mut parts = piece.split("<t:MimeContent CharacterSet=\"UTF-8\">");
    let mut folded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (base64, rest) = part.split_once('<').unwrap_or((part, ""));
        folded.push_str("<t:MimeContent CharacterSet=\"UTF-8\">");
        for (at, character) in base64.trim_end_matches('=').chars().enumerate() {
            if at > 0 && at % 76 == 0 {
                folded.push_str("&#xD;\n");
            }
            folded.push(character);
        }
        folded.push('<');
        folded.push_str(rest);
    }
    folded
}

fn record(stem: &std::path::Path, what: &str, text: &str) {
    let mut name = stem.as_os_str().to_owned();
    name.push(format!("-{what}.xml"));
    if let Err(error) = std::fs::write(&name, text) {
        tracing::warn!(%error, "embedded Exchange: cannot record a message");
    }
}
