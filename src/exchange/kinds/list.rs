//! Personal distribution lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::soap::Refusal;
use super::super::xml::Element;
use super::values;
use super::{Access, Draft, Field, Shown, Value, field};

/// The properties of a list (MS-OXWSDLIST `DistributionListType`).
pub(super) const FIELDS: &[Field] = &[
    field("DisplayName", Value::Text, Access::Write, Shown::Default, ""),
    field("FileAs", Value::Text, Access::Write, Shown::Default, ""),
    field("ContactSource", Value::Text, Access::Read, Shown::Named, ""),
    field("Members", Value::Tree, Access::Write, Shown::Deep, ""),
];

/// Gives each member its key and its status, and the list a name. A member without an address is nobody.
pub(super) fn finish(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    if draft.touched.iter().any(|name| name == "Members")
        && let Some(mut members) = values::element(&draft.meta.fields, "Members")
    {
        let is_nobody = |mailbox: &Element| mailbox.child("EmailAddress").or(mailbox.child("ItemId")).is_none();
        if members.children.iter().any(|member| member.child("Mailbox").is_none_or(is_nobody)) {
            return Err(Refusal::new("ErrorInvalidMailbox"));
        }
        members.children.iter_mut().for_each(complete);
        draft.meta.fields.insert("Members".to_owned(), members.to_xml());
    }
    if draft.subject.is_empty() {
        let text = |name: &str| values::text(&draft.meta.fields, name);
        *draft.subject = text("DisplayName").or_else(|| text("FileAs")).unwrap_or_default();
    }
    Ok(())
}

fn complete(member: &mut Element) {
    if member.attribute("Key").is_none() {
        let hash = blake3::hash(member.to_xml().as_bytes());
        let key: Vec<u8> = hash.as_bytes().iter().take(18).copied().collect();
        let key = STANDARD.encode(key);
        member.attributes.push(("Key".to_owned(), key));
    }
    if member.child("Status").is_none() {
        member.children.push(Element::leaf("Status", "Normal"));
    }
}
