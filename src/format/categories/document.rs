//! The document that the server keeps: XML in a hidden item of the calendar (MS-OXOCFG 2.2.5.2.2).
//!
//! It is patched, not re-made: attributes and elements of which nothing is known here stay, and so do the GUIDs, by which Outlook knows its
//! categories. Only three attributes are read: `name`, `color` and `keyboardShortcut`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};

use super::{CategoriesError, MAX_LIST, MOST_CATEGORIES, is_name};
use crate::pim::{Category, CategoryColour, CategoryList, MasterCategory};

/// A list with no category, as one begins.
const NEW: &str = "<?xml version=\"1.0\"?>\r\n<categories lastSavedSession=\"0\" \
                   lastSavedTime=\"1601-01-01T00:00:00.000\" xmlns=\"CategoryList.xsd\"></categories>";
/// What each category says of its last use, where it was never used.
const NEVER: &str = "1601-01-01T00:00:00.000";
/// How deep elements may lie in each other; the list needs two levels.
const DEEPEST: usize = 16;
const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// The server's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryDocument {
    text: String,
    root: Root,
    /// In their order.
    entries: Vec<Entry>,
    list: CategoryList,
}

/// Where the root lies in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Root {
    /// Its name, with its prefix.
    name: String,
    /// Its start tag.
    start: Range<usize>,
    /// Where its end tag begins; `None` for an empty element.
    end: Option<usize>,
}

/// A category in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    category: MasterCategory,
    /// Its start tag.
    tag: Range<usize>,
    /// All of it.
    whole: Range<usize>,
}

fn no_list(reason: impl ToString) -> CategoriesError {
    CategoriesError::NoList(reason.to_string())
}

/// Reads a document from its start to its end.
#[derive(Default)]
struct Scan {
    depth: usize,
    root: Option<Root>,
    entries: Vec<Entry>,
    /// Whether the element that is open right below the root is the last of `entries`.
    in_entry: bool,
}

impl Scan {
    fn start(&mut self, tag: &BytesStart<'_>, at: Range<usize>) -> Result<(), CategoriesError> {
        match self.depth {
            0 if self.root.is_some() => return Err(no_list("something follows its end")),
            0 if tag.local_name().as_ref() == "categories" => {
                self.root = Some(Root { name: tag.name().as_ref().to_owned(), start: at, end: None });
            }
            0 => return Err(no_list(format!("it is <{}>", tag.name().as_ref()))),
            1 if tag.local_name().as_ref() == "category" => {
                let category = read(tag);
                self.in_entry = category.is_some();
                self.entries.extend(category.map(|category| Entry { category, tag: at.clone(), whole: at }));
            }
            1 => self.in_entry = false,
            DEEPEST.. => return Err(no_list("its elements lie too deep in each other")),
            _ => {}
        }
        if self.entries.len() > MOST_CATEGORIES {
            return Err(CategoriesError::TooMany);
        }
        self.depth += 1;
        Ok(())
    }

    /// An element ends; its end tag, if it has one, lies there.
    fn end(&mut self, tag: Option<Range<usize>>) {
        self.depth = self.depth.saturating_sub(1);
        match (self.depth, tag, &mut self.root, self.entries.last_mut()) {
            (0, Some(tag), Some(root), _) => root.end = Some(tag.start),
            (1, Some(tag), _, Some(entry)) if self.in_entry => entry.whole.end = tag.end,
            _ => {}
        }
    }
}

/// What a category says; nothing where it has no name that the file could hold.
fn read(tag: &BytesStart<'_>) -> Option<MasterCategory> {
    let value = |wanted: &str| {
        let mut attributes = tag.attributes();
        let found = attributes.with_checks(false).flatten().find(|attribute| attribute.key.as_ref() == wanted)?;
        Some(unescape(&found.value).map_or_else(|_| found.value.to_string(), |value| value.into_owned()))
    };
    let name = value("name").filter(|name| is_name(name))?;
    let number = |name| value(name).map(|text| text.trim().to_owned()).unwrap_or_default();
    Some(MasterCategory {
        name: Category(name),
        colour: CategoryColour(number("color").parse().unwrap_or(CategoryColour::NONE.0)),
        shortcut: number("keyboardShortcut").parse().unwrap_or(0),
    })
}

impl CategoryDocument {
    /// Reads what the server keeps. An empty one is a list with no category.
    ///
    /// # Errors
    ///
    /// It is too large, not UTF-8, or no list.
    pub fn parse(bytes: &[u8]) -> Result<Self, CategoriesError> {
        // Beside what is mirrored, the server says of each category when it was last used.
        if bytes.len() > 4 * MAX_LIST {
            return Err(CategoriesError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| CategoriesError::NotUtf8)?;
        if text.trim_start_matches(BYTE_ORDER_MARK).trim().is_empty() {
            return Ok(Self::new());
        }
        Self::read(text.to_owned())
    }

    /// A document with no category.
    pub fn new() -> Self {
        // The text is our own.
        Self::read(NEW.to_owned()).unwrap_or(Self {
            text: String::new(),
            root: Root::default(),
            entries: Vec::new(),
            list: CategoryList::default(),
        })
    }

    fn read(text: String) -> Result<Self, CategoriesError> {
        let mut scan = Scan::default();
        let from = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let mut reader = Reader::from_str(text.get(from..).unwrap_or_default());
        let position = |reader: &Reader<&[u8]>| from + usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        loop {
            let before = position(&reader);
            let event = reader.read_event().map_err(no_list)?;
            let at = before..position(&reader);
            match event {
                Event::Start(tag) => scan.start(&tag, at)?,
                Event::Empty(tag) => {
                    scan.start(&tag, at)?;
                    scan.end(None);
                }
                Event::End(_) => scan.end(Some(at)),
                Event::DocType(_) => return Err(no_list("it has a document type, and none is let in")),
                Event::Eof => break,
                Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::GeneralRef(_) => {}
            }
        }
        let root = scan.root.filter(|_| scan.depth == 0).ok_or_else(|| no_list("it is cut off"))?;
        let list = scan.entries.iter().map(|entry| entry.category.clone()).collect();
        Ok(Self { text, root, entries: scan.entries, list })
    }

    /// What it says.
    pub fn list(&self) -> &CategoryList {
        &self.list
    }

    /// The same document with this list in it.
    ///
    /// # Errors
    ///
    /// An attribute cannot be read, so that it would be lost.
    pub fn with(&self, list: &CategoryList) -> Result<Self, CategoriesError> {
        let mut text = String::with_capacity(self.text.len());
        let mut from = 0;
        let mut met = BTreeSet::new();
        for entry in &self.entries {
            text.push_str(self.text.get(from..entry.whole.start).unwrap_or_default());
            from = entry.whole.end;
            let is_first = met.insert(&entry.category.name);
            match list.get(&entry.category.name) {
                None => continue,
                Some(wanted) if is_first && *wanted != entry.category => {
                    text.push_str(&rewritten(self.text.get(entry.tag.clone()).unwrap_or_default(), entry, wanted)?);
                    text.push_str(self.text.get(entry.tag.end..entry.whole.end).unwrap_or_default());
                }
                Some(_) => text.push_str(self.text.get(entry.whole.clone()).unwrap_or_default()),
            }
        }
        let mut new = String::new();
        let prefix = self.root.name.strip_suffix("categories").unwrap_or_default();
        list.iter()
            .filter(|category| !met.contains(&category.name))
            .for_each(|category| write_new(&mut new, prefix, category));
        match self.root.end {
            Some(end) => {
                text.push_str(self.text.get(from..end).unwrap_or_default());
                text.push_str(&new);
                text.push_str(self.text.get(end..).unwrap_or_default());
            }
            None => {
                let tag = self.text.get(..self.root.start.end).unwrap_or_default();
                let _ = write!(text, "{}>{new}</{}>", tag.strip_suffix("/>").unwrap_or(tag), self.root.name);
                text.push_str(self.text.get(self.root.start.end..).unwrap_or_default());
            }
        }
        Self::read(text)
    }

    /// The document, as the server gets it.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Default for CategoryDocument {
    fn default() -> Self {
        Self::new()
    }
}

/// A start tag that says something else, with all else that it says.
fn rewritten(tag: &str, entry: &Entry, wanted: &MasterCategory) -> Result<String, CategoriesError> {
    let unreadable = || no_list(format!("what it says of {:?} cannot be changed without loss", wanted.name.0));
    let is_empty = tag.ends_with("/>");
    let inside = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix(if is_empty { "/>" } else { ">" }));
    let inside = inside.ok_or_else(unreadable)?;
    let name_len = inside.find(|c: char| c.is_ascii_whitespace()).unwrap_or(inside.len());
    let start = BytesStart::from_content(inside, name_len);
    let was = &entry.category;
    let mut changed = Vec::new();
    if wanted.name.0 != was.name.0 {
        changed.push(("name", escape(wanted.name.0.as_str()).into_owned()));
    }
    if wanted.colour != was.colour {
        changed.push(("color", wanted.colour.0.to_string()));
    }
    if wanted.shortcut != was.shortcut {
        changed.push(("keyboardShortcut", wanted.shortcut.to_string()));
    }
    let mut text = format!("<{}", start.name().as_ref());
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| unreadable())?;
        let key = attribute.key.as_ref();
        match changed.iter().position(|(name, _)| *name == key) {
            Some(at) => {
                let (name, value) = changed.remove(at);
                let _ = write!(text, " {name}=\"{value}\"");
            }
            None => {
                let quote = if attribute.value.contains('"') { '\'' } else { '"' };
                let _ = write!(text, " {key}={quote}{}{quote}", attribute.value);
            }
        }
    }
    for (name, value) in changed {
        let _ = write!(text, " {name}=\"{value}\"");
    }
    text.push_str(if is_empty { "/>" } else { ">" });
    Ok(text)
}

fn write_new(text: &mut String, prefix: &str, category: &MasterCategory) {
    let (name, colour, shortcut) = (escape(category.name.0.as_str()), category.colour.0, category.shortcut);
    let _ = write!(
        text,
        "<{prefix}category name=\"{name}\" color=\"{colour}\" keyboardShortcut=\"{shortcut}\" usageCount=\"0\""
    );
    for what in ["Notes", "Journal", "Contacts", "Tasks", "Calendar", "Mail", ""] {
        let _ = write!(text, " lastTimeUsed{what}=\"{NEVER}\"");
    }
    let _ = write!(text, " lastSessionUsed=\"0\" guid=\"{}\" renameOnFirstUse=\"0\"/>", guid(&category.name));
}

/// A GUID for a new category (RFC 9562 §5.8). It hangs on the name alone, so that a run that was cut off makes the same one again.
fn guid(name: &Category) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("pimsync category");
    hasher.update(name.0.to_lowercase().as_bytes());
    let bits = crate::pim::Digest::of(&hasher).0.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let bits = bits & !(0xF << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{bits:032X}");
    let part = |range: Range<usize>| hex.get(range).unwrap_or_default();
    format!("{{{}-{}-{}-{}-{}}}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}
