//! Both sides as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pimsync::exchange::Flag;

use super::model::{Failure, fail};
use super::world::{World, body_of, files, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A message on the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct There {
    pub path: String,
    pub token: String,
    pub read: bool,
    pub flagged: bool,
    pub verb: String,
    pub categories: Vec<String>,
    pub draft: bool,
    pub folder: String,
    pub id: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Here {
    pub path: String,
    pub token: String,
    /// The letters of its flags.
    pub flags: String,
    pub categories: Vec<String>,
    pub folder: PathBuf,
    pub file: PathBuf,
}

/// What the server has. A folder that goes at this very moment has nothing.
pub fn there(world: &World) -> Vec<There> {
    let mut found = Vec::new();
    for (folder, path) in world.mail_folders() {
        for item in world.mailbox.items(&folder).unwrap_or_default() {
            let mut categories = item.categories;
            categories.sort();
            found.push(There {
                path: path.clone(),
                token: token_of(&item.mime),
                read: item.read,
                flagged: item.flag == Flag::Flagged,
                verb: match item.last_verb {
                    Some(102 | 103) => "R".to_owned(),
                    Some(104) => "P".to_owned(),
                    _ => String::new(),
                },
                categories,
                draft: item.draft,
                folder: folder.clone(),
                id: item.id,
            });
        }
    }
    found.sort();
    found
}

/// The directory's folders: path and place, parents first.
pub fn folders_here(world: &World) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    collect(&world.account_dir(), "", &mut found);
    found.sort();
    found
}

fn collect(dir: &Path, path: &str, found: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["cur", "new", "tmp"].contains(&name.as_str()) || name.starts_with('.') || !entry.path().is_dir() {
            continue;
        }
        let name = pimsync::local::foldername::decode(&name);
        let child = if path.is_empty() { name } else { format!("{path}/{name}") };
        if entry.path().join("cur").is_dir() {
            found.push((child.clone(), entry.path()));
        }
        collect(&entry.path(), &child, found);
    }
}

/// What the directory has. A file that goes at this very moment is not there.
pub fn here(world: &World) -> Vec<Here> {
    let mut found = Vec::new();
    for (path, folder) in folders_here(world) {
        let names = keywords(&folder);
        for file in quiet_files(&folder) {
            let Ok(bytes) = fs::read(&file) else { continue };
            let (_, info) = name_of(&file);
            let mut categories: Vec<String> = info.chars().filter_map(|letter| names.get(&letter).cloned()).collect();
            categories.sort();
            found.push(Here {
                path: path.clone(),
                token: token_of(&bytes),
                flags: info.chars().filter(char::is_ascii_uppercase).collect(),
                categories,
                folder: folder.clone(),
                file,
            });
        }
    }
    found.sort();
    found
}

/// The part of a file's name before its letters, and the letters.
pub fn name_of(file: &Path) -> (String, String) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.split_once(":2,") {
        Some((key, info)) => (key.to_owned(), info.to_owned()),
        None => (name, String::new()),
    }
}

pub fn keywords(folder: &Path) -> BTreeMap<char, String> {
    let text = fs::read_to_string(folder.join("dovecot-keywords")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, name)| Some((char::from(b'a' + number.parse::<u8>().ok()?), name.replace('_', " "))))
        .collect()
}

fn quiet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for sub in ["cur", "new"] {
        let entries = fs::read_dir(folder.join(sub)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    found
}

/// The tokens that are anywhere: on the server, in the directory (also aside in `tmp`), or in a conflict copy.
pub fn present(world: &World) -> BTreeSet<String> {
    let mut tokens: BTreeSet<String> = there(world).into_iter().map(|item| item.token).collect();
    all_below(&world.database(), &mut |path| {
        if let Ok(bytes) = fs::read(path)
            && is_whole(&bytes)
        {
            tokens.insert(token_of(&bytes));
        }
    });
    tokens
}

fn all_below(dir: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all_below(&path, visit);
        } else if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("state.db")) {
            visit(&path);
        }
    }
}

/// A message's text, with something at its end that tells whether it is whole.
pub fn text(token: &str, lines: usize) -> String {
    let filler = "a line of a letter that nobody reads to its end\r\n".repeat(lines);
    format!("{token}\r\n{filler}end-{token}")
}

/// The message as it was written; one that the server could not render has its text in base64.
fn readable(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let body = text.split_once("\n\n").map_or("", |(_, body)| body);
    match STANDARD.decode(body.replace('\n', "")) {
        Ok(body) if header(bytes, "x-pimsync-rebuilt") == "yes" => {
            format!("Message-ID: {}\n\n{}", header(bytes, "message-id"), String::from_utf8_lossy(&body)).into_bytes()
        }
        _ => bytes.to_owned(),
    }
}

pub fn token_of(bytes: &[u8]) -> String {
    body_of(&readable(bytes))
}

fn is_whole(bytes: &[u8]) -> bool {
    let bytes = readable(bytes);
    let end = format!("end-{}", body_of(&bytes));
    !header(&bytes, "message-id").is_empty() && String::from_utf8_lossy(&bytes).contains(&end)
}

/// No torn files: whatever a mail reader can see is whole.
pub fn check_whole(world: &World) -> Result<(), Failure> {
    let conflicts = world.database().join("On My Computer").join("Conflicts");
    let folders = folders_here(world).into_iter().map(|(_, folder)| folder).chain([conflicts]);
    for file in folders.flat_map(|folder| quiet_files(&folder)) {
        match fs::read(&file) {
            Ok(bytes) if !is_whole(&bytes) => {
                return fail("torn", format!("{} is torn: {} bytes", file.display(), bytes.len()));
            }
            _ => {}
        }
    }
    Ok(())
}

pub fn conflict_count(world: &World) -> usize {
    files(&world.database().join("On My Computer").join("Conflicts")).len()
}
