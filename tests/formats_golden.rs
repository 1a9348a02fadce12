//! Files as programs write them: what each says, and that it stays as it is. `INSTA_UPDATE=always` accepts what changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use pimsync::format::icalendar::event::EventFile;
use pimsync::format::icalendar::todo::TodoFile;
use pimsync::format::vcard::VcardFile;
use pimsync::format::vcard::group::GroupFile;
use pimsync::pim::group::{Mailbox, Member};
use pimsync::pim::{Contact, DayOfLife, Task, Text};

fn files(kind: &str) -> Vec<(String, PathBuf)> {
    files_in(kind, kind)
}

fn files_in(folder: &str, kind: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| (path.file_stem().unwrap().to_string_lossy().into_owned(), path);
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == kind)).map(named).collect();
    files.sort();
    files
}

/// The fields that say something, one a line.
fn said(item: &impl Debug, nothing: &impl Debug) -> String {
    let (item, nothing) = (format!("{item:#?}"), format!("{nothing:#?}"));
    let silent: Vec<&str> = nothing.lines().filter(|line| line.starts_with("    ") && line.ends_with(',')).collect();
    item.lines().filter(|line| !silent.contains(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_file_is_listed_with_its_trait() {
    let mut count = 0;
    for (folder, kind) in [("vcf", "vcf"), ("ics", "ics"), ("groups", "vcf")] {
        let list =
            fs::read_to_string(format!("{}/tests/golden/{folder}/README.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (name, _) in files_in(folder, kind) {
            assert!(list.contains(&format!("| {name} | ")), "{name}.{kind}");
            count += 1;
        }
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn contacts_are_read_and_stay() {
    for (name, path) in files("vcf") {
        let bytes = fs::read(&path).unwrap();
        match VcardFile::parse(bytes.clone()) {
            Ok(mut file) => {
                let contact = file.contact();
                file.patch(&contact);
                assert_eq!(file.to_bytes(), bytes, "{name}");
                insta::assert_snapshot!(format!("vcf-{name}"), said(&contact, &Contact::default()));
            }
            Err(held) => insta::assert_snapshot!(format!("vcf-{name}"), held.to_string()),
        }
    }
}

/// One field changed on the server changes the lines of that field, and no other.
#[test]
fn a_change_of_a_contact_leaves_all_other_lines() {
    for (name, path) in files("vcf") {
        let bytes = fs::read(&path).unwrap();
        let Ok(mut file) = VcardFile::parse(bytes.clone()) else { continue };
        let mut contact = file.contact();
        contact.birthday = DayOfLife::without_year(7, 7);
        contact.job_title = "Changed".into();
        file.patch(&contact);
        assert_eq!(file.contact(), contact, "{name}");
        let written = String::from_utf8(file.to_bytes()).unwrap();
        let original = String::from_utf8(bytes).unwrap();
        let is_of_field = |line: &&str| ["BDAY", "TITLE"].iter().any(|name| line.to_uppercase().starts_with(name));
        let others = |text: &str| text.split_inclusive('\n').filter(|line| !is_of_field(line)).collect::<String>();
        assert_eq!(others(&written), others(&original), "{name}");
    }
}

#[test]
fn groups_are_read_and_stay() {
    for (name, path) in files_in("groups", "vcf") {
        let bytes = fs::read(&path).unwrap();
        let mut file = GroupFile::parse(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let group = file.group();
        file.patch(&group);
        assert_eq!(file.to_bytes(), bytes, "{name}");
        insta::assert_snapshot!(format!("groups-{name}"), format!("{group:#?}"));
    }
}

/// One who leaves takes one line along; one who comes brings one, behind the others; a new name changes one.
#[test]
fn a_change_of_a_group_leaves_all_other_lines() {
    for (name, path) in files_in("groups", "vcf") {
        let bytes = fs::read(&path).unwrap();
        let mut file = GroupFile::parse(bytes.clone()).unwrap();
        let mut group = file.group();
        let new = Mailbox::parse("new@example.org").unwrap();
        group.members.push(Member::Address(new));
        group.members.remove(0);
        group.name = "New".into();
        file.patch(&group);
        assert_eq!(file.group(), group, "{name}");
        let lines = |bytes: &[u8]| -> Vec<String> {
            let text = String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n ", "").replace("\n ", "");
            text.split_inclusive('\n').map(str::to_owned).collect()
        };
        let (before, after) = (lines(&bytes), lines(&file.to_bytes()));
        assert_eq!(before.len(), after.len(), "{name}");
        let fresh: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        assert_eq!(fresh.len(), 2, "{name}: {fresh:?}");
    }
}

#[test]
fn events_and_tasks_are_read_and_stay() {
    for (name, path) in files("ics") {
        let bytes = fs::read(&path).unwrap();
        if let Ok(mut file) = TodoFile::parse(bytes.clone()) {
            let task = file.task().unwrap_or_else(|error| panic!("{name}: {error}"));
            file.patch(&task);
            assert_eq!(file.to_bytes(), bytes, "{name}");
            insta::assert_snapshot!(format!("ics-{name}"), said(&task, &Task::default()));
            continue;
        }
        let event = EventFile::parse(bytes.clone()).and_then(|mut file| {
            let event = file.event()?;
            file.patch(&event)?;
            assert_eq!(file.to_bytes(), bytes, "{name}");
            Ok(event)
        });
        match event {
            Ok(event) => insta::assert_snapshot!(format!("ics-{name}"), format!("{event:#?}")),
            Err(held) => insta::assert_snapshot!(format!("ics-{name}"), held.to_string()),
        }
    }
}

/// The unfolded lines, but for those of some properties.
fn lines_without(bytes: &[u8], names: &[&str]) -> Vec<String> {
    // A fold can be within a letter.
    let mut unfolded: Vec<u8> = Vec::new();
    for byte in bytes {
        if (*byte == b' ' || *byte == b'\t') && unfolded.last() == Some(&b'\n') {
            unfolded.pop();
            if unfolded.last() == Some(&b'\r') {
                unfolded.pop();
            }
        } else {
            unfolded.push(*byte);
        }
    }
    let text = String::from_utf8(unfolded).unwrap();
    let is_of = |line: &str, name: &str| {
        line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
            && line[name.len()..].starts_with([':', ';'])
    };
    let others = text.split_inclusive('\n').filter(|line| !names.iter().any(|name| is_of(line, name)));
    others.map(str::to_owned).collect()
}

/// Another subject and another place change those lines, and no other; so does a subject taken away from a task.
#[test]
fn a_change_of_an_event_or_a_task_leaves_all_other_lines() {
    let mut changed = 0;
    for (name, path) in files("ics") {
        let bytes = fs::read(&path).unwrap();
        let written = if let Ok(mut file) = TodoFile::parse(bytes.clone()) {
            let mut task = file.task().unwrap();
            task.subject = "Changed".into();
            task.body = Text::default();
            file.patch(&task);
            assert_eq!(file.task().unwrap(), task, "{name}");
            file.to_bytes()
        } else {
            let Ok(mut file) = EventFile::parse(bytes.clone()) else { continue };
            let Ok(mut event) = file.event() else { continue };
            event.details.subject = "Changed".into();
            event.details.location = "Elsewhere".into();
            file.patch(&event).unwrap();
            assert_eq!(file.event().unwrap(), event, "{name}");
            file.to_bytes()
        };
        assert_ne!(written, bytes, "{name}");
        let fields = ["SUMMARY", "LOCATION", "DESCRIPTION"];
        assert_eq!(lines_without(&written, &fields), lines_without(&bytes, &fields), "{name}");
        changed += 1;
    }
    assert!(changed > 35, "{changed}");
}
