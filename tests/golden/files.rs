//! The golden files themselves: nothing of the place where they were made is in them, and none is left over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pimsync::remote::{RemoteRead, RemoteWrite};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{INBOX, PASSWORD, Talk, USER, compare, folder, item, path, renewing, split};
use crate::house::{InMemory, mime, upload};

fn file_names() -> Vec<String> {
    // Other directories hold the golden files of formats, which have a test of their own.
    let within = |folder: &str| {
        let files = std::fs::read_dir(path(folder)).unwrap().map(Result::unwrap).filter(|file| file.path().is_file());
        files.map(|file| format!("{folder}{}", file.file_name().into_string().unwrap())).collect::<Vec<_>>()
    };
    let mut names = [within(""), within("entries/")].concat();
    names.sort();
    names
}

/// All texts and attributes of a request but the names of its namespaces, and the messages in it as they are.
fn values(xml: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let mut values = Vec::new();
    let mut in_mime = false;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => {
                in_mime = start.local_name().as_ref() == "MimeContent";
                let attributes = start.attributes().map(Result::unwrap);
                let attributes = attributes.filter(|attribute| !attribute.key.as_ref().starts_with("xmlns"));
                values.extend(attributes.map(|attribute| attribute.value.into_owned()));
            }
            Event::Text(text) if in_mime => {
                values.push(String::from_utf8(STANDARD.decode(&*text).unwrap()).unwrap());
            }
            Event::Text(text) => values.push(text.to_string()),
            Event::Eof => return values,
            _ => {}
        }
    }
}

/// A request that tells more than its purpose gives the user away to whoever reads a trace of it.
#[test]
fn requests_tell_nothing_of_the_machine_they_come_from() {
    if renewing() {
        println!("skipped: the files are just being written; run the tests once more");
        return;
    }
    let secrets = [USER, PASSWORD, "://", "localhost", "127.0.0.1", env!("CARGO_MANIFEST_DIR"), "/home/", "/tmp/"];
    let secrets = secrets.into_iter().map(str::to_owned);
    let secrets: Vec<String> = secrets.chain([STANDARD.encode(USER), STANDARD.encode(PASSWORD)]).collect();
    let mut read = 0;
    for name in file_names().into_iter().filter(|name| name.ends_with(".request.xml")) {
        for value in values(&std::fs::read_to_string(path(&name)).unwrap()) {
            let secret = secrets.iter().find(|secret| value.contains(secret.as_str()));
            assert_eq!(secret, None, "{name}: {value}");
            let is_path = ["/", "./", "../", "~", "\\\\"].iter().any(|start| value.starts_with(start));
            assert!(!is_path, "{name}: {value} is a path");
            // A word with dots is a class, an address of the messages that the tests send, or a host.
            let mut words = value.split(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c));
            let host = words.find(|word| word.trim_matches('.').contains('.') && !is_known(word));
            assert_eq!(host, None, "{name}: {value}");
        }
        read += 1;
    }
    assert!(read > 30, "only {read} golden requests were read");
}

fn is_known(word: &str) -> bool {
    word.starts_with("IPF.")
        || word.starts_with("IPM.")
        || word.ends_with("example.org")
        || ["1.0", "ContactPicture.jpg"].contains(&word)
}

#[test]
fn every_golden_file_belongs_to_a_test() {
    let tests = [
        include_str!("entries.rs"),
        include_str!("faults.rs"),
        include_str!("files.rs"),
        include_str!("folders.rs"),
        include_str!("lists.rs"),
        include_str!("messages.rs"),
        include_str!("others.rs"),
        include_str!("writes.rs"),
    ]
    .concat();
    for name in file_names().into_iter().filter(|name| !name.ends_with(".rs")) {
        let stem = name.trim_end_matches(".xml").trim_end_matches(".request");
        assert!(tests.contains(&format!("\"{stem}\"")), "no test asks for {name}");
    }
}

/// A head with what differs from one request to the next in angle brackets; sorted, since the order means nothing.
fn head(request: &str) -> String {
    let (head, body) = split(request);
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let mut headers: Vec<String> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let value = match name {
                "authorization" if value.starts_with("basic ") => "basic <user and password>",
                "client-request-id" if value.len() == 36 && value.matches('-').count() == 4 => "<uuid>",
                "content-length" if value == body.len().to_string() => "<length>",
                "host" => "<host>",
                "user-agent" if value == concat!("pimsync/", env!("CARGO_PKG_VERSION")) => "pimsync/<version>",
                "x-anchormailbox" if value == USER => "<user>",
                _ => value,
            };
            format!("{name}: {value}\n")
        })
        .collect();
    headers.sort();
    format!("{first}\n{}", headers.concat())
}

/// Servers route, filter and count by these; a request without its length is refused by IIS.
#[tokio::test]
async fn every_request_has_the_same_headers() {
    let steps = [("create-messages", "create-messages.exchange"), ("messages", "messages.exchange")];
    let talk = Talk::new(&steps);
    let body = InMemory(mime("x"));
    talk.client.create_messages(&folder(INBOX), &[upload(1, &body)]).await.unwrap();
    talk.client.messages(&[item("i")]).await.unwrap();
    let file = path("headers.txt");
    for request in &*talk.canned.requests.lock().unwrap() {
        let head = head(request);
        if renewing() {
            std::fs::write(&file, &head).unwrap();
        }
        compare("headers.txt", &std::fs::read_to_string(&file).unwrap_or_default(), &head, super::RENEW);
    }
}
