//! Reads XML as a stream of small trees. Names are local names: prefixes differ from server to server.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, escape};
use tokio::io::AsyncBufReadExt;

use super::Source;
use super::base64::{Decoder, NotBase64};

/// How deep elements may lie in each other. EWS needs less than twenty.
const DEEPEST: usize = 64;
/// The longest single token: sync states have no bound of their own, bodies of rebuilt messages can be long.
const LONGEST_TOKEN: usize = 16 << 20;
/// How many elements one answer may have: a tree of 100,000 folders has less.
const MOST_ELEMENTS: usize = 2_000_000;
/// How much text, names and attributes one answer may hold outside of MIME.
const MOST_TEXT: usize = 128 << 20;
/// How many bytes one answer may have outside of MIME, with comments and all else that is passed over: so that reading it ends.
const MOST_BYTES: u64 = 256 << 20;

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Connection(io::Error),
    /// The answer ended too early.
    #[error("the answer is cut off")]
    CutOff,
    /// It is not XML, or not XML that is let in.
    #[error("{0}")]
    Nonsense(String),
    /// Where the bodies go to failed.
    #[error("a body could not be written: {0}")]
    Sink(io::Error),
}

impl From<quick_xml::Error> for XmlError {
    fn from(error: quick_xml::Error) -> Self {
        match error {
            quick_xml::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => Self::Nonsense(io.to_string()),
            quick_xml::Error::Io(io) => Self::Connection(io::Error::new(io.kind(), io)),
            quick_xml::Error::Syntax(_) => Self::CutOff,
            other => Self::Nonsense(other.to_string()),
        }
    }
}

/// An element with all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its local name.
    pub(crate) name: Box<str>,
    pub(crate) attributes: Vec<(Box<str>, String)>,
    /// The text right in it.
    pub(crate) text: String,
    /// The elements in it.
    pub(crate) children: Vec<Element>,
}

impl Element {
    fn open(start: &BytesStart<'_>) -> Self {
        let mut attributes = start.attributes();
        let attributes = attributes.with_checks(false).flatten().filter_map(|attribute| {
            let key = attribute.key;
            let declares = key.as_ref().starts_with("xmlns");
            (!declares).then(|| (key.local_name().as_ref().into(), unescape(&attribute.value)))
        });
        Self { name: start.local_name().as_ref().into(), attributes: attributes.collect(), ..Self::default() }
    }

    /// How much text its own name and attributes are.
    fn length(&self) -> usize {
        let attributes = self.attributes.iter().map(|(key, value)| key.len() + value.len());
        self.name.len() + attributes.sum::<usize>()
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.as_str())
    }

    /// The first element of that name in it.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| &*child.name == name)
    }

    /// The element that lies there, a name for each step down.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// All elements in one of its elements.
    pub(crate) fn children_of(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.child(name).into_iter().flat_map(|child| &child.children)
    }

    /// The text of an element in it, without the white space around it.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
}

/// Where the content of one element of an answer goes instead of into the tree.
pub(crate) trait Diversion: Send {
    /// Whether the element that starts below `path` (names, from the tree's root down) goes elsewhere.
    fn diverts(&self, path: &[Element], name: &str) -> bool;
    /// Its content begins.
    fn begin(&mut self) -> io::Result<()>;
    /// So much raw text of it comes next. An error where that is too much.
    fn expect(&mut self, length: usize) -> io::Result<()>;
    /// The next decoded bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Its content ended; whether it was base64.
    fn end(&mut self, sound: bool);
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Token {
    Start(Element),
    Text(String),
    End,
    Eof,
}

/// Reads one answer.
pub(crate) struct XmlReader<S> {
    reader: Reader<Source<S>>,
    buffer: Vec<u8>,
    depth: usize,
    /// The element that just started was `<empty/>`: its end comes next.
    empty: bool,
    elements: usize,
    text: usize,
    /// How many bytes were MIME, or of documents before this one.
    diverted: u64,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin + Send> XmlReader<S> {
    pub(crate) fn new(source: Source<S>) -> Self {
        let mut reader = Reader::from_reader(source);
        reader.config_mut().allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), depth: 0, empty: false, elements: 0, text: 0, diverted: 0 }
    }

    /// What comes next is another document, with limits of its own.
    pub(crate) fn renew(&mut self) {
        (self.elements, self.text, self.diverted) = (0, 0, self.reader.buffer_position());
    }

    /// The next token; comments and processing instructions are passed over, a DTD is an error.
    pub(crate) async fn next(&mut self) -> Result<Token, XmlError> {
        if std::mem::take(&mut self.empty) {
            self.depth = self.depth.saturating_sub(1);
            return Ok(Token::End);
        }
        let token = self.next_event().await?;
        match &token {
            Token::Start(element) => {
                self.depth += 1;
                self.elements += 1;
                self.text += element.length();
            }
            Token::End => self.depth = self.depth.saturating_sub(1),
            Token::Text(text) => self.text += text.len(),
            Token::Eof => {}
        }
        match (self.depth > DEEPEST, self.elements > MOST_ELEMENTS, self.text > MOST_TEXT) {
            (false, false, false) => Ok(token),
            (true, ..) => Err(XmlError::Nonsense(format!("elements lie more than {DEEPEST} deep"))),
            (false, ..) => Err(too_large()),
        }
    }

    async fn next_event(&mut self) -> Result<Token, XmlError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().allow(LONGEST_TOKEN);
            let event = self.reader.read_event_into_async(&mut self.buffer).await?;
            let read = self.reader.buffer_position();
            if read.saturating_sub(self.diverted) > MOST_BYTES {
                return Err(too_large());
            }
            return Ok(match event {
                Event::Start(start) => Token::Start(Element::open(&start)),
                Event::Empty(start) => {
                    self.empty = true;
                    Token::Start(Element::open(&start))
                }
                Event::End(_) => Token::End,
                Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
                Event::CData(data) => Token::Text(data.into_inner().into_owned()),
                Event::GeneralRef(reference) => Token::Text(resolve(&reference)),
                Event::DocType(_) => return Err(XmlError::Nonsense("it has a document type definition".to_owned())),
                Event::Eof => Token::Eof,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
            });
        }
    }

    /// The next element that starts; `None` when the one that it would lie in ends.
    pub(crate) async fn next_child(&mut self) -> Result<Option<Element>, XmlError> {
        loop {
            match self.next().await? {
                Token::Start(element) => return Ok(Some(element)),
                Token::End => return Ok(None),
                Token::Text(_) => {}
                Token::Eof => return Err(XmlError::CutOff),
            }
        }
    }

    /// Reads the rest of an element that started.
    pub(crate) async fn tree(&mut self, start: Element, diversion: &mut dyn Diversion) -> Result<Element, XmlError> {
        let mut path = vec![start];
        loop {
            match self.next().await? {
                Token::Start(element) => {
                    let diverted = diversion.diverts(&path, &element.name);
                    path.push(element);
                    if diverted {
                        self.divert(diversion).await?;
                        close(&mut path);
                    }
                }
                Token::Text(text) => {
                    if let Some(element) = path.last_mut() {
                        element.text.push_str(&text);
                    }
                }
                Token::End => {
                    if let Some(root) = close(&mut path) {
                        return Ok(root);
                    }
                }
                Token::Eof => return Err(XmlError::CutOff),
            }
        }
    }

    /// Passes over the rest of an element that started.
    pub(crate) async fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth - 1;
        while self.depth > outside {
            if let Token::Eof = self.next().await? {
                return Err(XmlError::CutOff);
            }
        }
        Ok(())
    }

    /// Decodes the text of the element that just started, however long, without holding it; reads past its end.
    async fn divert(&mut self, diversion: &mut dyn Diversion) -> Result<(), XmlError> {
        diversion.begin().map_err(XmlError::Sink)?;
        let mut decoder = Decoder::default();
        loop {
            if !self.empty {
                self.divert_text(&mut decoder, diversion).await?;
            }
            match self.next().await? {
                Token::End => break,
                Token::Text(text) => {
                    diversion.expect(text.len()).map_err(XmlError::Sink)?;
                    decoder.push(text.as_bytes(), &mut |bytes| diversion.write(bytes)).map_err(XmlError::Sink)?;
                }
                Token::Start(_) => self.skip().await?,
                Token::Eof => return Err(XmlError::CutOff),
            }
        }
        let sound = decoder.finish(&mut |bytes| diversion.write(bytes)).map_err(XmlError::Sink)?;
        diversion.end(sound != Err(NotBase64));
        Ok(())
    }

    /// The raw text up to the next markup.
    async fn divert_text(&mut self, decoder: &mut Decoder, diversion: &mut dyn Diversion) -> Result<(), XmlError> {
        loop {
            self.reader.get_mut().allow(usize::MAX);
            let mut stream = self.reader.stream();
            let available = stream.fill_buf().await.map_err(XmlError::Connection)?;
            if available.is_empty() {
                return Err(XmlError::CutOff);
            }
            let end = memchr::memchr(b'<', available);
            let length = end.unwrap_or(available.len());
            let text = available.get(..length).unwrap_or_default();
            self.diverted += length as u64;
            diversion.expect(length).map_err(XmlError::Sink)?;
            decoder.push(text, &mut |bytes| diversion.write(bytes)).map_err(XmlError::Sink)?;
            stream.consume(length);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// Puts the last element of `path` into the one before it; gives the root when it was the last.
fn close(path: &mut Vec<Element>) -> Option<Element> {
    let mut element = path.pop()?;
    if !element.children.is_empty() {
        element.text = String::new();
    }
    match path.last_mut() {
        Some(parent) => {
            parent.children.push(element);
            None
        }
        None => Some(element),
    }
}

fn too_large() -> XmlError {
    XmlError::Nonsense("the answer is too large".to_owned())
}

fn resolve(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = reference;
    escape::resolve_xml_entity(name).map_or_else(|| format!("&{name};"), str::to_owned)
}

fn unescape(value: &str) -> String {
    escape::unescape(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned)
}
