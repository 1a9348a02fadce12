//! A dry run: operations are told, not carried out.

use super::{Note, PullOp, Puller};
use crate::local::LocalWrite;
use crate::pim::Marks;
use crate::plan::{Content, Op};
use crate::remote::RemoteWrite;
use crate::sync::rows::{label, take_content, take_remote};
use crate::sync::tree::Place;
use crate::sync::view::LocalFile;
use crate::sync::{Action, SyncError, lock};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Puller<'_, '_, R, L> {
    /// In a dry run: tells of an operation, and notes what would be noted, so that the rest of the run is judged as after it. The state is a
    /// copy in memory.
    pub(super) fn pretend(&mut self, op: PullOp) -> Result<(), SyncError> {
        let here = self.place.path();
        match op {
            Op::Download { remote, instead_of } => {
                self.run.planned(here, Action::Download, label(&remote.at), String::new());
                if let Some(key) = instead_of {
                    lock(self.view).away.remove(&key);
                    self.notes.push(Note::Forget(key));
                }
            }
            Op::Update { key, remote, local, marks, agreed, content, move_to } => {
                let Some(mut row) = self.row(key)? else { return Ok(()) };
                let file = local.map_or_else(|| lock(self.view).file(&row), |local| local.at);
                let folder = move_to.unwrap_or(file.folder);
                if folder != file.folder {
                    let to = self.tree.place(folder).map_or("", Place::path).to_owned();
                    self.run.planned(here, Action::MoveHere, label(&remote.at), to);
                } else if marks != file.marks || content != Content::Keep {
                    self.run.planned(here, Action::ChangeHere, label(&remote.at), describe(&marks));
                }
                take_remote(&mut row, &remote);
                take_content(&mut row, &file);
                row.flags = agreed.flags;
                let edited = file.edited && content == Content::Keep;
                self.settle(row, LocalFile { folder, marks, edited, ..file }, agreed);
            }
            Op::Adopt { remote: _, local, marks, agreed, content: _ } => {
                let name = local.at.name.key().to_string();
                if marks != agreed {
                    self.run.planned(here, Action::ChangeThere, name.clone(), describe(&marks));
                }
                self.run.planned(here, Action::Adopt, name, String::new());
                lock(self.view).claim(&local.at);
            }
            Op::Refresh { key, remote, local } => self.refresh(key, remote, local)?,
            Op::Forget { key } => self.notes.push(Note::Forget(key)),
            Op::Remove { .. } | Op::Upload { .. } | Op::Push { .. } | Op::Delete { .. } => {}
        }
        Ok(())
    }

    pub(super) fn note_pretended(self) -> Result<(), SyncError> {
        let (folder, now) = (self.place.key(), self.run.now());
        self.run.state().write(|tx| self.notes.iter().try_for_each(|note| note.write(tx, folder, now)))?;
        Ok(())
    }
}

/// Flags and categories in words of a few letters.
pub(in crate::sync) fn describe(marks: &Marks) -> String {
    let flags: String = marks.flags.letters().map(char::from).collect();
    let categories: Vec<&str> = marks.categories.iter().map(|category| category.0.as_str()).collect();
    match (flags.is_empty(), categories.is_empty()) {
        (true, true) => "no flags".to_owned(),
        (false, true) => format!("flags {flags}"),
        (true, false) => format!("categories {}", categories.join(", ")),
        (false, false) => format!("flags {flags}, categories {}", categories.join(", ")),
    }
}
