//! A server that means harm, or has lost its mind: whatever it says, nothing is written outside the account's tree, nothing grows without
//! bounds, the run comes to an end that names what was wrong, and the rest of the mail comes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::canned::{self, Canned, endless, ok, whole};
use crate::world::{CutAt, World, all_files, header};
use base64::Engine as _;
use pimsync::exchange::Personality;
use pimsync::local::MailTree;
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::sync::{Engine, NoticeKind, Report, Request, SyncError};

const ROOT: &str = "root";

/// A folder as the server tells of it: id, id of the parent, and the name as it stands in the XML.
type Told = (String, String, String);

/// What the server says. What it is asked for by id it has, unless somebody took it out.
#[derive(Clone, Default)]
struct Script {
    folders: Vec<Told>,
    /// The changes of each folder's first page, as XML.
    items: BTreeMap<String, String>,
    /// Overrides what is said to requests that contain a text: the first one that matches.
    instead: Vec<(&'static str, Answer)>,
}

#[derive(Clone)]
enum Answer {
    Whole(String),
    Endless(String, String),
    Packed(String),
    /// The items of a batch the wrong way round.
    Backwards,
}

/// A server that follows a script, which can be rewritten.
struct Hostile {
    world: World,
    script: Arc<Mutex<Script>>,
    canned: Canned,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&quot;", "\"").replace("&gt;", ">").replace("&amp;", "&")
}

/// The ids of all elements of that name in a request.
fn ids(request: &str, element: &str) -> Vec<String> {
    let opening = format!("<t:{element} Id=\"");
    request.split(&opening).skip(1).map(|rest| unescape(rest.split('"').next().unwrap())).collect()
}

fn envelope(operation: &str, messages: &str) -> String {
    format!(
        "<Envelope><Body><{operation}Response><ResponseMessages>{messages}</ResponseMessages></{operation}Response></Body></Envelope>"
    )
}

fn success(inside: &str) -> String {
    format!("<M ResponseClass='Success'><ResponseCode>NoError</ResponseCode>{inside}</M>")
}

fn refusal(code: &str) -> String {
    format!("<M ResponseClass='Error'><ResponseCode>{code}</ResponseCode></M>")
}

/// An item as a listing has it.
fn listed(id: &str) -> String {
    format!("<Create><Message><ItemId Id=\"{}\" ChangeKey=\"k\"/><Size>300</Size></Message></Create>", escape(id))
}

fn listing(operation: &str, state: &str, last: bool, changes: &str) -> String {
    let range = if operation == "SyncFolderItems" { "Item" } else { "Folder" };
    envelope(
        operation,
        &success(&format!(
            "<SyncState>{state}</SyncState><IncludesLast{range}InRange>{last}</IncludesLast{range}InRange><Changes>{changes}</Changes>"
        )),
    )
}

fn name_of(id: &str) -> String {
    let mut digits = blake3::hash(id.as_bytes()).to_hex();
    digits.truncate(12);
    digits.to_string()
}

impl Script {
    fn folder(mut self, id: &str, parent: &str, name: &str, items: &[&str]) -> Self {
        self.folders.push((id.to_owned(), parent.to_owned(), name.to_owned()));
        let changes = items.iter().map(|id| listed(id)).collect();
        self.items.insert(id.to_owned(), changes);
        self
    }

    fn instead(mut self, of: &'static str, answer: Answer) -> Self {
        self.instead.push((of, answer));
        self
    }

    fn answer(&self, request: &str) -> canned::Reply {
        for (text, answer) in &self.instead {
            if request.contains(text) {
                return match answer {
                    Answer::Whole(answer) => whole(ok(answer.as_bytes())),
                    Answer::Endless(start, piece) => endless(start, piece),
                    Answer::Packed(answer) => whole(canned::http(
                        "200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip",
                        &packed(answer.as_bytes()),
                    )),
                    Answer::Backwards => whole(ok(self.items(request, true).as_bytes())),
                };
            }
        }
        let answer = if request.contains("<m:SyncFolderHierarchy>") {
            self.hierarchy(request)
        } else if request.contains("<m:SyncFolderItems>") {
            let folder = &ids(request, "FolderId")[0];
            let changes = self.items.get(folder).filter(|_| !request.contains("<m:SyncState>items<"));
            listing("SyncFolderItems", "items", true, changes.map_or("", String::as_str))
        } else if request.contains("<m:GetFolder>") {
            self.folders_asked(request)
        } else if request.contains("<m:GetItem>") {
            self.items(request, false)
        } else if request.contains("<m:GetUserConfiguration>") {
            envelope("Any", &refusal("ErrorItemNotFound"))
        } else {
            envelope("Any", &refusal("ErrorAccessDenied"))
        };
        whole(ok(answer.as_bytes()))
    }

    fn hierarchy(&self, request: &str) -> String {
        let mut changes = String::new();
        if !request.contains("<m:SyncState>tree<") {
            for (id, parent, name) in &self.folders {
                write!(
                    changes,
                    "<Create><Folder><FolderId Id=\"{}\"/><ParentFolderId Id=\"{}\"/><FolderClass>IPF.Note</FolderClass>\
                     <DisplayName>{name}</DisplayName></Folder></Create>",
                    escape(id),
                    escape(parent)
                )
                .unwrap();
            }
        }
        listing("SyncFolderHierarchy", "tree", true, &changes)
    }

    fn folders_asked(&self, request: &str) -> String {
        let mut messages = String::new();
        for name in ids(request, "DistinguishedFolderId") {
            let root = format!("<Folders><Folder><FolderId Id=\"{ROOT}\"/></Folder></Folders>");
            let is_root = name == "msgfolderroot";
            messages.push_str(&if is_root { success(&root) } else { refusal("ErrorFolderNotFound") });
        }
        for id in ids(request, "FolderId") {
            let inside = format!("<Folders><Folder><FolderId Id=\"{}\"/></Folder></Folders>", escape(&id));
            messages.push_str(&success(&inside));
        }
        envelope("GetFolder", &messages)
    }

    fn items(&self, request: &str, backwards: bool) -> String {
        let mut ids = ids(request, "ItemId");
        if backwards {
            ids.reverse();
        }
        let mut messages = String::new();
        for id in ids {
            let mime = match request.contains("IncludeMimeContent") {
                true => base64::engine::general_purpose::STANDARD.encode(World::mime(&name_of(&id))),
                false => String::new(),
            };
            let inside = format!(
                "<Items><Message><MimeContent>{mime}</MimeContent><ItemId Id=\"{}\" ChangeKey=\"k\"/></Message></Items>",
                escape(&id)
            );
            messages.push_str(&success(&inside));
        }
        envelope("GetItem", &messages)
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, bytes).unwrap();
    packer.finish().unwrap()
}

impl Hostile {
    fn new(script: Script) -> Self {
        let script = Arc::new(Mutex::new(script));
        let followed = script.clone();
        let canned = Canned::with(move |request| followed.lock().unwrap().answer(request));
        Self { world: World::unrecorded(Personality::Exchange), script, canned }
    }

    fn engine(&self) -> Engine<EwsClient, MailTree> {
        let sign_in = Box::new(Basic::new("demo@example.org", "demo".to_owned().into()));
        let settings = Settings::new(self.canned.url(), sign_in, self.world.clock.clone());
        let mut engine = self.world.engine(Arc::new(CutAt::default()));
        engine.remote = Arc::new(EwsClient::new(settings).unwrap());
        engine
    }

    /// A run, after which the world beyond the account's tree must be as it was.
    fn try_sync(&self) -> Result<Report, SyncError> {
        let before = self.beyond();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let result = runtime.block_on(self.engine().run(&Request::default()));
        assert_eq!(self.beyond(), before, "something was written outside of the account's tree");
        self.inspect();
        result
    }

    fn sync(&self) -> Report {
        self.try_sync().unwrap()
    }

    /// Everything in the home but the account's tree and state.db.
    fn beyond(&self) -> BTreeMap<PathBuf, (u64, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.world.home.path().to_owned()];
        while let Some(dir) = waiting.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path == self.world.account_dir() || name.starts_with("state.db") {
                    continue;
                }
                let is_dir = fs::symlink_metadata(&path).unwrap().is_dir();
                let ino = fs::symlink_metadata(&path).unwrap().ino();
                found.insert(path.clone(), (ino, if is_dir { vec![] } else { fs::read(&path).unwrap() }));
                waiting.extend(is_dir.then_some(path));
            }
        }
        found
    }

    /// The account's tree holds nothing but Maildirs and messages, whatever they were called.
    fn inspect(&self) {
        fn look(dir: &Path, depth: usize) {
            assert!(depth < 100);
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                let kind = entry.file_type().unwrap();
                let is_part = ["cur", "new", "tmp"].contains(&name.as_str());
                assert!(kind.is_dir() || name == "displayname", "{}", entry.path().display());
                assert!(!name.chars().any(char::is_control) && name.len() <= 255);
                if is_part {
                    assert!(
                        fs::read_dir(entry.path()).unwrap().all(|file| file.unwrap().file_type().unwrap().is_file())
                    );
                } else if kind.is_dir() {
                    look(&entry.path(), depth + 1);
                }
            }
        }
        look(&self.world.account_dir(), 0);
    }

    /// The directory, below the account's, of the message with that id on the server; each is to be here once.
    fn place_of(&self, id: &str) -> Option<String> {
        let wanted = format!("<{}@example.org>", name_of(id));
        let files = all_files(&self.world.account_dir());
        let mut found: Vec<&PathBuf> =
            files.iter().filter(|path| header(&fs::read(path).unwrap(), "message-id") == wanted).collect();
        assert!(found.len() < 2, "{id} is here twice: {found:?}");
        let dir = found.pop()?.parent()?.parent()?.strip_prefix(self.world.account_dir()).unwrap();
        Some(dir.to_str().unwrap().to_owned())
    }

    fn messages(&self) -> usize {
        all_files(&self.world.account_dir()).len()
    }

    /// Once more: nothing to do, and nothing changes.
    fn assert_settled(&self) {
        let before = self.messages();
        let again = self.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "a second sync did something: {again:?}");
        assert_eq!(self.messages(), before);
    }
}

fn failed(report: &Report, folder: &str, word: &str) -> bool {
    report
        .notices
        .iter()
        .any(|notice| notice.kind == NoticeKind::FolderFailed && notice.folder == folder && notice.text.contains(word))
}

#[test]
fn folder_names_never_lead_out_of_the_tree() {
    let long = "n".repeat(300);
    let wide = "\u{4e00}".repeat(255);
    let names = [
        "..",
        ".",
        "/",
        "//",
        "../../../outside",
        "/etc/passwd",
        "a/../../b",
        "&#0;",
        "nul&#x0;in it",
        "&#x1F;\u{7f}&#x85;",
        "cur",
        "new",
        "tmp",
        "CUR",
        "displayname",
        "dovecot-keywords",
        ".pimsync",
        ".hidden",
        "line&#10;break",
        "tail ",
        " head",
        "",
        &long,
        &wide,
        "Twin",
        "twin",
        "TWIN",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{202e}txt.exe",
        "\u{200f}\u{2066}x\u{2069}",
        "%2E%2E",
        "%2F",
        "%~2",
        "Twin%~2",
        "-rf",
        "~",
        "$HOME",
        "`id`",
        "*",
        "a\\..\\b",
        "C:\\x",
        "COM1",
    ];
    let mut script = Script::default();
    for (number, name) in names.iter().enumerate() {
        let id = format!("f{number}");
        script = script.folder(&id, ROOT, name, &[&format!("i{number}")]);
        // And below each the way up.
        script = script.folder(&format!("{id}-up"), &id, "..", &[&format!("u{number}")]);
    }
    let hostile = Hostile::new(script);
    let report = hostile.sync();
    assert!(report.is_clean(), "{report:?}");
    let mut dirs = std::collections::BTreeSet::new();
    for (number, name) in names.iter().enumerate() {
        let dir = hostile.place_of(&format!("i{number}")).unwrap();
        assert!(!dir.is_empty() && !dir.contains('/') && dirs.insert(dir.to_lowercase()), "{name:?} lies in {dir:?}");
        assert_eq!(hostile.place_of(&format!("u{number}")).unwrap(), format!("{dir}/%2E%2E"));
    }
    hostile.assert_settled();
}

#[test]
fn ids_are_never_names_of_files() {
    let long = "i".repeat(70_000);
    let odd = ["../../outside", "/etc/passwd", "", ".", "..", "new/x", "a:2,S", "\u{202e}", "A", "a", "<&\"", &long];
    let mut script = Script::default().folder("../up", ROOT, "Odd", &odd).folder("..", "../up", "Below", &["below"]);
    script = script.folder("", ROOT, "Nameless", &["nameless"]);
    let hostile = Hostile::new(script);
    hostile.sync();
    for id in odd.iter().filter(|id| !id.is_empty()) {
        assert_eq!(hostile.place_of(id).as_deref(), Some("Odd"), "{:?}", &id[..id.len().min(20)]);
    }
    assert_eq!(hostile.place_of("below").as_deref(), Some("Odd/Below"));
    hostile.assert_settled();
}

#[test]
fn repeated_ids_are_one_thing() {
    let script = Script::default()
        .folder("one", ROOT, "One", &["a", "b", "a", "a"])
        .folder("two", ROOT, "Two", &["c", "d"])
        .folder("one", ROOT, "One again", &["a", "b", "a"])
        .folder("two", "one", "Two elsewhere", &["c", "d", "c"])
        .folder(ROOT, ROOT, "The root itself", &["r"]);
    let hostile = Hostile::new(script);
    hostile.sync();
    hostile.sync();
    for (id, place) in
        [("a", "One again"), ("b", "One again"), ("c", "One again/Two elsewhere"), ("d", "One again/Two elsewhere")]
    {
        assert_eq!(hostile.place_of(id).as_deref(), Some(place), "{id}");
    }
    assert_eq!(hostile.place_of("r").as_deref(), Some("The root itself"), "told of as a folder, it is one");
    assert_eq!(hostile.messages(), 5);
    hostile.assert_settled();
}

/// Which of the two folders has it cannot be told; it is here then, and stays as it is.
#[test]
fn a_message_that_two_folders_claim_stays_where_it_came() {
    let script = Script::default().folder("one", ROOT, "One", &["a", "b"]).folder("two", ROOT, "Two", &["a", "c"]);
    let hostile = Hostile::new(script);
    hostile.sync();
    let wanted = format!("<{}@example.org>", name_of("a"));
    let count = || {
        let files = all_files(&hostile.world.account_dir());
        files.iter().filter(|path| header(&fs::read(path).unwrap(), "message-id") == wanted).count()
    };
    assert!((1..=2).contains(&count()) && hostile.place_of("b").is_some() && hostile.place_of("c").is_some());
    hostile.assert_settled();
}

#[test]
fn folders_in_a_circle_and_orphans_are_left_out() {
    let script = Script::default()
        .folder("child", "parent", "Child", &["in-child"])
        .folder("parent", ROOT, "Parent", &["in-parent"])
        .folder("x", "y", "X", &["in-x"])
        .folder("y", "z", "Y", &["in-y"])
        .folder("z", "x", "Z", &["in-z"])
        .folder("self", "self", "Self", &["in-self"])
        .folder("orphan", "nowhere", "Orphan", &["in-orphan"])
        .folder("on-circle", "x", "On a circle", &["in-on-circle"]);
    let hostile = Hostile::new(script.clone());
    hostile.sync();
    assert_eq!(hostile.place_of("in-child").as_deref(), Some("Parent/Child"));
    assert_eq!(hostile.place_of("in-parent").as_deref(), Some("Parent"));
    assert_eq!(hostile.messages(), 2);
    hostile.assert_settled();
    // Folders that were sound become a circle: no message is thrown away for it.
    let mut turned = script;
    turned.folders.retain(|(id, ..)| id == "child" || id == "parent");
    turned.folders[1].1 = "child".to_owned();
    turned = turned.instead(
        "<m:SyncState>tree</m:SyncState>",
        Answer::Whole(envelope("Any", &refusal("ErrorInvalidSyncStateData"))),
    );
    *hostile.script.lock().unwrap() = turned;
    drop(hostile.try_sync());
    drop(hostile.try_sync());
    assert_eq!(hostile.messages(), 2);
}

#[test]
fn answers_in_another_order_are_put_right() {
    let script =
        Script::default().folder("f", ROOT, "Folder", &["a", "b", "c", "d"]).instead("<m:GetItem>", Answer::Backwards);
    let hostile = Hostile::new(script.clone());
    hostile.sync();
    for id in ["a", "b", "c", "d"] {
        assert_eq!(hostile.place_of(id).as_deref(), Some("Folder"), "{id}");
    }
    hostile.assert_settled();
}

/// One folder whose listing never ends costs itself only, is named, and is well again once the server is.
#[test]
fn a_listing_without_end_is_given_up_and_the_other_folders_come() {
    let bad = "<m:SyncFolderId><t:FolderId Id=\"bad\"/>";
    let page = |state: &str, changes: &str| listing("SyncFolderItems", state, false, changes);
    let cases =
        [("the same page", Answer::Whole(page("s", &listed("x")))), ("an empty page", Answer::Whole(page("s", "")))];
    let sound = Script::default().folder("bad", ROOT, "Bad", &["x", "y"]).folder("good", ROOT, "Good", &["g"]);
    for (what, answer) in cases {
        let hostile = Hostile::new(sound.clone().instead(bad, answer));
        let report = hostile.sync();
        assert!(failed(&report, "Bad", "does not end"), "{what}: {report:?}");
        assert_eq!(hostile.place_of("g").as_deref(), Some("Good"), "{what}");
        hostile.script.lock().unwrap().instead.clear();
        hostile.sync();
        assert_eq!(hostile.place_of("y").as_deref(), Some("Bad"), "{what}");
        hostile.assert_settled();
    }
}

#[test]
fn a_listing_that_goes_round_with_ever_new_states_is_given_up() {
    for (changes, last) in [(listed("x"), false), (String::new(), false), (listed("x"), true)] {
        let script = Script::default().folder("bad", ROOT, "Bad", &["x"]).folder("good", ROOT, "Good", &["g"]);
        let (world, mut number) = (World::unrecorded(Personality::Exchange), 0);
        let sound = script.clone();
        let canned = Canned::with(move |request| {
            if request.contains("<m:SyncFolderItems>") && ids(request, "FolderId") == ["bad"] {
                number += 1;
                return whole(ok(listing("SyncFolderItems", &format!("s{number}"), last, &changes).as_bytes()));
            }
            sound.answer(request)
        });
        let hostile = Hostile { world, script: Arc::default(), canned };
        let report = hostile.sync();
        assert_eq!(failed(&report, "Bad", "does not end"), !last, "{report:?}");
        assert_eq!(hostile.place_of("g").as_deref(), Some("Good"));
    }
}

#[test]
fn bombs_are_given_up_and_the_other_folders_come() {
    let bad = "<m:SyncFolderId><t:FolderId Id=\"bad\"/>";
    let entities = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
                    <!ENTITY f SYSTEM \"file:///etc/passwd\"><!ENTITY % p SYSTEM \"http://127.0.0.1:9/x\">%p;]>";
    let with = |subject: &str| {
        listing(
            "SyncFolderItems",
            "s",
            true,
            &listed("x").replace("<Size>", &format!("<Subject>{subject}</Subject><Size>")),
        )
    };
    let cases = [
        ("packed", Answer::Packed(with(&"a".repeat(40 << 20)))),
        ("packed and deep", Answer::Packed(format!("<Envelope><Body>{}", "<a>".repeat(2_000_000)))),
        ("deep", Answer::Whole(format!("<Envelope><Body><R>{}", "<a>".repeat(1_000_000)))),
        ("entities", Answer::Whole(format!("{entities}{}", with("&b;&f;")))),
        (
            "endless",
            Answer::Endless(
                "<Envelope><Body><R><ResponseMessages><M><Changes>".to_owned(),
                format!("<a>{}</a>", "b".repeat(1 << 20)),
            ),
        ),
    ];
    for (what, answer) in cases {
        let script = Script::default().folder("bad", ROOT, "Bad", &["x"]).folder("good", ROOT, "Good", &["g"]);
        let hostile = Hostile::new(script.instead(bad, answer));
        let report = hostile.sync();
        assert!(failed(&report, "Bad", "makes no sense"), "{what}: {report:?}");
        assert_eq!(hostile.place_of("g").as_deref(), Some("Good"), "{what}");
        assert_eq!(hostile.messages(), 1);
    }
}

/// The message is named, and the others come.
#[test]
fn a_body_without_end_or_sense_costs_only_its_message() {
    let start = format!(
        "<Envelope><Body><R><ResponseMessages>{}",
        success("<Items><Message><MimeContent>").trim_end_matches("</M>")
    );
    let broken =
        success("<Items><Message><MimeContent>*no base64*</MimeContent><ItemId Id=\"i-bad\"/></Message></Items>");
    let cases = [
        Answer::Endless(start.clone(), "QUJD".to_owned()),
        Answer::Endless(start, "\r\n".to_owned()),
        Answer::Whole(envelope("GetItem", &success("<Items/>"))),
        Answer::Whole(envelope("GetItem", &refusal("ErrorItemCorrupt"))),
        Answer::Whole(envelope("GetItem", &broken)),
        Answer::Whole("<html>moved</html>".to_owned()),
        Answer::Packed("*".repeat(20 << 20)),
    ];
    for (number, answer) in cases.into_iter().enumerate() {
        let sound = Script::default().folder("f", ROOT, "Folder", &["i-good", "i-bad", "i-too"]);
        let hostile = Hostile::new(sound.instead("Id=\"i-bad\"", answer));
        let report = hostile.sync();
        let named = |notice: &pimsync::sync::Notice| {
            notice.kind == NoticeKind::Skipped && notice.item.as_deref() == Some("i-bad")
        };
        assert!(report.notices.iter().any(named), "case {number}: {report:?}");
        assert!(hostile.place_of("i-good").is_some() && hostile.place_of("i-too").is_some(), "case {number}");
        assert_eq!(hostile.messages(), if number == 4 { 3 } else { 2 }, "case {number}: what is rebuilt counts");
        hostile.script.lock().unwrap().instead.clear();
        hostile.world.advance(86_400);
        hostile.sync();
        assert_eq!(hostile.messages(), 3, "case {number}");
    }
}

#[test]
fn a_thousand_folders() {
    let mut script = Script::default();
    for number in 0..1000 {
        let parent = if number < 10 { ROOT.to_owned() } else { format!("f{}", number / 10) };
        let item = format!("i{number}");
        let items: &[&str] = if number % 100 == 7 { &[&item] } else { &[] };
        script = script.folder(&format!("f{number}"), &parent, &format!("Folder {number}"), items);
    }
    let hostile = Hostile::new(script);
    let report = hostile.sync();
    assert_eq!((report.folders_seen, hostile.messages()), (1000, 10), "{:?}", report.notices);
    assert_eq!(hostile.place_of("i907").as_deref(), Some("Folder 9/Folder 90/Folder 907"));
    hostile.assert_settled();
}
