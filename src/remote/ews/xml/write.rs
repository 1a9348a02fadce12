//! Writes requests.

use std::fmt::Write as _;

use super::filter::is_legal;
use super::tree::Element;

/// Text as it arrives: without what XML 1.0 forbids. A server rejects the whole request for one such character.
pub(crate) fn sendable(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| is_legal(*character))
}

/// A piece of XML that grows. Names carry their prefix: `s:` SOAP, `m:` messages, `t:` types.
#[derive(Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// `<name>`, what `inside` writes, `</name>`.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.element_with(name, &[], inside);
    }

    /// The same with attributes.
    pub(crate) fn element_with(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        inside(self);
        self.close(name);
    }

    /// `<name …>`
    pub(crate) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.0.push('>');
    }

    /// `</name>`
    pub(crate) fn close(&mut self, name: &str) {
        let _ = write!(self.0, "</{name}>");
    }

    /// `<name …/>`
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.0.push_str("/>");
    }

    /// `<name>text</name>`
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name, &[]);
        self.escaped(text);
        self.close(name);
    }

    /// An element of the types with all that is in it.
    pub(crate) fn tree(&mut self, element: &Element) {
        let name = format!("t:{}", element.name);
        let attributes: Vec<(&str, &str)> =
            element.attributes.iter().map(|(key, value)| (&**key, value.as_str())).collect();
        if element.children.is_empty() && element.text.is_empty() {
            return self.empty(&name, &attributes);
        }
        self.open(&name, &attributes);
        element.children.iter().for_each(|child| self.tree(child));
        self.escaped(&element.text);
        self.close(&name);
    }

    /// What was written since the start or the last call.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.0, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.0, " {key}=\"");
            self.escaped(value);
            self.0.push('"');
        }
    }

    fn escaped(&mut self, text: &str) {
        for character in sendable(text) {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#xD;"),
                '\n' => self.0.push_str("&#xA;"),
                '\t' => self.0.push_str("&#x9;"),
                other => self.0.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_rid_of_what_xml_forbids() {
        let mut xml = Xml::default();
        xml.element_with("t:A", &[("Id", "a\"<\u{1}")], |xml| xml.leaf("t:B", "x & <y>\u{0}\u{FFFF}é\n"));
        assert_eq!(xml.take(), "<t:A Id=\"a&quot;&lt;\"><t:B>x &amp; &lt;y&gt;é&#xA;</t:B></t:A>");
    }
}
