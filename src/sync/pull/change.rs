//! Messages that are here: renamed, moved, given another body, or adopted.

use super::Puller;
use super::arrive::Body;
use crate::local::{Changed, FolderDir, LocalWrite, MessageName, Moved};
use crate::pim::{FileKey, FolderKey, ItemKey, Marks};
use crate::plan::{Content, LocalState};
use crate::remote::{Fetched, RemoteWrite};
use crate::state::{CHANGED, ItemRow, Standing, search_hash};
use crate::sync::rows::{Remote, label, rendering_of, take_content, take_remote};
use crate::sync::view::LocalFile;
use crate::sync::{NoticeKind, Step, SyncError, lock, stops_run};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Puller<'_, '_, R, L> {
    pub(super) async fn update(&mut self, update: Update) -> Result<(), SyncError> {
        let Some(mut row) = self.row(update.key)? else { return Ok(()) };
        let file = update.local.map_or_else(|| lock(self.view).file(&row), |local| local.at);
        let target = update.move_to.unwrap_or(file.folder);
        let (Some(from), Some(to)) = (self.directory(file.folder).await?, self.directory(target).await?) else {
            return Ok(());
        };
        let mut edited = file.edited;
        if update.content != Content::Keep {
            match self.replace(&mut row, &file, &from, &update.remote, update.content).await? {
                Replaced::Done => edited = false,
                Replaced::Later(reason) => {
                    self.later(row, &update.remote, reason);
                    return Ok(());
                }
            }
        }
        let keywords = self.keywords(&to, &[&update.marks]).await?;
        let (letters, _) = keywords.letters_for(&update.marks.categories);
        let name = file.name.with_marks(update.marks.flags, letters.union(keywords.unassigned(file.name.letters())));
        let name = match self.rename(&from, &file.name, &to, name).await? {
            Ok(name) => name,
            Err(reason) => {
                self.later(row, &update.remote, reason);
                return Ok(());
            }
        };
        let moved = target != file.folder;
        let changed = file.marks != update.marks || update.content != Content::Keep;
        self.run.tally(self.place, |tally| {
            tally.moved_here += u64::from(moved);
            tally.changed_here += u64::from(changed);
        });
        take_remote(&mut row, &update.remote);
        if update.content == Content::Keep {
            take_content(&mut row, &file);
        }
        row.flags = update.agreed.flags;
        let still = LocalFile { folder: target, name: name.clone(), marks: update.marks, edited, content: None };
        self.settle(row, still, update.agreed);
        Ok(())
    }

    /// Both sides have it: the file stays as it is, but for the marks that the server has and it has not, and a body that is another one.
    pub(super) async fn adopt(
        &mut self,
        remote: Remote,
        local: LocalState<LocalFile>,
        marks: Marks,
        agreed: Marks,
        content: Content,
    ) -> Result<(), SyncError> {
        let file = local.at;
        let Some(dir) = self.directory(file.folder).await? else { return Ok(()) };
        let (at, name, compared) = (dir.clone(), file.name.clone(), file.content);
        let read = self.run.blocking(move |local| match compared {
            Some(content) => Ok(Some((content.digest, content.len))),
            None => local.digest(&at, &name),
        });
        let (digest, len) = match read.await {
            Ok(Some(read)) => read,
            Ok(None) => {
                self.trouble(&remote.at, CHANGED, "its file vanished during the sync".to_owned());
                return Ok(());
            }
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.trouble(&remote.at, "Local", error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut row = ItemRow {
            key: ItemKey(0),
            folder: file.folder,
            id: remote.at.id.clone(),
            change_key: remote.at.change_key.clone(),
            search: remote.at.search_key.as_ref().map(search_hash),
            size: remote.at.size,
            server: remote.marks.clone(),
            file: file.name.key().clone(),
            flags: agreed.flags,
            len,
            digest,
            rendering: None,
            standing: Standing::Agreed,
        };
        if content != Content::Keep
            && let Replaced::Later(reason) = self.replace(&mut row, &file, &dir, &remote, content).await?
        {
            self.trouble(&remote.at, CHANGED, reason);
            return Ok(());
        }
        let edited = file.edited && content == Content::Keep;
        if content == Content::Keep
            && let Some(agreed) = file.content
        {
            // What the server says, or what was compared with it: should the file be moved or written before the push, that shows.
            (row.digest, row.len, row.rendering) = (agreed.digest, agreed.len, agreed.rendering);
        }
        let keywords = self.keywords(&dir, &[&marks]).await?;
        let (letters, _) = keywords.letters_for(&marks.categories);
        let wanted = file.name.with_marks(marks.flags, letters.union(keywords.unassigned(file.name.letters())));
        let name = match self.rename(&dir, &file.name, &dir, wanted).await? {
            Ok(name) => name,
            Err(reason) => {
                self.trouble(&remote.at, CHANGED, reason);
                return Ok(());
            }
        };
        row.file = name.key().clone();
        let new = row.clone();
        let tag = self.run.tag(self.place, &row.file);
        let key = self
            .run
            .commit(move |tx| {
                tx.end_upload(&tag)?;
                tx.add_item(&new)
            })
            .await?;
        self.run.tally(self.place, |tally| tally.adopted += 1);
        lock(self.view).claim(&file);
        let now = LocalFile { folder: file.folder, name, marks, edited, content: None };
        self.settle(ItemRow { key, ..row }, now, agreed);
        Ok(())
    }

    /// Renames or moves a file. `Err` says why it could not be done just now.
    async fn rename(
        &mut self,
        from: &FolderDir,
        name: &MessageName,
        to: &FolderDir,
        wanted: MessageName,
    ) -> Result<Result<MessageName, String>, SyncError> {
        if from == to && *name == wanted {
            return Ok(Ok(wanted));
        }
        for attempt in 0..20 {
            let target = if attempt == 0 { wanted.clone() } else { wanted.with_key(numbered(wanted.key(), attempt)) };
            let (dir, old, into, new) = (from.clone(), name.clone(), to.clone(), target.clone());
            let moved = self.run.blocking(move |local| match dir == into {
                true => local.rename(&dir, &old, &new),
                false => local.move_message(&dir, &old, &into, &new),
            });
            match moved.await {
                Ok(Moved::Done) => {
                    self.touched.insert(from.clone());
                    self.touched.insert(to.clone());
                    self.run.step(Step::FileChanged)?;
                    return Ok(Ok(target));
                }
                Ok(Moved::Vanished) => return Ok(Err("its file was renamed or removed during the sync".to_owned())),
                Ok(Moved::Taken) => {}
                Err(SyncError::Local(error)) if !stops_run(&error) => return Ok(Err(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(Err("every name for it is taken".to_owned()))
    }

    /// Puts the server's body in the place of the file's.
    async fn replace(
        &mut self,
        row: &mut ItemRow,
        file: &LocalFile,
        dir: &FolderDir,
        remote: &Remote,
        content: Content,
    ) -> Result<Replaced, SyncError> {
        let mut fetched = self.fetch(dir, &[&remote.at]).await?;
        let staged = match fetched.pop() {
            // A whole file is not given up for headers and text.
            Some(Ok(Body { fetched: Fetched::Rebuilt, .. })) => {
                return Ok(Replaced::Later("the server cannot render it just now".to_owned()));
            }
            Some(Ok(Body { staged, fetched: Fetched::Rendered })) => staged,
            Some(Err(error)) => return Ok(Replaced::Later(error.to_string())),
            None => return Ok(Replaced::Later("the server answered without a body".to_owned())),
        };
        self.run.step(Step::BodiesStaged)?;
        let (digest, len, rendering) = (staged.digest(), staged.len(), rendering_of(&staged));
        let (at, name) = (dir.clone(), file.name.clone());
        let expected = match file.edited {
            false => Some(file.content.map_or(row.digest, |content| content.digest)),
            true => self.run.blocking(move |local| Ok(local.digest(&at, &name)?.map(|(digest, _)| digest))).await?,
        };
        let Some(expected) = expected else {
            return Ok(Replaced::Later("its file vanished during the sync".to_owned()));
        };
        if content == Content::ReplaceKeepingCopy {
            let (at, name) = (dir.clone(), file.name.clone());
            let Some(copy) = self.run.blocking(move |local| local.keep_conflict_copy(&at, &name)).await? else {
                return Ok(Replaced::Later("its file vanished during the sync".to_owned()));
            };
            let copy = copy.display().to_string();
            let text =
                format!("edited here and on the server: the server's version is in place, yours is kept as {copy}");
            self.run.notice(self.place.path(), NoticeKind::Conflict, Some(label(&remote.at)), text);
            self.run.tally(self.place, |tally| tally.conflicts += 1);
            // Noted at once: after a cut-off, both sides say the same, and nothing else tells of the copy.
            let (folder, key, now) = (self.place.key(), row.key, self.run.now());
            self.run.commit(move |tx| tx.add_conflict(folder, key, &copy, now)).await?;
        }
        let (at, name) = (dir.clone(), file.name.clone());
        match self.run.blocking(move |local| local.replace(&at, &name, staged, expected)).await {
            Ok(Changed::Done) => {}
            Ok(Changed::Vanished | Changed::ChangedMeanwhile) => {
                return Ok(Replaced::Later("its file was changed during the sync".to_owned()));
            }
            Err(SyncError::Local(error)) if !stops_run(&error) => return Ok(Replaced::Later(error.to_string())),
            Err(error) => return Err(error),
        }
        self.run.step(Step::FileChanged)?;
        (row.digest, row.len, row.rendering) = (digest, len, rendering);
        Ok(Replaced::Done)
    }
}

/// The fields of [`Op::Update`].
pub(super) struct Update {
    pub(super) key: ItemKey,
    pub(super) remote: Remote,
    pub(super) local: Option<LocalState<LocalFile>>,
    pub(super) marks: Marks,
    pub(super) agreed: Marks,
    pub(super) content: Content,
    pub(super) move_to: Option<FolderKey>,
}

enum Replaced {
    Done,
    /// Not now; why.
    Later(String),
}

/// A key for a name that is taken.
pub(super) fn numbered(key: &FileKey, number: u32) -> FileKey {
    FileKey::new([key.as_bytes(), format!(".{number}").as_bytes()].concat())
}
