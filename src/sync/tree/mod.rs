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

use std::collections::{BTreeSet, HashMap};

use super::{Run, SyncError};
use crate::local::{FolderDir, FolderForm, LocalError, LocalWrite, foldername};
use crate::pim::{EntryKind, FolderKey, FolderKind, SpecialFolder};
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

    /// Whether its items are kept in step: it has a directory, and holds what has files.
    pub(super) fn is_mirrored(&self) -> bool {
        self.is_mail() || self.entry_kind().is_some()
    }

    /// Whether it is a mail folder that has a directory.
    pub(super) fn is_mail(&self) -> bool {
        self.row.kind == FolderKind::Mail && self.row.dir.is_some()
    }

    /// What entries it holds, if it does and has a directory.
    pub(super) fn entry_kind(&self) -> Option<EntryKind> {
        EntryKind::of_folder(self.row.kind).filter(|_| self.row.dir.is_some())
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
    /// Those that the server does not show now. Nothing is done about them and what is in them, on either side.
    pub(super) hidden: BTreeSet<FolderKey>,
}

impl Tree {
    pub(super) fn place(&self, key: FolderKey) -> Option<&Place> {
        let at = self.places.binary_search_by_key(&key, Place::key).ok()?;
        self.places.get(at)
    }

    pub(super) fn special(&self, special: SpecialFolder) -> Option<&Place> {
        self.places.iter().find(|place| place.row.special == Some(special))
    }

    /// Makes a folder's directory again, which vanished, and those above it that did.
    pub(super) async fn make_directory<R, L>(&self, run: &Run<'_, R, L>, place: &Place) -> Result<(), SyncError>
    where
        R: RemoteWrite + 'static,
        L: LocalWrite + 'static,
    {
        let rows: HashMap<&str, &FolderRow> =
            self.places.iter().filter_map(|place| Some((place.row.dir.as_deref()?, &place.row))).collect();
        let wanted = |dir: FolderDir| match rows.get(dir.as_str()) {
            Some(row) => Wanted { dir, form: form_of(row.kind), name: row.name.clone() },
            None => Wanted { form: FolderForm::Maildir, name: foldername::decode(dir.name()), dir },
        };
        let way_up = std::iter::successors(Some(place.dir()?), FolderDir::parent).take_while(|dir| !dir.is_root());
        let mut way_down: Vec<Wanted> = way_up.map(wanted).collect();
        way_down.reverse();
        run.blocking(move |local| make_again(local, &way_down)).await
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

/// A directory that is to be made again.
struct Wanted {
    dir: FolderDir,
    form: FolderForm,
    name: String,
}

/// Makes the last of these directories, and those of the others, in which it lies, that are missing.
fn make_again<L: LocalWrite>(local: &L, way_down: &[Wanted]) -> Result<(), LocalError> {
    let Some((Wanted { dir, form, name }, above)) = way_down.split_last() else { return Ok(()) };
    match local.create_folder(dir, *form, name) {
        Err(LocalError::FolderGone { .. }) if !above.is_empty() => {
            make_again(local, above)?;
            local.create_folder(dir, *form, name).map(drop)
        }
        made => made.map(drop),
    }
}

fn form_of(kind: FolderKind) -> FolderForm {
    if kind == FolderKind::Mail { FolderForm::Maildir } else { FolderForm::Plain }
}
