//! Who invites and who is invited: ORGANIZER and ATTENDEE (RFC 5545 §3.8.4).

use std::collections::BTreeMap;

use super::super::super::content::{Component, Property};
use crate::pim::Text;
use crate::pim::event::{Answer, Attendee, Person, Role};

/// Each role with its ROLE, and the CUTYPE that tells a resource.
const ROLES: [(Role, &str); 3] =
    [(Role::Required, "REQ-PARTICIPANT"), (Role::Optional, "OPT-PARTICIPANT"), (Role::Resource, "NON-PARTICIPANT")];

const ANSWERS: [(Answer, &str); 4] = [
    (Answer::None, "NEEDS-ACTION"),
    (Answer::Accepted, "ACCEPTED"),
    (Answer::Tentative, "TENTATIVE"),
    (Answer::Declined, "DECLINED"),
];

fn person(property: &Property) -> Person {
    let address = property.value.trim();
    let is_mail = address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let address = if is_mail { address.get(7..).unwrap_or_default() } else { address };
    Person { name: Text::new(property.parameter("CN").unwrap_or_default()), address: Text::new(address) }
}

fn with_person(mut property: Property, person: &Person) -> Property {
    if self::person(&property) == *person {
        return property;
    }
    property.set_parameter("CN", Some(person.name.as_str()).filter(|name| !name.is_empty()));
    property.with_value(format!("mailto:{}", person.address))
}

pub(super) fn organiser(event: &Component) -> Option<Person> {
    event.property("ORGANIZER").map(|organiser| person(&organiser))
}

pub(super) fn set_organiser(event: &mut Component, organiser: Option<&Person>) {
    event.rewrite("ORGANIZER", |mut old| {
        old.truncate(1);
        let line = old.pop().unwrap_or_else(|| Property::new("ORGANIZER", ""));
        organiser.map(|organiser| with_person(line, organiser)).into_iter().collect()
    });
}

fn attendee(property: &Property) -> Attendee {
    let told = |name: &str| property.parameter(name).unwrap_or_default().to_ascii_uppercase();
    let is_resource = matches!(told("CUTYPE").as_str(), "RESOURCE" | "ROOM");
    let role = ROLES.iter().find(|row| row.1 == told("ROLE")).map_or(Role::Required, |row| row.0);
    let answer = ANSWERS.iter().find(|row| row.1 == told("PARTSTAT")).map_or(Answer::None, |row| row.0);
    Attendee { person: person(property), role: if is_resource { Role::Resource } else { role }, answer }
}

fn with_attendee(property: Property, new: &Attendee) -> Property {
    let mut property = with_person(property, &new.person);
    let old = attendee(&property);
    if old.role != new.role {
        let role = ROLES.iter().find(|row| row.0 == new.role).map(|row| row.1);
        property.set_parameter("ROLE", role);
        property.set_parameter("CUTYPE", Some("RESOURCE").filter(|_| new.role == Role::Resource));
    }
    if old.answer != new.answer {
        property.set_parameter("PARTSTAT", ANSWERS.iter().find(|row| row.0 == new.answer).map(|row| row.1));
    }
    property
}

pub(super) fn attendees(event: &Component) -> Vec<Attendee> {
    event.properties("ATTENDEE").map(|line| attendee(&line)).collect()
}

/// Writes who is invited; who was before keeps the line, and parameters that the server does not know.
pub(super) fn set_attendees(event: &mut Component, attendees: &[Attendee]) {
    event.rewrite("ATTENDEE", |old| {
        let mut lines: BTreeMap<String, Vec<Property>> = BTreeMap::new();
        for line in old.into_iter().rev() {
            lines.entry(person(&line).address.as_str().to_lowercase()).or_default().push(line);
        }
        let mut line = |attendee: &Attendee| {
            let known = lines.get_mut(&attendee.person.address.as_str().to_lowercase()).and_then(Vec::pop);
            with_attendee(known.unwrap_or_else(|| Property::new("ATTENDEE", "")), attendee)
        };
        attendees.iter().map(&mut line).collect()
    });
}
