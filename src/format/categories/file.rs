//! The file, `categories.toml`:
//!
//! ```toml
//! [[category]]
//! name = "Harbour"
//! colour = "blue"
//! shortcut = 2
//! ```
//!
//! Comments, order, and keys of which nothing is known here stay.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

use super::{CategoriesError, MAX_LIST, MOST_CATEGORIES, is_name};
use crate::pim::category_list::COLOURS;
use crate::pim::{Category, CategoryColour, CategoryList, MasterCategory};

const KEY: &str = "category";
const NAME: &str = "name";
const COLOUR: &str = "colour";
/// As other vdir programs spell it.
const COLOR: &str = "color";
const SHORTCUT: &str = "shortcut";

/// What a new file begins with.
const HEADER: &str = "# The categories of this mailbox, as Outlook shows them. This file and the server's list are kept in step, both ways.\n";

/// A list's file.
#[derive(Clone, Debug)]
pub struct CategoryFile {
    document: DocumentMut,
    list: CategoryList,
    /// Whether its lines end in CR LF.
    crlf: bool,
}

impl CategoryFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It is too large, not UTF-8 or no TOML, or does not say what it should: then which category is concerned.
    pub fn parse(bytes: &[u8]) -> Result<Self, CategoriesError> {
        if bytes.len() > MAX_LIST {
            return Err(CategoriesError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| CategoriesError::NotUtf8)?;
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            CategoriesError::NotToml { line: before.matches('\n').count() + 1, reason: error.message().to_owned() }
        })?;
        let list = match document.get(KEY) {
            None => CategoryList::default(),
            Some(Item::ArrayOfTables(tables)) => read_all(tables)?,
            Some(_) => {
                return Err(CategoriesError::Unclear(format!("{KEY} is no list of tables; write each as [[{KEY}]]")));
            }
        };
        let lines = text.matches('\n').count();
        let crlf = lines > 0 && text.matches("\r\n").count() == lines;
        Ok(Self { document, list, crlf })
    }

    /// A file with this list, where there is none.
    ///
    /// # Errors
    ///
    /// [`CategoriesError::TooLarge`].
    pub fn new(list: &CategoryList) -> Result<Self, CategoriesError> {
        Self::parse(HEADER.as_bytes())?.with(list)
    }

    /// What it says.
    pub fn list(&self) -> &CategoryList {
        &self.list
    }

    /// The same file with this list in it.
    ///
    /// # Errors
    ///
    /// It would be too large, or is laid out in a way that cannot be changed.
    pub fn with(&self, list: &CategoryList) -> Result<Self, CategoriesError> {
        let mut file = self.clone();
        // What stands in a file without any table stands before the first one.
        let mut before = String::new();
        if file.document.is_empty() {
            before = file.document.trailing().as_str().unwrap_or_default().to_owned();
            file.document.set_trailing("");
        }
        let tables = file.document.entry(KEY).or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        let tables = tables.as_array_of_tables_mut().ok_or(CategoriesError::Unwritable)?;
        let gone = |table: &Table| name_of(table).is_none_or(|name| list.get(&name).is_none());
        for at in (0..tables.len()).rev().filter(|at| tables.get(*at).is_some_and(gone)).collect::<Vec<_>>() {
            tables.remove(at);
        }
        for table in tables.iter_mut() {
            let Some(wanted) = name_of(table).and_then(|name| list.get(&name)) else { continue };
            if self.list.get(&wanted.name) != Some(wanted) {
                write(table, wanted, self.list.get(&wanted.name));
            }
        }
        for category in list.iter().filter(|category| self.list.get(&category.name).is_none()) {
            let mut table = Table::new();
            table.decor_mut().set_prefix(format!("{}\n", std::mem::take(&mut before)));
            write(&mut table, category, None);
            tables.push(table);
        }
        if tables.is_empty() {
            file.document.remove(KEY);
        }
        if !before.is_empty() {
            file.document.set_trailing(before);
        }
        let again = Self::parse(&file.to_bytes())?;
        if again.list == *list { Ok(Self { crlf: self.crlf, ..again }) } else { Err(CategoriesError::Unwritable) }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.document.to_string();
        let text = if self.crlf { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text };
        text.into_bytes()
    }
}

fn name_of(table: &Table) -> Option<Category> {
    table.get(NAME).and_then(Item::as_str).map(|name| Category(name.to_owned()))
}

fn read_all(tables: &ArrayOfTables) -> Result<CategoryList, CategoriesError> {
    if tables.len() > MOST_CATEGORIES {
        return Err(CategoriesError::TooMany);
    }
    let mut list = CategoryList::default();
    for (number, table) in tables.iter().enumerate() {
        let category = read(table, number + 1).map_err(CategoriesError::Unclear)?;
        if list.get(&category.name).is_some() {
            let reason = format!("there are two categories {:?}; remove one of them", category.name.0);
            return Err(CategoriesError::Unclear(reason));
        }
        list.add(category);
    }
    Ok(list)
}

fn read(table: &Table, number: usize) -> Result<MasterCategory, String> {
    let name = match table.get(NAME).map(Item::as_str) {
        Some(Some(name)) if is_name(name) => name,
        Some(Some(name)) => {
            return Err(format!("{name:?} is no name for a category; use at most 255 characters on one line"));
        }
        Some(None) | None => {
            return Err(format!("category number {number} has no name; add a line such as name = \"Work\""));
        }
    };
    let colour = match table.get(COLOUR).or_else(|| table.get(COLOR)) {
        None => CategoryColour::NONE,
        Some(item) => read_colour(item)
            .ok_or_else(|| format!("the colour of {name:?} is none of: none, {}", COLOURS.join(", ")))?,
    };
    let shortcut = match table.get(SHORTCUT) {
        None => 0,
        Some(item) => item
            .as_integer()
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| format!("the shortcut of {name:?} is no number; use 0 for none"))?,
    };
    Ok(MasterCategory { name: Category(name.to_owned()), colour, shortcut })
}

fn read_colour(item: &Item) -> Option<CategoryColour> {
    match (item.as_str(), item.as_integer()) {
        (Some(name), _) => CategoryColour::from_name(name),
        (None, Some(number)) => i32::try_from(number).ok().map(CategoryColour),
        (None, None) => None,
    }
}

/// Writes what a table does not say yet.
fn write(table: &mut Table, category: &MasterCategory, says: Option<&MasterCategory>) {
    if says.is_none_or(|says| says.name.0 != category.name.0) {
        set(table, NAME, category.name.0.as_str().into());
    }
    if says.map_or(CategoryColour::NONE, |says| says.colour) != category.colour {
        let key = if table.contains_key(COLOUR) || !table.contains_key(COLOR) { COLOUR } else { COLOR };
        set(table, key, category.colour.name().map_or_else(|| i64::from(category.colour.0).into(), Value::from));
    }
    if says.map_or(0, |says| says.shortcut) != category.shortcut {
        set(table, SHORTCUT, i64::from(category.shortcut).into());
    }
}

/// Sets a value, and leaves what stands around it.
fn set(table: &mut Table, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => drop(table.insert(key, Item::Value(value))),
    }
}
