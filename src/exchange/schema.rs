//! What a request may look like. Exchange checks every request against its schema before it does anything; so does
//! this server, with a table of facts about the requests that it knows (`schema/table.txt`).

use std::collections::HashMap;
use std::sync::OnceLock;

use super::xml::{Element, Ns};

/// What is wrong with a request, and where.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) text: String,
    pub(super) offset: usize,
}

#[derive(Debug)]
enum Simple {
    Text,
    NonEmpty,
    Bool,
    Int(i64, i64),
    Double,
    DateTime,
    Date,
    Base64,
    Enum(Vec<String>),
    List(String),
}

#[derive(Debug)]
struct Slot {
    names: Vec<(&'static str, &'static str)>,
    required: bool,
    many: bool,
}

#[derive(Debug)]
struct Complex {
    ns: Ns,
    text: Option<&'static str>,
    attributes: Vec<(&'static str, &'static str, bool)>,
    slots: Vec<Slot>,
}

struct Table {
    requests: HashMap<&'static str, &'static str>,
    simples: HashMap<&'static str, Simple>,
    types: HashMap<&'static str, Complex>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table { requests: HashMap::new(), simples: HashMap::new(), types: HashMap::new() };
        for line in include_str!("schema/table.txt").lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next()) {
                (Some("request"), Some(name)) => {
                    table.requests.insert(name, words.next().unwrap_or_default());
                }
                (Some("simple"), Some(name)) => {
                    table.simples.insert(name, simple(words));
                }
                (Some("type"), Some(name)) => {
                    table.types.insert(name, complex(Ns::Types, words));
                }
                (Some("mtype"), Some(name)) => {
                    table.types.insert(name, complex(Ns::Messages, words));
                }
                _ => {}
            }
        }
        table
    })
}

fn simple(mut words: std::str::Split<'static, char>) -> Simple {
    match words.next() {
        Some("enum") => Simple::Enum(words.map(|word| word.replace('_', " ")).collect()),
        Some("list") => Simple::List(words.next().unwrap_or_default().to_owned()),
        Some("nonempty") => Simple::NonEmpty,
        Some("int") => {
            let (low, high) = words.next().and_then(|range| range.split_once("..")).unwrap_or_default();
            Simple::Int(low.parse().unwrap_or(i64::MIN), high.parse().unwrap_or(i64::MAX))
        }
        _ => Simple::Text,
    }
}

fn complex(ns: Ns, words: std::str::Split<'static, char>) -> Complex {
    let mut complex = Complex { ns, text: None, attributes: Vec::new(), slots: Vec::new() };
    for word in words.filter(|word| !word.is_empty() && *word != ":") {
        if let Some(attribute) = word.strip_prefix('@') {
            let (name, kind) = attribute.split_once('=').unwrap_or((attribute, "string"));
            complex.attributes.push((name.trim_end_matches('!'), kind, name.ends_with('!')));
        } else if let Some(kind) = word.strip_prefix("text=") {
            complex.text = Some(kind);
        } else {
            let names = word.trim_end_matches(['?', '*', '+']);
            complex.slots.push(Slot {
                names: names.split('|').map(|name| name.split_once('=').unwrap_or((name, name))).collect(),
                required: !word.ends_with(['?', '*']),
                many: word.ends_with(['*', '+']),
            });
        }
    }
    complex
}

/// Whether the server knows this request.
pub(super) fn knows(operation: &str) -> bool {
    table().requests.contains_key(operation)
}

/// The child elements of a type in their order; none for a type that the table lacks.
pub(super) fn order(kind: &str) -> Vec<&'static str> {
    let slots = table().types.get(kind).map_or(&[][..], |complex| complex.slots.as_slice());
    slots.iter().flat_map(|slot| slot.names.iter().map(|(name, _)| *name)).collect()
}

/// Checks a request, the first child of a SOAP body.
pub(super) fn check(request: &Element) -> Result<(), Violation> {
    let kind = table().requests.get(request.name.as_str()).filter(|_| request.ns == Ns::Messages);
    match kind {
        Some(kind) => check_element(request, kind),
        None => {
            Err(violation(request, format!("The element '{}:{}' is not declared.", request.ns.uri(), request.name)))
        }
    }
}

/// Whether a value is one of an enumeration's.
pub(super) fn is_value(kind: &str, value: &str) -> bool {
    table().simples.get(kind).is_some_and(|simple| fits(simple, value))
}

fn violation(element: &Element, text: String) -> Violation {
    Violation { text, offset: element.offset }
}

fn check_element(element: &Element, kind: &'static str) -> Result<(), Violation> {
    if kind == "any" {
        return Ok(());
    }
    let Some(complex) = table().types.get(kind) else { return check_text(element, kind) };
    check_attributes(element, complex)?;
    if let Some(kind) = complex.text {
        return check_text(element, kind);
    }
    if !element.text.trim().is_empty() && !complex.slots.is_empty() {
        let text = format!("The element '{}:{}' cannot contain text.", element.ns.uri(), element.name);
        return Err(violation(element, text));
    }
    check_children(element, complex)
}

fn check_attributes(element: &Element, complex: &Complex) -> Result<(), Violation> {
    for (name, value) in element.attributes.iter().filter(|(name, _)| !name.contains(':')) {
        let Some((_, kind, _)) = complex.attributes.iter().find(|(known, ..)| known == name) else {
            return Err(violation(element, format!("The '{name}' attribute is not declared.")));
        };
        let ok = match table().simples.get(kind) {
            Some(simple) => fits(simple, value),
            None => primitive(kind).is_none_or(|simple| fits(&simple, value)),
        };
        if !ok {
            let datatype = format!("{}:{kind}", Ns::Types.uri());
            let text = format!(
                "The '{name}' attribute is invalid - The value '{value}' is invalid according to its datatype \
                 '{datatype}' - The Enumeration constraint failed."
            );
            return Err(violation(element, text));
        }
    }
    let missing = complex.attributes.iter().find(|(name, _, required)| *required && element.attribute(name).is_none());
    missing.map_or(Ok(()), |(name, ..)| Err(violation(element, format!("The required attribute '{name}' is missing."))))
}

fn check_children(element: &Element, complex: &Complex) -> Result<(), Violation> {
    let mut slots = complex.slots.iter();
    let mut current = slots.next();
    let mut seen = false;
    'children: for child in &element.children {
        while let Some(slot) = current {
            let found = slot.names.iter().find(|(name, _)| *name == child.name && child.ns == complex.ns);
            match found {
                Some((_, kind)) if slot.many || !seen => {
                    check_element(child, kind)?;
                    seen = true;
                    continue 'children;
                }
                _ if seen || !slot.required => {
                    current = slots.next();
                    seen = false;
                }
                _ => return Err(unexpected(element, child, Some(slot))),
            }
        }
        return Err(unexpected(element, child, None));
    }
    let missing = current.filter(|slot| slot.required && !seen).or_else(|| slots.find(|slot| slot.required));
    missing.map_or(Ok(()), |slot| {
        let text = format!(
            "The element '{}' in namespace '{}' has incomplete content. List of possible elements expected: '{}'.",
            element.name,
            element.ns.uri(),
            expected(slot)
        );
        Err(violation(element, text))
    })
}

fn expected(slot: &Slot) -> String {
    slot.names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn unexpected(element: &Element, child: &Element, slot: Option<&Slot>) -> Violation {
    let mut text = format!(
        "The element '{}' in namespace '{}' has invalid child element '{}' in namespace '{}'.",
        element.name,
        element.ns.uri(),
        child.name,
        child.ns.uri()
    );
    if let Some(slot) = slot {
        text.push_str(&format!(" List of possible elements expected: '{}'.", expected(slot)));
    }
    violation(child, text)
}

fn check_text(element: &Element, kind: &str) -> Result<(), Violation> {
    if let Some(child) = element.children.first() {
        return Err(unexpected(element, child, None));
    }
    let ok = match table().simples.get(kind) {
        Some(simple) => fits(simple, &element.text),
        None => primitive(kind).is_none_or(|simple| fits(&simple, &element.text)),
    };
    if ok {
        return Ok(());
    }
    let text = format!(
        "The '{}:{}' element is invalid - The value '{}' is invalid according to its datatype '{kind}'.",
        element.ns.uri(),
        element.name,
        element.text.chars().take(80).collect::<String>()
    );
    Err(violation(element, text))
}

fn primitive(kind: &str) -> Option<Simple> {
    match kind {
        "bool" => Some(Simple::Bool),
        "int" => Some(Simple::Int(i64::MIN, i64::MAX)),
        "double" => Some(Simple::Double),
        "dateTime" => Some(Simple::DateTime),
        "date" => Some(Simple::Date),
        "base64" => Some(Simple::Base64),
        _ => None,
    }
}

fn fits(simple: &Simple, value: &str) -> bool {
    let trimmed = value.trim();
    match simple {
        Simple::Text => true,
        // The service looks at base64 itself, and says so with a response code of its own.
        Simple::Base64 => true,
        Simple::NonEmpty => !value.is_empty(),
        Simple::Bool => matches!(trimmed, "true" | "false" | "1" | "0"),
        Simple::Int(low, high) => trimmed.parse::<i64>().is_ok_and(|number| (*low..=*high).contains(&number)),
        Simple::Double => trimmed.parse::<f64>().is_ok(),
        Simple::DateTime => trimmed.len() >= 19 && trimmed.contains('T'),
        Simple::Date => is_date(trimmed),
        Simple::Enum(values) => values.iter().any(|allowed| allowed == value),
        Simple::List(kind) => trimmed.split_ascii_whitespace().all(|word| is_value(kind, word)),
    }
}

/// `2026-11-02`, with or without an offset.
fn is_date(text: &str) -> bool {
    let (day, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let offset = rest.is_empty() || rest == "Z" || (rest.len() == 6 && rest.starts_with(['+', '-']));
    day.parse::<jiff::civil::Date>().is_ok() && offset
}
