//! The folders: the server's tree, the directories and the base are compared and put in step before any item is looked at.
//!
//! [`remote`] and [`local`] observe; [`aligner`] has it planned and carried out, with what it does to directories in [`here`] and to the
//! server's folders in [`there`].

mod aligner;
mod here;
mod known;
mod local;
mod names;
mod remote;
mod there;

use std::collections::HashSet;

use super::{Run, SyncError};
use crate::local::{FolderDir, FolderForm, LocalError, LocalWrite, foldername};
use crate::pim::{FolderKey, FolderKind, SpecialFolder};
use crate::plan::folders::FolderOp;
use crate::remote::RemoteWrite;
use crate::state::FolderRow;
use aligner::Aligner;
pub(super) use there::{Remade, remake};

/// A folder and where it can be found now.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) row: FolderRow,
    /// Whether the server has it.
    pub(super) on_server: bool,
    /// How its directory was met.
    pub(super) directory: Directory,
}

/// How a folder's directory was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    /// It is there.
    Here,
    /// It is not there, and all directories were read.
    Away,
    /// It could not be looked at.
    Unknown,
    /// The folder has none.
    None,
}

impl Place {
    pub(super) fn key(&self) -> FolderKey {
        self.row.key
    }

    /// The folder's path, for people.
    pub(super) fn path(&self) -> &str {
        self.row.dir.as_deref().unwrap_or(&self.row.name)
    }

    /// Its directory below the account's.
    pub(super) fn dir(&self) -> Result<FolderDir, LocalError> {
        FolderDir::new(self.row.dir.as_deref().unwrap_or_default())
    }

    /// Whether its items are kept in step: a mail folder that has a directory.
    pub(super) fn is_mirrored(&self) -> bool {
        self.row.kind == FolderKind::Mail && self.row.dir.is_some()
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        let name = name.trim_matches('/');
        self.row.dir.as_deref().is_some_and(|dir| dir.eq_ignore_ascii_case(name))
            || self.row.special.is_some_and(|special| special.as_str().eq_ignore_ascii_case(name))
    }
}

/// All folders of the account.
pub(super) struct Tree {
    /// In the order of their keys.
    pub(super) places: Vec<Place>,
}

impl Tree {
    pub(super) fn place(&self, key: FolderKey) -> Option<&Place> {
        let at = self.places.binary_search_by_key(&key, Place::key).ok()?;
        self.places.get(at)
    }

    pub(super) fn special(&self, special: SpecialFolder) -> Option<&Place> {
        self.places.iter().find(|place| place.row.special == Some(special))
    }
}

/// Puts the folders in step and returns them.
pub(super) async fn align_folders<R, L>(run: &Run<'_, R, L>) -> Result<Tree, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut aligner = Aligner::observe(run).await?;
    aligner.lay_ground().await?;
    let ops = aligner.plan();
    let placed: Vec<FolderOp<FolderDir>> =
        ops.iter().filter(|op| matches!(op, FolderOp::PlaceLocal { .. })).cloned().collect();
    for op in ops {
        let op = aligner.rebased(op);
        aligner.apply(op).await?;
    }
    if !run.is_dry() {
        // What stood in the way of some may have moved out of it since.
        for op in placed {
            aligner.apply(op).await?;
        }
    }
    aligner.finish().await
}

/// Makes a directory that vanished, and those above it.
pub(super) fn make_directories<L: LocalWrite>(local: &L, dir: &FolderDir, name: &str) -> Result<(), LocalError> {
    let there: HashSet<FolderDir> = local.folders()?.folders.into_iter().map(|folder| folder.dir).collect();
    let is_missing = |dir: &FolderDir| !dir.is_root() && !there.contains(dir);
    let above: Vec<FolderDir> = std::iter::successors(dir.parent(), FolderDir::parent).take_while(is_missing).collect();
    for dir in above.iter().rev() {
        local.create_folder(dir, FolderForm::Maildir, &foldername::decode(dir.name()))?;
    }
    local.create_folder(dir, FolderForm::Maildir, name).map(drop)
}
