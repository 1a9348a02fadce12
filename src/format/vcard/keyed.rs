//! Properties of one name of which each has a place of its own on the server: numbers, addresses, pages.
//!
//! Which place is told by `TYPE`, as programs write it. Where that is not enough, because a number is the second one of its type or has
//! no place at all, the parameter `X-EWS-KEY` tells it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::content::{Component, Property};
use crate::pim::{AddressKey, PhoneKey};

const PARAMETER: &str = "X-EWS-KEY";

/// The value of [`PARAMETER`] for what has no place on the server.
const NOWHERE: &str = "none";

/// The places of a property.
pub(super) trait Place: Copy + Ord + 'static {
    /// Each place with its name on the server and the types by which files tell it.
    const PLACES: &'static [(Self, &'static str, &'static [&'static str])];

    /// The places that a property of those types may take, the best one first.
    fn candidates(property: &Property) -> &'static [Self];
}

/// What a property of a place holds.
pub(super) trait Content<V> {
    const NAME: &'static str;
    /// What it says; `None` when that is nothing.
    fn read(property: &Property) -> Option<V>;
    fn write(property: Property, value: &V) -> Property;
}

/// Reads the values by their places.
pub(super) fn read<K: Place, V, C: Content<V>>(card: &Component) -> BTreeMap<K, V> {
    let properties: Vec<_> = card.properties(C::NAME).collect();
    let places = assign::<K, V, C>(&properties);
    properties.iter().zip(places).filter_map(|(property, place)| Some((place?, C::read(property)?))).collect()
}

/// Writes the values to their places, and leaves alone what has no place.
pub(super) fn write<K: Place, V: PartialEq, C: Content<V>>(card: &mut Component, values: &BTreeMap<K, V>) {
    card.rewrite(C::NAME, |old| {
        let places = assign::<K, V, C>(&old);
        let mut new = Vec::with_capacity(old.len());
        for (property, place) in old.into_iter().zip(places) {
            match place.map(|key| (key, values.get(&key))) {
                None => new.push((None, property)),
                Some((_, None)) => {}
                Some((key, Some(value))) if C::read(&property).as_ref() == Some(value) => {
                    new.push((Some(key), property))
                }
                Some((key, Some(value))) => new.push((Some(key), C::write(property, value))),
            }
        }
        let known: BTreeSet<K> = new.iter().filter_map(|(place, _)| *place).collect();
        for (key, value) in values.iter().filter(|(key, _)| !known.contains(key)) {
            let types = K::PLACES.iter().find(|row| row.0 == *key).map_or(&[][..], |row| row.2);
            let fresh = types.iter().fold(Property::new(C::NAME, ""), |property, kind| property.with("TYPE", kind));
            new.push((Some(*key), C::write(fresh, value)));
        }
        pin::<K, V, C>(new)
    });
}

/// Where `TYPE` would tell other places than meant, names them: those that would be mistaken, or all where that is not enough.
fn pin<K: Place, V, C: Content<V>>(properties: Vec<(Option<K>, Property)>) -> Vec<Property> {
    let (meant, mut properties): (Vec<_>, Vec<_>) = properties.into_iter().unzip();
    for all in [false, true] {
        let told = assign::<K, V, C>(&properties);
        if told == meant {
            break;
        }
        for ((meant, told), property) in meant.iter().zip(told).zip(&mut properties) {
            let name = meant.and_then(|key| K::PLACES.iter().find(|row| row.0 == key)).map_or(NOWHERE, |row| row.1);
            if C::read(property).is_some() && (all || *meant != told || meant.is_none()) {
                property.set_parameter(PARAMETER, Some(name));
            }
        }
    }
    properties
}

/// The place of each property: first of those that name it, then of the others in their order.
fn assign<K: Place, V, C: Content<V>>(properties: &[Property]) -> Vec<Option<K>> {
    let mut taken = BTreeSet::new();
    let named = |property: &Property| {
        let name = property.parameter(PARAMETER)?;
        Some(K::PLACES.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0))
    };
    let names: Vec<Option<Option<K>>> = properties.iter().map(named).collect();
    let mut places: Vec<Option<K>> = Vec::with_capacity(properties.len());
    for (property, name) in properties.iter().zip(&names) {
        let place = name.flatten().filter(|key| C::read(property).is_some() && taken.insert(*key));
        places.push(place);
    }
    for ((property, name), place) in properties.iter().zip(names).zip(&mut places) {
        if name.is_none() && C::read(property).is_some() {
            *place = K::candidates(property).iter().copied().find(|key| taken.insert(*key));
        }
    }
    places
}

impl Place for PhoneKey {
    const PLACES: &'static [(Self, &'static str, &'static [&'static str])] = &[
        (Self::BusinessPhone, "BusinessPhone", &["work", "voice"]),
        (Self::BusinessPhone2, "BusinessPhone2", &["work", "voice"]),
        (Self::HomePhone, "HomePhone", &["home", "voice"]),
        (Self::HomePhone2, "HomePhone2", &["home", "voice"]),
        (Self::MobilePhone, "MobilePhone", &["cell"]),
        (Self::BusinessFax, "BusinessFax", &["work", "fax"]),
        (Self::HomeFax, "HomeFax", &["home", "fax"]),
        (Self::OtherFax, "OtherFax", &["fax"]),
        (Self::Pager, "Pager", &["pager"]),
        (Self::CarPhone, "CarPhone", &["car"]),
        (Self::Isdn, "Isdn", &["isdn"]),
        (Self::OtherTelephone, "OtherTelephone", &["voice"]),
        (Self::PrimaryPhone, "PrimaryPhone", &["pref"]),
        (Self::AssistantPhone, "AssistantPhone", &["x-assistant"]),
        (Self::Callback, "Callback", &["x-callback"]),
        (Self::CompanyMainPhone, "CompanyMainPhone", &["x-company"]),
        (Self::RadioPhone, "RadioPhone", &["x-radio"]),
        (Self::Telex, "Telex", &["x-telex"]),
        (Self::TtyTddPhone, "TtyTddPhone", &["textphone"]),
    ];

    fn candidates(tel: &Property) -> &'static [Self] {
        let has = |kinds: &[&str]| kinds.iter().any(|kind| tel.has_type(kind));
        let (work, home) = (has(&["work"]), has(&["home"]));
        if has(&["fax"]) {
            return match (work, home) {
                (true, _) => &[Self::BusinessFax, Self::OtherFax],
                (false, true) => &[Self::HomeFax, Self::OtherFax],
                (false, false) => &[Self::OtherFax],
            };
        }
        // What is more than where it stands, before where it stands: a mobile number at work is a mobile number.
        const KINDS: [(&[&str], &[PhoneKey]); 10] = [
            (&["pager"], &[PhoneKey::Pager]),
            (&["textphone", "tty-tdd", "x-evolution-ttytdd"], &[PhoneKey::TtyTddPhone]),
            (&["x-telex", "x-evolution-telex"], &[PhoneKey::Telex]),
            (&["x-radio", "x-evolution-radio"], &[PhoneKey::RadioPhone]),
            (&["x-callback", "x-evolution-callback"], &[PhoneKey::Callback]),
            (&["x-assistant", "x-evolution-assistant"], &[PhoneKey::AssistantPhone]),
            (&["x-company", "main", "x-evolution-company"], &[PhoneKey::CompanyMainPhone]),
            (&["car"], &[PhoneKey::CarPhone]),
            (&["isdn"], &[PhoneKey::Isdn]),
            (&["cell", "iphone"], &[PhoneKey::MobilePhone]),
        ];
        if let Some((_, places)) = KINDS.iter().find(|(kinds, _)| has(kinds)) {
            return places;
        }
        match (work, home) {
            (true, _) => &[Self::BusinessPhone, Self::BusinessPhone2],
            (false, true) => &[Self::HomePhone, Self::HomePhone2],
            (false, false) if has(&["pref"]) && !has(&["voice"]) => &[Self::PrimaryPhone, Self::OtherTelephone],
            (false, false) => &[Self::OtherTelephone],
        }
    }
}

impl Place for AddressKey {
    const PLACES: &'static [(Self, &'static str, &'static [&'static str])] =
        &[(Self::Business, "Business", &["work"]), (Self::Home, "Home", &["home"]), (Self::Other, "Other", &[])];

    fn candidates(address: &Property) -> &'static [Self] {
        match (address.has_type("work"), address.has_type("home")) {
            (true, _) => &[Self::Business],
            (false, true) => &[Self::Home],
            (false, false) => &[Self::Other],
        }
    }
}

/// Pages: one of the company, one of one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PageKey {
    Business,
    Personal,
}

impl Place for PageKey {
    const PLACES: &'static [(Self, &'static str, &'static [&'static str])] =
        &[(Self::Business, "BusinessHomePage", &["work"]), (Self::Personal, "PersonalHomePage", &["home"])];

    fn candidates(page: &Property) -> &'static [Self] {
        if page.has_type("home") { &[Self::Personal] } else { &[Self::Business] }
    }
}
