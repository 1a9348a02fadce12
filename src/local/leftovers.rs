//! What an interrupted run left in `tmp`, and how it is put right.

use super::{Leftovers, LocalError, MailTree};

/// How names of files begin that are being written.
pub(super) const STAGED: &str = "pimsync.";

impl MailTree {
    pub(super) fn clear_leftovers(&self) -> Result<Leftovers, LocalError> {
        todo!()
    }
}
