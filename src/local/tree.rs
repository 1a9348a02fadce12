//! The one implementation: Maildirs under `Database/Exchange/ACCOUNT`.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{look, sync};
use super::on_my_computer::LOCAL;
use super::platform::{self, Kind};
use super::remembered::Remembered;
use super::taken::TakenNames;
use super::{
    Changed, Delivery, DirId, DirStamp, EntryContent, EntryListing, Expect, FileStat, Fingerprint, FolderDir,
    FolderForm, FolderRemoved, Keywords, Leftovers, LocalError, LocalRead, LocalTree, LocalWrite, MessageName, Moved,
    NewEntry, ScanEnd, Staged, StagedFile, Subdir,
};
use crate::clock::Clock;
use crate::pim::{Categories, Digest};
use crate::plan::proof::{FolderRemoval, MessageRemoval};

/// Where all accounts of an identity lie, below its `Database`.
pub(crate) const EXCHANGE: &str = "Exchange";

/// Where the public folders of an account lie, in its directory. A folder of the mailbox that has this name gets a directory with another one.
pub(crate) const PUBLIC_FOLDERS: &str = "Public Folders";

/// Where the other mailboxes of an account lie, each in a directory of its own, in the account's. The same holds for this name.
pub(crate) const OTHER_MAILBOXES: &str = "Other Mailboxes";

/// Whether what lies in a directory of this name at the top of a mailbox's is another tree's.
pub(crate) fn is_other_trees(name: &str) -> bool {
    matches!(name, PUBLIC_FOLDERS | OTHER_MAILBOXES)
}

/// The mail folders of one account.
pub struct MailTree {
    /// `Database/Exchange/ACCOUNT`.
    pub(super) account: PathBuf,
    /// `Database`.
    pub(super) database: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    staged: AtomicU64,
    pub(super) taken: TakenNames,
    remembered: Arc<Remembered>,
}

impl fmt::Debug for MailTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailTree({})", self.account.display())
    }
}

impl MailTree {
    /// Opens the tree of an account whose directory has that name, or of its public folders, whose directory lies in it.
    ///
    /// # Errors
    /// [`LocalError::FolderGone`] when the account has no directory: then the disk is not mounted, or [`Self::create`] was never called.
    pub fn open(database: &Path, account: &str, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        Self::at(FolderDir::new(account)?.under(&database.join(EXCHANGE)), database, clock)
    }

    /// Opens On My Computer, whose mail folders are like an account's.
    ///
    /// # Errors
    /// That it is not there.
    pub(crate) fn open_on_my_computer(database: &Path, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        Self::at(database.join(LOCAL), database, clock)
    }

    fn at(account: PathBuf, database: &Path, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        match look(&account)? {
            Some(found) if found.kind == Kind::Dir => Ok(Self {
                account,
                database: database.to_owned(),
                clock,
                staged: AtomicU64::new(0),
                taken: TakenNames::default(),
                remembered: Arc::default(),
            }),
            Some(_) => Err(LocalError::Taken { path: account }),
            None => Err(LocalError::FolderGone { path: account }),
        }
    }

    /// Makes the account's directory, if need be, and opens it. For `setup` only: where one was and is missing, all that was in it would count as
    /// deleted.
    pub fn create(database: &Path, account: &str, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        let name = FolderDir::new(account)?;
        let exchange = database.join(EXCHANGE);
        let up = std::iter::successors(Some(name), FolderDir::parent).take_while(|dir| !dir.is_root());
        let mut down: Vec<PathBuf> = up.map(|dir| dir.under(&exchange)).chain([exchange.clone()]).collect();
        down.reverse();
        for path in down {
            platform::create_dir(&path).map_err(|error| LocalError::io("create", &path, error))?;
            path.parent().map_or(Ok(()), sync)?;
        }
        Self::open(database, account, clock)
    }

    /// The same, with what is known of files that were read before.
    #[must_use]
    pub fn remembering(self, remembered: Arc<Remembered>) -> Self {
        Self { remembered, ..self }
    }

    /// The account's directory.
    pub fn path(&self) -> &Path {
        &self.account
    }

    /// A folder's directory, for messages to people.
    pub fn folder_path(&self, dir: &FolderDir) -> PathBuf {
        dir.under(&self.account)
    }

    /// A message's file, for messages to people.
    pub fn message_path(&self, dir: &FolderDir, name: &MessageName) -> PathBuf {
        self.subdir_path(dir, name.subdir()).join(name.file_name())
    }

    pub(super) fn subdir_path(&self, dir: &FolderDir, subdir: Subdir) -> PathBuf {
        self.folder_path(dir).join(subdir.as_str())
    }

    pub(super) fn tmp_path(&self, dir: &FolderDir) -> PathBuf {
        self.folder_path(dir).join("tmp")
    }

    /// A name for a file of ours that no other run and no other file of this run has, unless a run before it died.
    pub(super) fn unique_name(&self) -> String {
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        format!("{}{}.{number}", super::leftovers::STAGED, std::process::id())
    }
}

impl LocalRead for MailTree {
    fn folders(&self) -> Result<LocalTree, LocalError> {
        self.list_folders()
    }

    fn scan(&self, dir: &FolderDir, visit: &mut dyn FnMut(MessageName)) -> Result<ScanEnd, LocalError> {
        self.scan_folder(dir, visit)
    }

    fn stamp(&self, dir: &FolderDir) -> Result<DirStamp, LocalError> {
        self.stamp_folder(dir)
    }

    fn fingerprint(&self, dir: &FolderDir) -> Result<Fingerprint, LocalError> {
        self.fingerprint_folder(dir)
    }

    fn keywords(&self, dir: &FolderDir) -> Result<Keywords, LocalError> {
        self.read_keywords(dir)
    }

    fn stat(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<FileStat>, LocalError> {
        self.stat_message(dir, name)
    }

    fn digest(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<(Digest, u64)>, LocalError> {
        super::scan::digest_at(&self.message_path(dir, name))
    }

    fn digest_again(&self, dir: &FolderDir, name: &MessageName, stat: FileStat) -> Result<Option<Digest>, LocalError> {
        let path = self.message_path(dir, name);
        if let Some(digest) = self.remembered.get(&path, stat) {
            return Ok(Some(digest));
        }
        let Some((digest, _)) = super::scan::digest_at(&path)? else { return Ok(None) };
        if self.stat(dir, name)? == Some(stat) {
            self.remembered.note(path, stat, digest, self.clock.wall());
        }
        Ok(Some(digest))
    }

    fn open(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<File>, LocalError> {
        super::scan::open_at(&self.message_path(dir, name))
    }

    fn list_entries(&self, dir: &FolderDir, extension: &str) -> Result<EntryListing, LocalError> {
        self.list_vdir(dir, extension)
    }

    fn stat_entry(&self, dir: &FolderDir, name: &str) -> Result<Option<FileStat>, LocalError> {
        self.stat_in_vdir(dir, name)
    }

    fn read_entry(&self, dir: &FolderDir, name: &str) -> Result<EntryContent, LocalError> {
        self.read_vdir_entry(dir, name)
    }
}

impl LocalWrite for MailTree {
    fn create_folder(&self, dir: &FolderDir, form: FolderForm, true_name: &str) -> Result<DirId, LocalError> {
        self.make_folder(dir, form, true_name)
    }

    fn rename_folder(&self, from: &FolderDir, to: &FolderDir, true_name: &str) -> Result<Moved, LocalError> {
        self.move_folder(from, to, true_name)
    }

    fn remove_folder(&self, dir: &FolderDir, proof: FolderRemoval) -> Result<FolderRemoved, LocalError> {
        self.take_folder(dir, proof)
    }

    fn stage(&self, dir: &FolderDir) -> Result<Staged, LocalError> {
        self.stage_in(dir)
    }

    fn deliver(&self, batch: Vec<Delivery>) -> Result<Vec<Result<FileStat, LocalError>>, LocalError> {
        self.deliver_all(batch)
    }

    fn rename(&self, dir: &FolderDir, from: &MessageName, to: &MessageName) -> Result<Moved, LocalError> {
        self.rename_message(dir, from, dir, to)
    }

    fn move_message(
        &self,
        from_dir: &FolderDir,
        from: &MessageName,
        to_dir: &FolderDir,
        to: &MessageName,
    ) -> Result<Moved, LocalError> {
        self.rename_message(from_dir, from, to_dir, to)
    }

    fn remove(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        expect: &Expect,
        proof: MessageRemoval,
    ) -> Result<Changed, LocalError> {
        self.remove_message(dir, name, expect, proof)
    }

    fn replace(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        staged: StagedFile,
        expect: Digest,
    ) -> Result<Changed, LocalError> {
        self.replace_message(dir, name, staged, expect)
    }

    fn assign_keywords(&self, dir: &FolderDir, categories: &Categories) -> Result<Keywords, LocalError> {
        self.write_keywords(dir, categories)
    }

    fn keep_conflict_copy(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<PathBuf>, LocalError> {
        self.copy_conflict(dir, name)
    }

    fn create_entries(&self, dir: &FolderDir, entries: Vec<NewEntry>) -> Result<Vec<(String, FileStat)>, LocalError> {
        self.create_in_vdir(dir, &entries)
    }

    fn replace_entry(
        &self,
        dir: &FolderDir,
        name: &str,
        expect: Digest,
        content: &[u8],
    ) -> Result<Changed, LocalError> {
        self.replace_in_vdir(dir, name, expect, content)
    }

    fn remove_entry(
        &self,
        dir: &FolderDir,
        name: &str,
        expect: Digest,
        _proof: MessageRemoval,
    ) -> Result<Changed, LocalError> {
        self.remove_from_vdir(dir, name, expect)
    }

    fn move_entry(&self, from_dir: &FolderDir, name: &str, to_dir: &FolderDir) -> Result<(Moved, String), LocalError> {
        self.move_between_vdirs(from_dir, name, to_dir)
    }

    fn keep_entry_copy(&self, dir: &FolderDir, name: &str) -> Result<Option<PathBuf>, LocalError> {
        self.copy_vdir_conflict(dir, name)
    }

    fn settle(&self, dirs: &[FolderDir]) -> Result<(), LocalError> {
        self.settle_folders(dirs)
    }

    fn settle_all(&self) -> Result<(), LocalError> {
        platform::sync_everything(&self.database).map_err(|error| LocalError::io("write", &self.database, error))
    }

    fn clear_stale_tmp(&self) -> Result<Leftovers, LocalError> {
        self.clear_leftovers()
    }
}
