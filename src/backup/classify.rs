//! What a file is, and the id that people look for it by.

use super::ItemPath;
use super::manifest::Kind;
use crate::format::mime;
use crate::local::on_my_computer::LOCAL;

/// So much of an item's text is searched for its id.
const HEAD_BYTES: usize = 64 * 1024;

/// What lies beside Maildirs and vdirs, about them and not in them.
const ABOUT_FOLDERS: [&[u8]; 3] = [b"displayname", b"color", b"dovecot-keywords"];

/// The kind of a file, and its Message-ID or UID where it has one. `head` is how its content begins.
pub(super) fn classify(path: &ItemPath, head: &[u8]) -> (Kind, Option<String>) {
    let name = path.name();
    if path.message().is_some() {
        let id = mime::facts(head).ok().and_then(|facts| facts.message_id);
        return (Kind::Message, id);
    }
    if name.starts_with(b".") || ABOUT_FOLDERS.contains(&name) || path.parent().is_empty() {
        return (if name == b"state.db" { Kind::State } else { Kind::File }, None);
    }
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    match extension(name) {
        Some(b"ics") if holds(head, b"BEGIN:VTODO") => (Kind::Task, uid(head)),
        Some(b"ics") => (Kind::Event, uid(head)),
        Some(b"vcf") if holds(head, b"KIND:GROUP") || path.is_within(format!("{LOCAL}/Groups").as_bytes()) => {
            (Kind::Group, uid(head))
        }
        Some(b"vcf") => (Kind::Contact, uid(head)),
        Some(b"md") => (Kind::Note, None),
        _ => (Kind::File, None),
    }
}

fn extension(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().rposition(|byte| *byte == b'.')?;
    name.get(at + 1..)
}

/// Whether a line of the text is this one, in any case.
fn holds(text: &[u8], wanted: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii().eq_ignore_ascii_case(wanted))
}

/// The value of the first property UID (RFC 5545 §3.8.4.7, RFC 6350 §6.7.6), unfolded.
fn uid(text: &[u8]) -> Option<String> {
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    while let Some(line) = lines.next() {
        let Some(rest) = line.get(..3).filter(|name| name.eq_ignore_ascii_case(b"UID")).and(line.get(3..)) else {
            continue;
        };
        if !rest.starts_with(b":") && !rest.starts_with(b";") {
            continue;
        }
        let mut value = rest.to_vec();
        while let Some(more) = lines.next_if(|line| line.starts_with(b" ") || line.starts_with(b"\t")) {
            value.extend_from_slice(more.get(1..).unwrap_or_default());
        }
        let at = value.iter().position(|byte| *byte == b':')?;
        let value = String::from_utf8_lossy(value.get(at + 1..)?).trim().to_owned();
        return (!value.is_empty()).then_some(value);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str, content: &str) -> (Kind, Option<String>) {
        classify(&ItemPath::new(path.as_bytes()).unwrap(), content.as_bytes())
    }

    #[test]
    fn items_are_found_by_the_ids_that_people_know() {
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(kind("Exchange/a/Inbox/cur/1:2,", "Message-ID: <1@x>\n\nx"), (Kind::Message, id("<1@x>")));
        let event = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:040000008200E00074C5B7101A82E00800000000\r\n 1F2E\r\nEND:VEVENT\r\n";
        assert_eq!(kind("Exchange/a/Calendar/1.ics", event).1, id("040000008200E00074C5B7101A82E008000000001F2E"));
        assert_eq!(kind("On My Computer/Tasks/1.ics", "begin:vtodo\nuid;X=1:t\n"), (Kind::Task, id("t")));
        assert_eq!(kind("On My Computer/Groups/1.vcf", "BEGIN:VCARD\n"), (Kind::Group, None));
        assert_eq!(kind("Exchange/a/Contacts/1.vcf", "BEGIN:VCARD\nUID:c\n"), (Kind::Contact, id("c")));
        assert_eq!(kind("On My Computer/Notes/1.md", "Milk\n").0, Kind::Note);
        assert_eq!(kind("state.db", "").0, Kind::State);
        assert_eq!(kind("Exchange/a/Inbox/dovecot-keywords", "0 x\n").0, Kind::File);
        assert_eq!(kind("x/1.ics", "UIDX:1\nUID\n"), (Kind::Event, None));
    }
}
