//! The only source of time and of failure: tests put their own in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::pim::UnixTime;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

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

impl Default for Env {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), fault: Arc::new(NoFault) }
    }
}
