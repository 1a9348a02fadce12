//! Categories of a file that changed its folder. A letter stands for a category in its folder only: when a mail program moves a file, it
//! takes the letters along, and they may stand for others where it lies now, or for nothing.

use super::view::{LocalFile, LocalView};
use super::{NoticeKind, Run, SyncError, stops_run};
use crate::local::{Keywords, LocalWrite, Moved};
use crate::pim::Categories;
use crate::remote::RemoteWrite;
use crate::state::ItemRow;
use crate::sync::tree::Tree;

/// The categories of a file that was moved: with its letters as they were, or by a program that translates them; and perhaps somebody has
/// given it others since.
pub(super) fn taken_along(row: &ItemRow, file: &LocalFile, from: &Keywords, to: &Keywords) -> Categories {
    let agreed = &row.server.categories;
    let (had, unspeakable) = from.letters_for(agreed);
    let letters = file.name.letters();
    if letters == had {
        return agreed.clone();
    }
    // What its old folder had no letter for was not taken away.
    let says = || file.marks.categories.iter().chain(&unspeakable).cloned().collect::<Categories>();
    // Letters that meant nothing in the old folder were given in the new one.
    let given = from.unassigned(letters);
    if letters.without(given) == had && !says().is_superset(agreed) {
        return agreed.iter().cloned().chain(to.categories(given)).collect();
    }
    says()
}

/// Gives a file that was moved the letters of the folder that it lies in now. Must be done before the base says that it lies there: from
/// then on its letters are taken for those of the folder. `false` when that cannot be done just now.
pub(super) async fn translate<R, L>(
    run: &Run<'_, R, L>,
    tree: &Tree,
    view: &LocalView,
    file: &mut LocalFile,
) -> Result<bool, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let (Some(place), Some(scanned)) = (tree.place(file.folder), view.scanned.get(&file.folder)) else {
        return Ok(true);
    };
    if scanned.keywords.categories(file.name.letters()) == file.marks.categories {
        return Ok(true);
    }
    let (dir, name, marks) = (place.dir()?, file.name.clone(), file.marks.clone());
    let renamed = run.blocking(move |local| {
        let keywords = local.assign_keywords(&dir, &marks.categories)?;
        let (letters, _) = keywords.letters_for(&marks.categories);
        let new = name.with_marks(name.flags(), letters.union(keywords.unassigned(name.letters())));
        if new == name {
            return Ok(Some(new));
        }
        let moved = local.rename(&dir, &name, &new)?;
        local.settle(std::slice::from_ref(&dir))?;
        Ok((moved == Moved::Done).then_some(new))
    });
    match renamed.await {
        Ok(Some(name)) => {
            file.name = name;
            Ok(true)
        }
        // Renamed or removed meanwhile: the next sync sees what became of it.
        Ok(None) => Ok(false),
        Err(SyncError::Local(error)) if !stops_run(&error) => {
            let item = file.name.key().to_string();
            run.notice(place.path(), NoticeKind::Skipped, Some(item), error.to_string());
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
