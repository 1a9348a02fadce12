//! What the server says of a known entry is merged with what its file says, and written into it.

use super::super::tree::Place;
use super::super::{Action, NoticeKind, Step, SyncError};
use super::look::Found;
use super::{Entries, INEXPRESSIBLE, Read, patched};
use crate::format::entry::{extension, stem};
use crate::local::vdir::digest_of;
use crate::local::{LocalWrite, NewEntry};
use crate::pim::{Digest, EntryKey, EntryKind, FolderKey, Said, ServerEntry};
use crate::plan::entry::{self, Agreed, Here, Pull};
use crate::remote::{ItemError, ItemErrorClass, RemoteWrite};
use crate::state::{CHANGED, EntryBrief, EntryRow, EntryStanding, Words, search_hash};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// Takes in what the server says of a known entry now.
    pub(super) async fn take_known(&self, place: &Place, key: EntryKey, server: ServerEntry) -> Result<(), SyncError> {
        let Some(row) = self.run.state().read(|state| state.entry(key))? else { return Ok(()) };
        if row.brief.standing == EntryStanding::Arriving {
            // Whether its file is here is not known before its directory holds still.
            let error = ItemError {
                class: ItemErrorClass::Transient,
                code: CHANGED.to_owned(),
                message: "the directory changed while it was listed; it is looked at again".to_owned(),
            };
            return self.trouble_with_item(place, server.id.clone(), server.entry.label(), &error).await;
        }
        let folder = row.brief.folder;
        let sure = self.with_look(folder, |look| look.complete) == Some(true);
        let Some((lies_in, name)) = self.whereabouts(folder, key) else { return Ok(()) };
        let Some(file_place) = self.tree.place(lies_in).cloned() else { return Ok(()) };
        let (changed, away) = self
            .with_look(folder, |look| (look.changed.contains_key(&key), look.away.contains(&key)))
            .unwrap_or_default();
        if away && !sure {
            return self.mark_stale(place, key).await;
        }
        let dir = file_place.dir()?;
        let read = if away { None } else { self.read(&dir, kind_of(&file_place, &row), &name).await? };
        let here = match &read {
            None if away => Here::Away,
            // It vanished in this very instant.
            None => {
                self.expect_echo();
                return self.mark_stale(place, key).await;
            }
            Some(Read { said: Err(_), .. }) => Here::Unreadable,
            // What the server was told may be what the file said for a while only.
            Some(Read { said: Ok(said), digest, .. })
                if changed || row.sent.is_some() || *digest != row.brief.digest =>
            {
                Here::Now(said.clone())
            }
            Some(_) => Here::Same,
        };
        let there = said_with_uid(&server, &row.server);
        let agreed = Agreed { server: row.server.clone(), here: row.said_here().clone() };
        let agreed = match &row.sent {
            Some(sent) => entry::answered(agreed, sent, &there),
            None => agreed,
        };
        let policy = self.run.engine.settings.policy;
        match entry::pull(&agreed, there.clone(), here, policy) {
            Pull::Agree { agreed, file, clash } => {
                let change = Change { place: &file_place, name, read, agreed, file, kept: !clash.is_empty() };
                self.agree(place, row, &server, change).await
            }
            Pull::Write(_) if let Some(sent) = &row.sent => {
                let said = entry::written_again(&agreed, sent, there);
                self.write_unsent(place, row, &server, said).await
            }
            Pull::Write(said) => self.write_anew(place, row, &server, said).await,
            Pull::Leave => {
                let mut row = row;
                row.brief.change_key = server.change_key;
                row.brief.standing = EntryStanding::Agreed;
                self.set_row(place, row).await
            }
            Pull::Wait => self.mark_stale(place, key).await,
        }
    }

    /// Writes what an entry's file is to say, and notes what is agreed.
    pub(super) async fn agree(
        &self,
        place: &Place,
        mut row: EntryRow,
        server: &ServerEntry,
        change: Change<'_>,
    ) -> Result<(), SyncError> {
        let Change { place: file_place, name: file_name, read, agreed, file, kept } = change;
        let Some(read) = read else { return Ok(()) };
        let key = row.brief.key;
        if self.run.is_dry() {
            if file.is_some() {
                self.run.planned(file_place.path(), Action::ChangeHere, file_name, String::new());
            }
            return Ok(());
        }
        if kept {
            self.keep_copy(file_place, &row, &file_name).await?;
        }
        let (mut digest, said) = (read.digest, read.said.clone());
        let says = file.clone().or(said.ok());
        let pending = says.as_ref() != Some(&agreed.here);
        if let Some(file) = &file {
            let words = if pending { Words::Own } else { Words::Agreed };
            match self.write(file_place, (key, &file_name), read, (file, words)).await? {
                Some(written) => digest = written,
                // Somebody was faster: it is compared anew.
                None => return self.mark_stale(place, key).await,
            }
            self.run.tally(file_place, |tally| tally.changed_here += 1);
            self.run.step(Step::FileChanged)?;
        }
        row.brief.ino = self.number(&file_place.dir()?, &file_name).await?;
        row.brief.id = server.id.clone();
        row.brief.change_key = server.change_key.clone();
        row.brief.search = server.search_key.as_ref().map(search_hash);
        row.brief.standing = EntryStanding::Agreed;
        (row.brief.stat, row.brief.coming) = (None, None);
        row.brief.digest = if pending { UNLIKE_ANY } else { digest };
        row.here = Some(agreed.here).filter(|here| *here != agreed.server);
        (row.server, row.sent) = (agreed.server, None);
        let (moved, changed) = self
            .with_look(row.brief.folder, |look| (look.moved.contains_key(&key), look.changed.remove(&key)))
            .unwrap_or_default();
        if pending && let Some(found) = changed {
            self.with_look(row.brief.folder, |look| {
                look.changed.insert(key, Found { digest, stat: None, ..found });
            });
        } else if pending && !moved {
            self.expect_echo();
        }
        self.set_row(place, row).await
    }

    /// An entry whose file is gone, and that was edited there: it comes back.
    pub(super) async fn write_anew(
        &self,
        place: &Place,
        mut row: EntryRow,
        server: &ServerEntry,
        said: Said,
    ) -> Result<(), SyncError> {
        let Some((file, ino, digest)) = self.write_file(place, (row.brief.key, server), &said).await? else {
            return Ok(());
        };
        let ino = Some(ino);
        row.brief = EntryBrief { key: row.brief.key, file, ino, ..brief_of(row.brief.folder, server, "", digest) };
        (row.server, row.here, row.sent) = (said_with_uid(server, &said), None, None);
        self.set_row(place, row).await
    }

    /// The same, where what the server was told last did not all come there: the file says that, too, and the next round sends the rest.
    async fn write_unsent(
        &self,
        place: &Place,
        mut row: EntryRow,
        server: &ServerEntry,
        said: Said,
    ) -> Result<(), SyncError> {
        let Some((file, ino, _)) = self.write_file(place, (row.brief.key, server), &said).await? else { return Ok(()) };
        row.brief = EntryBrief { file, ino: Some(ino), digest: UNLIKE_ANY, stat: None, ..row.brief };
        row.brief.standing = EntryStanding::Stale;
        self.expect_echo();
        self.set_row(place, row).await
    }

    /// Writes a file for an entry that has none. Returns its name, its number and its hash; nothing in a dry run, or where no file can hold the entry.
    async fn write_file(
        &self,
        place: &Place,
        (key, server): (EntryKey, &ServerEntry),
        said: &Said,
    ) -> Result<Option<(String, u64, Digest)>, SyncError> {
        if self.run.is_dry() {
            self.run.planned(place.path(), Action::Download, said.entry.label().to_owned(), String::new());
            return Ok(None);
        }
        let content = match patched(None, said, self.run.now()) {
            Ok(content) => content,
            Err(reason) => return self.cannot_hold(place, server, &reason).await.map(|()| None),
        };
        let digest = digest_of(&content);
        let new = NewEntry { stem: stem(&said.entry), extension: extension(said.entry.kind()), content };
        let dir = self.directory(place).await?;
        self.note_coming(key, (said, Words::Own), digest).await?;
        let names = self.run.blocking(move |local| local.create_entries(&dir, vec![new])).await?;
        let Some((file, stat)) = names.into_iter().next() else { return Ok(None) };
        self.run.step(Step::Delivered)?;
        self.run.tally(place, |tally| tally.downloaded += 1);
        Ok(Some((file, stat.ino, digest)))
    }

    pub(super) async fn cannot_hold(&self, place: &Place, server: &ServerEntry, reason: &str) -> Result<(), SyncError> {
        let error = ItemError {
            class: ItemErrorClass::Permanent,
            code: INEXPRESSIBLE.to_owned(),
            message: format!("no file can hold it: {reason}"),
        };
        self.trouble_with_item(place, server.id.clone(), server.entry.label(), &error).await
    }

    /// Keeps what a file says before it is written over.
    pub(super) async fn keep_copy(&self, place: &Place, row: &EntryRow, name: &str) -> Result<(), SyncError> {
        let (dir, at) = (place.dir()?, name.to_owned());
        let Some(copy) = self.run.blocking(move |local| local.keep_entry_copy(&dir, &at)).await? else { return Ok(()) };
        let (folder, now, path) = (place.key(), self.run.now(), copy.display().to_string());
        let noted = path.clone();
        self.run.commit(move |tx| tx.add_conflict(folder, crate::pim::ItemKey(0), &noted, now)).await?;
        self.run.tally(place, |tally| tally.conflicts += 1);
        let text = format!(
            "was changed on both sides in the same fields; the server's values are in place, yours are kept in {path}"
        );
        let label = row.server.entry.label();
        let item = if label.is_empty() { name } else { label };
        self.run.notice(place.path(), NoticeKind::Conflict, Some(item.to_owned()), text);
        Ok(())
    }

    /// Where the file of an entry lies, and its name.
    pub(super) fn whereabouts(&self, folder: FolderKey, key: EntryKey) -> Option<(FolderKey, String)> {
        self.with_look(folder, |look| {
            look.moved.get(&key).cloned().or_else(|| Some((folder, look.rows.get(&key)?.file.clone())))
        })
        .flatten()
    }

    pub(super) async fn mark_stale(&self, place: &Place, key: EntryKey) -> Result<(), SyncError> {
        self.with_look(place.key(), |look| {
            look.rows.entry(key).and_modify(|row| row.standing = EntryStanding::Stale);
        });
        if self.run.is_dry() {
            return Ok(());
        }
        self.run.commit(move |tx| tx.set_entry_standing(key, EntryStanding::Stale)).await
    }

    /// Notes a row anew, in the state and in what was seen.
    pub(super) async fn set_row(&self, place: &Place, row: EntryRow) -> Result<(), SyncError> {
        self.with_look(place.key(), |look| {
            look.away.remove(&row.brief.key);
            look.rows.insert(row.brief.key, row.brief.clone());
        });
        if self.run.is_dry() {
            return Ok(());
        }
        self.run.commit(move |tx| tx.set_entry(&row)).await
    }
}

/// Of a file that does not say what was agreed, whatever it says: it is compared field by field.
const UNLIKE_ANY: Digest = Digest([0; 16]);

/// What an entry's file is to say, and what is agreed by it.
pub(super) struct Change<'a> {
    /// The folder that the file lies in.
    pub(super) place: &'a Place,
    pub(super) name: String,
    pub(super) read: Option<Read>,
    pub(super) agreed: Agreed,
    pub(super) file: Option<Said>,
    /// Whether what it says now is to be kept.
    pub(super) kept: bool,
}

fn kind_of(place: &Place, row: &EntryRow) -> EntryKind {
    place.entry_kind().unwrap_or_else(|| row.server.entry.kind())
}

/// What the server says, with the UID that the entry has here where the server keeps none.
pub(super) fn said_with_uid(server: &ServerEntry, known: &Said) -> Said {
    let mut said = said_of(server.clone());
    if said.entry.uid().is_empty() {
        said.entry.set_uid(known.entry.uid().into());
    }
    said
}

pub(super) fn said_of(server: ServerEntry) -> Said {
    Said { entry: server.entry, extra: server.extra.unwrap_or_default() }
}

pub(super) fn brief_of(folder: FolderKey, server: &ServerEntry, file: &str, digest: Digest) -> EntryBrief {
    EntryBrief {
        key: EntryKey(0),
        folder,
        id: server.id.clone(),
        change_key: server.change_key.clone(),
        search: server.search_key.as_ref().map(search_hash),
        file: file.to_owned(),
        digest,
        stat: None,
        ino: None,
        coming: None,
        standing: EntryStanding::Agreed,
    }
}

/// A row of what was agreed by an upload.
pub(super) fn row_of(brief: EntryBrief, agreed: Agreed) -> EntryRow {
    let here = Some(agreed.here).filter(|here| *here != agreed.server);
    EntryRow { brief, server: agreed.server, here, sent: None }
}
