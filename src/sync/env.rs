//! The only source of time and of failure: tests put their own in.

use std::sync::Arc;

use crate::clock::Clock;

/// A boundary between two things that are done one after the other. A run can be cut off at each of them; `man pimsync-design` tells what
/// the next run finds then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A folder's directory was made, renamed or moved; not yet noted.
    FolderPlacedLocally,
    /// A folder was created, renamed or moved on the server; not yet noted.
    FolderPlacedRemotely,
    /// The tree of folders is noted, and where its listing goes on.
    FoldersNoted,
    /// Bodies of a page lie in `tmp`.
    BodiesStaged,
    /// The rows of arriving messages are noted; their files are not in place.
    ArrivalsNoted,
    /// Arriving messages are in place, durably.
    Delivered,
    /// What files are about to say is noted; none was touched.
    ChangesNoted,
    /// A file was renamed, moved, replaced or removed; not yet noted.
    FileChanged,
    /// All of a page is done; its rows and the sync state are not noted.
    PageDone,
    /// The page is noted.
    PageNoted,
    /// Uploads are noted as begun; nothing was sent.
    UploadsNoted,
    /// The server has created messages; not yet noted.
    UploadsSent,
    /// Flags and categories were changed on the server; not yet noted.
    MarksPushed,
    /// A draft's new body is noted, and about to be sent.
    DraftNoted,
    /// A draft's body was replaced on the server; not yet noted.
    DraftReplaced,
    /// Messages were moved on the server; not yet noted.
    MovesPushed,
    /// Messages were deleted on the server; not yet noted.
    DeletesPushed,
    /// A push is noted.
    PushNoted,
    /// A folder that is gone on one side was removed on the other; not yet noted.
    FolderRemoved,
}

/// What a run that was cut off at a step leaves behind, and what the next run does about it. `pimsync-design(7)` lists them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashWindow {
    /// What is done already, and what is not.
    pub left: &'static str,
    /// How the next run settles it.
    pub settled: &'static str,
}

impl Step {
    /// All of them, in the order in which a run comes to them.
    pub const ALL: [Self; 19] = [
        Self::FolderPlacedLocally,
        Self::FolderPlacedRemotely,
        Self::FoldersNoted,
        Self::BodiesStaged,
        Self::ArrivalsNoted,
        Self::Delivered,
        Self::ChangesNoted,
        Self::FileChanged,
        Self::PageDone,
        Self::PageNoted,
        Self::UploadsNoted,
        Self::UploadsSent,
        Self::MarksPushed,
        Self::DraftNoted,
        Self::DraftReplaced,
        Self::MovesPushed,
        Self::DeletesPushed,
        Self::PushNoted,
        Self::FolderRemoved,
    ];

    /// What a run that was cut off here leaves behind.
    pub fn crash_window(self) -> CrashWindow {
        let (left, settled) = match self {
            Self::FolderPlacedLocally => (
                "A directory was made, renamed or moved; state.db does not say so.",
                "The folders are compared anew. The directory is known by its place or by its inode, and is noted.",
            ),
            Self::FolderPlacedRemotely => (
                "The server made, renamed or moved a folder; state.db does not say so.",
                "The server's list of folders shows it. It is matched with the directory of its name and place, not made again.",
            ),
            Self::FoldersNoted => (
                "The folders of both sides are noted, and where the server's list goes on. No message was looked at.",
                "Nothing is left to settle: each folder has its own sync state.",
            ),
            Self::BodiesStaged => (
                "Bodies lie in tmp under names of this program's own, which no mail reader shows.",
                "They are removed. The sync state was not stored, so the page is listed and fetched again.",
            ),
            Self::ArrivalsNoted => (
                "Messages are noted as arriving; their files are still in tmp.",
                "An arriving message without a file is forgotten, and comes with its page again.",
            ),
            Self::Delivered => (
                "The files are in place, durably; their messages are still noted as arriving.",
                "An arriving message with its file counts as agreed, or as gone if the server no longer has it. The page is listed again and \
                 finds it known.",
            ),
            Self::ChangesNoted => (
                "What files are about to say is noted; they still say what they did.",
                "A file that does not say so was not changed, and what was noted is dropped. The page is listed again.",
            ),
            Self::FileChanged => (
                "A file has a new name, place or content, or is gone; state.db has the old one.",
                "A file that says what was noted before is noted as such, whatever the server says by now. A replaced file was replaced by a \
                 rename, so that it is the old one or the new one; where both sides show the same change, there is nothing to decide.",
            ),
            Self::PageDone => (
                "All of a page is done and durable; neither its rows nor the sync state are noted.",
                "The page is listed again, and each of its changes is found done.",
            ),
            Self::PageNoted => (
                "A page is noted together with the sync state after it.",
                "Nothing is left to settle: the listing goes on behind it.",
            ),
            Self::UploadsNoted => (
                "Uploads are noted with their tags; the server may or may not have been asked.",
                "The folder is searched for the tags. What is not there is uploaded.",
            ),
            Self::UploadsSent => (
                "The server created messages; their ids are not noted.",
                "The folder is searched for the tags. What is found is the uploaded message and is noted as such; it is not sent again.",
            ),
            Self::MarksPushed => (
                "The server has new flags or categories; state.db has the old ones.",
                "Both sides show the same change, so it is noted.",
            ),
            Self::DraftNoted => (
                "What a draft is about to say there is noted; the server may or may not have been asked.",
                "A draft that still says what it did is sent again.",
            ),
            Self::DraftReplaced => (
                "The server has a draft's new body; state.db has the old one, and what was sent.",
                "A draft that says what was sent is noted as such, and an edit made here since is pushed. Where it says something else, nobody can                  tell whose it is, and both versions are kept.",
            ),
            Self::MovesPushed => (
                "The server moved messages; state.db has them in their old folder, under their old ids.",
                "The server shows them as gone here and new there. They are known again by their search key and matched with the moved files.",
            ),
            Self::DeletesPushed => (
                "The server deleted messages; state.db still has them.",
                "They are gone on both sides, so they are forgotten.",
            ),
            Self::PushNoted => (
                "What was pushed is noted. The echo of it has not been taken in.",
                "The server's list shows the changes with the versions that are noted, so they are known as our own.",
            ),
            Self::FolderRemoved => (
                "An empty folder that was gone on one side was removed on the other; state.db still has it.",
                "It is gone on both sides, so it is forgotten.",
            ),
        };
        CrashWindow { left, settled }
    }
}

/// The run was cut off at a step. Nothing was tidied up, as after `kill -9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cut off at {0:?}")]
pub struct CutOff(pub Step);

/// Decides at which steps a run is cut off. Production code never is.
pub trait Fault: Send + Sync {
    /// Called at each step.
    ///
    /// # Errors
    /// [`CutOff`] ends the run there.
    fn at(&self, step: Step) -> Result<(), CutOff>;
}

/// No faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFault;

impl Fault for NoFault {
    fn at(&self, _step: Step) -> Result<(), CutOff> {
        Ok(())
    }
}

/// Time and failure.
#[derive(Clone)]
pub struct Env {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The faults.
    pub fault: Arc<dyn Fault>,
}
