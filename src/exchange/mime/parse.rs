//! Takes a message apart.

use mailparse::{DispositionType, MailAddr, MailHeader, MailHeaderMap as _, ParsedMail};

use super::super::store::Person;
use super::{Attachment, Headers, Message, Summary};

/// The deepest nesting of parts that is followed.
const MAX_DEPTH: usize = 30;

/// Reads the headers of a message and whether files hang on it.
pub(in super::super) fn parse(mime: &[u8]) -> Summary {
    let Ok(mail) = mailparse::parse_mail(mime) else { return Summary { class: "IPM.Note", ..Summary::default() } };
    let has_attachments = has_attachments(&mail, 0);
    let class = match mail.ctype.mimetype.as_str() {
        "multipart/signed" => "IPM.Note.SMIME.MultipartSigned",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "IPM.Note.SMIME",
        "multipart/report" => "REPORT.IPM.Note.NDR",
        _ => "IPM.Note",
    };
    Summary { headers: headers(&mail), has_attachments, class }
}

/// Takes a message apart.
pub(in super::super) fn disassemble(mime: &[u8]) -> Message {
    let Ok(mail) = mailparse::parse_mail(mime) else {
        return Message { text: Some(String::from_utf8_lossy(mime).into_owned()), ..Message::default() };
    };
    let mut message = Message { headers: headers(&mail), ..Message::default() };
    if is_verbatim(&mail.ctype.mimetype) {
        let body = mime.get(header_end(mime)..).unwrap_or_default().to_vec();
        let kind = mail.headers.get_first_value("Content-Type").unwrap_or_default();
        let kind = match mail.headers.get_first_value("Content-Transfer-Encoding") {
            Some(encoding) => format!("{kind}\r\nContent-Transfer-Encoding: {encoding}"),
            None => kind,
        };
        message.verbatim = Some((kind, body));
    }
    collect(&mail, &mut message, 0);
    message
}

fn is_verbatim(kind: &str) -> bool {
    matches!(
        kind,
        "multipart/signed"
            | "multipart/encrypted"
            | "multipart/report"
            | "application/pkcs7-mime"
            | "application/x-pkcs7-mime"
    )
}

fn header_end(mime: &[u8]) -> usize {
    let find =
        |needle: &[u8]| mime.windows(needle.len()).position(|window| window == needle).map(|at| at + needle.len());
    match (find(b"\r\n\r\n"), find(b"\n\n")) {
        (Some(first), Some(second)) => first.min(second),
        (first, second) => first.or(second).unwrap_or(mime.len()),
    }
}

fn headers(mail: &ParsedMail<'_>) -> Headers {
    let value = |name: &str| mail.headers.get_first_value(name).filter(|value| !value.trim().is_empty());
    let people = |name: &str| mail.headers.get_first_header(name).map(people).unwrap_or_default();
    Headers {
        subject: value("Subject").unwrap_or_default(),
        from: people("From").into_iter().next(),
        sender: people("Sender").into_iter().next(),
        to: people("To"),
        cc: people("Cc"),
        bcc: people("Bcc"),
        reply_to: people("Reply-To"),
        date: value("Date")
            .and_then(|date| mailparse::dateparse(&date).ok())
            .map(|seconds| seconds.saturating_mul(1000)),
        message_id: value("Message-ID").map(|id| id.trim().to_owned()),
        in_reply_to: value("In-Reply-To").map(|id| id.trim().to_owned()),
        references: value("References").map(|ids| ids.split_ascii_whitespace().collect::<Vec<_>>().join(" ")),
        importance: importance(value("Importance"), value("X-Priority")),
    }
}

fn importance(importance: Option<String>, priority: Option<String>) -> Option<String> {
    let name = match importance.as_deref().map(str::trim).map(str::to_ascii_lowercase).as_deref() {
        Some("high") => "High",
        Some("low") => "Low",
        _ => match priority.as_deref().and_then(|value| value.trim().chars().next()) {
            Some('1' | '2') => "High",
            Some('4' | '5') => "Low",
            _ => return None,
        },
    };
    Some(name.to_owned())
}

fn people(header: &MailHeader<'_>) -> Vec<Person> {
    let Ok(list) = mailparse::addrparse_header(header) else {
        let text = header.get_value();
        return vec![Person { name: text.clone(), address: text }];
    };
    let mut people = Vec::new();
    for entry in list.into_inner() {
        let singles = match entry {
            MailAddr::Single(single) => vec![single],
            MailAddr::Group(group) => group.addrs,
        };
        for single in singles {
            let name = single.display_name.filter(|name| !name.is_empty()).unwrap_or_else(|| single.addr.clone());
            people.push(Person { name, address: single.addr });
        }
    }
    people
}

fn has_attachments(mail: &ParsedMail<'_>, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    if mail.subparts.is_empty() {
        return depth > 0 && !is_body(mail) && !is_inline(mail);
    }
    mail.subparts.iter().any(|part| has_attachments(part, depth + 1))
}

fn is_body(part: &ParsedMail<'_>) -> bool {
    let disposition = part.get_content_disposition();
    disposition.disposition != DispositionType::Attachment
        && !disposition.params.contains_key("filename")
        && matches!(part.ctype.mimetype.as_str(), "text/plain" | "text/html")
}

fn is_inline(part: &ParsedMail<'_>) -> bool {
    part.headers.get_first_header("Content-ID").is_some()
        && part.get_content_disposition().disposition != DispositionType::Attachment
}

fn collect(part: &ParsedMail<'_>, message: &mut Message, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    if part.ctype.mimetype.starts_with("multipart/") && !part.subparts.is_empty() {
        for part in &part.subparts {
            collect(part, message, depth + 1);
        }
        return;
    }
    if is_body(part) {
        let slot = if part.ctype.mimetype == "text/html" { &mut message.html } else { &mut message.text };
        if slot.is_none() {
            *slot = Some(part.get_body().unwrap_or_default().trim_end_matches(['\r', '\n']).to_owned());
            return;
        }
    }
    if depth == 0 && part.ctype.mimetype.starts_with("multipart/") {
        return;
    }
    message.attachments.push(attachment(part));
}

fn attachment(part: &ParsedMail<'_>) -> Attachment {
    let disposition = part.get_content_disposition();
    let name =
        disposition.params.get("filename").or_else(|| part.ctype.params.get("name")).map(|name| decode_words(name));
    let default = match part.ctype.mimetype.as_str() {
        "message/rfc822" => "message.eml",
        "text/calendar" => "meeting.ics",
        "text/plain" => "ATT00001.txt",
        "text/html" => "ATT00001.htm",
        _ => "ATT00001.bin",
    };
    let id = part.headers.get_first_value("Content-ID").map(|id| id.trim().trim_matches(['<', '>']).to_owned());
    Attachment {
        name: name.unwrap_or_else(|| default.to_owned()),
        content_type: part.ctype.mimetype.clone(),
        content_id: id,
        inline: is_inline(part),
        data: part.get_body_raw().unwrap_or_default(),
    }
}

fn decode_words(text: &str) -> String {
    if !text.contains("=?") {
        return text.to_owned();
    }
    let line = format!("X: {text}\r\n");
    mailparse::parse_header(line.as_bytes()).map_or_else(|_| text.to_owned(), |(header, _)| header.get_value())
}
