//! Whatever comes in from outside, bent out of shape: nothing panics, nothing grows beyond what came, everything ends, and what is written
//! can be read back. `PROPTEST_CASES` raises the number of cases; answers in the folder that `EWS_SAMPLES` names become seeds, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "remote/canned.rs"]
mod canned;
#[path = "world/clock.rs"]
mod clock;
#[path = "remote/house.rs"]
mod house;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use canned::{Canned, http, ok};
use house::{Bodies, TestClock, tag};
use pimsync::format::categories::{CategoryDocument, CategoryFile};
use pimsync::format::content::{Document, Limits};
use pimsync::format::icalendar::event::EventFile;
use pimsync::format::icalendar::todo::TodoFile;
use pimsync::format::note::NoteFile;
use pimsync::format::vcard::VcardFile;
use pimsync::format::vcard::group::GroupFile;
use pimsync::format::{mime, timezone};
use pimsync::identity::Config;
use pimsync::local::{Keywords, Letters, MessageName, Subdir, foldername};
use pimsync::pim::{CategoryList, FolderId, ItemId, MasterCategory, UnixTime};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{ItemChange, RemoteRead};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config as Cases, TestRunner};

/// One change to a seed.
#[derive(Clone, Debug)]
enum Bend {
    Set(Index, u8),
    Put(Index, &'static str),
    Cut(Index, usize),
    Repeat(Index, usize, usize),
    End(Index),
    Splice(Index, Index, Index),
}

const WORDS: [&str; 44] = [
    "<",
    ">",
    "</",
    "/>",
    "&",
    "&#0;",
    "&#x1F;",
    "&#xFFFFFFFF;",
    "&lt;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?x ",
    "?>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<MimeContent>",
    "</MimeContent>",
    "<Items>",
    "Id=\"",
    "'",
    "\"",
    "\u{FEFF}",
    "\0",
    "=",
    "==",
    "*",
    "\r\n",
    "\r\n\r\n",
    "\n--inner\n",
    "--",
    "boundary=",
    ";",
    "=?utf-8?b?",
    "?=",
    "\t",
    "9999999999999999999",
    "-1",
    "[[account]]\n",
    "\u{202E}",
    ":2,",
    "/",
    "..",
];

fn bend() -> impl Strategy<Value = Bend> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Bend::Set(at, byte)),
        (at(), prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Bend::Put(at, word)),
        (at(), 1..60usize).prop_map(|(at, length)| Bend::Cut(at, length)),
        (at(), 1..60usize, 1..200usize).prop_map(|(at, length, times)| Bend::Repeat(at, length, times)),
        at().prop_map(Bend::End),
        (at(), at(), at()).prop_map(|(seed, from, to)| Bend::Splice(seed, from, to)),
    ]
}

/// A seed, bent a few times.
fn bent(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), prop::collection::vec(bend(), 0..6)).prop_map(move |(seed, bends)| {
        let mut bytes = seed.get(&seeds).clone();
        for bend in bends {
            let place = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
            match bend {
                Bend::Set(at, byte) if !bytes.is_empty() => {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                Bend::Put(at, word) => {
                    let at = place(at, &bytes);
                    bytes.splice(at..at, word.bytes());
                }
                Bend::Cut(at, length) => {
                    let at = place(at, &bytes);
                    bytes.drain(at..(at + length).min(bytes.len()));
                }
                Bend::Repeat(at, length, times) => {
                    let at = place(at, &bytes);
                    let piece = bytes[at..(at + length).min(bytes.len())].repeat(times);
                    bytes.splice(at..at, piece);
                }
                Bend::End(at) => bytes.truncate(at.index(bytes.len() + 1)),
                Bend::Splice(other, from, to) => {
                    let other = other.get(&seeds);
                    let (from, to) = (place(from, other), place(to, &bytes));
                    bytes.truncate(to);
                    bytes.extend_from_slice(&other[from..]);
                }
                Bend::Set(..) => {}
            }
        }
        bytes
    })
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// The answers of the corpus, and those that real servers gave.
fn answers() -> Vec<Vec<u8>> {
    let mut seeds = seeds("soap");
    if let Some(folder) = std::env::var_os("EWS_SAMPLES") {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension() == Some(OsStr::new("xml")));
        files.sort();
        seeds.extend(files.iter().map(|file| fs::read(file).unwrap()));
    }
    seeds
}

/// Tries a property on so many cases, unless the environment says how many.
fn cases<S: Strategy>(usual: u32, strategy: S, property: impl Fn(S::Value)) {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { Cases::default().cases } else { usual };
    let mut runner = TestRunner::new(Cases { cases, failure_persistence: None, ..Cases::default() });
    let result = runner.run(&strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn answers_of_servers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let canned = Canned::new(vec![ok(b"")]);
    cases(48, (bent(answers()), any::<bool>()), |(answer, fault)| {
        canned.answer(if fault { http("500 Internal Server Error", &answer) } else { ok(&answer) });
        canned.requests.lock().unwrap().clear();
        let sign_in = Box::new(Basic::new("a", "b".into()));
        let client = EwsClient::new(Settings::new(canned.url(), sign_in, Arc::new(TestClock::default()))).unwrap();
        let all = async {
            let (folder, item) = (FolderId::new("folder"), ItemId::new("item"));
            if let Ok(page) = client.item_changes(&folder, None, 512).await {
                assert!(page.changes.len() <= answer.len() && !page.state.as_str().is_empty());
                let is_sound = |change: &ItemChange| !matches!(change, ItemChange::Present(message) if message.size > u64::MAX / 2);
                assert!(page.changes.iter().all(is_sound));
            }
            if let Ok(tree) = client.folder_changes(None).await {
                let ids: BTreeSet<_> = tree.changed.iter().map(|folder| &folder.id).collect();
                assert_eq!(ids.len(), tree.changed.len(), "a folder is told once");
            }
            let _ = client.special_folders().await;
            let _ = client.activity(std::slice::from_ref(&folder)).await;
            let _ = client.find_tagged(&folder, &[tag(1)]).await;
            if let Ok(messages) = client.messages(&[item.clone(), ItemId::new("other")]).await {
                assert_eq!(messages.len(), 2, "an answer for each");
                assert!(messages[0].as_ref().is_ok_and(|message| message.id == item) || messages[0].is_err());
            }
            let mut sink = Bodies::default();
            if let Ok(bodies) = client.bodies(&[(item, 20), (ItemId::new("other"), 20)], &mut sink).await {
                assert_eq!(bodies.len(), 2);
                let held: usize = sink.slots.values().map(Vec::len).sum();
                assert!(held <= 4096 + 16 * answer.len(), "{held} bytes of bodies from {}", answer.len());
            }
        };
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), all).await }).expect("it does not end");
    });
}

/// Gives its bytes out in small pieces.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(into.len()).min(self.0.len());
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn messages() {
    cases(400, (bent(seeds("mail")), 1..9usize), |(mail, piece)| {
        let digest = mime::semantic_digest(&mail[..]).unwrap();
        let facts = mime::facts(&mail[..]).unwrap();
        // However it is cut.
        assert_eq!(mime::semantic_digest(Drip(&mail, piece)).unwrap(), digest);
        assert_eq!(mime::facts(BufReader::with_capacity(piece, &mail[..])).unwrap(), facts);
        let told = [facts.subject, facts.from, facts.to, facts.cc, facts.message_id];
        assert!(told.iter().flatten().all(|text| text.len() <= 16 * (mail.len() + 16)));
    });
}

#[test]
fn parts_within_parts_without_end() {
    let deep: String =
        (0..200_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let attached = "Content-Type: message/rfc822\n\n".repeat(200_000);
    for mail in [deep, attached, "--b\n".repeat(1_000_000), format!("Content-Type: {}\n\n", "x;".repeat(400_000))] {
        mime::semantic_digest(mail.as_bytes()).unwrap();
        mime::facts(mail.as_bytes()).unwrap();
    }
}

/// The golden files of a kind, and words that hurt its readers.
fn golden(kinds: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = kinds
        .iter()
        .flat_map(|kind| fs::read_dir(root.join(kind)).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension() != Some(OsStr::new("md")))
        .collect();
    files.sort();
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let hurting = [
        "BEGIN:VEVENT\nDTSTART:99991231T235959Z\nDURATION:P999999999W\nRRULE:FREQ=DAILY\nEXDATE:99991231T235959Z\nEND:VEVENT\n",
        "BEGIN:VTODO\nDTSTART:00000101\nRRULE:FREQ=YEARLY;INTERVAL=8\nEND:VTODO\n",
        "DTSTART;TZID=\"/////////////\":16010101T000060\n",
    ];
    seeds.extend(hurting.map(|text| format!("BEGIN:VCALENDAR\n{text}END:VCALENDAR\n").into_bytes()));
    seeds
}

#[test]
fn content_lines() {
    cases(400, bent(golden(&["ics", "vcf"])), |file| {
        if let Ok(document) = Document::parse(file.clone(), Limits::default()) {
            assert_eq!(document.to_bytes(), file);
        }
    });
}

#[test]
fn contacts() {
    cases(200, bent(golden(&["vcf"])), |bytes| {
        let Ok(mut file) = VcardFile::parse(bytes.clone()) else { return };
        let contact = file.contact();
        file.patch(&contact);
        assert_eq!(file.to_bytes(), bytes);
        assert_eq!(VcardFile::new(&contact).contact(), contact);
    });
}

#[test]
fn groups() {
    cases(200, bent(golden(&["groups"])), |bytes| {
        let Ok(mut file) = GroupFile::parse(bytes.clone()) else { return };
        let mut group = file.group();
        file.patch(&group);
        assert_eq!(file.to_bytes(), bytes);
        assert_eq!(GroupFile::new(&group).group().members, group.members);
        group.members.reverse();
        file.patch(&group);
        assert_eq!(file.group(), group);
    });
}

#[test]
fn events_and_tasks() {
    cases(300, bent(golden(&["ics"])), |bytes| {
        if let Ok(mut file) = TodoFile::parse(bytes.clone())
            && let Ok(task) = file.task()
        {
            file.patch(&task);
            assert_eq!(file.to_bytes(), bytes);
            assert_eq!(TodoFile::new(&task, UnixTime(0)).task().unwrap(), task);
        }
        if let Ok(mut file) = EventFile::parse(bytes.clone())
            && let Ok(event) = file.event()
        {
            file.patch(&event).unwrap();
            let again = EventFile::parse(file.to_bytes()).unwrap();
            assert_eq!(again.event().unwrap(), event);
            assert_eq!(EventFile::new(&event, UnixTime(0)).unwrap().event().unwrap(), event);
        }
    });
}

#[test]
fn notes() {
    let seeds = [
        "---\ncolour: blue\ncategories: [a, \"b, c\"]\n---\ntext\n",
        "Title\n\ntext",
        "---\r\ntags:\r\n- x\r\n---\r\n",
    ];
    cases(400, bent(seeds.map(|seed| seed.as_bytes().to_vec()).to_vec()), |bytes| {
        let Ok(mut file) = NoteFile::parse(bytes.clone()) else { return };
        let note = file.note();
        file.patch(&note).unwrap();
        assert_eq!(file.as_bytes(), bytes);
        assert_eq!(NoteFile::new(&note).unwrap().note(), note);
    });
}

#[test]
fn files_of_categories() {
    let seeds = [
        "# mine\r\n[[category]] # x\r\nname = \"Work\"\r\ncolour = \"red\"\r\nicon = [1, {a = 2}]\r\n",
        "category = []\n[other]\nname = 'a'\n",
        "[[category]]\nname = 'Home'\ncolor = 31\nshortcut = 2\n[[category]]\nname = \"A\"\n[category.more]\nx = 1\n# end",
    ];
    cases(400, bent(seeds.map(|seed| seed.as_bytes().to_vec()).to_vec()), |bytes| {
        let Ok(file) = CategoryFile::parse(&bytes) else { return };
        let again = CategoryFile::parse(&file.to_bytes()).unwrap();
        assert_eq!(again.list(), file.list());
        let other = other_list(file.list());
        if let Ok(changed) = file.with(&other) {
            assert_eq!(CategoryFile::parse(&changed.to_bytes()).unwrap().list(), &other);
        }
    });
}

#[test]
fn documents_of_categories() {
    let seeds = [
        "\u{FEFF}<?xml version=\"1.0\"?><categories default=\"a\" xmlns=\"CategoryList.xsd\"><!-- x --><category name=\"Work &amp; play\" \
         color=\"0\" keyboardShortcut=\"2\" guid=\"{1}\"/></categories>\r\n",
        "<x:categories xmlns:x='y'><x:category name='a\"b' color='x'><m>t</m></x:category><x:category name='A'/></x:categories>",
        "<categories/>",
    ];
    cases(400, bent(seeds.map(|seed| seed.as_bytes().to_vec()).to_vec()), |bytes| {
        let Ok(document) = CategoryDocument::parse(&bytes) else { return };
        if let Ok(same) = document.with(document.list()) {
            assert_eq!(same.list(), document.list());
        }
        let other = other_list(document.list());
        if let Ok(changed) = document.with(&other) {
            assert_eq!(changed.list(), &other);
            assert_eq!(CategoryDocument::parse(changed.as_bytes()).unwrap().list(), &other);
        }
    });
}

/// A list without the first of its categories, the others changed, and with a new one.
fn other_list(list: &CategoryList) -> CategoryList {
    let changed = list.iter().skip(1).cloned().map(|category| MasterCategory { shortcut: 9, ..category });
    changed.chain([MasterCategory::named("<new> & \"more\"")]).collect()
}

#[test]
fn names_of_zones() {
    let seeds = ["(UTC+01:00) Amsterdam, Berlin", "/mozilla.org/1/Europe/Berlin", "W. Europe Standard Time", "UTC"];
    cases(400, bent(seeds.map(|seed| seed.as_bytes().to_vec()).to_vec()), |name| {
        let name = String::from_utf8_lossy(&name);
        if let Ok(zone) = timezone::resolve(&name, None, jiff::civil::date(2026, 1, 1)) {
            assert_eq!(*zone.tzid, *name);
        }
    });
}

#[test]
fn settings_files() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("identity.toml");
    cases(200, bent(seeds("identity")), |text| {
        fs::write(&path, &text).unwrap();
        match Config::read(&path) {
            Ok(config) => {
                let names: BTreeSet<_> =
                    config.accounts.iter().map(|account| account.name.to_string().to_lowercase()).collect();
                assert_eq!(names.len(), config.accounts.len());
                for account in &config.accounts {
                    assert!((1..=4).contains(&account.folders_at_a_time));
                    let name = account.name.to_string();
                    assert!(!name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.'), "{name:?}");
                }
            }
            Err(error) => assert!(error.to_string().contains("identity.toml"), "{error}"),
        }
    });
}

#[test]
fn keyword_files() {
    cases(400, bent(seeds("keywords")), |text| {
        let keywords = Keywords::parse(&text);
        let again = Keywords::parse(&keywords.to_bytes());
        assert_eq!(again, keywords);
        let categories = keywords.categories(Letters::from_bits(u32::MAX));
        assert!(categories.len() <= 26);
        let (letters, left) = keywords.letters_for(&categories);
        assert!(left.is_empty());
        assert_eq!(keywords.categories(letters), categories);
    });
}

#[test]
fn names_of_messages() {
    let seeds: Vec<Vec<u8>> = [
        "1800000000.M1P2.host,S=12:2,FSab",
        "1800000000.0123456789abcdef.pimsync",
        "a:b:2,S",
        "x:1,y",
        ":2,",
        "1:2,:S2,",
    ]
    .map(|name| name.as_bytes().to_vec())
    .to_vec();
    cases(400, bent(seeds), |mut name| {
        name.retain(|byte| !matches!(byte, 0 | b'/'));
        for subdir in [Subdir::Cur, Subdir::New] {
            let parsed = MessageName::parse(subdir, OsStr::from_bytes(&name));
            assert_eq!(parsed.file_name().into_vec(), name);
            let marked = parsed.with_marks(parsed.flags(), Letters::from_bytes(b"z"));
            assert_eq!(MessageName::parse(marked.subdir(), &marked.file_name()), marked);
        }
    });
}

/// As directories in one place: whatever a server calls its folders, each has one of its own, and its name comes back.
#[test]
fn names_of_folders() {
    let seeds: Vec<Vec<u8>> = [
        "..",
        "cur",
        "Straße",
        "a/b",
        "%2E",
        "x%~2",
        &"n".repeat(255),
        &"\u{4e00}".repeat(90),
        "\u{202E}x ",
        "dovecot-x",
        "",
    ]
    .map(|name| name.as_bytes().to_vec())
    .to_vec();
    let home = tempfile::tempdir().unwrap();
    cases(100, prop::collection::vec(bent(seeds), 1..12), |names| {
        let folder = tempfile::tempdir_in(home.path()).unwrap();
        let mut keys = BTreeSet::new();
        for name in names {
            let name: String = String::from_utf8_lossy(&name).chars().take(255).collect();
            let made = foldername::encode(&name, &|key| keys.contains(key));
            assert!(!["", ".", "..", "cur", "new", "tmp"].contains(&made.name.as_str()) && made.name.len() <= 255);
            assert!(!made.name.contains(['/', '\0']) && !made.name.chars().any(char::is_control), "{:?}", made.name);
            assert!(keys.insert(foldername::twin_key(&made.name)), "{:?} is there already", made.name);
            fs::create_dir(folder.path().join(&made.name)).unwrap();
            match made.reversible {
                true => assert_eq!(foldername::decode(&made.name), name),
                false => assert!(foldername::is_shortened_from(&made.name, &name)),
            }
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), keys.len());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing lies beside it");
    });
}
