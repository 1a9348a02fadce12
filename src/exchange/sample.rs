//! A sample mailbox.

use rusqlite::Connection;

use super::Error;
use super::store::MailboxRow;

/// Fills a new mailbox with messages.
pub(super) fn seed(_db: &Connection, _mailbox: &MailboxRow, _messages: usize) -> Result<(), Error> {
    Ok(())
}
