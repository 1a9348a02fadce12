//! Folders in which nothing may be changed on the server. What the server changes comes in; what is changed here stays here, and is told with the
//! reason.

use std::collections::{BTreeSet, HashMap};

use super::tree::Place;
use super::{Activity, NoticeKind, Run, lock};
use crate::local::LocalWrite;
use crate::pim::{FolderKey, ItemKey};
use crate::plan::Side;
use crate::remote::{RemoteWrite, Rights};

/// The folders that may only be read.
pub(super) fn read_only(activity: &HashMap<FolderKey, Activity>) -> BTreeSet<FolderKey> {
    activity.iter().filter(|(_, said)| said.rights == Rights::ReadOnly).map(|(folder, _)| *folder).collect()
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Run<'_, R, L> {
    pub(super) fn is_read_only(&self, folder: FolderKey) -> bool {
        lock(&self.read_only).contains(&folder)
    }

    /// Whether any folder's local changes stay here in this run.
    pub(super) fn anything_postponed(&self) -> bool {
        !self.request.later.is_empty() || !lock(&self.later).is_empty()
    }

    /// Notes a change in such a folder.
    pub(super) fn hold_read_only(&self, place: &Place, item: Option<ItemKey>) {
        self.hold(place, item, Side::Remote, "read-only", "you may only read this folder");
    }

    /// Tells how many changes are held in such a folder.
    pub(super) fn tell_read_only(&self, place: &Place, count: u64) {
        let text = format!(
            "you may only read this folder, so what was changed here stays here (changes: {count}); ask its owner for the right to \
             write, or take it back"
        );
        self.notice(place.path(), NoticeKind::Held, None, text);
    }
}
