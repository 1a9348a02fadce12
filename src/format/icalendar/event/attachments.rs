//! Files that lie in the file of their event: ATTACH in BASE64 (RFC 5545 §3.8.1.1). What is only linked to stays a link, and is no file of the
//! event for the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::super::content::{Component, Property, decode_base64};
use crate::pim::{Attachment, Attachments, Blob};

const ATTACH: &str = "ATTACH";
/// Where the name stands: in RFC 8607 §4.2, and as Outlook, Apple and Oracle write it.
const NAMES: [&str; 4] = ["FILENAME", "X-FILENAME", "X-APPLE-FILENAME", "X-ORACLE-FILENAME"];
/// By what the HTML of the event shows it.
const CONTENT_ID: &str = "X-CONTENT-ID";

pub(super) fn attachments(event: &Component) -> Attachments {
    event.properties(ATTACH).filter_map(|line| attachment(&line)).collect()
}

fn attachment(line: &Property) -> Option<Attachment> {
    line.parameter("ENCODING").filter(|encoding| encoding.eq_ignore_ascii_case("BASE64"))?;
    let data = decode_base64(&line.value)?;
    let told = |name: &str| line.parameter(name).unwrap_or_default();
    let name = NAMES.iter().map(|name| told(name)).find(|name| !name.trim().is_empty()).unwrap_or_default();
    Some(Attachment {
        media_type: told("FMTTYPE").into(),
        content_id: told(CONTENT_ID).into(),
        ..Attachment::new(name, Blob::new(data))
    })
}

/// Writes which files an occurrence has besides those of its series, some of which may have lines here as well.
pub(super) fn set_files(occurrence: &mut Component, files: &Attachments, of_series: &Attachments) {
    let repeated = attachments(occurrence).common(of_series);
    set_attachments(occurrence, &files.iter().chain(repeated.iter()).cloned().collect());
}

/// Writes which files there are. Those that stay keep their lines, and what is only remembered cannot be written.
pub(super) fn set_attachments(event: &mut Component, attachments: &Attachments) {
    event.rewrite(ATTACH, |old| {
        let mut there = Vec::new();
        let stays = |line: &Property| {
            let found = attachment(line);
            let stays = found.as_ref().is_none_or(|found| attachments.contains(found));
            there.extend(found);
            stays
        };
        let mut lines: Vec<Property> = old.into_iter().filter(stays).collect();
        let there: Attachments = there.into_iter().collect();
        lines.extend(attachments.without(&there).filter_map(line));
        lines
    });
}

fn line(attachment: &Attachment) -> Option<Property> {
    let data = STANDARD.encode(attachment.content.data()?);
    let mut line = Property::new(ATTACH, data).with("ENCODING", "BASE64").with("VALUE", "BINARY");
    if is_media_type(attachment.media_type.as_str()) {
        line = line.with("FMTTYPE", attachment.media_type.as_str());
    }
    line = line.with("FILENAME", attachment.name.as_str());
    if !attachment.content_id.is_empty() {
        line = line.with(CONTENT_ID, attachment.content_id.as_str());
    }
    Some(line)
}

/// RFC 6838 §4.2.
fn is_media_type(told: &str) -> bool {
    let is_name = |name: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=127).contains(&name.len()) && name.bytes().all(is_allowed)
    };
    told.split_once('/').is_some_and(|(kind, subkind)| is_name(kind) && is_name(subkind))
}
