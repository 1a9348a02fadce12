//! The header of a message on its way out: who it is for, and what it still needs (RFC 5322 §3.6).

use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use mailparse::MailAddr;

use super::header::{Header, MAX_HEADER};
use crate::pim::UnixTime;

/// What a message on its way out says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letterhead {
    /// The address in From; `None` without one.
    pub from: Option<String>,
    /// The addresses in To and Cc.
    pub open: Vec<String>,
    /// The addresses in Bcc.
    pub blind: Vec<String>,
    /// Subject, decoded.
    pub subject: String,
}

/// A field whose addresses make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the addresses in {field} make no sense: {value}")]
pub struct BadAddresses {
    /// The field.
    pub field: &'static str,
    /// What it says.
    pub value: String,
}

/// Reads a header block without the line that ends it, and what of the body was read with it. A message may have no header at all.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] where it is longer than 1 MiB.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = Vec::new();
        let room = MAX_HEADER.saturating_sub(head.len());
        reader.by_ref().take(room as u64 + 1).read_until(b'\n', &mut line)?;
        let is_first = head.is_empty();
        match line.as_slice() {
            [] | b"\n" | b"\r\n" => return Ok((head, Vec::new())),
            // What mbox files put first.
            mbox if is_first && mbox.starts_with(b"From ") => continue,
            folded @ [b' ' | b'\t', ..] if !is_first && !folded.trim_ascii().is_empty() => {}
            field if is_field(field) => {}
            _ => return Ok((head, line)),
        }
        if line.len() > room {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the message's header is longer than 1 MiB"));
        }
        head.append(&mut line);
    }
}

/// Whether a line begins a field: a name of printable characters (RFC 5322 §2.2), and a colon.
fn is_field(line: &[u8]) -> bool {
    match line.iter().position(|byte| *byte == b':') {
        Some(0) | None => false,
        Some(colon) => line.iter().take(colon).all(|byte| (b'!'..=b'~').contains(byte)),
    }
}

/// What a header block says.
///
/// # Errors
/// Where a field that names recipients cannot be read: whoever would be left out then is to know.
pub fn letterhead(head: &[u8]) -> Result<Letterhead, BadAddresses> {
    let header = Header::parse(head);
    let addresses = |field: &'static str| -> Result<Vec<String>, BadAddresses> {
        let mut found = Vec::new();
        for line in header.all(field) {
            let list = mailparse::addrparse_header(line)
                .map_err(|_| BadAddresses { field, value: line.get_value().chars().take(200).collect() })?;
            for address in list.iter() {
                match address {
                    MailAddr::Single(one) => found.push(one.addr.clone()),
                    MailAddr::Group(group) => found.extend(group.addrs.iter().map(|one| one.addr.clone())),
                }
            }
        }
        Ok(found)
    };
    Ok(Letterhead {
        from: addresses("From")?.into_iter().next(),
        open: [addresses("To")?, addresses("Cc")?].concat(),
        blind: addresses("Bcc")?,
        subject: header.text("Subject").unwrap_or_default(),
    })
}

/// The header as it leaves, with the empty line that ends it: without Bcc, and with the From, Date and Message-ID that it lacks.
pub fn as_sent(head: &[u8], from: &str, now: UnixTime, message_id: &str) -> Vec<u8> {
    let header = Header::parse(head);
    let mut sent = Vec::with_capacity(head.len() + 200);
    let mut add = |name: &str, value: String| {
        if header.raw(name).is_none() {
            sent.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
    };
    add("From", from.to_owned());
    let date = Timestamp::from_second(now.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    add("Date", jiff::fmt::rfc2822::to_string(&date).unwrap_or_default());
    add("Message-ID", message_id.to_owned());
    let mut is_left_out = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            is_left_out = line.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"bcc:"));
        }
        if !is_left_out {
            sent.extend_from_slice(line);
        }
    }
    if !sent.ends_with(b"\n") {
        sent.push(b'\n');
    }
    sent.push(b'\n');
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(message: &str) -> (String, String) {
        let (head, rest) = read_head(&mut message.as_bytes()).unwrap();
        (String::from_utf8(head).unwrap(), String::from_utf8(rest).unwrap())
    }

    #[test]
    fn a_header_ends_where_no_field_follows() {
        assert_eq!(head("A: 1\n b\nC: 2\n\nD: 3\n"), ("A: 1\n b\nC: 2\n".to_owned(), String::new()));
        assert_eq!(head("From x Tue\nA: 1\r\n\r\nbody"), ("A: 1\r\n".to_owned(), String::new()));
        assert_eq!(head("no header at all\n"), (String::new(), "no header at all\n".to_owned()));
        assert_eq!(head("\nbody\n"), (String::new(), String::new()));
        assert_eq!(head("A: 1\nbody follows at once\n"), ("A: 1\n".to_owned(), "body follows at once\n".to_owned()));
        let long = format!("A: {}\n\n", "x".repeat(2 << 20));
        assert_eq!(read_head(&mut long.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn everybody_in_a_header_is_found() {
        let found = letterhead(
            b"From: Ada <ada@x.org>\nTo: \"B, b\" <b@x.org>, c@x.org\nCC: team: d@x.org, e@x.org;\nbcc: f@x.org,\n g@x.org\nBcc: h@x.org\n\
              Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nTo: undisclosed-recipients:;\n",
        )
        .unwrap();
        assert_eq!(found.from.unwrap(), "ada@x.org");
        assert_eq!(found.open, ["b@x.org", "c@x.org", "d@x.org", "e@x.org"]);
        assert_eq!(found.blind, ["f@x.org", "g@x.org", "h@x.org"]);
        assert_eq!(found.subject, "Grüße");
        assert_eq!(letterhead(b"To: <<<\n").unwrap_err().field, "To");
    }

    #[test]
    fn nobody_sees_who_gets_it_blind_and_nothing_is_missing() {
        let sent = as_sent(
            b"To: b@x.org\nBCC: c@x.org,\n\td@x.org\nBcc-Note: stays\nSubject: s",
            "a@x.org",
            UnixTime(0),
            "<1@x>",
        );
        let sent = String::from_utf8(sent).unwrap();
        assert!(!sent.contains("c@x.org") && !sent.contains("d@x.org"), "{sent}");
        assert!(sent.starts_with("From: a@x.org\nDate: "), "{sent}");
        assert!(sent.ends_with("Message-ID: <1@x>\nTo: b@x.org\nBcc-Note: stays\nSubject: s\n\n"), "{sent}");
        let whole = b"From: z@x.org\nDate: Tue, 03 Nov 2026 10:00:00 +0100\nMessage-ID: <0@x>\n";
        assert_eq!(as_sent(whole, "a@x.org", UnixTime(0), "<1@x>"), [whole.as_slice(), b"\n"].concat());
    }
}
