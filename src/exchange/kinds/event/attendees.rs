//! Who is invited, and what each answered.

use super::super::super::store::{Meta, Person};
use super::super::super::xml::Element;
use super::super::values;

/// The lists of attendees.
pub(in super::super::super) const ATTENDEES: [&str; 3] = ["RequiredAttendees", "OptionalAttendees", "Resources"];

fn address(attendee: &Element) -> String {
    let mailbox = attendee.child("Mailbox");
    mailbox.and_then(|mailbox| mailbox.child_text("EmailAddress")).unwrap_or_default().to_lowercase()
}

/// The list of a request, with the answers that are known.
pub(super) fn merged(meta: &Meta, list: &Element) -> Element {
    let known: Vec<Element> = ATTENDEES
        .iter()
        .filter_map(|name| values::element(&meta.fields, name))
        .flat_map(|list| list.children)
        .collect();
    let mut list = list.clone();
    for attendee in &mut list.children {
        let before = known.iter().find(|known| address(known) == address(attendee));
        attendee.children.retain(|child| child.name == "Mailbox");
        attendee.children.iter_mut().for_each(complete);
        match before {
            Some(before) => {
                attendee.children.extend(before.children.iter().filter(|child| child.name != "Mailbox").cloned())
            }
            None => attendee.children.push(Element::leaf("ResponseType", "Unknown")),
        }
    }
    list
}

/// Tells of a mailbox what the server tells of each.
fn complete(mailbox: &mut Element) {
    let address = mailbox.child_text("EmailAddress").unwrap_or_default().to_owned();
    let defaults = [("Name", address.as_str()), ("RoutingType", "SMTP"), ("MailboxType", "OneOff")];
    for (name, value) in defaults {
        if mailbox.child(name).is_none() {
            mailbox.children.push(Element::leaf(name, value));
        }
    }
    let order = ["Name", "EmailAddress", "RoutingType", "MailboxType"];
    mailbox.children.retain(|child| order.contains(&child.name.as_str()));
    mailbox.children.sort_by_key(|child| order.iter().position(|name| *name == child.name));
}

/// Everybody in a list.
pub(in super::super::super) fn people(meta: &Meta, list: &str) -> Vec<Person> {
    let list = values::element(&meta.fields, list).map(|list| list.children).unwrap_or_default();
    let person = |attendee: &Element| {
        let mailbox = attendee.child("Mailbox")?;
        let text = |name: &str| mailbox.child_text(name).unwrap_or_default().to_owned();
        Some(Person { name: text("Name"), address: text("EmailAddress") })
    };
    list.iter().filter_map(person).collect()
}

/// Notes what somebody answered; false when nobody of this address is invited.
pub(in super::super::super) fn answer_of(meta: &mut Meta, who: &str, answer: &str, when: &str) -> bool {
    let mut found = false;
    for name in ATTENDEES {
        let Some(mut list) = values::element(&meta.fields, name) else { continue };
        for attendee in list.children.iter_mut().filter(|attendee| address(attendee) == who.to_lowercase()) {
            attendee.children.retain(|child| child.name == "Mailbox");
            attendee.children.push(Element::leaf("ResponseType", answer));
            attendee.children.push(Element::leaf("LastResponseTime", when));
            found = true;
        }
        meta.fields.insert(name.to_owned(), list.to_xml());
    }
    found
}
