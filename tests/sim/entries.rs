//! The same for contacts, events, notes and tasks: people edit their fields on both sides, runs are cut off, answers are lost, the state is lost. Each value
//! that is written is a token of its own; it may go only when somebody writes over it or deletes its entry, having had a sync in between.

mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use self::history::{Attached, History, Write};
use super::model::{Failure, fail};
use super::number;
use crate::world::others::Others;
use crate::world::{CutAt, World};
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::format::entry::EntryFile;
use pimsync::pim::event::{At, Details, When, ZoneName};
use pimsync::pim::{
    Attachment, Attachments, Blob, Contact, Entry, EntryKind, Event, Note, ServerEntry, Task, UnixTime,
};
use pimsync::plan::{Brake, ConflictPolicy};
use pimsync::sync::{Request, SyncError};

/// As many as do not keep anybody waiting.
const SEEDS: u64 = 10;

const FOLDERS: [(&str, EntryKind, &str); 6] = [
    ("Contacts", EntryKind::Contact, "vcf"),
    ("Contacts/Friends", EntryKind::Contact, "vcf"),
    ("Notes", EntryKind::Note, "md"),
    ("Calendar", EntryKind::Event, "ics"),
    ("Tasks", EntryKind::Task, "ics"),
    ("Tasks/Later", EntryKind::Task, "ics"),
];

/// Where entries of the same kind may move.
fn sibling(folder: &str) -> Option<&'static str> {
    match folder {
        "Contacts" => Some("Contacts/Friends"),
        "Contacts/Friends" => Some("Contacts"),
        "Tasks" => Some("Tasks/Later"),
        "Tasks/Later" => Some("Tasks"),
        _ => None,
    }
}

/// An entry as both sides can show it: its name, two values, and the files of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    folder: String,
    values: [String; 2],
    attached: BTreeSet<String>,
}

type Picture = BTreeMap<String, Vec<Shown>>;

fn entry(kind: EntryKind, name: &str, values: &[String; 2]) -> Entry {
    let [one, two] = values;
    match kind {
        EntryKind::Contact => Entry::Contact(Box::new(Contact {
            uid: name.into(),
            display_name: name.into(),
            company: one.as_str().into(),
            job_title: two.as_str().into(),
            ..Contact::default()
        })),
        EntryKind::Note => Entry::Note(Note { text: format!("{name}\n{one}").as_str().into(), ..Note::default() }),
        EntryKind::Event => {
            let at = |hour| At { time: jiff::civil::date(2026, 3, 2).at(hour, 0, 0, 0), zone: ZoneName::Utc };
            let details = Details {
                subject: name.into(),
                location: one.as_str().into(),
                body: two.as_str().into(),
                when: When::Zoned { start: at(9), end: at(10) },
                ..Details::default()
            };
            Entry::Event(Box::new(Event { uid: name.into(), details, ..Event::default() }))
        }
        EntryKind::Task => Entry::Task(Box::new(Task {
            uid: name.into(),
            subject: name.into(),
            body: one.as_str().into(),
            ..Task::default()
        })),
    }
}

/// How many of the two values a kind has.
fn values_of(kind: EntryKind) -> usize {
    if matches!(kind, EntryKind::Contact | EntryKind::Event) { 2 } else { 1 }
}

fn shown(entry: &Entry) -> (String, [String; 2]) {
    match entry {
        Entry::Contact(contact) => {
            (contact.display_name.to_string(), [contact.company.to_string(), contact.job_title.to_string()])
        }
        Entry::Task(task) => (task.subject.to_string(), [task.body.to_string(), String::new()]),
        Entry::Note(note) => {
            let (name, value) = note.text.as_str().split_once('\n').unwrap_or((note.text.as_str(), ""));
            (name.to_owned(), [value.to_owned(), String::new()])
        }
        Entry::Event(event) => {
            let Details { subject, location, body, .. } = &event.details;
            (subject.to_string(), [location.to_string(), body.to_string()])
        }
    }
}

/// The names of an event's files; the content of each is its name.
fn attached(entry: &Entry) -> BTreeSet<String> {
    let Entry::Event(event) = entry else { return BTreeSet::new() };
    let name = |file: &Attachment| {
        let content = file.content.data().map(|data| String::from_utf8_lossy(data).into_owned());
        if content.as_deref() == Some(file.name.as_str()) { file.name.to_string() } else { format!("{file:?}") }
    };
    event.attachments.iter().map(name).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    There,
    Here,
}

struct Play {
    world: World,
    random: fastrand::Rng,
    entries: BTreeMap<String, (EntryKind, History)>,
    next: u64,
    runs: usize,
    state_lost: bool,
    /// Whether it cannot go on, since nobody can tell two entries apart any more.
    over: bool,
    trace: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let like = if random.bool() { Personality::Exchange } else { Personality::Gromox };
        let mut world = World::unrecorded(like);
        world.policy = ConflictPolicy::KeepBoth;
        world.mailbox.create_folder("Contacts", "Friends", "IPF.Contact").unwrap();
        world.mailbox.create_folder("Tasks", "Later", "IPF.Task").unwrap();
        world.sync();
        let trace = vec![format!("{like:?}")];
        Self { world, random, entries: BTreeMap::new(), next: 0, runs: 0, state_lost: false, over: false, trace }
    }

    fn token(&mut self, name: &str) -> String {
        self.next += 1;
        // Never the beginning of another one.
        format!("{name}t{}x", self.next)
    }

    fn there(&self) -> Picture {
        let mut picture = Picture::new();
        for (folder, _, server) in self.all_there() {
            let (name, values) = shown(&server.entry);
            picture.entry(name).or_default().push(Shown { folder, values, attached: attached(&server.entry) });
        }
        picture
    }

    fn all_there(&self) -> Vec<(String, EntryKind, ServerEntry)> {
        let others = Others(&self.world);
        let mut all = Vec::new();
        for (folder, kind, _) in FOLDERS {
            for entry in others.all_in(&others.at(folder), kind) {
                all.push((folder.to_owned(), kind, entry));
            }
        }
        all
    }

    fn files(&self) -> Vec<(String, EntryKind, PathBuf)> {
        let mut files = Vec::new();
        for (folder, kind, extension) in FOLDERS {
            let Ok(listed) = fs::read_dir(self.world.account_dir().join(folder)) else { continue };
            let paths = listed.map(|entry| entry.unwrap().path());
            let mut paths: Vec<PathBuf> =
                paths.filter(|path| path.extension().is_some_and(|is| is == extension)).collect();
            paths.sort();
            files.extend(paths.into_iter().map(|path| (folder.to_owned(), kind, path)));
        }
        files
    }

    fn here(&self) -> Picture {
        let mut picture = Picture::new();
        for (folder, kind, path) in self.files() {
            let entry = read(kind, &path);
            let (name, values) = shown(&entry);
            picture.entry(name).or_default().push(Shown { folder, values, attached: attached(&entry) });
        }
        picture
    }

    fn edit(&mut self) {
        match self.random.u32(0..18) {
            0 => self.create(Side::There),
            1 => self.create(Side::Here),
            2..5 => self.write(Side::There),
            5..8 => self.write(Side::Here),
            8 => self.delete(Side::There),
            9 => self.delete(Side::Here),
            10 => self.shift(Side::There),
            11 => self.shift(Side::Here),
            12 => self.rename(),
            13 => self.fold(),
            14 => self.attach(Side::There),
            15 => self.attach(Side::Here),
            16 => self.detach(Side::There),
            _ => self.detach(Side::Here),
        }
    }

    fn create(&mut self, side: Side) {
        self.next += 1;
        let name = format!("e{}", self.next);
        let (folder, kind, extension) = FOLDERS[self.random.usize(0..FOLDERS.len())];
        let mut history = History::default();
        let mut values = [String::new(), String::new()];
        for (at, value) in values.iter_mut().enumerate().take(values_of(kind)) {
            *value = self.token(&name);
            history.writes.push(Write { side, at, token: value.clone(), runs: self.runs, void: false });
        }
        let entry = entry(kind, &name, &values);
        self.trace.push(format!("create {name} {side:?} in {folder}: {values:?}"));
        match side {
            Side::There => {
                let others = Others(&self.world);
                others.create_in(&others.at(folder), &entry);
            }
            Side::Here => {
                let path = self.world.account_dir().join(folder).join(format!("{name}.{extension}"));
                fs::write(path, written(&entry)).unwrap();
            }
        }
        self.entries.insert(name, (kind, history));
    }

    /// An entry of that side by chance.
    fn some_there(&mut self) -> Option<(String, EntryKind, ServerEntry)> {
        let mut all = self.all_there();
        all.sort_by_key(|(folder, _, server)| (shown(&server.entry), folder.clone()));
        if all.is_empty() { None } else { Some(all.swap_remove(self.random.usize(0..all.len()))) }
    }

    fn some_here(&mut self) -> Option<(String, EntryKind, PathBuf)> {
        let mut all = self.files();
        if all.is_empty() { None } else { Some(all.swap_remove(self.random.usize(0..all.len()))) }
    }

    fn history(&mut self, name: &str) -> &mut History {
        &mut self.entries.get_mut(name).unwrap_or_else(|| panic!("nobody made {name}")).1
    }

    fn write(&mut self, side: Side) {
        let (kind, entry_now) = match side {
            Side::There => {
                let Some((_, kind, server)) = self.some_there() else { return };
                (kind, Ok(server))
            }
            Side::Here => {
                let Some((_, kind, path)) = self.some_here() else { return };
                (kind, Err(path))
            }
        };
        let before = match &entry_now {
            Ok(server) => server.entry.clone(),
            Err(path) => read(kind, path),
        };
        let (name, mut values) = shown(&before);
        let at = self.random.usize(0..values_of(kind));
        values[at] = self.token(&name);
        let token = values[at].clone();
        self.trace.push(format!("write {name} {side:?}: {token}"));
        match entry_now {
            Ok(server) => Others(&self.world).change(server, |now| put(now, &name, &values)),
            Err(path) => {
                // As an editor does: only the value changes.
                let text = fs::read_to_string(&path).unwrap();
                let (_, old) = shown(&before);
                let new = if old[at].is_empty() {
                    let mut now = before.clone();
                    put(&mut now, &name, &values);
                    written(&now)
                } else {
                    text.replace(&old[at], &token).into_bytes()
                };
                fs::write(&path, new).unwrap();
            }
        }
        let runs = self.runs;
        self.history(&name).writes.push(Write { side, at, token, runs, void: false });
    }

    fn delete(&mut self, side: Side) {
        let name = match side {
            Side::There => {
                let Some((_, _, server)) = self.some_there() else { return };
                self.world.mailbox.delete_item(server.id.as_str()).unwrap();
                shown(&server.entry).0
            }
            Side::Here => {
                let Some((_, kind, path)) = self.some_here() else { return };
                let name = shown(&read(kind, &path)).0;
                fs::remove_file(path).unwrap();
                name
            }
        };
        self.trace.push(format!("delete {name} {side:?}"));
        let runs = self.runs;
        let history = self.history(&name);
        history.writes.iter_mut().filter(|write| write.side == side).for_each(|write| write.void = true);
        history.attached.iter_mut().filter(|file| file.side == side).for_each(|file| file.void = true);
        history.deleted.push((side, runs));
    }

    fn shift(&mut self, side: Side) {
        let (name, to) = match side {
            Side::There => {
                let Some((folder, _, server)) = self.some_there() else { return };
                let Some(to) = sibling(&folder) else { return };
                self.world.mailbox.move_item(server.id.as_str(), to).unwrap();
                (shown(&server.entry).0, to)
            }
            Side::Here => {
                let Some((folder, kind, path)) = self.some_here() else { return };
                let Some(to) = sibling(&folder) else { return };
                let name = shown(&read(kind, &path)).0;
                let target = self.world.account_dir().join(to).join(path.file_name().unwrap());
                if target.exists() || !target.parent().unwrap().is_dir() {
                    return;
                }
                fs::rename(path, target).unwrap();
                (name, to)
            }
        };
        self.trace.push(format!("move {name} {side:?} to {to}"));
        self.history(&name).moved = true;
    }

    /// An event of that side by chance, and how its files are changed.
    fn change_files(&mut self, side: Side, change: impl FnOnce(&mut Self, &str, Attachments) -> Option<Attachments>) {
        let (there, here) = match side {
            Side::There => (self.some_there().filter(|(_, kind, _)| *kind == EntryKind::Event), None),
            Side::Here => (None, self.some_here().filter(|(_, kind, _)| *kind == EntryKind::Event)),
        };
        let now = match (&there, &here) {
            (Some((_, _, server)), _) => server.entry.clone(),
            (None, Some((_, kind, path))) => read(*kind, path),
            (None, None) => return,
        };
        let Entry::Event(event) = &now else { return };
        let Some(files) = change(self, &shown(&now).0, event.attachments.clone()) else { return };
        let change = |entry: &mut Entry| {
            if let Entry::Event(event) = entry {
                event.attachments = files;
            }
        };
        if let Some((_, _, server)) = there {
            Others(&self.world).change(server, change);
        } else if let Some((_, kind, path)) = here {
            let mut file = EntryFile::parse(kind, fs::read(&path).unwrap().into()).unwrap();
            let mut said = file.said().unwrap();
            change(&mut said.entry);
            file.patch(&said, UnixTime(0)).unwrap();
            fs::write(path, file.to_bytes()).unwrap();
        }
    }

    fn attach(&mut self, side: Side) {
        self.change_files(side, |play, event, files| {
            let name = play.token(event);
            play.trace.push(format!("attach {name} {side:?}"));
            play.history(event).attached.push(Attached { side, name: name.clone(), void: false });
            let new = Attachment::new(&name, Blob::new(name.clone().into_bytes()));
            Some(files.iter().cloned().chain([new]).collect())
        });
    }

    fn detach(&mut self, side: Side) {
        self.change_files(side, |play, event, files| {
            let all: Vec<Attachment> = files.iter().cloned().collect();
            let gone = all.get(play.random.usize(0..all.len().max(1)))?.name.to_string();
            play.trace.push(format!("detach {gone} {side:?}"));
            play.history(event).detached.push((side, gone.clone()));
            Some(all.into_iter().filter(|file| file.name.as_str() != gone).collect())
        });
    }

    fn rename(&mut self) {
        let Some((_, _, path)) = self.some_here() else { return };
        self.next += 1;
        let extension = path.extension().unwrap().to_str().unwrap();
        let target = path.with_file_name(format!("renamed-{}.{extension}", self.next));
        self.trace.push(format!("rename {} to {}", path.display(), target.display()));
        fs::rename(path, target).unwrap();
    }

    /// A program writes a file anew, with a line of its own.
    fn fold(&mut self) {
        let Some((_, kind, path)) = self.some_here() else { return };
        if kind == EntryKind::Note {
            return;
        }
        let name = shown(&read(kind, &path)).0;
        self.history(&name).folded = true;
        let text = fs::read_to_string(&path).unwrap();
        let end =
            text.rfind("END:").map(|at| text[..at].rfind("END:V").filter(|_| kind != EntryKind::Contact).unwrap_or(at));
        let Some(end) = end else { return };
        self.next += 1;
        let text = format!("{}X-FOLDED:{}\r\n{}", &text[..end], self.next, &text[end..]);
        self.trace.push(format!("fold {}", path.display()));
        let draft = path.with_extension("tmp");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, path).unwrap();
    }

    /// A run, which may be cut off or meet a fault.
    fn run(&mut self) -> Result<(), Failure> {
        let cut = if self.random.u32(0..3) == 0 { Some(self.random.usize(1..40)) } else { None };
        if self.random.u32(0..3) == 0 {
            const OPERATIONS: [&str; 10] = [
                "CreateItem",
                "UpdateItem",
                "MoveItem",
                "DeleteItem",
                "GetItem",
                "SyncFolderItems",
                "FindItem",
                "CreateAttachment",
                "DeleteAttachment",
                "GetAttachment",
            ];
            let operation = OPERATIONS[self.random.usize(0..OPERATIONS.len())];
            let action = match self.random.u32(0..3) {
                0 => Action::ResetAfterCommit,
                1 => Action::ResetBeforeCommit,
                _ => Action::ItemError { code: "ErrorInternalServerTransientError".to_owned() },
            };
            let rule = Rule::on(operation, action).times(self.random.u64(1..8));
            self.trace.push(format!("fault at {operation}"));
            self.world.server.faults().add(rule);
        }
        if self.random.u32(0..20) == 0 {
            self.trace.push("the state is lost".to_owned());
            self.state_lost = true;
            self.world.lose_state();
        }
        self.runs += 1;
        let request = Request { brake: Brake::Released, ..Request::default() };
        let result = self.world.try_sync(&request, Arc::new(CutAt { at: cut, ..CutAt::default() }));
        self.trace.push(match &result {
            Ok(report) => format!("run: {:?}, {:?}", report.total(), report.notices),
            Err(error) => format!("run: {error}"),
        });
        self.world.server.faults().clear();
        match result {
            Ok(_) | Err(SyncError::CutOff(_) | SyncError::Remote(_)) => Ok(()),
            Err(error) => fail("error", error.to_string()),
        }
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let request = Request { brake: Brake::Released, ..Request::default() };
        for _ in 0..2 {
            self.world.advance(2 * 86_400);
            let report = self.world.try_sync(&request, Arc::new(CutAt::default()));
            match report {
                Ok(report) => self.trace.push(format!("settle: {:?}, {:?}", report.total(), report.notices)),
                Err(error) => return fail("error", error.to_string()),
            }
        }
        let again = self.world.sync_with(&request);
        if !again.folders.values().all(pimsync::sync::Tally::is_empty) {
            return fail("does not end", format!("{again:?}"));
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), Failure> {
        let (there, here) = (self.there(), self.here());
        // Without a state, what was moved here is new there, and what was there is new here.
        let twice = |name: &String| [&there, &here].iter().any(|side| side.get(name).is_some_and(|all| all.len() > 1));
        self.over = self.state_lost && self.entries.iter().any(|(name, (_, history))| history.moved && twice(name));
        if self.over {
            return Ok(());
        }
        if there != here {
            return fail("sides differ", format!("there {there:#?}\nhere {here:#?}"));
        }
        let copies = self.copies();
        for (name, (kind, history)) in &self.entries {
            let shown = there.get(name).cloned().unwrap_or_default();
            if shown.len() > 1 {
                return fail("doubled", format!("{name}: {shown:?}"));
            }
            history.judge(name, *kind, shown.first(), &copies, self.state_lost)?;
        }
        if let Some(name) = there.keys().find(|name| !self.entries.contains_key(*name)) {
            return fail("nobody made it", name.clone());
        }
        // From here on that is what is agreed.
        self.entries.retain(|name, _| there.contains_key(name));
        for (name, (_, history)) in &mut self.entries {
            let Shown { values, attached, .. } = there[name][0].clone();
            *history = History { agreed: Some(values), had: attached, ..History::default() };
        }
        self.state_lost = false;
        Ok(())
    }

    /// Everything that conflict copies say.
    fn copies(&self) -> String {
        let dir = self.world.database().join("On My Computer/Conflicts");
        let Ok(listed) = fs::read_dir(dir) else { return String::new() };
        let paths = listed.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        paths.map(|path| fs::read_to_string(path).unwrap().replace("\r\n ", "") + "\n").collect()
    }
}

fn put(entry_now: &mut Entry, name: &str, values: &[String; 2]) {
    let [one, two] = values;
    match entry_now {
        Entry::Contact(contact) => {
            contact.company = one.as_str().into();
            contact.job_title = two.as_str().into();
        }
        Entry::Task(task) => task.body = one.as_str().into(),
        Entry::Note(note) => note.text = format!("{name}\n{one}").as_str().into(),
        Entry::Event(event) => {
            event.details.location = one.as_str().into();
            event.details.body = two.as_str().into();
        }
    }
}

fn read(kind: EntryKind, path: &PathBuf) -> Entry {
    let bytes = fs::read(path).unwrap();
    let file = EntryFile::parse(kind, bytes.into());
    file.and_then(|file| file.said()).unwrap_or_else(|error| panic!("{}: {error}", path.display())).entry
}

fn written(entry: &Entry) -> Vec<u8> {
    let said = pimsync::pim::Said { entry: entry.clone(), extra: "".into() };
    EntryFile::new(&said, UnixTime(0)).unwrap().to_bytes()
}

fn play(seed: u64) -> (Vec<String>, Result<(), Failure>) {
    let mut play = Play::new(seed);
    let mut epochs = || -> Result<(), Failure> {
        for _ in 0..3 {
            for _ in 0..play.random.usize(1..4) {
                for _ in 0..play.random.usize(1..7) {
                    play.edit();
                }
                play.run()?;
            }
            play.settle()?;
            play.trace.push("settled".to_owned());
            if play.over {
                break;
            }
        }
        Ok(())
    };
    let result = epochs();
    (play.trace, result)
}

#[test]
fn entries_are_not_lost_doubled_or_mixed_up() {
    let start = number("PIMSYNC_SIM_START").unwrap_or(1);
    let seeds = number("PIMSYNC_SIM_SEEDS").unwrap_or(SEEDS);
    let next = std::sync::atomic::AtomicU64::new(start);
    let failed = std::sync::Mutex::new(BTreeSet::new());
    let threads = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= start + seeds {
                        return;
                    }
                    let (trace, result) = play(seed);
                    if let Err(failure) = result {
                        println!("seed {seed}: {}: {}\n{}", failure.kind, failure.text, trace.join("\n"));
                        failed.lock().unwrap().insert((seed, failure.kind));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {seeds} seeds failed: {failed:?}", failed.len());
}
