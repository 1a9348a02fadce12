//! Puts a message together from its properties, for when the server cannot render it: better an imperfect copy than none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, fmt::rfc2822};

use super::shape::parse_time;
use super::xml::Element;

/// Base64 digits in a line (RFC 2045 §6.8).
const LINE: usize = 76;
/// Bytes of UTF-8 in an encoded word: its base64 must fit into 75 characters with what is around it (RFC 2047 §2).
const WORD: usize = 42;

/// The message in RFC 5322 form: its headers as far as they are known, and its body as text or HTML.
pub(super) fn rebuild(item: &Element) -> String {
    let mut message = String::new();
    let mut header = |name: &str, value: String| {
        if !value.is_empty() {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    header("From", mailboxes(item.child("From").or_else(|| item.child("Sender"))));
    header("To", mailboxes(item.child("ToRecipients")));
    header("Cc", mailboxes(item.child("CcRecipients")));
    header("Subject", words(item.value("Subject").unwrap_or_default()));
    header("Date", date(item));
    header("Message-ID", token(item.value("InternetMessageId")));
    header("In-Reply-To", token(item.value("InReplyTo")));
    header("X-Pimsync-Rebuilt", "yes".to_owned());
    header("MIME-Version", "1.0".to_owned());
    let body = item.child("Body");
    let html = body.and_then(|body| body.attribute("BodyType")) == Some("HTML");
    let kind = if html { "text/html" } else { "text/plain" };
    header("Content-Type", format!("{kind}; charset=utf-8"));
    header("Content-Transfer-Encoding", "base64".to_owned());
    message.push_str("\r\n");
    let encoded = STANDARD.encode(body.map(|body| body.text.as_str()).unwrap_or_default());
    for line in encoded.as_bytes().chunks(LINE) {
        message.push_str(&String::from_utf8_lossy(line));
        message.push_str("\r\n");
    }
    message
}

fn date(item: &Element) -> String {
    let time = item.value("DateTimeSent").or_else(|| item.value("DateTimeReceived")).and_then(parse_time);
    let moment = time.and_then(|time| Timestamp::from_second(time.0).ok());
    moment.and_then(|moment| rfc2822::DateTimePrinter::new().timestamp_to_string(&moment).ok()).unwrap_or_default()
}

/// All mailboxes in an element, in the form of an address header.
fn mailboxes(list: Option<&Element>) -> String {
    let mailboxes = list.map(|list| list.children.as_slice()).unwrap_or_default().iter();
    let texts: Vec<String> = mailboxes.filter(|mailbox| &*mailbox.name == "Mailbox").map(mailbox).collect();
    texts.join(",\r\n ")
}

fn mailbox(mailbox: &Element) -> String {
    let name = mailbox.value("Name").unwrap_or_default();
    let address = token(mailbox.value("EmailAddress"));
    match (name.is_empty(), address.is_empty()) {
        (true, _) => address,
        (false, true) => format!("{} <unknown@invalid>", words(name)),
        (false, false) => format!("{} <{address}>", words(name)),
    }
}

/// Text that must not hold spaces or controls.
fn token(text: Option<&str>) -> String {
    text.unwrap_or_default().chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect()
}

/// Text as encoded words where it is not plain; always where it could be taken for the syntax of an address.
fn words(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ') && text.len() < 60 {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for character in text.chars().filter(|c| !c.is_control()) {
        if word.len() + character.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.push(word);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailparse::MailHeaderMap;

    #[test]
    fn a_rebuilt_message_can_be_read_by_mail_programs() {
        let leaf = |name: &str, text: &str| Element { name: name.into(), text: text.to_owned(), ..Element::default() };
        let parent = |name: &str, children| Element { name: name.into(), children, ..Element::default() };
        let subject = "Grüße, \"Jörg\" – ein sehr langer Betreff, der nicht in ein einziges Wort passt 🙂";
        let ada = parent("Mailbox", vec![leaf("Name", "Löwe, Ada"), leaf("EmailAddress", "ada@example.org")]);
        let item = parent(
            "Message",
            vec![
                leaf("Subject", subject),
                leaf("Body", "Grüße\n"),
                leaf("DateTimeSent", "2026-11-03T12:00:00Z"),
                leaf("InternetMessageId", "<1@example.org>\r\nBcc: x"),
                parent("From", vec![ada]),
            ],
        );
        let text = rebuild(&item);
        let mail = mailparse::parse_mail(text.as_bytes()).unwrap();
        assert_eq!(mail.headers.get_first_value("Subject").unwrap(), subject);
        assert_eq!(mail.headers.get_first_value("From").unwrap(), "Löwe, Ada <ada@example.org>");
        assert_eq!(mail.headers.get_first_value("Message-ID").unwrap(), "<1@example.org>Bcc:x");
        assert_eq!(mail.headers.get_first_value("Date").unwrap(), "Tue, 3 Nov 2026 12:00:00 -0000");
        assert_eq!(mail.get_body().unwrap(), "Grüße\n");
    }
}
