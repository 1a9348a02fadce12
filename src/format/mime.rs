//! What is read out of a message's bytes (RFC 5322, RFC 2045): the facts in its header, and a digest of what it says.
//!
//! Real mail breaks every rule of both, so nothing here fails on malformed input: what cannot be understood is `None`, or counts
//! as the bytes that it is. Memory is bounded, whatever the message's size.

mod date;
mod decode;
mod digest;
mod header;
mod outgoing;
mod traces;
mod walk;

use std::io::{self, BufReader, Read};

pub use date::parse_date;
pub use digest::semantic_digest;
pub use outgoing::{BadAddresses, Letterhead, as_sent, letterhead, read_head};
pub use traces::digest_before_storing;

use header::Header;

use crate::pim::UnixTime;

/// What a message's header says of it. Text is decoded (RFC 2047); what is missing or unreadable is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// Message-ID, with its angle brackets.
    pub message_id: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// From, as written.
    pub from: Option<String>,
    /// To, as written.
    pub to: Option<String>,
    /// Cc, as written.
    pub cc: Option<String>,
    /// Date.
    pub date: Option<UnixTime>,
    /// The date of the topmost Received header; where there is none, Date. Then the file's own time is the best there is.
    pub received: Option<UnixTime>,
}

/// Reads the header block, at most 1 MiB of it, and no more of the message than that.
pub fn facts(reader: impl Read) -> io::Result<MessageFacts> {
    let bytes = header::read_block(&mut BufReader::new(reader))?;
    let header = Header::parse(&bytes);
    let date = header.text("Date").as_deref().and_then(parse_date);
    let received = header.raw("Received").and_then(|trace| parse_date(trace.rsplit_once(';')?.1));
    Ok(MessageFacts {
        message_id: header.text("Message-ID"),
        subject: header.text("Subject"),
        from: header.text("From"),
        to: header.text("To"),
        cc: header.text("Cc"),
        date,
        received: received.or(date),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_is_read_and_no_further() {
        let mail = b"Received: from a by b\r\n\tfor <x@y>; Sun, 2 Oct 2016 07:06:30 -0700 (PDT)\r\n\
            Received: later; Sat, 1 Oct 2016 00:00:00 +0000\r\n\
            Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from =?iso-8859-1?b?S/ZsbiA=?=\r\n\
            FROM: \"Berg, Anna\" <anna@x.org>\r\nTo: a@x.org,\r\n b@x.org\r\nMessage-Id: <1@x>\r\n\
            Date: Sun, 2 Oct 2016 16:06:22 +0200\r\n\r\nSubject: not this one\r\n";
        let facts = facts(&mail[..]).unwrap();
        assert_eq!(facts.subject.as_deref(), Some("Grüße from Köln"));
        assert_eq!(facts.from.as_deref(), Some("\"Berg, Anna\" <anna@x.org>"));
        assert_eq!(facts.to.as_deref(), Some("a@x.org, b@x.org"));
        assert_eq!((facts.cc, facts.message_id.as_deref()), (None, Some("<1@x>")));
        assert_eq!(facts.date, Some(UnixTime(1_475_417_182)));
        assert_eq!(facts.received, Some(UnixTime(1_475_417_190)));
    }

    #[test]
    fn a_message_without_a_trace_was_received_when_it_was_sent() {
        for mail in ["Date: 2 Oct 2016 14:06:22 GMT\n\nx", "Received: nothing\nDate: 2 Oct 2016 14:06:22 +0000\n\nx"] {
            assert_eq!(facts(mail.as_bytes()).unwrap().received, Some(UnixTime(1_475_417_182)));
        }
        assert_eq!(facts(&b""[..]).unwrap(), MessageFacts::default());
        assert_eq!(facts(&b"\n\nSubject: body"[..]).unwrap(), MessageFacts::default());
    }

    #[test]
    fn a_header_without_end_is_given_up() {
        let endless = io::repeat(b'x').take(5 << 20);
        assert_eq!(facts(endless).unwrap(), MessageFacts::default());
        let line = b"Subject: x\r\n".iter().copied().cycle().take(3 << 20).collect::<Vec<_>>();
        assert_eq!(facts(&line[..]).unwrap().subject.as_deref(), Some("x"));
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            facts(&bytes[..]).unwrap();
        }

        #[test]
        fn anything_like_a_header_is_survived(text in "((From|To|Date|Received|Subject|Message-ID)?[: ;<>\"(=?a-zA-Z0-9,\\r\\n\u{e4}]{0,20}\n){0,8}") {
            facts(text.as_bytes()).unwrap();
        }
    }
}
