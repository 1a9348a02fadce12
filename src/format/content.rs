//! Files of content lines (RFC 5545 §3.1, RFC 6350 §3.2 and §3.3) as a tree that loses nothing.
//!
//! A line that nobody touches keeps its bytes: order, folding, line end, unknown names and parameters, even what is no content line at
//! all. Writing one property anew rewrites that line and no other. Real files break every rule of both RFCs, so only what cannot be
//! understood at all, or is too much to hold, is an error.

mod line;
mod parse;
mod property;
mod value;

pub use line::Line;
pub use parse::{ContentError, Limits};
pub use property::{Parameter, Property};
pub use value::{decode_base64, escape, join, split, unescape};

use line::Ending;

/// A file: usually one component, such as a VCALENDAR or a VCARD, and what lies before, between and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    nodes: Vec<Node>,
    ending: Ending,
}

/// What lies between a `BEGIN` and its `END`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    name: Box<str>,
    begin: Line,
    nodes: Vec<Node>,
    end: Line,
    ending: Ending,
}

/// A line or a component of a [`Component`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A property, or a line that is none.
    Line(Line),
    /// A component within.
    Component(Component),
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file is larger than `limits`, no UTF-8, or its components do not end where they should.
    pub fn parse(bytes: impl Into<bytes::Bytes>, limits: Limits) -> Result<Self, ContentError> {
        let bytes = bytes.into();
        let ending = Ending::of(&bytes);
        Ok(Self { nodes: parse::nodes(&bytes, ending, limits)?, ending })
    }

    /// A file of one component.
    pub fn of(component: Component) -> Self {
        Self { ending: component.ending, nodes: vec![Node::Component(component)] }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&self.nodes, &mut bytes);
        bytes
    }

    /// The outermost components of that name, in their order.
    pub fn components<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Component> {
        components(&self.nodes, name)
    }

    /// The outermost components of that name, to be changed.
    pub fn components_mut<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = &'a mut Component> {
        components_mut(&mut self.nodes, name)
    }
}

impl Component {
    /// A new component with CRLF line ends, as both RFCs want them.
    pub fn new(name: &str) -> Self {
        let border = |word: &str| Property::new(word, name).to_line(Ending::CrLf);
        Self { name: name.into(), begin: border("BEGIN"), nodes: Vec::new(), end: border("END"), ending: Ending::CrLf }
    }

    /// Its name in upper case, such as `VEVENT`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What lies in it.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Its own lines, in their order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Line(line) => Some(line),
            Node::Component(_) => None,
        })
    }

    /// Its properties of that name (in upper case), in their order.
    pub fn properties<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Property> + 'a {
        self.lines().filter(move |line| line.name() == name).filter_map(Line::property)
    }

    /// The first property of that name.
    pub fn property(&self, name: &str) -> Option<Property> {
        self.properties(name).next()
    }

    /// The components of that name within.
    pub fn components<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        components(&self.nodes, name)
    }

    /// The components of that name within, to be changed.
    pub fn components_mut<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = &'a mut Self> {
        components_mut(&mut self.nodes, name)
    }

    /// Gives all properties of that name to `edit` and puts what it makes of them in their place; what is more goes behind the last one.
    ///
    /// A property that is handed back unchanged keeps its bytes.
    pub fn rewrite(&mut self, name: &str, edit: impl FnOnce(Vec<Property>) -> Vec<Property>) {
        let found = |(at, node): (usize, &Node)| Some((at, node.property_named(name)?));
        let (places, old): (Vec<_>, Vec<_>) = self.nodes.iter().enumerate().filter_map(found).unzip();
        let ending = self.ending;
        let mut new = edit(old).into_iter().map(|property| Node::Line(property.to_line(ending)));
        let Some(last) = places.last().copied() else {
            let at = end_of_lines(&self.nodes);
            self.nodes.splice(at..at, new);
            return;
        };
        let mut places = places.into_iter().peekable();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (at, node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            match places.next_if_eq(&at) {
                None => nodes.push(node),
                Some(place) if place == last => nodes.extend(new.by_ref()),
                Some(_) => nodes.extend(new.next()),
            }
        }
        self.nodes = nodes;
    }

    /// Sets the first property of that name to `value` and keeps its parameters; adds one where there is none, removes all for `None`.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.rewrite(name, |mut old| match (value, old.first_mut()) {
            (None, _) => Vec::new(),
            (Some(value), None) => vec![Property::new(name, value)],
            (Some(value), Some(first)) => {
                value.clone_into(&mut first.value);
                old
            }
        });
    }

    /// Adds a property behind the others.
    pub fn push(&mut self, property: &Property) {
        let at = end_of_lines(&self.nodes);
        self.nodes.insert(at, Node::Line(property.to_line(self.ending)));
    }

    /// Adds a component behind all else; it takes on the line ends of this one.
    pub fn push_component(&mut self, mut component: Self) {
        component.adopt(self.ending);
        self.nodes.push(Node::Component(component));
    }

    /// Puts a component before the first one of the name `before`, or behind all else.
    pub fn insert_component(&mut self, mut component: Self, before: &str) {
        component.adopt(self.ending);
        let is_before = |node: &Node| matches!(node, Node::Component(other) if &*other.name == before);
        let at = self.nodes.iter().position(is_before).unwrap_or(self.nodes.len());
        self.nodes.insert(at, Node::Component(component));
    }

    /// What is in it besides properties of these names (in upper case): lines and components as they are written, with line feeds.
    pub fn besides(&self, names: &[&str]) -> String {
        let mut bytes = Vec::new();
        for node in &self.nodes {
            match node {
                Node::Line(line) if names.contains(&line.name()) || line.name().is_empty() => {}
                node => write(std::slice::from_ref(node), &mut bytes),
            }
        }
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\n').to_owned()
    }

    /// Adds what [`Self::besides`] gave. What cannot be read is left out as a whole.
    pub fn append(&mut self, besides: &str) {
        let text = format!("BEGIN:X-BESIDES\n{besides}\nEND:X-BESIDES\n");
        let Ok(mut document) = Document::parse(text.into_bytes(), Limits::default()) else { return };
        let Some(found) = document.components_mut("X-BESIDES").next() else { return };
        found.adopt(self.ending);
        for node in std::mem::take(&mut found.nodes) {
            match node {
                Node::Line(line) if line.name().is_empty() => {}
                Node::Line(line) => {
                    let at = end_of_lines(&self.nodes);
                    self.nodes.insert(at, Node::Line(line));
                }
                Node::Component(component) => self.nodes.push(Node::Component(component)),
            }
        }
    }

    /// Keeps only those components within that `keep` says yes to; lines stay.
    pub fn retain_components(&mut self, mut keep: impl FnMut(&Self) -> bool) {
        self.nodes.retain(|node| match node {
            Node::Line(_) => true,
            Node::Component(component) => keep(component),
        });
    }

    fn adopt(&mut self, ending: Ending) {
        if self.ending == ending {
            return;
        }
        self.ending = ending;
        self.begin = self.begin.with_ending(ending);
        self.end = self.end.with_ending(ending);
        for node in &mut self.nodes {
            match node {
                Node::Line(line) => *line = line.with_ending(ending),
                Node::Component(component) => component.adopt(ending),
            }
        }
    }
}

impl Node {
    fn property_named(&self, name: &str) -> Option<Property> {
        match self {
            Self::Line(line) if line.name() == name => line.property(),
            Self::Line(_) | Self::Component(_) => None,
        }
    }
}

/// New properties go behind the last line, before the components that follow it.
fn end_of_lines(nodes: &[Node]) -> usize {
    nodes.iter().rposition(|node| matches!(node, Node::Line(line) if !line.name().is_empty())).map_or(0, |at| at + 1)
}

fn components<'a>(nodes: &'a [Node], name: &'a str) -> impl Iterator<Item = &'a Component> {
    nodes.iter().filter_map(move |node| match node {
        Node::Component(component) if &*component.name == name => Some(component),
        Node::Component(_) | Node::Line(_) => None,
    })
}

fn components_mut<'a>(nodes: &'a mut [Node], name: &'a str) -> impl Iterator<Item = &'a mut Component> {
    nodes.iter_mut().filter_map(move |node| match node {
        Node::Component(component) if &*component.name == name => Some(component),
        Node::Component(_) | Node::Line(_) => None,
    })
}

fn write(nodes: &[Node], into: &mut Vec<u8>) {
    for node in nodes {
        match node {
            Node::Line(line) => into.extend_from_slice(line.raw()),
            Node::Component(component) => {
                into.extend_from_slice(component.begin.raw());
                write(&component.nodes, into);
                into.extend_from_slice(component.end.raw());
            }
        }
    }
}

#[cfg(test)]
mod tests;
