//! A content line taken apart: group, name, parameters, value.

use std::fmt::Write as _;

use super::line::{Ending, Line, fold};

/// A property. Two are equal when a reader cannot tell them apart: names in any case, whatever the folding.
#[derive(Clone, Debug)]
pub struct Property {
    /// The group before the name, such as `item1` (RFC 6350 §3.3).
    pub group: Option<String>,
    /// The name as written.
    pub name: String,
    /// The parameters, in their order.
    pub parameters: Vec<Parameter>,
    /// The value as written, still escaped.
    pub value: String,
    /// The line that it was read from: it is written again as long as it says the same.
    source: Option<Line>,
}

/// A parameter of a property, its values without quotes and unescaped (RFC 6868).
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name as written.
    pub name: String,
    /// At least one value.
    pub values: Vec<String>,
}

impl PartialEq for Property {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group
            && self.name.eq_ignore_ascii_case(&other.name)
            && self.parameters == other.parameters
            && self.value == other.value
    }
}
impl Eq for Property {}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.values == other.values
    }
}
impl Eq for Parameter {}

impl Property {
    /// A property without parameters; `value` is escaped already.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { group: None, name: name.to_owned(), parameters: Vec::new(), value: value.into(), source: None }
    }

    /// The property with another value, escaped already.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.push(Parameter { name: name.to_owned(), values: vec![value.to_owned()] });
        self
    }

    /// Sets a parameter to one value, or takes it away.
    pub fn set_parameter(&mut self, name: &str, value: Option<&str>) {
        let at = self.parameters.iter().position(|parameter| parameter.is(name));
        match (at, value) {
            (Some(at), Some(value)) => {
                if let Some(parameter) = self.parameters.get_mut(at) {
                    parameter.values = vec![value.to_owned()];
                }
            }
            (None, Some(value)) => {
                self.parameters.push(Parameter { name: name.to_owned(), values: vec![value.to_owned()] });
            }
            (_, None) => self.parameters.retain(|parameter| !parameter.is(name)),
        }
    }

    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.is(name))?.values.first().map(String::as_str)
    }

    /// All values of a parameter, however they are spread: `TYPE=a,b`, `TYPE=a;TYPE=b`, `TYPE="a,b"`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.parameters.iter().filter(move |parameter| parameter.is(name)).flat_map(|found| &found.values);
        values.map(String::as_str)
    }

    /// Whether `TYPE` has that value, in any case. vCard 2.1 and many after it leave `TYPE=` out.
    pub fn has_type(&self, kind: &str) -> bool {
        self.values("TYPE").flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(kind))
    }

    pub(super) fn of(line: &Line, unfolded: &str) -> Option<Self> {
        Self::parse(unfolded).map(|property| Self { source: Some(line.clone()), ..property })
    }

    fn parse(line: &str) -> Option<Self> {
        let colon = value_at(line)?;
        let (head, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        let mut pieces = pieces(head, ';');
        let (group, name) = named(pieces.next()?)?;
        let parameters = pieces.filter(|piece| !piece.trim().is_empty()).map(Parameter::parse).collect();
        Some(Self {
            group: group.map(str::to_owned),
            name: name.to_owned(),
            parameters,
            value: value.to_owned(),
            source: None,
        })
    }

    /// The line that holds it: the one that it was read from, or one with folds. Characters that no line may hold are left out.
    pub(super) fn to_line(&self, ending: Ending) -> Line {
        match &self.source {
            Some(line) if line.property().as_ref() == Some(self) => line.clone(),
            Some(_) | None => self.to_new_line(ending),
        }
    }

    /// A line of its own, folded.
    pub(super) fn to_new_line(&self, ending: Ending) -> Line {
        let mut line = String::with_capacity(self.value.len() + 32);
        if let Some(group) = &self.group {
            let _ = write!(line, "{group}.");
        }
        line.push_str(&self.name);
        for parameter in &self.parameters {
            let _ = write!(line, ";{}=", parameter.name);
            for (number, value) in parameter.values.iter().enumerate() {
                if number > 0 {
                    line.push(',');
                }
                push_parameter_value(&mut line, value);
            }
        }
        line.push(':');
        line.push_str(&self.value);
        if line.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
            line.retain(|character| character == '\t' || !character.is_ascii_control());
        }
        Line::new(fold(&line, ending))
    }
}

impl Parameter {
    /// Whether it has that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn parse(piece: &str) -> Self {
        match piece.split_once('=') {
            Some((name, values)) => Self {
                name: name.trim().to_owned(),
                values: pieces(values, ',').map(|value| decode(value.trim().trim_matches('"'))).collect(),
            },
            None => Self { name: "TYPE".to_owned(), values: vec![decode(piece.trim())] },
        }
    }
}

/// The name of the property that a line holds, in upper case and without its group.
pub(super) fn name(line: &str) -> Option<String> {
    let end = line.find([':', ';'])?;
    value_at(line)?;
    Some(named(line.get(..end)?)?.1.to_ascii_uppercase())
}

fn named(text: &str) -> Option<(Option<&str>, &str)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let (group, name) = match text.split_once('.') {
        Some((group, name)) => (Some(group), name),
        None => (None, text),
    };
    (is_name(name) && group.is_none_or(is_name)).then_some((group, name))
}

/// Where the colon before the value is: the first one outside of quotes, or the first one where a quote is never closed.
fn value_at(line: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b':' if !quoted => return Some(at),
            _ => {}
        }
    }
    line.find(':')
}

/// Cuts at a separator outside of quotes.
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == separator && !quoted
    })
}

/// RFC 6868: `^n`, `^'` and `^^`.
fn decode(value: &str) -> String {
    let mut decoded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('^') {
        decoded.push_str(before);
        let (character, length) = match after.as_bytes().first() {
            Some(b'n') => ('\n', 1),
            Some(b'\'') => ('"', 1),
            Some(b'^') => ('^', 1),
            _ => ('^', 0),
        };
        decoded.push(character);
        rest = after.get(length..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded
}

fn push_parameter_value(line: &mut String, value: &str) {
    let encoded = value.replace('^', "^^").replace('\n', "^n").replace('"', "^'");
    if encoded.contains([',', ';', ':']) || encoded.trim() != encoded {
        let _ = write!(line, "\"{encoded}\"");
    } else {
        line.push_str(&encoded);
    }
}
