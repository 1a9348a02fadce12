//! Talks between the client and a server that only knows its part: what goes over the wire, byte for byte. A change in `*.request.xml` is a
//! change in what servers see: whoever renews those files shows it to the reviewer.
//!
//! - `*.request.xml`: a request as the client sends it, in one line. Renewed by `UPDATE_GOLDEN=1`.
//! - `*.exchange.xml`, `*.gromox.xml`: an answer in the manner of that server, written by hand for people to read: the white space
//!   between elements and the remarks are not sent. Never renewed by a program, and neither are the values in the tests.
//! - `headers.txt`: the HTTP head of all requests, what differs from one to the next in angle brackets.

mod entries;
mod faults;
mod files;
mod folders;
mod lists;
mod messages;
mod others;
mod writes;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use pimsync::pim::{ChangeKey, FolderId, ItemId};
use pimsync::remote::Versioned;
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};

use crate::canned::{Canned, http};
use crate::house::TestClock;

const USER: &str = "golden@example.org";
const PASSWORD: &str = "sesame-open";
const RENEW: &str = "UPDATE_GOLDEN=1 cargo test --test remote_golden";

// Ids as Exchange makes them, only shorter: opaque, with all characters of base64, and some that differ in case alone.
const ROOT: &str = "AAMkADgzAAAAAEIAAA==";
const INBOX: &str = "AAMkADgzAAAAAEMAAA==";
const BIN: &str = "AAMkADgzAAAAAEUAAA==";
const PROJECTS: &str = "AAMkADgzAAAb/zEAAA==";
const ARCHIVE: &str = "AAMkADgzAAAb+zEAAA==";
const A: &str = "AAMkADgzAAAQk9+/AAAb=";
const B: &str = "AAMkADgzAAAQk9+/AAAB=";
const C: &str = "AAMkADgzAAAQk9+/AABb=";
const KEY_A: &str = "CQAAABYAAADn+0qT";
const KEY_B: &str = "CQAAABYAAADn+0qU";
const KEY_C: &str = "CQAAABYAAADn+0qV";

/// 2026-11-03T12:00:00Z
const NOON: i64 = 1_793_707_200;

fn folder(id: &str) -> FolderId {
    FolderId::new(id)
}

fn item(id: &str) -> ItemId {
    ItemId::new(id)
}

fn versioned(id: &str, key: &str) -> Versioned {
    Versioned { id: item(id), change_key: ChangeKey::new(key) }
}

/// A talk: which requests are to come, and how each is answered.
struct Talk<C = EwsClient> {
    client: C,
    canned: Canned,
    clock: Arc<TestClock>,
    requests: Vec<&'static str>,
}

impl Talk {
    /// The steps name the request that is to come and the answer to it.
    fn new(steps: &[(&'static str, &str)]) -> Self {
        Self::with(steps, |settings| EwsClient::new(settings).unwrap())
    }
}

impl<C> Talk<C> {
    /// The same of another client than one for one's own mailbox.
    fn with(steps: &[(&'static str, &str)], make: impl FnOnce(Settings) -> C) -> Self {
        let canned = Canned::new(steps.iter().map(|(_, answer)| dressed(answer)).collect());
        let clock = Arc::new(TestClock::default());
        let sign_in = Box::new(Basic::new(USER, PASSWORD.into()));
        let settings = Settings {
            zone: "Europe/Berlin".to_owned(),
            address: "ada@example.org".to_owned(),
            ..Settings::new(canned.url(), sign_in, clock.clone())
        };
        let client = make(settings);
        Self { client, canned, clock, requests: steps.iter().map(|(request, _)| *request).collect() }
    }

    /// The talk went as it should, and the client got this out of it.
    fn gives<T: Debug, E: Debug>(&self, got: &Result<T, E>, want: &T) {
        self.went_as_it_should();
        self.gives_so_far(got, want);
    }

    /// The client got this out of it; the talk goes on.
    fn gives_so_far<T: Debug, E: Debug>(&self, got: &Result<T, E>, want: &T) {
        match got {
            Ok(got) => {
                compare("the value", &format!("{want:#?}"), &format!("{got:#?}"), "it is to be corrected by hand")
            }
            Err(error) => panic!("after {:?}: {error:?}", self.requests),
        }
    }

    /// The heads of the requests.
    fn heads(&self) -> Vec<String> {
        self.canned.requests.lock().unwrap().iter().map(|request| split(request).0.to_ascii_lowercase()).collect()
    }

    /// The requests were those of the golden files, and no more.
    fn went_as_it_should(&self) {
        let sent: Vec<String> = self.canned.requests.lock().unwrap().iter().map(|request| split(request).1).collect();
        for (name, body) in self.requests.iter().zip(&sent) {
            let file = path(&format!("{name}.request.xml"));
            let golden = std::fs::read_to_string(&file).unwrap_or_default();
            if !renewing() {
                compare(
                    &format!("{name}.request.xml"),
                    &lines(&golden),
                    &lines(body),
                    &format!("if it is meant so: {RENEW}"),
                );
                assert_eq!(&golden, body, "{name}.request.xml differs in line ends only; {RENEW}");
            } else if golden != *body {
                std::fs::write(file, body).unwrap();
            }
        }
        let extra: Vec<String> = sent.iter().skip(self.requests.len()).map(|body| lines(body)).collect();
        assert!(extra.is_empty(), "nobody expected this request:\n{}", extra.join("\n\n"));
        assert_eq!(sent.len(), self.requests.len(), "how many came of {:?}", self.requests);
    }
}

/// Whether the golden requests are to be written anew instead of being compared.
fn renewing() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A request's head, in lower case, and its body.
fn split(request: &str) -> (String, String) {
    let (head, body) = request.split_once("\r\n<").unwrap_or_else(|| panic!("no XML was sent: {request}"));
    (head.to_owned(), format!("<{body}"))
}

/// An answer as its server sends it: with its headers, and a fault with its status.
fn dressed(name: &str) -> Vec<u8> {
    let file = path(&format!("{name}.xml"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let body = flat(&text);
    let fault = body.contains(":Fault>");
    let head = match name.rsplit('.').next() {
        Some("exchange") if fault => "500 Internal Server Error\r\nContent-Type: text/xml; charset=utf-8",
        Some("exchange") => "200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nServer: Microsoft-IIS/10.0",
        Some("gromox") => "200 OK\r\nContent-Type: text/xml",
        _ => panic!("{name}: whose manner is that?"),
    };
    http(head, body.as_bytes())
}

/// Without remarks, and without the white space that stands between elements for people's sake.
fn flat(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.lines().map(str::trim_start).collect()
}

/// XML with a line for each element.
fn lines(xml: &str) -> String {
    xml.replace("><", ">\n<")
}

/// Fails with the lines that differ.
fn compare(what: &str, want: &str, got: &str, remedy: &str) {
    if want != got {
        panic!("{what}: - is what it should be, + is what it is:\n{}\n{remedy}", difference(want, got));
    }
}

/// The lines that differ, with a few of those around them.
fn difference(want: &str, got: &str) -> String {
    const AROUND: usize = 3;
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let head = want.iter().zip(&got).take_while(|(want, got)| want == got).count();
    let most = want.len().min(got.len()) - head;
    let tail = want.iter().rev().zip(got.iter().rev()).take(most).take_while(|(want, got)| want == got).count();
    let (want_end, got_end) = (want.len() - tail, got.len() - tail);
    let marked =
        |mark: &str, lines: &[&str]| -> Vec<String> { lines.iter().map(|line| format!("{mark} {line}")).collect() };
    let parts = [
        marked(" ", &want[head.saturating_sub(AROUND)..head]),
        marked("-", &want[head..want_end]),
        marked("+", &got[head..got_end]),
        marked(" ", &want[want_end..want.len().min(want_end + AROUND)]),
    ];
    parts.concat().join("\n")
}

#[test]
fn a_difference_shows_what_differs_and_a_little_around_it() {
    assert_eq!(difference("a\nb\nc\nd\ne\nf\ng", "a\nb\nc\nd\nX\nY\nf\ng"), "  b\n  c\n  d\n- e\n+ X\n+ Y\n  f\n  g");
    assert_eq!(difference("a\na", "a"), "  a\n- a");
    assert_eq!(difference("", "a"), "+ a");
}
