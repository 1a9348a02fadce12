//! Files as programs write them go to the server and come back: they say the same then, or it is told what the server keeps of its own, or why a
//! file is held. `INSTA_UPDATE=always` accepts what changed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pimsync::exchange::Personality;
use pimsync::format::entry::EntryFile;
use pimsync::pim::{EntryKind, Said, UnixTime};
use pimsync::remote::{EntryUpload, RemoteRead, RemoteWrite};

use crate::house::{House, tag};

/// What a server can hold of a file.
enum Fate {
    /// All of it.
    Same,
    /// All but these fields.
    ButFor(Vec<String>),
    /// Nothing, for that reason.
    Held(String),
}

fn files() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files = Vec::new();
    for kind in ["ics", "vcf"] {
        for entry in fs::read_dir(folder.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == kind) {
                files.push((format!("{kind}/{}", path.file_stem().unwrap().to_string_lossy()), path));
            }
        }
    }
    files.sort();
    files
}

fn kind_of(path: &Path, bytes: &[u8]) -> EntryKind {
    let is_todo = bytes.windows(11).any(|part| part.eq_ignore_ascii_case(b"BEGIN:VTODO"));
    match (path.extension().is_some_and(|extension| extension == "vcf"), is_todo) {
        (true, _) => EntryKind::Contact,
        (false, true) => EntryKind::Task,
        (false, false) => EntryKind::Event,
    }
}

async fn fate(house: &House, number: usize, path: &Path) -> Fate {
    let bytes = fs::read(path).unwrap();
    let kind = kind_of(path, &bytes);
    let file = match EntryFile::parse(kind, bytes.clone().into()) {
        Ok(file) => file,
        Err(error) => return Fate::Held(error.to_string()),
    };
    let said = match file.said() {
        Ok(said) => said,
        Err(error) => return Fate::Held(error.to_string()),
    };
    let folder = match kind {
        EntryKind::Contact => "Contacts",
        EntryKind::Task => "Tasks",
        EntryKind::Event | EntryKind::Note => "Calendar",
    };
    let (tag, extra) = (tag(number), Some(&said.extra).filter(|extra| !extra.is_empty()));
    let upload = EntryUpload { tag: &tag, entry: &said.entry, extra };
    let placed = house.client.create_entries(&house.folder(folder), &[upload]).await.unwrap().remove(0);
    let id = match placed {
        Ok(placed) => placed.id,
        Err(error) => return Fate::Held(error.to_string()),
    };
    let server = house.client.entries(kind, &[id]).await.unwrap().remove(0).unwrap();
    let mut back = Said { entry: server.entry, extra: server.extra.unwrap_or_default() };
    if said.entry.uid().is_empty() || back.entry.uid().is_empty() {
        back.entry.set_uid(said.entry.uid().into());
    }
    let other: Vec<String> = said.diff(&back).into_iter().map(|field| field.to_string()).collect();
    // What comes back is written into the file: what is the same changes nothing.
    let mut file = file;
    file.patch(&back, UnixTime(0)).unwrap();
    assert_eq!(file.to_bytes() == bytes, other.is_empty(), "{}: {other:?}", path.display());
    if other.is_empty() { Fate::Same } else { Fate::ButFor(other) }
}

async fn fates(like: Personality) -> String {
    let house = House::like(like);
    house.client.special_folders().await.unwrap();
    let mut told = String::new();
    for (number, (name, path)) in files().into_iter().enumerate() {
        match fate(&house, number + 1, &path).await {
            Fate::Same => writeln!(told, "{name}: the same"),
            Fate::ButFor(fields) => writeln!(told, "{name}: all but {}", fields.join(", ")),
            Fate::Held(reason) => writeln!(told, "{name}: held: {reason}"),
        }
        .unwrap();
    }
    told
}

fn check(name: &str, fates: &str) {
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, fates);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exchange_makes_of_the_golden_files() {
    check("golden-files-on-exchange", &fates(Personality::Exchange).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gromox_makes_of_the_golden_files() {
    check("golden-files-on-gromox", &fates(Personality::Gromox).await);
}
