//! Cuts a file into lines and those into components, within limits.

use bytes::Bytes;
use memchr::memchr;

use super::line::{Ending, Line, unfold};
use super::{Component, Node};

/// How much of a file is taken. What is more than that is no calendar or address book that a person made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file, and so of its longest line.
    pub bytes: usize,
    /// Lines, folded ones counted once.
    pub lines: usize,
    /// Components within components.
    pub depth: usize,
}

impl Default for Limits {
    /// Room for an event with large attachments or a contact with a photo, and a series with thousands of exceptions.
    fn default() -> Self {
        Self { bytes: 64 << 20, lines: 200_000, depth: 8 }
    }
}

/// Why a file of content lines cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Too many bytes.
    #[error("the file has {found} bytes, more than the {limit} that one item may have")]
    TooLarge {
        /// The file's size.
        found: usize,
        /// What it may be.
        limit: usize,
    },
    /// Too many lines.
    #[error("the file has more than {limit} properties")]
    TooManyLines {
        /// How many it may have.
        limit: usize,
    },
    /// Components within components.
    #[error("line {line}: {name} lies within more than {limit} others")]
    TooDeep {
        /// Where it begins.
        line: usize,
        /// The component's name.
        name: String,
        /// How many may lie within one another.
        limit: usize,
    },
    /// Another encoding, such as Latin-1 or UTF-16.
    #[error("line {line} is not UTF-8: save the file as UTF-8")]
    NotUtf8 {
        /// The line's number, from 1.
        line: usize,
    },
    /// An `END` without its `BEGIN`, or of another component.
    #[error("line {line}: END:{name} ends nothing that began")]
    StrayEnd {
        /// The line's number, from 1.
        line: usize,
        /// The name that it has.
        name: String,
    },
    /// The file was cut, or the last `END` is missing.
    #[error("{name}, which begins in line {line}, does not end: the file is cut short or its END:{name} is missing")]
    NoEnd {
        /// Where the component begins.
        line: usize,
        /// Its name.
        name: String,
    },
}

/// A component whose `END` is still to come.
struct Open {
    name: Box<str>,
    begin: Line,
    number: usize,
    nodes: Vec<Node>,
}

/// Reads all nodes of a file. Not recursive, so that no file can exhaust the stack.
pub(super) fn nodes(bytes: &Bytes, ending: Ending, limits: Limits) -> Result<Vec<Node>, ContentError> {
    if bytes.len() > limits.bytes {
        return Err(ContentError::TooLarge { found: bytes.len(), limit: limits.bytes });
    }
    let mut open: Vec<Open> = Vec::new();
    let mut top = Vec::new();
    let mut number = 1;
    for (count, raw) in Lines(bytes.clone()).enumerate() {
        if count == limits.lines {
            return Err(ContentError::TooManyLines { limit: limits.lines });
        }
        let physical = memchr::memchr_iter(b'\n', &raw).count();
        let line = read_line(raw, number)?;
        match border(&line) {
            Some((Border::Begin, name)) if open.len() == limits.depth => {
                return Err(ContentError::TooDeep { line: number, name: shown(&name), limit: limits.depth });
            }
            Some((Border::Begin, name)) => open.push(Open { name, begin: line, number, nodes: Vec::new() }),
            Some((Border::End, name)) => {
                let Some(ended) = open.pop_if(|inner| inner.name == name) else {
                    return Err(ContentError::StrayEnd { line: number, name: shown(&name) });
                };
                let Open { name, begin, nodes, .. } = ended;
                let component = Component { name, begin, nodes, end: line, ending };
                open.last_mut().map_or(&mut top, |outer| &mut outer.nodes).push(Node::Component(component));
            }
            None => open.last_mut().map_or(&mut top, |outer| &mut outer.nodes).push(Node::Line(line)),
        }
        number += physical;
    }
    match open.pop() {
        Some(inner) => Err(ContentError::NoEnd { line: inner.number, name: shown(&inner.name) }),
        None => Ok(top),
    }
}

/// Whatever a file calls its components, a message stays short.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

fn read_line(raw: Bytes, number: usize) -> Result<Line, ContentError> {
    // A fold may cut a character in two (RFC 5545 §3.1): only what is put together again has to be UTF-8.
    if std::str::from_utf8(&raw).is_err() && std::str::from_utf8(&unfold(&raw)).is_err() {
        return Err(ContentError::NotUtf8 { line: number });
    }
    Ok(Line::new(raw))
}

enum Border {
    Begin,
    End,
}

fn border(line: &Line) -> Option<(Border, Box<str>)> {
    let border = match line.name() {
        "BEGIN" => Border::Begin,
        "END" => Border::End,
        _ => return None,
    };
    let name = line.property()?.value.trim().to_ascii_uppercase();
    Some((border, name.into_boxed_str()))
}

/// Lines with their folds and ends: one ends at a line end that no space or tab follows.
struct Lines(Bytes);

impl Iterator for Lines {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.0.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            match self.0.get(end..).and_then(|rest| memchr(b'\n', rest)) {
                None => return Some(std::mem::take(&mut self.0)),
                Some(at) => end += at + 1,
            }
            if !matches!(self.0.get(end), Some(b' ' | b'\t')) {
                return Some(self.0.split_to(end));
            }
        }
    }
}
