//! Notes as Markdown files: the first line is the title, the text is as it stands.
//!
//! A note with a colour or categories begins with a small front matter, as many programs of notes know it:
//!
//! ```text
//! ---
//! colour: green
//! categories: [Home, "Bills, paid"]
//! ---
//! Call the plumber
//! ```
//!
//! A front matter that others wrote is kept line by line. Text that begins like one gets an empty one before it.

use std::ops::Range;

use crate::pim::{Categories, Category, Note, NoteColour, NoteField, Text};

/// Bytes of a front matter; what is longer is text.
const MAX_FRONT: usize = 64 << 10;

/// Bytes of a note's file.
const MAX_NOTE: usize = 16 << 20;

/// A note's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteFile {
    content: String,
    /// The lines between the two fences.
    front: Option<Range<usize>>,
    /// Where the text begins.
    body: usize,
}

/// Why a file is no note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Too many bytes.
    #[error("the note has {found} bytes, more than the {MAX_NOTE} that one may have")]
    TooLarge {
        /// The file's size.
        found: usize,
    },
    /// Another encoding.
    #[error("the note is not UTF-8: save the file as UTF-8")]
    NotUtf8,
}

impl NoteFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It is too large or not UTF-8.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::TooLarge { found: bytes.len() });
        }
        let content = String::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        let (front, body) = match find_front(&content) {
            Some((front, body)) => (Some(front), body),
            None => (None, mark_length(&content)),
        };
        Ok(Self { content, front, body })
    }

    /// A file for a note that has none.
    ///
    /// # Errors
    ///
    /// The note is too large.
    pub fn new(note: &Note) -> Result<Self, NoteError> {
        let mut file = Self { content: String::new(), front: None, body: 0 };
        file.patch(note)?;
        Ok(file)
    }

    /// The file's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.content.as_bytes()
    }

    /// What the file says.
    pub fn note(&self) -> Note {
        let front: Vec<&str> = self.front().lines().collect();
        let colour = entry(&front, is_colour).and_then(|(at, _)| NoteColour::from_name(&plain(value(front.get(at)?))));
        let categories =
            entry(&front, is_categories).map(|(at, length)| front.get(at..at + length).map(listed).unwrap_or_default());
        Note { text: Text::new(self.text()), colour, categories: categories.unwrap_or_default() }
    }

    /// What the front matter says besides what a note has fields for.
    pub fn besides(&self) -> String {
        let mut rest = self.clone();
        // Nothing is smaller than what is there.
        drop(rest.patch(&Note::default()));
        rest.front().trim_end().replace("\r\n", "\n")
    }

    /// A file for a note that has none, with what another file of the note said besides.
    ///
    /// # Errors
    ///
    /// The note is too large.
    pub fn with_besides(note: &Note, besides: &str) -> Result<Self, NoteError> {
        let mut file = Self::parse(format!("---\n{besides}\n---\n").into_bytes())?;
        if file.front.is_none() {
            return Self::new(note);
        }
        file.patch(note)?;
        Ok(file)
    }

    /// Brings the file to what `note` says. Only what it says otherwise is written.
    ///
    /// # Errors
    ///
    /// The note is too large; then the file stays as it is.
    pub fn patch(&mut self, note: &Note) -> Result<(), NoteError> {
        let changes = self.note().diff(note);
        if changes.is_empty() {
            return Ok(());
        }
        let end = if self.content.contains("\r\n") { "\r\n" } else { "\n" };
        let text = match changes.contains(&NoteField::Text) {
            true => note.text.as_str().replace('\n', end),
            false => self.text().to_owned(),
        };
        let front = self.patched_front(note, &changes);
        let has_front = match front.as_deref() {
            Some(lines) => !lines.is_empty(),
            None => self.front.is_some(),
        };
        let head = match front {
            // Text that begins like a front matter must not be taken for one.
            _ if !has_front && text.starts_with("---") => format!("---{end}---{end}"),
            Some(lines) if lines.is_empty() => String::new(),
            Some(lines) => lines.iter().fold(format!("---{end}"), |head, line| head + line + end) + "---" + end,
            None => self.content.get(..self.body).unwrap_or_default().to_owned(),
        };
        *self = Self::parse((head + &text).into_bytes())?;
        Ok(())
    }

    /// The lines of the front matter, where they change.
    fn patched_front(&self, note: &Note, changes: &[NoteField]) -> Option<Vec<String>> {
        let mut front: Vec<String> = self.front().lines().map(str::to_owned).collect();
        let mut changed = false;
        for change in changes {
            let (is, line): (fn(&str) -> bool, _) = match change {
                NoteField::Text => continue,
                NoteField::Colour => (is_colour, note.colour.map(|colour| format!("colour: {}", colour.name()))),
                NoteField::Categories => (is_categories, write_list(&note.categories)),
            };
            // An entry that stands there twice must not come to light when the first one goes.
            let mut place = None;
            while let Some((at, length)) = entry(&front, is) {
                front.drain(at..at + length);
                place.get_or_insert(at);
            }
            let at = place.unwrap_or(front.len());
            front.splice(at..at, line);
            changed = true;
        }
        changed.then_some(front)
    }

    fn front(&self) -> &str {
        self.front.clone().and_then(|front| self.content.get(front)).unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.content.get(self.body..).unwrap_or_default()
    }
}

/// The lines of the front matter, and where the text begins. A line that no front matter has makes all of it text.
fn find_front(content: &str) -> Option<(Range<usize>, usize)> {
    let start = mark_length(content);
    let mut lines = content.get(start..)?.split_inclusive('\n');
    let first = lines.next().filter(|line| is_fence(line))?;
    let begin = start + first.len();
    let mut end = begin;
    for line in lines {
        if is_fence(line) {
            return Some((begin..end, end + line.len()));
        }
        end += line.len();
        if !is_front_line(line) || end - begin > MAX_FRONT {
            return None;
        }
    }
    None
}

/// Bytes of a byte order mark, which is neither front matter nor text.
fn mark_length(content: &str) -> usize {
    if content.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 }
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---" && line.ends_with('\n') || line == "---"
}

/// `key: value`, a comment, an empty line, or what belongs to a line before.
fn is_front_line(line: &str) -> bool {
    let is_key = |key: &str| {
        !key.is_empty() && key.chars().all(|character| character.is_alphanumeric() || "-_ .".contains(character))
    };
    let line = line.trim_end();
    line.is_empty()
        || line.starts_with(['#', ' ', '\t'])
        || line.starts_with("- ")
        || line.split_once(':').is_some_and(|(key, rest)| is_key(key) && (rest.is_empty() || rest.starts_with(' ')))
}

fn key(line: &str) -> &str {
    line.split_once(':').map_or("", |(key, _)| key)
}

fn is_colour(line: &str) -> bool {
    ["colour", "color"].iter().any(|name| key(line).eq_ignore_ascii_case(name))
}

fn is_categories(line: &str) -> bool {
    key(line).eq_ignore_ascii_case("categories")
}

/// Where an entry is, and how many lines it has: those that are indented or items of a list belong to the one before.
fn entry<L: AsRef<str>>(front: &[L], is: impl Fn(&str) -> bool) -> Option<(usize, usize)> {
    let at = front.iter().position(|line| is(line.as_ref()))?;
    let belongs = |line: &str| line.starts_with([' ', '\t']) || line.starts_with("- ");
    let more = front.iter().skip(at + 1).take_while(|line| belongs(line.as_ref())).count();
    Some((at, 1 + more))
}

fn value(line: &str) -> &str {
    line.split_once(':').map_or("", |(_, value)| value.trim())
}

/// The names in `categories: [a, "b, c"]`, `categories: a`, or a list of lines with dashes.
fn listed(lines: &[&str]) -> Categories {
    let (first, rest) = lines.split_first().map_or(("", lines), |(first, rest)| (value(first), rest));
    let inline = first.strip_prefix('[').map(|list| list.strip_suffix(']').unwrap_or(list));
    let names: Vec<String> = match inline {
        Some(list) => cut(list).into_iter().map(plain).collect(),
        None if first.is_empty() => rest.iter().filter_map(|line| line.trim().strip_prefix('-')).map(plain).collect(),
        None => vec![plain(first)],
    };
    names.into_iter().filter(|name| !name.is_empty()).map(Category).collect()
}

/// Cuts at commas outside of quotes.
fn cut(list: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut begins) = (None, false, true);
    let is_cut = |character: char| {
        let at_start = begins;
        begins = quoted.is_none() && character == ',' || begins && character == ' ';
        match (quoted, character) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), close) if open == close => quoted = None,
            (None, '"' | '\'') if at_start => quoted = Some(character),
            (None, ',') => return true,
            _ => {}
        }
        false
    };
    list.split(is_cut).collect()
}

/// A plain or quoted scalar of YAML.
fn plain(scalar: impl AsRef<str>) -> String {
    let scalar = scalar.as_ref().trim();
    if let Some(inner) = scalar.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return unquoted(inner);
    }
    let single = scalar.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    single.map_or_else(|| scalar.to_owned(), |inner| inner.replace("''", "'"))
}

fn unquoted(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        text.push(match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some(other) => other,
            None => character,
        });
    }
    text
}

fn quoted(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{escaped}\"")
}

fn write_list(categories: &Categories) -> Option<String> {
    let written = |category: &Category| {
        let name = category.0.as_str();
        let is_plain = name.chars().all(|character| character.is_alphanumeric() || " -_".contains(character));
        if is_plain && name.trim() == name && !name.starts_with('-') { name.to_owned() } else { quoted(name) }
    };
    let names: Vec<_> = categories.iter().map(written).collect();
    (!names.is_empty()).then(|| format!("categories: [{}]", names.join(", ")))
}

#[cfg(test)]
mod tests;
