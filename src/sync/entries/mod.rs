//! Contacts, events, notes and tasks: the same round as for messages, over folders of files that each hold one entry.
//!
//! 1. **Look** ([`look`]): each directory is listed, and what is not as the base has it is read.
//! 2. **Pull** ([`pull`]): the server's changes come page by page. What is known is merged field by field with what changed here, and written
//!    into the file ([`take`]); what is not is matched, moved or written anew ([`arrive`]). A page's sync state is stored after its files and rows.
//! 3. **Push** ([`push`]): what then is different in a file is sent, and read back, since a server can keep values of its own.
//! 4. **End** ([`end`]): what is missing on one side goes on the other, under the brake.

mod arrive;
mod end;
mod look;
mod only_there;
mod pull;
mod push;
mod rights;
mod take;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, StreamExt};

use super::tree::{Directory, Place, Tree};
use super::{Activity, Echo, NoticeKind, Run, Step, SyncError, lock};
use crate::format::entry::EntryFile;
use crate::local::vdir::digest_of;
use crate::local::{Changed, EntryContent, FolderDir, LocalWrite};
use crate::pim::{Digest, EntryKey, EntryKind, FileKey, FolderKey, Said, Tag, Text};
use crate::remote::{ItemError, RemoteWrite};
use crate::state::{CHANGED, Coming, EntryUploadRow, Subject, Words};
use look::Look;

/// So often an entry is tried to be read while others wait for what it turns out to be: for half an hour.
const HOPE: u32 = 5;
/// The code of trouble with what the other side has no words for.
const INEXPRESSIBLE: &str = "Inexpressible";

/// What was seen in each folder.
type Looks = BTreeMap<FolderKey, Look>;

/// The entries of an account in one round.
struct Entries<'r, 'e, R, L> {
    run: &'r Run<'e, R, L>,
    tree: &'r Tree,
    looks: Mutex<Looks>,
    /// Uploads of a run that was cut off, and the folders that they were sent to.
    begun: Mutex<HashMap<Tag, (FolderKey, EntryUploadRow)>>,
    /// Whether the server was changed, or something was changed in the very instant.
    echo: AtomicBool,
}

/// Puts the entries of these folders in step.
pub(super) async fn sync_entries<R, L>(
    run: &Run<'_, R, L>,
    tree: &Tree,
    places: &[Place],
    due: &BTreeSet<FolderKey>,
    activity: &HashMap<FolderKey, Activity>,
) -> Result<(Echo, BTreeSet<FolderKey>), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let places: Vec<&Place> = places.iter().filter(|place| place.entry_kind().is_some()).collect();
    if places.is_empty() {
        return Ok((Echo::None, BTreeSet::new()));
    }
    let all: Vec<&Place> = tree.places.iter().filter(|place| place.entry_kind().is_some()).collect();
    let looks = look::look_at_all(run, &all).await?;
    let entries =
        Entries { run, tree, looks: Mutex::new(looks), begun: Mutex::default(), echo: AtomicBool::new(false) };
    entries.settle_begun(&places).await?;
    let pulls = places.iter().filter(|place| place.on_server);
    let results: Vec<_> = stream::iter(pulls.map(|place| {
        let (entries, activity) = (&entries, activity.get(&place.key()).cloned());
        let listed = due.contains(&place.key());
        async move { (*place, entries.pull(place, activity, listed).await) }
    }))
    .buffer_unordered(run.engine.settings.folders_at_once())
    .collect()
    .await;
    for (place, result) in results {
        if let Err(error) = result {
            entries.folder_failed(place, error)?;
        }
    }
    entries.end_begun().await?;
    let ripe: Vec<&Place> = places.iter().filter(|place| !run.is_postponed(place.key())).copied().collect();
    entries.push(&ripe).await?;
    entries.hold_read_only(&places).await?;
    entries.end(&places).await?;
    let unknown = lock(&entries.looks).iter().filter(|(_, look)| !look.is_sure()).map(|(folder, _)| *folder).collect();
    let echo = if entries.echo.into_inner() { Echo::Expected } else { Echo::None };
    Ok((echo, unknown))
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// A folder that failed does not stop the others, unless the account or the disk has failed.
    fn folder_failed(&self, place: &Place, error: SyncError) -> Result<(), SyncError> {
        let text = self.run.folder_failure(error)?;
        self.with_look(place.key(), |look| look.listed_there = false);
        self.run.notice(place.path(), NoticeKind::FolderFailed, None, text);
        Ok(())
    }

    /// Folders in which the server has an entry that is new and could not be read. What stays unreadable does not count for ever.
    fn unread(&self) -> Result<BTreeSet<FolderKey>, SyncError> {
        let mut folders = BTreeSet::new();
        for trouble in self.run.state().read(|state| state.troubles(self.run.account))? {
            let Subject::Message(id) = &trouble.subject else { continue };
            if trouble.tries < HOPE
                && trouble.code != INEXPRESSIBLE
                && self.run.state().read(|state| state.entry_by_id(self.run.account, id))?.is_none()
            {
                folders.insert(trouble.folder);
            }
        }
        Ok(folders)
    }

    fn has_unread(&self, place: &Place) -> Result<bool, SyncError> {
        Ok(self.unread()?.contains(&place.key()))
    }

    /// Kinds of which the server has such an entry somewhere: it may be one that vanished elsewhere there, or one of the files here, so nothing
    /// follows from these yet.
    fn unread_kinds(&self) -> Result<BTreeSet<EntryKind>, SyncError> {
        let kind = |folder| self.tree.place(folder).and_then(Place::entry_kind);
        Ok(self.unread()?.into_iter().filter_map(kind).collect())
    }

    fn with_look<T>(&self, folder: FolderKey, change: impl FnOnce(&mut Look) -> T) -> Option<T> {
        lock(&self.looks).get_mut(&folder).map(change)
    }

    /// The next round has to look again.
    fn expect_echo(&self) {
        self.echo.store(true, Ordering::Relaxed);
    }

    /// Reads an entry's file as it is now.
    async fn read(&self, dir: &FolderDir, kind: EntryKind, name: &str) -> Result<Option<Read>, SyncError> {
        let (dir, name) = (dir.clone(), name.to_owned());
        self.run.blocking(move |local| local.read_entry(&dir, &name)).await.map(|content| Read::of(kind, content))
    }

    /// Writes what a file is to say into it, unless it is no longer as it was read. Returns the hash of what it says now.
    async fn write(
        &self,
        place: &Place,
        (key, name): (EntryKey, &str),
        mut read: Read,
        (said, words): (&Said, Words),
    ) -> Result<Option<Digest>, SyncError> {
        let file = read.file.take();
        let content = match patched(file, said, self.run.now()) {
            Ok(content) => content,
            Err(reason) => {
                self.trouble_with_file(place, name, INEXPRESSIBLE, &reason).await?;
                return Ok(None);
            }
        };
        let digest = digest_of(&content);
        if digest == read.digest {
            return Ok(Some(digest));
        }
        self.note_coming(key, (said, words), digest).await?;
        let (dir, at, expect) = (place.dir()?, name.to_owned(), read.digest);
        match self.run.blocking(move |local| local.replace_entry(&dir, &at, expect, &content)).await? {
            Changed::Done => Ok(Some(digest)),
            Changed::Vanished | Changed::ChangedMeanwhile => {
                self.expect_echo();
                Ok(None)
            }
        }
    }

    /// Notes what a file is about to say. After a crash a note is known by it, whose name may be another one by then and which has no UID; and what
    /// both sides agreed on is known not to be an edit.
    async fn note_coming(&self, key: EntryKey, (said, words): (&Said, Words), coming: Digest) -> Result<(), SyncError> {
        if !said.entry.uid().is_empty() && words == Words::Own {
            return Ok(());
        }
        let coming = Coming { digest: coming, words };
        self.run.commit(move |tx| tx.note_coming(key, coming)).await?;
        self.run.step(Step::ChangesNoted)
    }

    /// The number of a file, by which it is known under another name.
    async fn number(&self, dir: &FolderDir, name: &str) -> Result<Option<u64>, SyncError> {
        let (dir, name) = (dir.clone(), name.to_owned());
        let stat = self.run.blocking(move |local| local.stat_entry(&dir, &name)).await?;
        Ok(stat.map(|stat| stat.ino))
    }

    /// The folder's directory; made anew where it vanished here while something in it is new there.
    async fn directory(&self, place: &Place) -> Result<FolderDir, SyncError> {
        let is_away = self.with_look(place.key(), |look| std::mem::take(&mut look.directory_away));
        if place.directory == Directory::Away && is_away == Some(true) {
            self.tree.make_directory(self.run, place).await?;
        }
        Ok(place.dir()?)
    }

    async fn trouble_with_file(&self, place: &Place, name: &str, code: &str, reason: &str) -> Result<(), SyncError> {
        self.run.notice(place.path(), NoticeKind::Skipped, Some(name.to_owned()), reason.to_owned());
        let subject = Subject::File(FileKey::new(name.as_bytes()));
        self.note_trouble(place, subject, name, (code, reason)).await
    }

    async fn trouble_with_item(
        &self,
        place: &Place,
        id: crate::pim::ItemId,
        label: &str,
        error: &ItemError,
    ) -> Result<(), SyncError> {
        let label = if label.is_empty() { id.as_str() } else { label }.to_owned();
        self.run.notice(place.path(), NoticeKind::Skipped, Some(label.clone()), error.to_string());
        self.note_trouble(place, Subject::Message(id), &label, (&error.code, &error.message)).await
    }

    async fn note_trouble(
        &self,
        place: &Place,
        subject: Subject,
        label: &str,
        (code, reason): (&str, &str),
    ) -> Result<(), SyncError> {
        if self.run.is_dry() {
            return Ok(());
        }
        if code == CHANGED {
            self.expect_echo();
        }
        let (folder, now, label) = (place.key(), self.run.now(), label.to_owned());
        let (code, reason) = (code.to_owned(), reason.to_owned());
        self.run.commit(move |tx| tx.add_trouble(folder, &subject, &label, (&code, &reason), now)).await
    }
}

/// An entry's file as it was read.
struct Read {
    digest: Digest,
    /// The file, if it is one of its kind.
    file: Option<EntryFile>,
    /// What it says, or why that cannot be on the server.
    said: Result<Said, String>,
}

impl Read {
    fn of(kind: EntryKind, content: EntryContent) -> Option<Self> {
        let bytes = match content {
            EntryContent::Vanished => return None,
            EntryContent::TooLarge(length) => {
                let said = Err(format!("the file has {length} bytes, more than any {} has", kind.word()));
                return Some(Self { digest: Digest([0; 16]), file: None, said });
            }
            EntryContent::Bytes(bytes) => bytes,
        };
        let digest = digest_of(&bytes);
        Some(match EntryFile::parse(kind, bytes) {
            Ok(file) => Self { digest, said: file.said().map_err(|error| error.to_string()), file: Some(file) },
            Err(error) => Self { digest, said: Err(error.to_string()), file: None },
        })
    }
}

/// The content of a file that says so; a new one where there is none.
fn patched(file: Option<EntryFile>, said: &Said, now: crate::pim::UnixTime) -> Result<Vec<u8>, String> {
    let file = match file {
        Some(mut file) => file.patch(said, now).map(|()| file),
        None => EntryFile::new(said, now),
    };
    file.map(|file| file.to_bytes()).map_err(|error| error.to_string())
}

/// A hash by which two entries are known to say the same, whatever identifies them.
fn says(said: &Said) -> Digest {
    let mut said = said.clone();
    said.entry.set_uid(Text::default());
    digest_of(serde_json::to_string(&said.entry).unwrap_or_default().as_bytes())
}
