//! What is written for the server, read again as what it would answer; and answers as servers give them.

mod answers;
mod round_trips;

use futures_util::{FutureExt, stream};

use super::super::property::{leaf, node};
use super::super::request::Version;
use super::super::xml::tree::{Diversion, Token};
use super::super::xml::{Element, Source, XmlReader};
use super::spelling::{self, Context, TaskRules, Value};
use crate::pim::Text;

/// Nothing goes elsewhere.
struct Stay;

impl Diversion for Stay {
    fn diverts(&self, _: &[Element], _: &str) -> bool {
        false
    }
    fn begin(&mut self) -> std::io::Result<()> {
        Ok(())
    }
    fn expect(&mut self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn end(&mut self, _: bool) {}
}

/// The element that a text is.
fn parse(text: &str) -> Element {
    let chunks = stream::iter([Ok(bytes::Bytes::from(text.to_owned()))]);
    let reading = async {
        let mut xml = XmlReader::new(Source::new(chunks, None));
        loop {
            if let Token::Start(root) = xml.next().await.unwrap() {
                return xml.tree(root, &mut Stay).await.unwrap();
            }
        }
    };
    reading.now_or_never().unwrap()
}

fn context(version: Version) -> Context {
    Context { version, home: Text::new("Europe/Berlin"), task_rules: TaskRules::EachByItself }
}

const NEWEST: Version = Version::Exchange2013Sp1;

/// An item that says this, as it comes over the wire.
fn over_the_wire(values: Vec<Value>) -> Element {
    let mut xml = super::super::xml::Xml::default();
    xml.tree(&node("Item", spelling::elements(values)));
    parse(&xml.take())
}

/// What an item that said this says after those changes.
fn changed(mut values: Vec<Value>, changes: Vec<Value>) -> Vec<Value> {
    for (property, value) in changes {
        values.retain(|(known, _)| *known != property);
        values.push((property, value));
    }
    values
}

#[test]
fn elements_are_in_the_order_of_the_schema_and_lists_are_one() {
    use super::super::property::{Content, Property};
    let value = |property: Property| (property, Some(property.holding(Content::Text("x".into()))));
    let elements = spelling::elements(vec![
        value(Property::Field("contacts:Surname")),
        value(Property::Indexed("contacts:EmailAddress", "EmailAddress1")),
        value(Property::Indexed("contacts:PhysicalAddress:Street", "Home")),
        value(Property::Indexed("contacts:PhysicalAddress:City", "Home")),
        value(Property::Indexed("contacts:PhysicalAddress:City", "Other")),
        value(Property::Indexed("contacts:EmailAddress", "EmailAddress2")),
        value(Property::Tag),
        value(Property::Field("item:Subject")),
    ]);
    let names: Vec<&str> = elements.iter().map(|element| &*element.name).collect();
    assert_eq!(names, ["Subject", "ExtendedProperty", "EmailAddresses", "PhysicalAddresses", "Surname"]);
    let address = &elements[3];
    assert_eq!(address.children.iter().map(|entry| entry.children.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(elements[2].children.len(), 2);
    assert_eq!(elements[4], leaf("Surname", "x"));
}
