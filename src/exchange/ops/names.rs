//! ResolveNames and ExpandDL: the directory, with its mailboxes and lists, and the owner's personal lists.

use rusqlite::Connection;

use super::super::List;
use super::super::kinds::values;
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Item};
use super::super::xml::{Element, XmlOut};
use super::{Context, Slot};

/// Most names that one answer gives.
const MOST: usize = 100;

/// Somebody whom a name can mean, or who is in a list.
struct Entry {
    name: String,
    address: String,
    routing: String,
    kind: String,
    /// The item in the owner's mailbox that it is.
    item: Option<String>,
}

impl Entry {
    fn of_directory(name: &str, address: &str, kind: &str) -> Entry {
        let (routing, kind) = ("SMTP".to_owned(), kind.to_owned());
        Entry { name: name.to_owned(), address: address.to_owned(), routing, kind, item: None }
    }

    fn write(&self, out: &mut XmlOut) {
        out.raw("<t:Mailbox>");
        out.put("t:Name", &self.name);
        out.put("t:EmailAddress", &self.address);
        out.put("t:RoutingType", &self.routing);
        out.put("t:MailboxType", &self.kind);
        out.raw(self.item.as_deref().unwrap_or_default());
        out.raw("</t:Mailbox>");
    }

    /// Whether the text is how the address, the name or one of its words begins, as ambiguous names are resolved.
    fn begins_with(&self, text: &str) -> bool {
        let name = self.name.to_lowercase();
        self.address.to_lowercase().starts_with(text)
            || name.starts_with(text)
            || name.split_whitespace().any(|word| word.starts_with(text))
    }
}

pub(super) fn resolve(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    const MESSAGE: &str = "m:ResolveNamesResponseMessage";
    match resolve_slot(context, request) {
        Ok((set, true)) => answer.warning(MESSAGE, &Refusal::new("ErrorNameResolutionMultipleResults"), &set),
        Ok((set, false)) => answer.message(MESSAGE, &Ok(set), ""),
        Err(refusal) => answer.message(MESSAGE, &Err(refusal), ""),
    }
}

/// Whom the entry can mean, and whether they are several.
fn resolve_slot(context: &Context<'_>, request: &Element) -> Result<(String, bool), Refusal> {
    let entry = request.child_text("UnresolvedEntry").unwrap_or_default().trim().to_lowercase();
    let entry = entry.strip_prefix("smtp:").unwrap_or(&entry);
    let full = request.attribute("ReturnFullContactData").is_some_and(super::is_true);
    let scope = request.attribute("SearchScope").unwrap_or("ActiveDirectoryContacts");
    let db = context.store.read();
    let mut found = Vec::new();
    if scope != "Contacts" {
        found.extend(directory(context, &db)?);
    }
    if scope != "ActiveDirectory" {
        found.extend(personal_lists(context, &db)?);
    }
    found.retain(|candidate| candidate.begins_with(entry));
    if found.is_empty() {
        return Err(Refusal::new("ErrorNameResolutionNoResults"));
    }
    let mut out = XmlOut::new();
    let total = found.len().min(MOST).to_string();
    let all = if found.len() > MOST { "false" } else { "true" };
    out.open("m:ResolutionSet", &[("TotalItemsInView", &total), ("IncludesLastItemInRange", all)]);
    for entry in found.iter().take(MOST) {
        out.raw("<t:Resolution>");
        entry.write(&mut out);
        if full && entry.item.is_none() {
            out.raw("<t:Contact>");
            out.put("t:DisplayName", &entry.name);
            out.raw("<t:EmailAddresses>");
            out.leaf("t:Entry", &[("Key", "EmailAddress1")], &format!("SMTP:{}", entry.address));
            out.raw("</t:EmailAddresses><t:ContactSource>ActiveDirectory</t:ContactSource></t:Contact>");
        }
        out.raw("</t:Resolution>");
    }
    out.raw("</m:ResolutionSet>");
    Ok((out.buffer, found.len() > 1))
}

fn directory(context: &Context<'_>, db: &Connection) -> Result<Vec<Entry>, Refusal> {
    let mailboxes = store::mailboxes(db)?;
    let mailboxes = mailboxes.iter().map(|mailbox| {
        let name = mailbox.address.split('@').next().unwrap_or_default();
        Entry::of_directory(name, &mailbox.address, "Mailbox")
    });
    let lists = context.lists.iter().map(|list| Entry::of_directory(&list.name, &list.address, "PublicDL"));
    Ok(mailboxes.chain(lists).collect())
}

/// The lists in the owner's own Contacts.
fn personal_lists(context: &Context<'_>, db: &Connection) -> Result<Vec<Entry>, Refusal> {
    let Some(folder) = store::distinguished_folder(db, context.mailbox.id, "contacts")? else { return Ok(Vec::new()) };
    let items = store::items_in(db, folder.id, false)?;
    let lists = items.iter().filter(|item| item.element == "DistributionList");
    let entry = |item: &Item| Entry {
        name: item.subject.clone(),
        address: item.subject.clone(),
        routing: "MAPIPDL".to_owned(),
        kind: "PrivateDL".to_owned(),
        item: Some(context.item_id_xml(item)),
    };
    Ok(lists.map(entry).collect())
}

pub(super) fn expand(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    answer.message("m:ExpandDLResponseMessage", &expand_slot(context, request), "");
}

fn expand_slot(context: &Context<'_>, request: &Element) -> Slot {
    let wanted = request.child("Mailbox").ok_or_else(|| Refusal::new("ErrorMissingInformationEmailAddress"))?;
    let db = context.store.read();
    let members = match (wanted.child("ItemId"), wanted.child_text("EmailAddress")) {
        (Some(id), _) => {
            let item = context.item(&db, id)?;
            context.spare(0, &context.item_id(&item), &item.subject)?;
            personal_members(&item)?
        }
        (None, Some(text)) => {
            let list = list(context, text).ok_or_else(|| Refusal::new("ErrorNameResolutionNoResults"))?;
            context.spare(0, &list.address, &list.name)?;
            directory_members(context, &db, list)?
        }
        (None, None) => return Err(Refusal::new("ErrorMissingInformationEmailAddress")),
    };
    let mut out = XmlOut::new();
    let total = members.len().to_string();
    out.open("m:DLExpansion", &[("TotalItemsInView", &total), ("IncludesLastItemInRange", "true")]);
    members.iter().for_each(|member| member.write(&mut out));
    out.close("m:DLExpansion");
    Ok(out.buffer)
}

/// The list of the directory that has this address or this name.
fn list<'a>(context: &Context<'a>, text: &str) -> Option<&'a List> {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("smtp:").unwrap_or(&text);
    context.lists.iter().find(|list| list.address.to_lowercase() == text || list.name.to_lowercase() == text)
}

/// Lists within a list are not opened.
fn directory_members(context: &Context<'_>, db: &Connection, list: &List) -> Result<Vec<Entry>, Refusal> {
    let members = list.members.iter().map(|(name, address)| {
        let kind = if context.lists.iter().any(|other| other.address.eq_ignore_ascii_case(address)) {
            "PublicDL"
        } else if store::mailbox(db, address)?.is_some() {
            "Mailbox"
        } else {
            "Contact"
        };
        Ok(Entry::of_directory(name, address, kind))
    });
    members.collect()
}

fn personal_members(item: &Item) -> Result<Vec<Entry>, Refusal> {
    if item.element != "DistributionList" {
        return Err(Refusal::new("ErrorNameResolutionNoResults"));
    }
    let members = values::element(&item.meta.fields, "Members").map(|list| list.children).unwrap_or_default();
    Ok(members.iter().filter_map(|member| member.child("Mailbox")).map(personal_member).collect())
}

/// A member as it was put in; what an address that was typed lacks is filled in.
fn personal_member(mailbox: &Element) -> Entry {
    let text = |name: &str| mailbox.child_text(name).map(str::to_owned);
    let address = text("EmailAddress").unwrap_or_default();
    Entry {
        name: text("Name").unwrap_or_else(|| address.clone()),
        routing: text("RoutingType").unwrap_or_else(|| "SMTP".to_owned()),
        kind: text("MailboxType").unwrap_or_else(|| "OneOff".to_owned()),
        item: mailbox.child("ItemId").map(Element::to_xml),
        address,
    }
}
