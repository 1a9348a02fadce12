//! What people do to either side, and what the model is told of it. Each edit says what it did; nothing, where there is nothing to do it to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pimsync::exchange::{Flag, NewMessage};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::model::{Model, Side, Write};
use super::script::Edit;
use super::sides::{Here, There, folders_here, here, keywords, name_of, text, there, token_of};
use super::world::World;

/// Chooses among what is there; several times, if need be.
pub struct Pick(fastrand::Rng);

impl Pick {
    pub fn new(pick: u64) -> Self {
        Self(fastrand::Rng::with_seed(pick))
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0.usize(0..limit.max(1))
    }

    pub fn one<T>(&mut self, mut of: Vec<T>) -> Option<T> {
        if of.is_empty() { None } else { Some(of.swap_remove(self.below(of.len()))) }
    }
}

pub struct Hand<'s> {
    pub world: &'s World,
    pub model: &'s mut Model,
    /// Whether nothing else happens at the same time.
    pub alone: bool,
}

const COLOURS: [&str; 4] = ["Red", "Blue", "Green", "Gold"];
const TRASH: &str = "Deleted Items";

fn is_special(path: &str) -> bool {
    !path.split('/').next_back().is_some_and(|name| name.starts_with("Folder"))
}

impl Hand<'_> {
    pub fn edit(&mut self, edit: Edit, pick: u64) -> Option<String> {
        let mut pick = Pick::new(pick);
        let pick = &mut pick;
        match edit {
            Edit::Arrive => self.arrive(pick, false),
            Edit::ArriveDraft => self.arrive(pick, true),
            Edit::ArriveMany => self.arrive_many(),
            Edit::CopyThere => self.copy_there(pick),
            Edit::MoveThere => self.move_there(pick, None),
            Edit::TrashThere => self.move_there(pick, Some(TRASH)),
            Edit::DeleteThere => self.delete_there(pick),
            Edit::ReadThere => self.mark_there(pick, |world, item, _| {
                world.mailbox.set_read(&item.id, !item.read).ok()?;
                Some(Write::Read(!item.read))
            }),
            Edit::FlagThere => self.mark_there(pick, |world, item, pick| {
                let flag = [Flag::NotFlagged, Flag::Flagged, Flag::Complete][pick.below(3)];
                world.mailbox.set_flag(&item.id, flag).ok()?;
                Some(Write::Flagged(flag == Flag::Flagged))
            }),
            Edit::VerbThere => self.mark_there(pick, |world, item, pick| {
                let verb = [None, Some(102), Some(103), Some(104)][pick.below(4)];
                world.mailbox.set_last_verb(&item.id, verb).ok()?;
                Some(Write::Verb)
            }),
            Edit::CategoriesThere => self.mark_there(pick, |world, item, pick| {
                let categories = toggled(&item.categories, pick);
                let names: Vec<&str> = categories.iter().map(String::as_str).collect();
                world.mailbox.set_categories(&item.id, &names).ok()?;
                Some(Write::Categories(categories))
            }),
            Edit::DraftThere => self.write_there(pick, true),
            Edit::BodyThere => self.write_there(pick, false),
            Edit::Touch => {
                let item = pick.one(there(self.world))?;
                self.world.mailbox.touch(&item.id).ok()?;
                Some(format!("{} is touched there", item.token))
            }
            Edit::Put => self.put(pick, false),
            Edit::PutDraft => self.put(pick, true),
            Edit::CopyHere => self.copy_here(pick),
            Edit::MoveHere => self.move_here(pick),
            Edit::RenameHere => self.rename_here(pick),
            Edit::DeleteHere => self.delete_here(pick),
            Edit::FlagsHere => self.flags_here(pick),
            Edit::VerbHere => self.verb_here(pick),
            Edit::CategoriesHere => self.categories_here(pick),
            Edit::DraftHere => self.write_here(pick, true),
            Edit::BodyHere => self.write_here(pick, false),
            Edit::FinishHere => self.finish_here(pick),
            Edit::FolderThere => self.folder_there(pick),
            Edit::RenameFolderThere => self.rename_folder_there(pick),
            Edit::MoveFolderThere => self.move_folder_there(pick),
            Edit::DeleteFolderThere => self.delete_folder_there(pick),
            Edit::FolderHere => self.folder_here(pick),
            Edit::RenameFolderHere => self.rename_folder_here(pick),
            Edit::MoveFolderHere => self.move_folder_here(pick),
            Edit::DeleteFolderHere => self.delete_folder_here(pick),
            Edit::Hours => self.advance(3600 * (1 + pick.below(30) as i64)),
            Edit::Weeks => self.advance(86_400 * (7 + pick.below(14) as i64)),
            Edit::LoseState => self.lose_state(),
        }
    }

    // --- the server

    fn arrive(&mut self, pick: &mut Pick, draft: bool) -> Option<String> {
        let folder = if draft { "Drafts".to_owned() } else { pick.one(self.world.mail_folders())?.1 };
        let (family, token) = self.new_message();
        let mime = World::mime_with(&family, &text(&token, pick.below(30)));
        let message = NewMessage { mime: &mime, draft, read: pick.below(3) == 0, ..NewMessage::default() };
        self.world.mailbox.add_message(&folder, message).ok()?;
        self.model.added(&token);
        Some(format!("{token} arrives in {folder}{}", if draft { " as a draft" } else { "" }))
    }

    fn arrive_many(&mut self) -> Option<String> {
        for _ in 0..30 {
            let (family, token) = self.new_message();
            let mime = World::mime_with(&family, &text(&token, 0));
            self.world.mailbox.add_message("Inbox", NewMessage { mime: &mime, ..NewMessage::default() }).ok()?;
            self.model.added(&token);
        }
        Some("30 messages arrive in Inbox".to_owned())
    }

    fn new_message(&mut self) -> (String, String) {
        let family = self.model.new_family();
        let token = self.model.new_token(&family);
        (family, token)
    }

    fn copy_there(&mut self, pick: &mut Pick) -> Option<String> {
        let item = pick.one(there(self.world))?;
        let (id, path) = pick.one(self.world.mail_folders())?;
        self.world.mailbox.copy_item(&item.id, &id).ok()?;
        self.model.copied(&item.token);
        Some(format!("{} is copied from {} to {path} there", item.token, item.path))
    }

    fn move_there(&mut self, pick: &mut Pick, to: Option<&str>) -> Option<String> {
        let item = pick.one(there(self.world))?;
        let folders = self.world.mail_folders().into_iter();
        let (id, path) =
            pick.one(folders.filter(|(_, path)| *path != item.path && to.is_none_or(|to| to == path)).collect())?;
        self.world.mailbox.move_item(&item.id, &id).ok()?;
        self.model.wrote(&item.token, Side::There, Write::Path(path.clone()));
        Some(format!("{} is moved from {} to {path} there", item.token, item.path))
    }

    fn delete_there(&mut self, pick: &mut Pick) -> Option<String> {
        let item = pick.one(there(self.world))?;
        self.world.mailbox.delete_item(&item.id).ok()?;
        self.gone(&item.token, Side::There);
        Some(format!("{} is deleted from {} there", item.token, item.path))
    }

    fn gone(&mut self, token: &str, side: Side) {
        self.model.removed(token);
        self.model.wrote(token, side, Write::Gone);
    }

    fn mark_there(
        &mut self,
        pick: &mut Pick,
        mark: impl FnOnce(&World, &There, &mut Pick) -> Option<Write>,
    ) -> Option<String> {
        let item = pick.one(there(self.world))?;
        let write = mark(self.world, &item, pick)?;
        let told = format!("{} is marked {write:?} in {} there", item.token, item.path);
        self.model.wrote(&item.token, Side::There, write);
        Some(told)
    }

    /// A draft is edited, or something (a virus scanner, say) rewrites a message. The latter is told by its size only, so it grows much.
    fn write_there(&mut self, pick: &mut Pick, draft: bool) -> Option<String> {
        self.model.epoch.body_written |= !draft;
        if !draft && self.model.epoch.state_lost {
            return None;
        }
        let item = pick.one(there(self.world).into_iter().filter(|item| item.draft == draft).collect())?;
        let family = super::model::family_of(&item.token);
        let token = self.model.new_token(&family);
        let lines = if draft { pick.below(30) } else { 60 + pick.below(100) * 40 };
        self.world.mailbox.replace_mime(&item.id, &World::mime_with(&family, &text(&token, lines))).ok()?;
        self.model.removed(&item.token);
        self.model.added(&token);
        self.model.wrote(&token, Side::There, Write::Token(token.clone()));
        Some(format!("{} becomes {token} in {} there", item.token, item.path))
    }

    // --- the directory

    fn graveyard(&self) -> PathBuf {
        let path = self.world.home.path().join("graveyard");
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn number(&self) -> u64 {
        self.world.next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }

    /// A whole file with those bytes, to be brought to its place.
    fn staged(&self, bytes: &[u8]) -> PathBuf {
        let path = self.graveyard().join(format!("staged.{}", self.number()));
        fs::write(&path, bytes).unwrap();
        let now = pimsync::clock::Clock::now(&*self.world.clock).0;
        let time = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap());
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    }

    /// Gives the folder times that it never had: its file system's clock ticks too coarsely for a simulation.
    fn stamp(&self, folder: &Path) {
        for path in ["cur", "new", "dovecot-keywords"].map(|name| folder.join(name)) {
            if let Ok(file) = fs::File::open(path) {
                let time: SystemTime = UNIX_EPOCH + Duration::from_secs(1_500_000_000 + self.number());
                drop(file.set_modified(time));
            }
        }
    }

    fn rename(&self, file: &Path, folder: &Path, name: &str) -> Option<PathBuf> {
        let sub = if name.contains(":2,") { "cur" } else { "new" };
        let target = folder.join(sub).join(name);
        fs::rename(file, &target).ok()?;
        self.stamp(folder);
        file.parent().and_then(Path::parent).into_iter().for_each(|from| self.stamp(from));
        Some(target)
    }

    fn put(&mut self, pick: &mut Pick, draft: bool) -> Option<String> {
        let mut folders = folders_here(self.world);
        folders.retain(|(path, _)| !draft || path == "Drafts");
        let (path, folder) = pick.one(folders)?;
        let (family, token) = self.new_message();
        let staged = self.staged(&World::mime_with(&family, &text(&token, pick.below(30))));
        let info = if draft { ":2,DS" } else { ["", ":2,", ":2,S", ":2,FS", ":2,RS"][pick.below(5)] };
        self.rename(&staged, &folder, &format!("1800000000.M{}.host{info}", self.number()))?;
        self.model.added(&token);
        Some(format!("{token} is put into {path}{info}"))
    }

    fn copy_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let (path, folder) = pick.one(folders_here(self.world))?;
        let bytes = fs::read(&file.file).ok()?;
        let staged = self.staged(&bytes);
        let name = self.named(&file, &folder, &file.categories)?;
        self.rename(&staged, &folder, &name)?;
        self.model.copied(&token_of(&bytes));
        Some(format!("{} is copied from {} to {path} here", file.token, file.path))
    }

    /// A new name with the same flags and with the letters that stand for the categories in that folder.
    fn named(&self, file: &Here, folder: &Path, categories: &[String]) -> Option<String> {
        let letters = self.letters(folder, categories)?;
        Some(format!("1800000000.M{}.host:2,{}{letters}", self.number(), file.flags))
    }

    /// The letters of those categories; a letter is added where there is none yet.
    fn letters(&self, folder: &Path, categories: &[String]) -> Option<String> {
        let mut names = keywords(folder);
        let mut letters = Vec::new();
        for category in categories {
            let known = names.iter().find(|(_, name)| *name == category).map(|(letter, _)| *letter);
            let letter = match known {
                Some(letter) => letter,
                // Two programs that add a letter at the same time are no subject here.
                None if !self.alone => return None,
                None => {
                    let letter = ('a'..='z').find(|letter| !names.contains_key(letter))?;
                    let path = folder.join("dovecot-keywords");
                    let before = fs::read_to_string(&path).unwrap_or_default();
                    fs::write(&path, format!("{before}{} {category}\n", u32::from(letter) - u32::from('a'))).ok()?;
                    self.stamp(folder);
                    names.insert(letter, category.clone());
                    letter
                }
            };
            letters.push(letter);
        }
        letters.sort_unstable();
        Some(letters.into_iter().collect())
    }

    fn move_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let (path, folder) =
            pick.one(folders_here(self.world).into_iter().filter(|(path, _)| *path != file.path).collect())?;
        let name = self.named(&file, &folder, &file.categories)?;
        self.rename(&file.file, &folder, &name)?;
        self.model.wrote(&file.token, Side::Here, Write::Path(path.clone()));
        Some(format!("{} is moved from {} to {path} here", file.token, file.path))
    }

    fn rename_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let name = self.named(&file, &file.folder, &file.categories)?;
        self.rename(&file.file, &file.folder, &name)?;
        Some(format!("{} gets another name in {}", file.token, file.path))
    }

    fn delete_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let grave = self.graveyard().join(format!("grave.{}", self.number()));
        fs::rename(&file.file, &grave).ok()?;
        self.stamp(&file.folder);
        let token = token_of(&fs::read(&grave).unwrap());
        self.gone(&token, Side::Here);
        Some(format!("{token} is deleted from {} here", file.path))
    }

    fn relabel(&mut self, file: &Here, flags: &str, categories: &[String]) -> Option<()> {
        let mut flags: Vec<char> = flags.chars().collect();
        flags.sort_unstable();
        flags.dedup();
        let flags: String = flags.into_iter().collect();
        let letters = self.letters(&file.folder, categories)?;
        let (key, _) = name_of(&file.file);
        self.rename(&file.file, &file.folder, &format!("{key}:2,{flags}{letters}")).map(drop)
    }

    fn flags_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let letter = ['S', 'F'][pick.below(2)];
        let set = !file.flags.contains(letter);
        let flags = toggle(&file.flags, letter);
        self.relabel(&file, &flags, &file.categories.clone())?;
        let write = if letter == 'S' { Write::Read(set) } else { Write::Flagged(set) };
        let told = format!("{} is marked {write:?} in {} here", file.token, file.path);
        self.model.wrote(&file.token, Side::Here, write);
        Some(told)
    }

    fn verb_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let rest: String = file.flags.chars().filter(|letter| !"RP".contains(*letter)).collect();
        let flags = format!("{rest}{}", ["", "R", "P"][pick.below(3)]);
        self.relabel(&file, &flags, &file.categories.clone())?;
        self.model.wrote(&file.token, Side::Here, Write::Verb);
        Some(format!("{} is {flags:?} in {} here", file.token, file.path))
    }

    fn categories_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let categories = toggled(&file.categories, pick);
        self.relabel(&file, &file.flags.clone(), &categories)?;
        let told = format!("{} has {categories:?} in {} here", file.token, file.path);
        self.model.wrote(&file.token, Side::Here, Write::Categories(categories));
        Some(told)
    }

    /// An editor writes a draft, or somebody an old message, over.
    fn write_here(&mut self, pick: &mut Pick, draft: bool) -> Option<String> {
        self.model.epoch.body_written |= !draft;
        if !draft && self.model.epoch.state_lost {
            return None;
        }
        let files = here(self.world).into_iter().filter(|file| file.flags.contains('D') == draft);
        let file = pick.one(files.collect())?;
        let family = super::model::family_of(&file.token);
        let token = self.model.new_token(&family);
        let staged = self.staged(&World::mime_with(&family, &text(&token, pick.below(30))));
        renameat_with(CWD, &staged, CWD, &file.file, RenameFlags::EXCHANGE).ok()?;
        self.stamp(&file.folder);
        let before = token_of(&fs::read(&staged).unwrap());
        self.model.removed(&before);
        self.model.added(&token);
        self.model.wrote(&token, Side::Here, Write::Token(token.clone()));
        if !draft {
            self.model.remade(&family);
        }
        Some(format!("{before} becomes {token} in {} here", file.path))
    }

    /// A draft is finished, or a message becomes a draft again.
    fn finish_here(&mut self, pick: &mut Pick) -> Option<String> {
        let file = pick.one(here(self.world))?;
        let flags = toggle(&file.flags, 'D');
        self.relabel(&file, &flags, &file.categories.clone())?;
        self.model.spare(&file.token);
        self.model.wrote(&file.token, Side::Here, Write::Draft);
        Some(format!("{} is {flags:?} in {} here", file.token, file.path))
    }

    // --- folders

    fn own_folders_there(&self) -> Vec<(String, String)> {
        self.world.mail_folders().into_iter().filter(|(_, path)| !is_special(path)).collect()
    }

    fn own_folders_here(&self) -> Vec<(String, PathBuf)> {
        folders_here(self.world).into_iter().filter(|(path, _)| !is_special(path)).collect()
    }

    fn parents_there(&self) -> Vec<(String, String)> {
        let root = [(String::new(), String::new()), (self.world.mailbox.folder("Inbox").unwrap(), "Inbox".to_owned())];
        root.into_iter().chain(self.own_folders_there()).collect()
    }

    fn parents_here(&self) -> Vec<(String, PathBuf)> {
        let top = self.world.account_dir();
        let inbox = ("Inbox".to_owned(), top.join("Inbox"));
        [(String::new(), top), inbox]
            .into_iter()
            .chain(self.own_folders_here())
            .filter(|(_, dir)| dir.is_dir())
            .collect()
    }

    /// No two folders ever have the same name, but for those that are made on both sides on purpose.
    fn new_folder_name(&self) -> String {
        format!("Folder{}", self.number())
    }

    fn folders_changed(&mut self) {
        self.model.epoch.folders_changed = true;
    }

    fn folder_there(&mut self, pick: &mut Pick) -> Option<String> {
        // Sometimes one that the directory has already.
        let (parent, name) = match pick.one(self.own_folders_here()).filter(|_| pick.below(3) == 0) {
            Some((path, _)) => {
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
                (parent.to_owned(), name.to_owned())
            }
            None => (pick.one(self.parents_there())?.1, self.new_folder_name()),
        };
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
        if self.world.mailbox.folder(&path).is_ok() {
            return None;
        }
        self.world.mailbox.create_folder(&parent, &name, "IPF.Note").ok()?;
        self.folders_changed();
        Some(format!("{path} is made there"))
    }

    fn rename_folder_there(&mut self, pick: &mut Pick) -> Option<String> {
        let (id, path) = pick.one(self.own_folders_there())?;
        let name = self.new_folder_name();
        self.world.mailbox.rename_folder(&id, &name).ok()?;
        self.folders_changed();
        Some(format!("{path} is renamed to {name} there"))
    }

    fn move_folder_there(&mut self, pick: &mut Pick) -> Option<String> {
        let (id, path) = pick.one(self.own_folders_there())?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let inside = format!("{path}/");
        let parents = self.parents_there().into_iter().filter(|(_, to)| {
            let target = if to.is_empty() { name.clone() } else { format!("{to}/{name}") };
            *to != path && !to.starts_with(&inside) && self.world.mailbox.folder(&target).is_err()
        });
        let (parent, to) = pick.one(parents.collect())?;
        self.world.mailbox.move_folder(&id, &parent).ok()?;
        self.folders_changed();
        Some(format!("{path} is moved into {to:?} there"))
    }

    fn delete_folder_there(&mut self, pick: &mut Pick) -> Option<String> {
        let (id, path) = pick.one(self.own_folders_there())?;
        let inside = format!("{path}/");
        let lost: Vec<There> =
            there(self.world).into_iter().filter(|item| item.path == path || item.path.starts_with(&inside)).collect();
        self.world.mailbox.delete_folder(&id).ok()?;
        lost.iter().for_each(|item| self.gone(&item.token, Side::There));
        self.folders_changed();
        Some(format!("{path} is deleted there with {} messages", lost.len()))
    }

    fn folder_here(&mut self, pick: &mut Pick) -> Option<String> {
        let (path, dir) = match pick.one(self.own_folders_there()).filter(|_| pick.below(3) == 0) {
            Some((_, path)) => (path.clone(), self.world.account_dir().join(path)),
            None => {
                let (parent, dir) = pick.one(self.parents_here())?;
                let name = self.new_folder_name();
                let path = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
                (path, dir.join(name))
            }
        };
        if dir.exists() || !dir.parent().is_some_and(Path::is_dir) {
            return None;
        }
        self.make_maildir(&dir);
        self.folders_changed();
        Some(format!("{path} is made here"))
    }

    fn make_maildir(&self, dir: &Path) {
        for sub in ["tmp", "new", "cur"] {
            drop(fs::create_dir_all(dir.join(sub)));
        }
    }

    fn rename_folder_here(&mut self, pick: &mut Pick) -> Option<String> {
        let (path, dir) = pick.one(self.own_folders_here())?;
        let name = self.new_folder_name();
        fs::rename(&dir, dir.parent()?.join(&name)).ok()?;
        self.folders_changed();
        Some(format!("{path} is renamed to {name} here"))
    }

    fn move_folder_here(&mut self, pick: &mut Pick) -> Option<String> {
        let (path, dir) = pick.one(self.own_folders_here())?;
        let name = dir.file_name()?.to_owned();
        let parents =
            self.parents_here().into_iter().filter(|(_, to)| !to.starts_with(&dir) && !to.join(&name).exists());
        let (to, parent) = pick.one(parents.collect())?;
        fs::rename(&dir, parent.join(&name)).ok()?;
        self.folders_changed();
        Some(format!("{path} is moved into {to:?} here"))
    }

    fn delete_folder_here(&mut self, pick: &mut Pick) -> Option<String> {
        let (path, dir) = pick.one(self.own_folders_here())?;
        let inside = format!("{path}/");
        let grave = self.graveyard().join(format!("grave.{}", self.number()));
        let lost: Vec<Here> =
            here(self.world).into_iter().filter(|file| file.path == path || file.path.starts_with(&inside)).collect();
        fs::rename(&dir, &grave).ok()?;
        lost.iter().for_each(|file| self.gone(&file.token, Side::Here));
        self.folders_changed();
        Some(format!("{path} is deleted here with {} messages", lost.len()))
    }

    // --- neither side

    fn advance(&self, seconds: i64) -> Option<String> {
        self.world.advance(seconds);
        Some(format!("{seconds} seconds go by"))
    }

    fn lose_state(&mut self) -> Option<String> {
        self.world.lose_state();
        self.model.epoch.state_lost = true;
        Some("state.db is lost".to_owned())
    }
}

fn toggle(flags: &str, letter: char) -> String {
    match flags.contains(letter) {
        true => flags.chars().filter(|other| *other != letter).collect(),
        false => format!("{flags}{letter}"),
    }
}

fn toggled(categories: &[String], pick: &mut Pick) -> Vec<String> {
    let colour = COLOURS[pick.below(COLOURS.len())].to_owned();
    let mut categories = categories.to_vec();
    match categories.iter().position(|category| *category == colour) {
        Some(at) => drop(categories.remove(at)),
        None => categories.push(colour),
    }
    categories.sort();
    categories
}
