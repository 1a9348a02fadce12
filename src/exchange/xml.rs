//! XML as the server needs it: requests as a bounded tree of elements, answers as text written in order.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

/// The deepest nesting that a request may have.
const MAX_DEPTH: usize = 64;
/// The most elements that a request may have.
const MAX_ELEMENTS: usize = 2_000_000;

/// The namespaces that requests are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ns {
    Soap,
    Types,
    Messages,
    Other,
}

impl Ns {
    fn of(result: &ResolveResult<'_>) -> Ns {
        match result {
            ResolveResult::Bound(namespace) => match namespace.0 {
                "http://schemas.xmlsoap.org/soap/envelope/" => Ns::Soap,
                TYPES => Ns::Types,
                MESSAGES => Ns::Messages,
                _ => Ns::Other,
            },
            ResolveResult::Unbound | ResolveResult::Unknown(_) => Ns::Other,
        }
    }

    /// The namespace's name, as a schema violation tells it.
    pub(super) fn uri(self) -> &'static str {
        match self {
            Ns::Soap => "http://schemas.xmlsoap.org/soap/envelope/",
            Ns::Types => TYPES,
            Ns::Messages => MESSAGES,
            Ns::Other => "",
        }
    }
}

/// The namespace of the types.
pub(super) const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
/// The namespace of the messages.
pub(super) const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";

/// One element of a request.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) ns: Ns,
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
    /// Where its start tag begins, in bytes from the start of the document.
    pub(super) offset: usize,
}

/// Why a request is no XML that the server takes.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) reason: String,
    pub(super) offset: usize,
}

impl Element {
    /// An element of the types namespace that holds only text.
    pub(super) fn leaf(name: &str, text: &str) -> Element {
        Element {
            ns: Ns::Types,
            name: name.to_owned(),
            attributes: Vec::new(),
            children: Vec::new(),
            text: text.to_owned(),
            offset: 0,
        }
    }

    /// The first child with this local name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child with this local name.
    pub(super) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The children of the first child with this local name; none when it is missing.
    pub(super) fn list(&self, name: &str) -> &[Element] {
        self.child(name).map_or(&[], |child| child.children.as_slice())
    }

    /// The element again as XML, its names in the types namespace under the prefix `t`.
    pub(super) fn to_xml(&self) -> String {
        let mut out = XmlOut::new();
        self.write(&mut out);
        out.buffer
    }

    fn write(&self, out: &mut XmlOut) {
        let name = format!("t:{}", self.name);
        // Prefixes other than the types' are not declared where this will stand.
        let plain = self.attributes.iter().filter(|(key, _)| !key.contains(':'));
        let attributes: Vec<_> = plain.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        if self.children.is_empty() {
            out.leaf(&name, &attributes, &self.text);
        } else {
            out.open(&name, &attributes);
            for child in &self.children {
                child.write(out);
            }
            out.close(&name);
        }
    }
}

/// Line and column (both from 1) of a byte offset.
pub(super) fn position(document: &[u8], offset: usize) -> (usize, usize) {
    let before = document.get(..offset).unwrap_or(document);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

/// Reads a request into a tree. Refuses DTDs, characters that XML does not have, and documents without bounds.
pub(super) fn parse(document: &str) -> Result<Element, Malformed> {
    let mut reader = NsReader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0usize;
    loop {
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let bad = |reason: String| Malformed { reason, offset };
        let (resolved, event) = reader.read_resolved_event().map_err(|error| bad(error.to_string()))?;
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err(bad("The request is nested too deeply or too large.".to_owned()));
                }
                open.push(element(Ns::of(&resolved), &start, offset).map_err(bad)?);
            }
            Event::End(_) => {
                let Some(done) = open.pop() else { return Err(bad("Unexpected end tag.".to_owned())) };
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(done),
                }
            }
            Event::Text(text) => {
                if let Some(current) = open.last_mut() {
                    let text = text.xml10_content();
                    legal(&text).map_err(bad)?;
                    current.text.push_str(&text);
                }
            }
            Event::CData(data) => {
                if let Some(current) = open.last_mut() {
                    legal(&data).map_err(bad)?;
                    current.text.push_str(&data);
                }
            }
            Event::GeneralRef(reference) => {
                let text = resolve(&reference).map_err(bad)?;
                if let Some(current) = open.last_mut() {
                    current.text.push(text);
                }
            }
            Event::DocType(_) => {
                return Err(bad("For security reasons DTD is prohibited in this XML document.".to_owned()));
            }
            Event::Eof => return Err(bad("Root element is missing or not closed.".to_owned())),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn element(ns: Ns, start: &BytesStart<'_>, offset: usize) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = attribute.key;
        if key.as_namespace_binding().is_some() {
            continue;
        }
        let value = attribute.normalized_value(XmlVersion::default()).map_err(|error| error.to_string())?;
        legal(&value)?;
        let name = if key.prefix().is_some() { key.0 } else { key.local_name().into_inner() };
        attributes.push((name.to_owned(), value.into_owned()));
    }
    let name = start.local_name().into_inner().to_owned();
    Ok(Element { ns, name, attributes, children: Vec::new(), text: String::new(), offset })
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return if is_legal(character) { Ok(character) } else { Err(illegal(character)) };
    }
    match reference.xml10_content().as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(format!("Reference to undeclared entity '{other}'.")),
    }
}

fn illegal(character: char) -> String {
    format!("'.', hexadecimal value 0x{:02X}, is an invalid character.", u32::from(character))
}

fn legal(text: &str) -> Result<(), String> {
    text.chars().find(|character| !is_legal(*character)).map_or(Ok(()), |character| Err(illegal(character)))
}

/// Whether XML 1.0 has this character.
pub(super) fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Writes an answer. What it holds can be taken away in pieces while it grows.
#[derive(Debug, Default)]
pub(super) struct XmlOut {
    pub(super) buffer: String,
}

impl XmlOut {
    pub(super) fn new() -> XmlOut {
        XmlOut::default()
    }

    /// Writes a start tag.
    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.buffer.push('>');
    }

    /// Writes an end tag.
    pub(super) fn close(&mut self, name: &str) {
        self.buffer.push_str("</");
        self.buffer.push_str(name);
        self.buffer.push('>');
    }

    /// Writes an element that holds only text.
    pub(super) fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.start(name, attributes);
        if text.is_empty() {
            self.buffer.push_str("/>");
        } else {
            self.buffer.push('>');
            self.text(text);
            self.close(name);
        }
    }

    /// Writes an element that holds only text and has no attributes.
    pub(super) fn put(&mut self, name: &str, text: &str) {
        self.leaf(name, &[], text);
    }

    /// Writes text. Characters that XML does not have come out as references to them, as Exchange does it.
    pub(super) fn text(&mut self, text: &str) {
        escape(&mut self.buffer, text, false);
    }

    /// Writes XML as it is.
    pub(super) fn raw(&mut self, xml: &str) {
        self.buffer.push_str(xml);
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.buffer.push('<');
        self.buffer.push_str(name);
        for (key, value) in attributes {
            self.buffer.push(' ');
            self.buffer.push_str(key);
            self.buffer.push_str("=\"");
            escape(&mut self.buffer, value, true);
            self.buffer.push('"');
        }
    }
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\n' | '\t' if attribute => out.push_str(&format!("&#x{:X};", u32::from(character))),
            character if is_legal(character) => out.push(character),
            character => out.push_str(&format!("&#x{:X};", u32::from(character))),
        }
    }
}
