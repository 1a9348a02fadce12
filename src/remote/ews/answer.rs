//! The envelope of an answer: a fault, or one response for each thing asked.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use super::codes::{CodeClass, item_class};
use super::xml::tree::{Diversion, Token};
use super::xml::{Element, Source, XmlError, XmlReader};
use crate::remote::{ItemError, PerItem};

/// Server versions that answer as if change keys did not matter: gromox says this of itself, whatever its own version.
const IGNORES_CHANGE_KEYS: (u32, u32, u32, u32) = (15, 0, 847, 4040);

/// What the server says of itself in each answer (`ServerVersionInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerBuild(u32, u32, u32, u32);

impl ServerBuild {
    fn of(header: &Element) -> Option<Self> {
        let info = header.child("ServerVersionInfo")?;
        let number = |name| info.attribute(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Self(
            number("MajorVersion"),
            number("MinorVersion"),
            number("MajorBuildNumber"),
            number("MinorBuildNumber"),
        ))
    }

    /// Whether UpdateItem refuses a stale change key, as the protocol wants it.
    pub(super) fn checks_change_keys(self) -> bool {
        let Self(major, minor, build, revision) = self;
        (major, minor, build, revision) != IGNORES_CHANGE_KEYS
    }
}

/// What was said with a code: in a fault, or in the response for one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The response code; `NoError` if all is well.
    pub(super) code: String,
    /// The server's words.
    pub(super) message: String,
    /// The values of `MessageXml`.
    values: Vec<(String, String)>,
}

impl Verdict {
    fn new(code: &str, message: &str, message_xml: Option<&Element>) -> Self {
        let values = message_xml
            .map(|xml| xml.children.as_slice())
            .unwrap_or_default()
            .iter()
            .filter_map(|value| Some((value.attribute("Name")?.to_owned(), value.text.trim().to_owned())));
        Self { code: code.to_owned(), message: message.to_owned(), values: values.collect() }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How the code is to be taken. An internal error can be throttling in disguise: the code inside it tells.
    pub(super) fn class(&self) -> CodeClass {
        match CodeClass::of(&self.code) {
            CodeClass::Suspect => match self.value("InnerErrorResponseCode").map(CodeClass::of) {
                Some(CodeClass::Transient) => CodeClass::Transient,
                _ => CodeClass::Suspect,
            },
            class => class,
        }
    }

    /// How long the server wants to be left alone.
    pub(super) fn back_off(&self) -> Option<Duration> {
        let milliseconds = self.value("BackOffMilliseconds")?.parse().ok()?;
        Some(Duration::from_millis(milliseconds))
    }

    /// The same as an item's error.
    pub(super) fn error(&self) -> ItemError {
        ItemError { class: item_class(&self.code), code: self.code.clone(), message: self.message.clone() }
    }
}

/// The response for one of the things asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) verdict: Verdict,
    /// The whole response message, less what went elsewhere.
    pub(super) body: Element,
    /// The bytes of the attachment in it.
    pub(super) attached: Option<Bytes>,
}

impl Response {
    fn new(body: Element) -> Self {
        let succeeded = body.attribute("ResponseClass").is_none_or(|class| class == "Success");
        let code = match body.value("ResponseCode") {
            Some(code) if !code.is_empty() => code,
            _ if succeeded => "NoError",
            _ => "ErrorInternalServerError",
        };
        let message = body.value("MessageText").unwrap_or_default();
        Self { verdict: Verdict::new(code, message, body.child("MessageXml")), body, attached: None }
    }

    /// What stands for a response that never came.
    pub(super) fn missing() -> Self {
        Self::refused("ErrorBatchProcessingStopped", "the server did not answer for this item")
    }

    /// What stands for the response where the request was rejected.
    pub(super) fn refused(code: &str, message: &str) -> Self {
        Self { verdict: Verdict::new(code, message, None), body: Element::default(), attached: None }
    }

    /// The response if all is well, else its error.
    pub(super) fn checked(&self) -> PerItem<&Self> {
        match self.verdict.class() {
            CodeClass::Success => Ok(self),
            _ => Err(self.verdict.error()),
        }
    }

    /// The first item or folder of a response, whatever element it comes as.
    pub(super) fn first(&self) -> Option<&Element> {
        self.body.children_of("Items").chain(self.body.children_of("Folders")).next()
    }
}

/// Takes the responses as they come in, and the MIME in them while it does.
pub(super) trait Receiver: Send {
    /// The MIME of the response with that number begins.
    fn begin(&mut self, response: usize) -> io::Result<()>;
    /// So much raw text of it comes next. An error where that is too much.
    fn expect(&mut self, length: usize) -> io::Result<()>;
    /// The next bytes of it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// It ended; whether it was sound base64.
    fn end(&mut self, sound: bool);
    /// A response is complete.
    fn response(&mut self, response: Response);
}

/// How many bytes the attachments of one answer may have together: one goes alone where it is larger than a batch, and no server takes more.
const MOST_ATTACHED: usize = 160 << 20;

/// Gathers responses, for answers without MIME, with the attachments in them.
#[derive(Default)]
pub(super) struct Gather {
    pub(super) responses: Vec<Response>,
    /// Whether there was more than can be.
    pub(super) is_endless: bool,
    attached: Vec<u8>,
    is_sound: bool,
    received: usize,
}

impl Receiver for Gather {
    fn begin(&mut self, _: usize) -> io::Result<()> {
        (self.attached, self.is_sound) = (Vec::new(), false);
        Ok(())
    }

    fn expect(&mut self, length: usize) -> io::Result<()> {
        self.received = self.received.saturating_add(length);
        self.is_endless = self.received > MOST_ATTACHED;
        if self.is_endless { Err(io::Error::other("an attachment without end")) } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.attached.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, sound: bool) {
        self.is_sound = sound;
    }

    fn response(&mut self, response: Response) {
        let attached = std::mem::take(&mut self.attached);
        let attached = std::mem::take(&mut self.is_sound).then(|| attached.into());
        self.responses.push(Response { attached, ..response });
    }
}

/// What an answer turned out to be.
#[derive(Debug)]
pub(super) struct Answer {
    /// The server's version, if it told.
    pub(super) build: Option<ServerBuild>,
    /// The fault that came instead of responses.
    pub(super) fault: Option<Verdict>,
}

/// Diverts MIME to the receiver: `MimeContent` of an item right in `Items` of a response message, and no other; and the `Content` of a file right
/// in `Attachments`.
struct BytesOf<'a> {
    receiver: &'a mut dyn Receiver,
    response: usize,
}

impl Diversion for BytesOf<'_> {
    fn diverts(&self, path: &[Element], name: &str) -> bool {
        let [_, list, _] = path else { return false };
        matches!((&*list.name, name), ("Items", "MimeContent") | ("Attachments", "Content"))
    }
    fn begin(&mut self) -> io::Result<()> {
        self.receiver.begin(self.response)
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
}

/// Reads an answer to its end.
pub(super) async fn read_answer<S: Stream<Item = io::Result<Bytes>> + Unpin + Send>(
    source: Source<S>,
    receiver: &mut dyn Receiver,
) -> Result<Answer, XmlError> {
    let mut xml = XmlReader::new(source);
    if !enter_envelope(&mut xml).await? {
        return Err(XmlError::CutOff);
    }
    let answer = read_envelope(&mut xml, receiver).await?;
    if answer.fault.is_none() {
        drain(&mut xml).await;
    }
    Ok(answer)
}

/// An answer of one envelope after the other.
pub(super) struct Envelopes<S>(XmlReader<S>);

impl<S: Stream<Item = io::Result<Bytes>> + Unpin + Send> Envelopes<S> {
    pub(super) fn new(source: Source<S>) -> Self {
        Self(XmlReader::new(source))
    }

    /// The next envelope once it is there; `None` when no other follows.
    pub(super) async fn next(&mut self, receiver: &mut dyn Receiver) -> Result<Option<Answer>, XmlError> {
        self.0.renew();
        if !enter_envelope(&mut self.0).await? {
            return Ok(None);
        }
        read_envelope(&mut self.0, receiver).await.map(Some)
    }
}

/// Reads an envelope that began. After a fault, nothing more of it.
async fn read_envelope<S: Stream<Item = io::Result<Bytes>> + Unpin + Send>(
    xml: &mut XmlReader<S>,
    receiver: &mut dyn Receiver,
) -> Result<Answer, XmlError> {
    let mut answer = Answer { build: None, fault: None };
    while let Some(part) = xml.next_child().await? {
        match &*part.name {
            "Header" => {
                let header = xml.tree(part, &mut BytesOf { receiver, response: 0 }).await?;
                answer.build = ServerBuild::of(&header);
            }
            "Body" => answer.fault = read_body(xml, receiver).await?,
            _ => xml.skip().await?,
        }
        if answer.fault.is_some() {
            return Ok(answer);
        }
    }
    Ok(answer)
}

/// Reads up to the inside of an envelope; whether there was one.
async fn enter_envelope<S: Stream<Item = io::Result<Bytes>> + Unpin + Send>(
    xml: &mut XmlReader<S>,
) -> Result<bool, XmlError> {
    loop {
        match xml.next().await? {
            Token::Start(root) if &*root.name == "Envelope" => return Ok(true),
            Token::Start(root) => return Err(XmlError::Nonsense(format!("it is no SOAP, but <{}>", root.name))),
            // Each envelope of a sequence can begin with a byte order mark.
            Token::Text(text) if !text.trim_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']).is_empty() => {
                return Err(XmlError::Nonsense("it is no XML".to_owned()));
            }
            Token::Text(_) | Token::End => {}
            Token::Eof => return Ok(false),
        }
    }
}

/// Reads to the end of the stream, so that the connection can be used again; what follows an envelope means nothing.
async fn drain<S: Stream<Item = io::Result<Bytes>> + Unpin + Send>(xml: &mut XmlReader<S>) {
    while !matches!(xml.next().await, Ok(Token::Eof) | Err(_)) {}
}

async fn read_body<S: Stream<Item = io::Result<Bytes>> + Unpin + Send>(
    xml: &mut XmlReader<S>,
    receiver: &mut dyn Receiver,
) -> Result<Option<Verdict>, XmlError> {
    let mut fault = None;
    while let Some(part) = xml.next_child().await? {
        if &*part.name == "Fault" {
            fault = Some(fault_of(&xml.tree(part, &mut BytesOf { receiver, response: 0 }).await?));
        } else {
            read_responses(xml, receiver).await?;
        }
    }
    Ok(fault)
}

/// Reads the responses of the operation that just began. gromox calls their list `Responses` for some operations.
async fn read_responses<S: Stream<Item = io::Result<Bytes>> + Unpin + Send>(
    xml: &mut XmlReader<S>,
    receiver: &mut dyn Receiver,
) -> Result<(), XmlError> {
    let mut response = 0;
    while let Some(list) = xml.next_child().await? {
        if !matches!(&*list.name, "ResponseMessages" | "Responses") {
            xml.skip().await?;
            continue;
        }
        while let Some(message) = xml.next_child().await? {
            let body = xml.tree(message, &mut BytesOf { receiver, response }).await?;
            receiver.response(Response::new(body));
            response += 1;
        }
    }
    Ok(())
}

/// The code of a fault stands in its detail; some servers have it only as the fault's own code, behind a prefix.
fn fault_of(fault: &Element) -> Verdict {
    let detail = fault.child("detail").or_else(|| fault.child("Detail"));
    let from_detail = detail.and_then(|detail| detail.value("ResponseCode"));
    let own = fault.value("faultcode").unwrap_or_default();
    let code = from_detail.unwrap_or_else(|| own.rsplit(':').next().unwrap_or_default());
    let message = detail.and_then(|detail| detail.value("Message")).or_else(|| fault.value("faultstring"));
    Verdict::new(code, message.unwrap_or_default(), detail.and_then(|detail| detail.child("MessageXml")))
}
