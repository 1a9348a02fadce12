use base64::Engine;
use proptest::prelude::*;

use super::*;

fn digest(mail: &[u8]) -> Digest {
    semantic_digest(mail).unwrap()
}

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// One message, as programs and servers may write it down.
#[derive(Clone, Debug, PartialEq)]
struct Mail {
    subject: String,
    to: String,
    date: i64,
    text: String,
    file: (String, Vec<u8>),
}

/// What a rendering is free to choose.
#[derive(Clone, Debug)]
struct Style {
    boundary: String,
    crlf: bool,
    reversed: bool,
    zone: i64,
    /// 0: 8bit, 1: quoted-printable, 2: base64, 3: base64 of ISO-8859-1.
    text: u8,
    extra: String,
    preamble: String,
}

fn rendered(mail: &Mail, style: &Style) -> Vec<u8> {
    let base64 = |bytes: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect::<String>()
    };
    let at = jiff::Timestamp::from_second(mail.date).unwrap();
    let zone = jiff::tz::Offset::from_seconds(i32::try_from(style.zone * 3600).unwrap()).unwrap();
    let date = at.to_zoned(jiff::tz::TimeZone::fixed(zone)).strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
    let word = base64::engine::general_purpose::STANDARD.encode(&mail.subject);
    let mut header = [
        format!("Subject: =?utf-8?B?{word}?="),
        format!("To: {}", mail.to),
        format!("Date: {date}"),
        format!("X-Server: {}", style.extra),
        format!("Received: by {}; {date}", style.extra),
        "MIME-Version: 1.0".to_owned(),
        format!("Content-Type: multipart/mixed;\n boundary=\"{}\"", style.boundary),
    ];
    if style.reversed {
        header.reverse();
    }
    let (charset, encoding, text) = match style.text {
        0 => ("utf-8", "8bit", mail.text.clone() + "\n"),
        1 => (
            "utf-8",
            "quoted-printable",
            mail.text
                .bytes()
                .map(|byte| match byte {
                    b'\n' => "\n".to_owned(),
                    byte => format!("={byte:02X}"),
                })
                .collect::<String>()
                + "\n",
        ),
        2 => ("UTF-8", "base64", base64(mail.text.as_bytes())),
        _ => (
            "iso-8859-1",
            "BASE64",
            base64(&mail.text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>()),
        ),
    };
    let file = base64(&mail.file.1);
    let text = format!(
        "{}\n\n{}\n--{b}\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n{text}\n--{b}\n\
         Content-Transfer-Encoding: base64\nContent-Type: application/pdf\n\
         Content-Disposition: attachment; filename=\"{}\"\n\n{file}\n--{b}--\n",
        header.join("\n"),
        style.preamble,
        mail.file.0,
        b = style.boundary,
    );
    if style.crlf { crlf(&text).into_bytes() } else { text.into_bytes() }
}

fn mails() -> impl Strategy<Value = Mail> {
    (
        "[a-zä ]{0,10}x",
        "[a-z]{1,8}",
        0i64..2_000_000_000,
        "([a-zäöü]{0,9}\n?){0,6}x",
        "[a-z]{1,8}",
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(|(subject, to, date, text, file, bytes)| Mail {
            // White space in it is folded on the way.
            subject: fold(&subject),
            to: format!("{to}@x.org"),
            date,
            text,
            file: (format!("{file}.pdf"), bytes),
        })
}

fn styles() -> impl Strategy<Value = Style> {
    ("[-=_A-Z0-9]{5,30}", any::<bool>(), any::<bool>(), -12i64..13, 0u8..4, "[a-z]{1,9}", "[a-z .]{0,20}").prop_map(
        |(boundary, crlf, reversed, zone, text, extra, preamble)| Style {
            boundary,
            crlf,
            reversed,
            zone,
            text,
            extra,
            preamble,
        },
    )
}

proptest! {
    #[test]
    fn two_renderings_of_one_message_are_equal(mail in mails(), one in styles(), other in styles()) {
        prop_assert_eq!(digest(&rendered(&mail, &one)), digest(&rendered(&mail, &other)));
    }

    #[test]
    fn two_messages_differ(one in mails(), other in mails(), style in styles(), take in 0u8..6) {
        let mut changed = one.clone();
        match take {
            0 => changed.subject = other.subject,
            1 => changed.to = other.to,
            2 => changed.date = other.date,
            3 => changed.text = other.text,
            4 => changed.file.0 = other.file.0,
            _ => changed.file.1 = other.file.1,
        }
        prop_assert_eq!(digest(&rendered(&one, &style)) == digest(&rendered(&changed, &style)), one == changed);
    }

    #[test]
    fn anything_has_a_digest(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        digest(&bytes);
    }

    #[test]
    fn anything_like_a_message_has_a_digest(
        text in "((From|To|Content-Type|Content-Disposition|Content-Transfer-Encoding)?[: ;<>\"(=?*'%a-zA-Z0-9,\\r\\n]{0,20}\n|Content-Type: multipart/x; boundary=a\n|Content-Type: message/rfc822\n|\n|--a(--)?\n){0,20}"
    ) {
        digest(text.as_bytes());
    }
}

#[test]
fn a_plain_message_reads_the_same_in_any_dress() {
    let plain = "From: Anna <Anna@X.org>\nSubject: Hi\n there\n\nGr\u{fc}\u{df}e  \n\n\n";
    let dressed = "X-Y: z\nSUBJECT: Hi there\nFrom: =?utf-8?q?Anna?= <anna@x.org>\nContent-Type: text/plain; charset=utf-8\n\
        Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=\n=C3=9Fe\n";
    assert_eq!(digest(plain.as_bytes()), digest(crlf(dressed).as_bytes()));
}

#[test]
fn attached_messages_count_too() {
    let mail = |subject: &str, boundary: &str| {
        format!(
            "Subject: outer\nContent-Type: multipart/mixed; boundary={boundary}\n\n--{boundary}\nContent-Type: message/rfc822\n\n\
             Subject: {subject}\nContent-Type: multipart/alternative; boundary={boundary}{boundary}\n\n\
             --{boundary}{boundary}\n\ninner\n--{boundary}{boundary}--\n\n--{boundary}\n\nlast\n--{boundary}--\n"
        )
    };
    assert_eq!(digest(mail("a", "b1").as_bytes()), digest(mail("a", "zz").as_bytes()));
    assert_ne!(digest(mail("a", "b1").as_bytes()), digest(mail("b", "b1").as_bytes()));
    assert_ne!(digest(mail("a", "b1").as_bytes()), digest(mail("a", "b1").replace("last", "lost").as_bytes()));
}

#[test]
fn a_multipart_whose_boundary_never_comes_is_not_blank() {
    let mail = |body: &str| format!("Content-Type: multipart/mixed; boundary=b\n\n{body}\n");
    assert_ne!(digest(mail("one").as_bytes()), digest(mail("two").as_bytes()));
    assert_ne!(digest(mail("--b\none\n--b--").as_bytes()), digest(mail("--b\ntwo\n--b--").as_bytes()));
}

#[test]
fn nesting_without_end_is_survived() {
    let mut mail = String::new();
    (0..5000).for_each(|level| mail.push_str(&format!("Content-Type: multipart/x; boundary=b{level}\n\n--b{level}\n")));
    digest(mail.as_bytes());
    digest("Content-Type: message/rfc822\n\n".repeat(5000).as_bytes());
}

#[test]
fn a_huge_message_is_not_held() {
    let body = |last: u8| {
        let head = &b"Content-Type: application/x; name=f\nContent-Transfer-Encoding: base64\n\n"[..];
        head.chain(io::repeat(b'A').take(40 << 20)).chain(io::Cursor::new([last; 4]))
    };
    assert_ne!(semantic_digest(body(b'A')).unwrap(), semantic_digest(body(b'B')).unwrap());
    let text = |last: u8| b"Subject: x\n\n".chain(io::repeat(b'a').take(6 << 20)).chain(io::Cursor::new([last]));
    assert_ne!(semantic_digest(text(b'a')).unwrap(), semantic_digest(text(b'b')).unwrap());
}
