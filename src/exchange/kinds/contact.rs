//! Contacts.

use super::super::Personality;
use super::super::props::PropertyName;
use super::super::store::{Item, Meta};
use super::super::xml::{Element, XmlOut};
use super::values;
use super::{Access, Draft, Field, Reader, Shown, Stage, Value, field};

/// The properties of a contact (MS-OXWSCONT `ContactItemType`).
pub(super) const FIELDS: &[Field] = &[
    field("FileAs", Value::Text, Access::Write, Shown::Default, ""),
    field("FileAsMapping", Value::Text, Access::Write, Shown::All, "None"),
    field("DisplayName", Value::Text, Access::Write, Shown::Default, ""),
    field("GivenName", Value::Text, Access::Write, Shown::All, ""),
    field("Initials", Value::Text, Access::Write, Shown::All, ""),
    field("MiddleName", Value::Text, Access::Write, Shown::All, ""),
    field("Nickname", Value::Text, Access::Write, Shown::All, ""),
    field("CompleteName", Value::Tree, Access::Read, Shown::All, ""),
    field("CompanyName", Value::Text, Access::Write, Shown::Default, ""),
    field("EmailAddresses", Value::Entries, Access::Write, Shown::Default, ""),
    field("PhysicalAddresses", Value::Entries, Access::Write, Shown::Default, ""),
    field("PhoneNumbers", Value::Entries, Access::Write, Shown::Default, ""),
    field("AssistantName", Value::Text, Access::Write, Shown::All, ""),
    field("Birthday", Value::Noon, Access::Write, Shown::All, ""),
    field("BusinessHomePage", Value::Text, Access::Write, Shown::All, ""),
    field("Children", Value::Tree, Access::Write, Shown::All, ""),
    field("Companies", Value::Tree, Access::Write, Shown::All, ""),
    field("ContactSource", Value::Text, Access::Read, Shown::Named, ""),
    field("Department", Value::Text, Access::Write, Shown::All, ""),
    field("Generation", Value::Text, Access::Write, Shown::All, ""),
    field("ImAddresses", Value::Entries, Access::Write, Shown::All, ""),
    field("JobTitle", Value::Text, Access::Write, Shown::Default, ""),
    field("Manager", Value::Text, Access::Write, Shown::All, ""),
    field("Mileage", Value::Text, Access::Write, Shown::All, ""),
    field("OfficeLocation", Value::Text, Access::Write, Shown::All, ""),
    field("PostalAddressIndex", Value::Text, Access::Write, Shown::All, "None"),
    field("Profession", Value::Text, Access::Write, Shown::All, ""),
    field("SpouseName", Value::Text, Access::Write, Shown::All, ""),
    field("Surname", Value::Text, Access::Write, Shown::All, ""),
    field("WeddingAnniversary", Value::Noon, Access::Write, Shown::All, ""),
    field("HasPicture", Value::Bool, Access::Read, Shown::All, ""),
    field("PhoneticFullName", Value::Text, Access::Read, Shown::Named, ""),
    field("PhoneticFirstName", Value::Text, Access::Read, Shown::Named, ""),
    field("PhoneticLastName", Value::Text, Access::Read, Shown::Named, ""),
    field("Alias", Value::Text, Access::Read, Shown::Named, ""),
    field("Notes", Value::Text, Access::Read, Shown::Named, ""),
    field("Photo", Value::Text, Access::Read, Shown::Named, ""),
    field("UserSMIMECertificate", Value::Tree, Access::Read, Shown::Named, ""),
    field("MSExchangeCertificate", Value::Tree, Access::Read, Shown::Named, ""),
    field("DirectoryId", Value::Text, Access::Read, Shown::Named, ""),
    field("ManagerMailbox", Value::Tree, Access::Read, Shown::Named, ""),
    field("DirectReports", Value::Tree, Access::Read, Shown::Named, ""),
];

/// The parts of a postal address in their order.
pub(in super::super) const FIELD_PARTS: [&str; 5] = ["Street", "City", "State", "CountryOrRegion", "PostalCode"];

/// PidTagDisplayNamePrefix, which no element sets.
const PREFIX: PropertyName = PropertyName::Tag(0x3A45);

/// What gromox leaves out of AllProperties.
pub(in super::super) const NOT_IN_GROMOX: &[&str] = &["FileAs", "PhysicalAddresses", "PostalAddressIndex"];

/// The name under which it is shown is its subject, too.
pub(super) fn changed(draft: &mut Draft<'_>, name: &str, value: Option<&Element>) {
    if name == "DisplayName" {
        *draft.subject = value.map(|value| value.text.trim().to_owned()).unwrap_or_default();
    }
    let one_address = draft.like == Personality::Gromox && name == "ImAddresses";
    if let Some(mut list) = values::element(&draft.meta.fields, name).filter(|_| one_address) {
        list.children.retain(|entry| entry.attribute("Key") == Some("ImAddress1"));
        draft.meta.fields.insert(name.to_owned(), list.to_xml());
    }
}

/// Derives what was not given.
pub(super) fn finish(draft: &mut Draft<'_>) {
    let text = |meta: &Meta, name: &str| values::text(&meta.fields, name);
    let parts = ["GivenName", "MiddleName", "Surname"].into_iter().filter_map(|name| text(draft.meta, name));
    let parts: Vec<String> = parts.collect();
    if draft.stage == Stage::Create && text(draft.meta, "DisplayName").is_none() && !parts.is_empty() {
        values::put(&mut draft.meta.fields, "DisplayName", &parts.join(" "));
    }
    let given = |name: &str| draft.touched.iter().any(|touched| touched == name);
    if !given("FileAs")
        && let Some(filed) = text(draft.meta, "FileAsMapping").and_then(|mapping| file_as(draft.meta, &mapping))
    {
        values::put(&mut draft.meta.fields, "FileAs", &filed);
    }
    if draft.subject.is_empty() {
        *draft.subject = text(draft.meta, "DisplayName").or_else(|| text(draft.meta, "FileAs")).unwrap_or_default();
    }
}

/// The name under which a mapping files somebody; none when it files nobody or nothing is known.
fn file_as(meta: &Meta, mapping: &str) -> Option<String> {
    let text = |name: &str| values::text(&meta.fields, name).unwrap_or_default();
    let (given, middle, last) = (text("GivenName"), text("MiddleName"), text("Surname"));
    let (company, suffix) = (text("CompanyName"), text("Generation"));
    let join = |parts: &[&str], between: &str| {
        parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(between)
    };
    let firsts = join(&[&given, &middle], " ");
    let comma = join(&[&last, &firsts], ", ");
    let blank = join(&[&last, &firsts], " ");
    let close = format!("{last}{firsts}");
    let filed = match mapping {
        "LastCommaFirst" => comma,
        "FirstSpaceLast" => join(&[&given, &middle, &last], " "),
        "Company" => company,
        "LastCommaFirstCompany" => join(&[&comma, &company], "\r\n"),
        "CompanyLastCommaFirst" => join(&[&company, &comma], "\r\n"),
        "LastFirst" => close,
        "LastFirstCompany" => join(&[&close, &company], "\r\n"),
        "CompanyLastFirst" => join(&[&company, &close], "\r\n"),
        "LastSpaceFirst" => blank,
        "LastSpaceFirstCompany" => join(&[&blank, &company], "\r\n"),
        "CompanyLastSpaceFirst" => join(&[&company, &blank], "\r\n"),
        "LastFirstSuffix" | "LastFirstMiddleSuffix" => join(&[&close, &suffix], " "),
        "DisplayName" => text("DisplayName"),
        "FirstName" => given,
        "LastName" => last,
        _ => return None,
    };
    Some(filed).filter(|filed| !filed.is_empty())
}

/// What is made of other properties.
pub(super) fn computed(reader: Reader<'_>, item: &Item, name: &str) -> Option<String> {
    match name {
        "HasPicture" => Some(format!("<t:HasPicture>{}</t:HasPicture>", item.meta.photo.is_some())),
        "CompleteName" => complete_name(&item.meta),
        "EmailAddresses" if reader.like == Personality::Exchange => addresses(&item.meta),
        _ => None,
    }
}

fn complete_name(meta: &Meta) -> Option<String> {
    const PARTS: [(&str, &str); 7] = [
        ("FirstName", "GivenName"),
        ("MiddleName", "MiddleName"),
        ("LastName", "Surname"),
        ("Suffix", "Generation"),
        ("Initials", "Initials"),
        ("FullName", "DisplayName"),
        ("Nickname", "Nickname"),
    ];
    let mut out = XmlOut::new();
    let prefix = meta.extended.iter().find(|property| property.name == PREFIX);
    if let Some(title) = prefix.and_then(|property| property.values.first()) {
        out.put("t:Title", title);
    }
    for (part, source) in PARTS {
        if let Some(text) = values::text(&meta.fields, source) {
            out.put(&format!("t:{part}"), &text);
        }
    }
    Some(format!("<t:CompleteName>{}</t:CompleteName>", out.buffer)).filter(|_| !out.buffer.is_empty())
}

/// The mail addresses, each with the name and the kind that Exchange tells of it.
fn addresses(meta: &Meta) -> Option<String> {
    let mut list = values::element(&meta.fields, "EmailAddresses")?;
    for entry in &mut list.children {
        let address = entry.text.trim().to_owned();
        for (key, value) in [("Name", address.as_str()), ("RoutingType", "SMTP"), ("MailboxType", "Contact")] {
            if entry.attribute(key).is_none() {
                entry.attributes.push((key.to_owned(), value.to_owned()));
            }
        }
    }
    Some(list.to_xml())
}
