//! Messages that come in: their bodies, rows and files.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use tokio::sync::SemaphorePermit;

use super::change::numbered;
use super::{Note, Puller};
use crate::local::{Delivery, FolderDir, LocalWrite, MessageName, StagedFile, delivered_key};
use crate::pim::{Digest, FileKey, ItemId, ItemKey, Marks, ServerMessage};
use crate::remote::{Fetched, ItemError, RemoteWrite};
use crate::state::{ItemRow, Standing, search_hash};
use crate::sync::bodies::StagingSink;
use crate::sync::rows::{Remote, label, received, rendering_of};
use crate::sync::view::{LocalFile, base_marks};
use crate::sync::{NoticeKind, Progress, Step, SyncError, lock, stops_run};

/// Bodies fetched with one call: enough to fill the wire, few enough to keep few files open.
const GROUP_ITEMS: usize = 64;
const GROUP_BYTES: u64 = 8 << 20;
/// Groups fetched at a time.
const GROUPS_AT_ONCE: usize = 4;

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Puller<'_, '_, R, L> {
    pub(super) async fn download(
        &mut self,
        downloads: Vec<(Remote, Option<ItemKey>)>,
        turn: Option<SemaphorePermit<'_>>,
    ) -> Result<(), SyncError> {
        if downloads.is_empty() {
            return Ok(());
        }
        let Some(dir) = self.directory(self.place.key()).await? else { return Ok(()) };
        let messages: Vec<&ServerMessage> = downloads.iter().map(|(remote, _)| &*remote.at).collect();
        let staged = self.fetch(&dir, &messages).await?;
        drop(turn);
        self.run.step(Step::BodiesStaged)?;
        let marks: Vec<Marks> = downloads.iter().map(|(remote, _)| remote.marks.to_local()).collect();
        let keywords = self.keywords(&dir, &marks.iter().collect::<Vec<_>>()).await?;

        let wanted: Vec<FileKey> =
            downloads.iter().map(|(remote, _)| delivered_key(received(&remote.at), &remote.at.id)).collect();
        let holders = self.holders(&wanted)?;
        let wanted = wanted.into_iter().zip(holders);
        let mut arrivals = Vec::new();
        for ((((remote, instead_of), staged), marks), wanted) in
            downloads.into_iter().zip(staged).zip(&marks).zip(wanted)
        {
            match staged {
                Ok(Body { staged, fetched }) => {
                    let (letters, _) = keywords.letters_for(&marks.categories);
                    let file = self.free_key(&dir, wanted, instead_of, staged.digest()).await?;
                    let name = MessageName::for_delivery(file.clone(), marks.flags, letters);
                    let row = self.arriving_row(&remote, file, marks, &staged);
                    arrivals.push(Arrival { row, instead_of, staged, fetched, name, remote });
                }
                Err(error) => self.trouble(&remote.at, &error.code, error.message),
            }
        }
        self.deliver(&dir, arrivals).await
    }

    /// Where other items have the file's keys that arriving messages want: their numbers, in order. Those count, too, whose files were moved
    /// here since the base noted them elsewhere.
    fn holders(&self, wanted: &[FileKey]) -> Result<Vec<Option<ItemKey>>, SyncError> {
        let folder = self.place.key();
        let noted: Vec<Option<ItemRow>> = self
            .run
            .state()
            .read(|state| wanted.iter().map(|key| state.item_of_file(folder, key)).collect::<Result<_, _>>())?;
        let view = lock(self.view);
        let here = view.changed.iter().filter(|(_, file)| file.folder == folder);
        let moved: HashMap<&FileKey, ItemKey> = here.map(|(item, file)| (file.name.key(), *item)).collect();
        let holder = |(row, key): (Option<ItemRow>, _)| row.map(|row| row.key).or_else(|| moved.get(key).copied());
        Ok(noted.into_iter().zip(wanted).map(holder).collect())
    }

    /// The key of an arriving message's file: what follows from its id, or that with a number where another message has it. That was uploaded
    /// from the very file that this one was once delivered into.
    async fn free_key(
        &self,
        dir: &FolderDir,
        (wanted, holder): (FileKey, Option<ItemKey>),
        instead_of: Option<ItemKey>,
        digest: Digest,
    ) -> Result<FileKey, SyncError> {
        let folder = self.place.key();
        for number in 0..20 {
            let (key, holder) = match number {
                0 => (wanted.clone(), holder),
                _ => {
                    let key = numbered(&wanted, number);
                    let holder = self.holders(std::slice::from_ref(&key))?.pop().flatten();
                    (key, holder)
                }
            };
            if holder.is_some() && holder != instead_of {
                continue;
            }
            let loose =
                lock(self.view).loose.get(&folder).and_then(|files| files.get(&key)).map(|file| file.name.clone());
            let Some(name) = loose else { return Ok(key) };
            let at = dir.clone();
            // An interrupted delivery leaves the very message behind.
            match self.run.blocking(move |local| local.digest(&at, &name)).await {
                Ok(Some((there, _))) if there != digest => {}
                Ok(_) => return Ok(key),
                Err(SyncError::Local(error)) if !stops_run(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(wanted)
    }

    fn arriving_row(&self, remote: &Remote, file: FileKey, marks: &Marks, staged: &StagedFile) -> ItemRow {
        ItemRow {
            key: ItemKey(0),
            folder: self.place.key(),
            id: remote.at.id.clone(),
            change_key: remote.at.change_key.clone(),
            search: remote.at.search_key.as_ref().map(search_hash),
            size: remote.at.size,
            server: remote.marks.clone(),
            file,
            flags: marks.flags,
            len: staged.len(),
            digest: staged.digest(),
            rendering: if remote.marks.draft { rendering_of(staged) } else { None },
            standing: Standing::Arriving,
        }
    }

    /// Fetches bodies into `tmp`, several groups at a time. An answer for each message, in order.
    pub(super) async fn fetch(
        &self,
        dir: &FolderDir,
        messages: &[&ServerMessage],
    ) -> Result<Vec<Result<Body, ItemError>>, SyncError> {
        let groups = groups(messages);
        let mut fetched: Vec<_> = stream::iter(
            groups.into_iter().enumerate().map(|(at, group)| async move { (at, self.fetch_group(dir, group).await) }),
        )
        .buffer_unordered(GROUPS_AT_ONCE)
        .collect()
        .await;
        fetched.sort_by_key(|(at, _)| *at);
        let mut staged = Vec::with_capacity(messages.len());
        for (_, group) in fetched {
            staged.extend(group?);
        }
        Ok(staged)
    }

    async fn fetch_group(
        &self,
        dir: &FolderDir,
        group: &[&ServerMessage],
    ) -> Result<Vec<Result<Body, ItemError>>, SyncError> {
        let engine = self.run.engine;
        let items: Vec<(ItemId, u64)> = group.iter().map(|message| (message.id.clone(), message.size)).collect();
        let mut sink =
            StagingSink::new(Arc::clone(&engine.local), dir.clone(), Arc::clone(&engine.observer), items.len());
        let answers = engine.remote.bodies(&items, &mut sink).await;
        if let Some(failure) = sink.failure.take() {
            return Err(failure.into());
        }
        let mut staged = Vec::with_capacity(group.len());
        for (slot, (answer, message)) in answers?.into_iter().zip(group).enumerate() {
            if let Ok(Fetched::Rebuilt) = answer {
                let text = "the server cannot render it: what is here was put together from its headers and text; \
                            its attachments are on the server only";
                self.run.notice(self.place.path(), NoticeKind::Skipped, Some(label(message)), text.to_owned());
            }
            staged.push(match (answer, sink.take(slot)) {
                (Ok(fetched), Some(file)) => Ok(Body { staged: file.finish(Some(received(message)))?, fetched }),
                (Ok(_), None) => Err(ItemError {
                    class: crate::remote::ItemErrorClass::Unrenderable,
                    code: "NoBody".to_owned(),
                    message: "the server answered without a body".to_owned(),
                }),
                (Err(error), _) => Err(error),
            });
        }
        self.run.progress(&Progress::Messages(group.len() as u64));
        Ok(staged)
    }

    /// Rows first, then the files, then the rows say that the files are there.
    async fn deliver(&mut self, dir: &FolderDir, arrivals: Vec<Arrival>) -> Result<(), SyncError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let rows: Vec<(ItemRow, Option<ItemKey>)> =
            arrivals.iter().map(|arrival| (arrival.row.clone(), arrival.instead_of)).collect();
        let keys = self
            .run
            .commit(move |tx| {
                rows.iter()
                    .map(|(row, instead_of)| {
                        instead_of.map_or(Ok(()), |key| tx.forget_item(key))?;
                        tx.add_item(row)
                    })
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        self.run.step(Step::ArrivalsNoted)?;

        let mut batch = Vec::with_capacity(arrivals.len());
        let mut waiting = Vec::with_capacity(arrivals.len());
        for (arrival, key) in arrivals.into_iter().zip(keys) {
            batch.push(Delivery { staged: arrival.staged, dir: dir.clone(), name: arrival.name.clone() });
            waiting.push((
                ItemRow { key, standing: Standing::Agreed, ..arrival.row },
                arrival.name,
                arrival.remote,
                arrival.instead_of,
                arrival.fetched,
            ));
        }
        let delivered = self.run.blocking(move |local| local.deliver(batch)).await?;
        self.run.step(Step::Delivered)?;
        for ((row, name, remote, instead_of, fetched), answer) in waiting.into_iter().zip(delivered) {
            match answer {
                Ok(_) => {
                    self.run.tally(self.place, |tally| tally.downloaded += 1);
                    let mut view = lock(self.view);
                    instead_of.map(|key| view.away.remove(&key));
                    let arrived = LocalFile {
                        folder: row.folder,
                        name: name.clone(),
                        marks: base_marks(&row),
                        edited: false,
                        content: None,
                    };
                    // An interrupted delivery left this very file behind: it is no stranger.
                    view.claim(&arrived);
                    view.settle(row.key, row.folder, name);
                    self.notes.push(match fetched {
                        Fetched::Rendered => Note::EndTrouble(row.id),
                        Fetched::Rebuilt => Note::unrendered(&remote.at),
                    });
                    self.notes.push(Note::Arrived(row.key));
                }
                Err(error) if stops_run(&error) => return Err(error.into()),
                Err(error) => {
                    self.notes.push(Note::Forget(row.key));
                    self.trouble(&remote.at, "Local", error.to_string());
                }
            }
        }
        Ok(())
    }
}

struct Arrival {
    row: ItemRow,
    instead_of: Option<ItemKey>,
    staged: StagedFile,
    fetched: Fetched,
    name: MessageName,
    remote: Remote,
}

/// A body in `tmp`.
pub(super) struct Body {
    pub(super) staged: StagedFile,
    pub(super) fetched: Fetched,
}

/// Cuts messages into groups by number and size.
fn groups<'m, 's>(messages: &'s [&'m ServerMessage]) -> Vec<&'s [&'m ServerMessage]> {
    let mut groups = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        if at > from && (at - from >= GROUP_ITEMS || bytes + message.size > GROUP_BYTES) {
            groups.extend(messages.get(from..at));
            (from, bytes) = (at, 0);
        }
        bytes += message.size;
    }
    groups.extend(messages.get(from..).filter(|rest| !rest.is_empty()));
    groups
}
