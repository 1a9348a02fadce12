//! The values of vCards: text, structures, lists, days, pictures.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;

use super::super::content::{Component, Property, decode_base64, escape, split, unescape};
use super::Version;
use super::keyed::Content;
use crate::pim::{Address, DayOfLife, Photo, Text};

/// The text of the first property that has one of these names.
pub(super) fn text(card: &Component, names: &[&str]) -> Text {
    let first = names.iter().find_map(|name| card.property(name));
    first.map(|property| Text::from(unescape(&property.value))).unwrap_or_default()
}

/// Writes text to the first of these names that is there, or to `new`.
pub(super) fn set_text(card: &mut Component, names: &[&str], new: &str, value: &Text) {
    if value.is_empty() {
        return names.iter().for_each(|name| card.set(name, None));
    }
    let name = names.iter().find(|name| card.property(name).is_some()).unwrap_or(&new);
    card.set(name, Some(&escape(value.as_str())));
}

/// A component of a structured value.
pub(super) fn part(property: Option<&Property>, index: usize) -> Text {
    property
        .and_then(|property| split(&property.value, ';').nth(index))
        .map(|part| Text::from(unescape(part)))
        .unwrap_or_default()
}

/// Sets components of a structured value; those that say the same stay as they are written.
pub(super) fn set_parts(mut property: Property, parts: &[(usize, &Text)]) -> Property {
    let mut written: Vec<String> = split(&property.value, ';').map(str::to_owned).collect();
    for (index, part) in parts {
        if written.len() <= *index {
            written.resize(index + 1, String::new());
        }
        if let Some(old) = written.get_mut(*index).filter(|old| Text::from(unescape(old)) != **part) {
            *old = escape(part.as_str());
        }
    }
    property.value = written.join(";");
    property
}

/// Sets components of the first property of that name.
pub(super) fn set_structure(card: &mut Component, name: &str, parts: &[(usize, &Text)]) {
    card.rewrite(name, |mut old| {
        let is_new = old.is_empty();
        let first = if is_new { Property::new(name, "") } else { old.remove(0) };
        old.insert(0, set_parts(first, parts));
        old
    });
}

/// Gives `new` values to properties: one that had the value keeps it, others are reused in their order. What `read` knows nothing of stays.
pub(super) fn set_list(
    old: Vec<Property>,
    new: &[Text],
    read: impl Fn(&Property) -> Option<Text>,
    write: impl Fn(Property, &Text) -> Property,
    fresh: impl Fn() -> Property,
) -> Vec<Property> {
    let mut foreign = Vec::new();
    let mut known: BTreeMap<Text, Vec<(usize, Property)>> = BTreeMap::new();
    for (place, property) in old.into_iter().enumerate().rev() {
        match read(&property) {
            Some(value) => known.entry(value).or_default().push((place, property)),
            None => foreign.push(property),
        }
    }
    let kept: Vec<_> = new.iter().map(|value| known.get_mut(value).and_then(Vec::pop)).collect();
    let mut spare: Vec<_> = known.into_values().flatten().collect();
    spare.sort_by_key(|(place, _)| *place);
    let mut spare = spare.into_iter();
    let listed = kept.into_iter().zip(new).map(|(kept, value)| match kept {
        Some((_, property)) => property,
        None => write(spare.next().map_or_else(&fresh, |(_, property)| property), value),
    });
    let mut listed: Vec<_> = listed.collect();
    listed.extend(foreign.into_iter().rev());
    listed
}

/// Text in a property whose value is an address: commas and semicolons stand as they are.
pub(super) fn uri(value: &Text) -> String {
    value.as_str().replace('\\', "\\\\").replace('\n', "\\n")
}

pub(super) fn some_text(property: &Property) -> Option<Text> {
    Some(Text::from(unescape(&property.value))).filter(|text| !text.is_empty())
}

/// Numbers: text, or a `tel:` address (RFC 6350 §6.4.1).
pub(super) struct Tel;

impl Content<Text> for Tel {
    const NAME: &'static str = "TEL";

    fn read(property: &Property) -> Option<Text> {
        let text = some_text(property)?;
        let scheme = text.as_str().get(..4).filter(|head| head.eq_ignore_ascii_case("tel:"));
        let number = scheme.and_then(|_| text.as_str().get(4..)).map_or_else(|| text.clone(), Text::new);
        Some(number).filter(|number| !number.is_empty())
    }

    fn write(mut property: Property, number: &Text) -> Property {
        let is_uri = property.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("uri"));
        let fits = number.as_str().bytes().all(|byte| byte.is_ascii_digit() || b"+-.()".contains(&byte));
        if is_uri && fits {
            property.value = format!("tel:{number}");
            return property;
        }
        property.set_parameter("VALUE", None);
        property.value = escape(number.as_str());
        if Self::read(&property).as_ref() != Some(number) {
            // The number itself begins with the scheme.
            property.value.insert_str(0, "tel:");
        }
        property
    }
}

/// Addresses of paper mail (RFC 6350 §6.3.1). The second component, "extended address", has no place on the server.
pub(super) struct Adr;

impl Content<Address> for Adr {
    const NAME: &'static str = "ADR";

    fn read(property: &Property) -> Option<Address> {
        let part = |index| part(Some(property), index);
        let address = Address {
            po_box: part(0),
            street: part(2),
            city: part(3),
            state: part(4),
            postal_code: part(5),
            country: part(6),
        };
        Some(address).filter(|address| !address.is_empty())
    }

    fn write(property: Property, address: &Address) -> Property {
        let Address { po_box, street, city, state, postal_code, country } = address;
        let parts = [(0, po_box), (2, street), (3, city), (4, state), (5, postal_code), (6, country)];
        let mut property = set_parts(property, &parts);
        // It shows the address as it was.
        property.set_parameter("LABEL", None);
        property
    }
}

/// Pages.
pub(super) struct Url;

impl Content<Text> for Url {
    const NAME: &'static str = "URL";

    fn read(property: &Property) -> Option<Text> {
        some_text(property)
    }

    fn write(property: Property, page: &Text) -> Property {
        property.with_value(uri(page))
    }
}

/// The day of the first property that has one of these names. What is no day, such as "circa 1800", stays in the file alone.
pub(super) fn day(card: &Component, names: &[&str]) -> Option<DayOfLife> {
    let property = names.iter().find_map(|name| card.property(name))?;
    let day = read_day(property.value.trim())?;
    let omitted = property.parameter("X-APPLE-OMIT-YEAR").and_then(|year| year.parse().ok());
    let (month, number) = day.month_and_day();
    if omitted.is_some() && omitted == day.year() { DayOfLife::without_year(month, number) } else { Some(day) }
}

fn read_day(value: &str) -> Option<DayOfLife> {
    let date = value.split(['T', ' ']).next()?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i16>().ok())?;
    if let Some(day) = date.strip_prefix("--") {
        let digits = day.replace('-', "");
        let digits = Some(digits.as_str()).filter(|digits| digits.len() == 4)?;
        return DayOfLife::without_year(
            number(digits.get(..2)?)?.try_into().ok()?,
            number(digits.get(2..)?)?.try_into().ok()?,
        );
    }
    let digits = date.replace('-', "");
    let digits = Some(digits.as_str()).filter(|digits| digits.len() == 8)?;
    let (month, day) = (number(digits.get(4..6)?)?, number(digits.get(6..)?)?);
    DayOfLife::new(Date::new(number(digits.get(..4)?)?, month.try_into().ok()?, day.try_into().ok()?).ok()?)
}

/// Writes a day to the first of these names that is there, or to `new`.
pub(super) fn set_day(card: &mut Component, names: &[&str], new: &str, day: Option<DayOfLife>, version: Version) {
    let Some(day) = day else {
        return names.iter().for_each(|name| card.set(name, None));
    };
    let name = names.iter().find(|name| card.property(name).is_some()).unwrap_or(&new);
    let (month, number) = day.month_and_day();
    let (value, omit) = match (version, day.year()) {
        (Version::V4, Some(year)) => (format!("{year:04}{month:02}{number:02}"), None),
        (Version::V4, None) => (format!("--{month:02}{number:02}"), None),
        (Version::V3, Some(year)) => (format!("{year:04}-{month:02}-{number:02}"), None),
        // RFC 2426 knows no day without a year; this is what Apple writes.
        (Version::V3, None) => (format!("1604-{month:02}-{number:02}"), Some("1604")),
    };
    card.rewrite(name, |mut old| {
        let mut property = if old.is_empty() { Property::new(name, "") } else { old.remove(0) };
        property.value = value;
        property.set_parameter("VALUE", None);
        property.set_parameter("X-APPLE-OMIT-YEAR", omit);
        old.insert(0, property);
        old
    });
}

/// A picture that is in the file; one that is only linked to stays a link.
pub(super) fn read_photo(property: &Property) -> Option<Photo> {
    let (kind, data) = match property.value.get(..5).filter(|head| head.eq_ignore_ascii_case("data:")) {
        Some(_) => {
            let (media, data) = property.value.get(5..)?.split_once(',')?;
            let media = media.strip_suffix(";base64")?;
            (media.split_once('/').map_or("", |(_, kind)| kind).to_owned(), data)
        }
        None => {
            let encoding = property.parameter("ENCODING")?;
            ["b", "base64"].iter().find(|name| encoding.eq_ignore_ascii_case(name))?;
            (property.parameter("TYPE").unwrap_or_default().to_owned(), property.value.as_str())
        }
    };
    let kind = if is_media_type(&kind) { kind } else { String::new() };
    let data = decode_base64(data).filter(|data| !data.is_empty())?;
    Some(Photo::new(kind.to_ascii_lowercase(), data))
}

/// RFC 6838 §4.2, less what nobody uses: nothing that ends a `data:` address.
fn is_media_type(kind: &str) -> bool {
    kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Replaces the picture in the file. A link to one goes, too: who reads the file would see the old face.
pub(super) fn set_photo(card: &mut Component, photo: Option<&Photo>, version: Version) {
    card.rewrite("PHOTO", |old| {
        let Some(photo) = photo else {
            return old.into_iter().filter(|property| read_photo(property).is_none()).collect();
        };
        // A picture that is only remembered cannot be written.
        let Some(data) = photo.data().map(|data| STANDARD.encode(data)) else { return old };
        let group = old.into_iter().next().and_then(|property| property.group);
        let kind = Some(photo.kind().as_str()).filter(|kind| is_media_type(kind)).unwrap_or_default();
        let mut property = match version {
            Version::V4 if kind.is_empty() => Property::new("PHOTO", format!("data:;base64,{data}")),
            Version::V4 => Property::new("PHOTO", format!("data:image/{kind};base64,{data}")),
            Version::V3 if kind.is_empty() => Property::new("PHOTO", data).with("ENCODING", "b"),
            Version::V3 => Property::new("PHOTO", data).with("ENCODING", "b").with("TYPE", &kind.to_ascii_uppercase()),
        };
        property.group = group;
        vec![property]
    });
}
