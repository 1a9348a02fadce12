//! Messages that are created on the server. An upload is noted before it is sent; its tag finds it again when the answer is lost.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use futures_util::stream::{self, TryStreamExt};

use super::outgoing::FileFacts;
use super::{BATCH, Pusher};
use crate::local::LocalWrite;
use crate::pim::{Digest, FileKey, Flag, Flags, FolderId, FolderKey, ItemKey, ServerMarks, Tag};
use crate::plan::LocalState;
use crate::plan::proof::MessageRemoval;
use crate::remote::{Disposal, ItemError, ItemErrorClass, Placed, RemoteError, RemoteWrite, Upload};
use crate::state::{ItemRow, Standing, Subject, UploadIntent};
use crate::sync::rows::rows_of;
use crate::sync::tree::Place;
use crate::sync::view::LocalFile;
use crate::sync::{Progress, Run, Step, SyncError, letters};

/// Bytes of one batch.
const BATCH_BYTES: u64 = 4 << 20;
/// Batches under way at a time: while the server takes some in, others are read and noted.
const BATCHES_AT_ONCE: usize = 4;

/// A message to be created.
pub(super) struct NewMessage {
    pub(super) local: LocalState<LocalFile>,
    /// The row that it takes the place of.
    pub(super) instead_of: Option<ItemKey>,
    /// The old version on the server, to be deleted when the new one is there.
    pub(super) replaces: Option<MessageRemoval>,
}

/// Messages that are uploaded together, and what was read of their files.
type Batch = Vec<(NewMessage, FileFacts)>;

/// Uploads to a folder that are not in a batch yet.
struct Waiting {
    uploads: std::vec::IntoIter<NewMessage>,
    /// The one that did not fit into the last batch.
    next: Option<(NewMessage, FileFacts)>,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Pusher<'_, '_, R, L> {
    pub(super) async fn uploads(&mut self, uploads: Vec<NewMessage>) -> Result<(), SyncError> {
        self.run.progress(&Progress::UploadsAhead(uploads.len() as u64));
        let mut by_folder: BTreeMap<FolderKey, Vec<NewMessage>> = BTreeMap::new();
        for upload in uploads {
            by_folder.entry(upload.local.folder).or_default().push(upload);
        }
        for (folder, uploads) in by_folder {
            let Some(to) = self.folder_there(folder).await? else { continue };
            self.upload_into(folder, &to, uploads).await?;
        }
        Ok(())
    }

    async fn upload_into(&self, folder: FolderKey, to: &FolderId, uploads: Vec<NewMessage>) -> Result<(), SyncError> {
        let waiting = Waiting { uploads: uploads.into_iter(), next: None };
        stream::try_unfold(waiting, |mut waiting| async move {
            Ok(self.next_batch(&mut waiting).await?.map(|batch| (batch, waiting)))
        })
        .map_ok(|batch| self.upload_batch(folder, to, batch))
        .try_buffer_unordered(BATCHES_AT_ONCE)
        .try_collect::<()>()
        .await
    }

    /// Reads as many files as go into one batch; `None` when none are left, or the mailbox is full.
    async fn next_batch(&self, waiting: &mut Waiting) -> Result<Option<Batch>, SyncError> {
        let mut batch: Batch = waiting.next.take().into_iter().collect();
        let mut bytes: u64 = batch.iter().map(|(_, file)| file.len).sum();
        while !self.full.load(Ordering::Relaxed)
            && let Some(mut upload) = waiting.uploads.next()
        {
            if !letters::translate(self.run, self.tree, self.view, &mut upload.local.at).await? {
                continue;
            }
            let Some(file) = self.read_file(&upload.local.at).await? else { continue };
            if !batch.is_empty() && (batch.len() >= BATCH || bytes + file.len > BATCH_BYTES) {
                waiting.next = Some((upload, file));
                break;
            }
            bytes += file.len;
            batch.push((upload, file));
        }
        Ok(Some(batch).filter(|batch| !batch.is_empty() && !self.full.load(Ordering::Relaxed)))
    }

    async fn upload_batch(&self, folder: FolderKey, to: &FolderId, batch: Batch) -> Result<(), SyncError> {
        let Some(mut place) = self.place(folder).cloned() else { return Ok(()) };
        place.row.id = to.clone();
        let tags: Vec<Tag> = batch.iter().map(|(upload, file)| self.upload_tag(&place, upload, file)).collect();
        self.note_intents(&batch, &tags).await?;
        self.run.step(Step::UploadsNoted)?;
        let bodies = batch
            .iter()
            .map(|(upload, file)| self.body(&upload.local.at, file))
            .collect::<Result<Vec<_>, SyncError>>()?;
        let messages: Vec<Upload<'_>> = batch
            .iter()
            .zip(&bodies)
            .zip(&tags)
            .map(|(((upload, file), body), tag)| Upload {
                tag: tag.clone(),
                marks: upload.local.marks.to_server(),
                received: file.received,
                body,
            })
            .collect();
        let answers = match self.run.remote().create_messages(to, &messages).await {
            Err(RemoteError::Quota) => {
                let error = ItemError {
                    class: ItemErrorClass::Quota,
                    code: "ErrorQuotaExceeded".to_owned(),
                    message: String::new(),
                };
                batch.iter().map(|_| Err(error.clone())).collect()
            }
            other => other?,
        };
        self.run.step(Step::UploadsSent)?;
        drop(messages);
        drop(bodies);
        let mut done = Vec::new();
        for (((upload, file), tag), answer) in batch.into_iter().zip(tags).zip(answers) {
            match answer {
                Ok(placed) => done.push((upload, file, tag, placed)),
                Err(error) => {
                    self.refused(folder, &upload.local.at, &error).await?;
                    if error.class != ItemErrorClass::Unknown {
                        self.run.commit(move |tx| tx.end_upload(&tag)).await?;
                    }
                }
            }
        }
        self.note_uploaded(&place, done).await
    }

    /// A new version of a message that is still there gets a tag of its own.
    fn upload_tag(&self, place: &Place, upload: &NewMessage, file: &FileFacts) -> Tag {
        let tag = self.run.tag(place, upload.local.at.name.key());
        if upload.replaces.is_none() && upload.instead_of.is_none() {
            return tag;
        }
        tag_of_version(&tag, file.digest, upload.local.marks.flags)
    }

    async fn note_intents(&self, batch: &[(NewMessage, FileFacts)], tags: &[Tag]) -> Result<(), SyncError> {
        let since = self.run.now();
        let intents: Vec<UploadIntent> = batch
            .iter()
            .zip(tags)
            .map(|((upload, file), tag)| UploadIntent {
                tag: tag.clone(),
                folder: upload.local.folder,
                file: upload.local.at.name.key().clone(),
                len: file.len,
                digest: file.digest,
                since,
                instead_of: upload.instead_of,
                rendering: file.rendering,
                says: Some(upload.local.marks.clone()),
            })
            .collect();
        self.run.commit(move |tx| intents.iter().try_for_each(|intent| tx.add_upload(intent))).await
    }

    /// Uploaded messages become items. The old versions of those that were created anew are deleted after that.
    async fn note_uploaded(
        &self,
        place: &Place,
        done: Vec<(NewMessage, FileFacts, Tag, Placed)>,
    ) -> Result<(), SyncError> {
        if done.is_empty() {
            return Ok(());
        }
        self.changed.store(true, Ordering::Relaxed);
        self.run.tally(place, |tally| tally.uploaded += done.len() as u64);
        self.run.progress(&Progress::Messages(done.len() as u64));
        let folder = place.key();
        let old = rows_of(self.run, done.iter().filter_map(|(upload, ..)| upload.instead_of))?;
        let mut rows = Vec::new();
        let mut outdated = Vec::new();
        for (upload, file, tag, placed) in done {
            let mut row = new_row(folder, &upload.local, &file, placed);
            if row.server.draft {
                row.rendering = self.rendering_there(&row, &row.change_key).await?.or(file.rendering);
            }
            let before = upload.instead_of.and_then(|key| old.get(&key)).cloned();
            if let (Some(before), Some(removal)) = (&before, upload.replaces) {
                outdated.push((before.clone(), removal));
            }
            rows.push((row, before, tag));
        }
        self.run
            .commit(move |tx| {
                for (row, before, tag) in &rows {
                    before.as_ref().map_or(Ok(()), |before| tx.supersede(before))?;
                    tx.add_item(row)?;
                    tx.end_upload(tag)?;
                    tx.end_trouble(folder, &Subject::File(row.file.clone()))?;
                }
                Ok(())
            })
            .await?;
        self.run.step(Step::PushNoted)?;
        if !outdated.is_empty() {
            // What cannot be deleted now (it changed there meanwhile) comes back as a message of its own: nothing is lost.
            self.delete_batch(outdated, Disposal::ToDeletedItems).await?;
        }
        Ok(())
    }
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Run<'_, R, L> {
    /// The tag of a file's upload: the same each time.
    pub(in crate::sync) fn tag(&self, place: &Place, file: &FileKey) -> Tag {
        let mut hasher = blake3::Hasher::new();
        for part in [self.engine.settings.identity.as_bytes(), place.row.id.as_str().as_bytes(), file.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hex = hasher.finalize().to_hex();
        Tag::new(hex.get(..32).unwrap_or_default())
    }
}

/// The tag of a new version of a message.
pub(in crate::sync) fn tag_of_version(tag: &Tag, digest: Digest, flags: Flags) -> Tag {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tag.as_str().as_bytes());
    hasher.update(&digest.0);
    // Of the flags, a new version is made for this alone; the others may be changed before the tag is looked for.
    hasher.update(&[u8::from(flags.has(Flag::Draft))]);
    Tag::new(hasher.finalize().to_hex().get(..32).unwrap_or_default())
}

fn new_row(folder: FolderKey, local: &LocalState<LocalFile>, file: &FileFacts, placed: Placed) -> ItemRow {
    let server = local.marks.to_server();
    ItemRow {
        key: ItemKey(0),
        folder,
        id: placed.id,
        change_key: placed.change_key,
        search: None,
        size: 0,
        server: ServerMarks { draft: local.marks.flags.has(Flag::Draft), ..server },
        file: local.at.name.key().clone(),
        flags: local.marks.flags,
        len: file.len,
        digest: file.digest,
        rendering: file.rendering,
        standing: Standing::Agreed,
    }
}
