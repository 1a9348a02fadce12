//! What is noted with a page.

use crate::local::LocalWrite;
use crate::pim::{FolderKey, ItemId, ItemKey, ServerMessage, UnixTime};
use crate::remote::{ItemError, RemoteWrite};
use crate::state::{ItemRow, StateError, Subject, UNRENDERED, WAITS_FOR_FOLDER, Writer};
use crate::sync::rows::label;
use crate::sync::tree::Place;
use crate::sync::{Run, SyncError};

/// Why a message waits that may lie here already.
pub(in crate::sync) const UNREADABLE: &str = "the local folder could not be read in full";

/// Something to be noted with the page.
#[derive(Clone, Debug)]
pub(in crate::sync) enum Note {
    /// The server reported the item gone.
    Gone(ItemKey, ItemId),
    /// A message is to be asked for again by the next run.
    Retry { id: ItemId, label: String, why: &'static str },
    /// Whatever trouble there was with a message is over.
    EndTrouble(ItemId),
    /// A message could not be taken in.
    Trouble { id: ItemId, label: String, code: String, reason: String },
    /// The file of an arriving message is in place; its row says all else already.
    Arrived(ItemKey),
    /// A row as it is now.
    Row(ItemRow),
    /// A row that is no more.
    Forget(ItemKey),
}

impl Note {
    /// The server cannot render a message for now: it is asked again later, at longer and longer intervals.
    pub(in crate::sync) fn unrendered(message: &ServerMessage) -> Self {
        let reason = "the server cannot render it: what is here has its headers and text at most, or an older version; what is missing is on \
                      the server only, and fetched as soon as the server can";
        Self::Trouble {
            id: message.id.clone(),
            label: label(message),
            code: UNRENDERED.to_owned(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn write(&self, tx: &Writer<'_>, folder: FolderKey, now: UnixTime) -> Result<(), StateError> {
        match self {
            Self::Gone(key, id) => tx.set_gone(*key, id),
            Self::Retry { id, label, why } => {
                let why = (WAITS_FOR_FOLDER, *why);
                tx.add_trouble(folder, &Subject::Message(id.clone()), label, why, now)
            }
            Self::EndTrouble(id) => tx.end_trouble(folder, &Subject::Message(id.clone())),
            Self::Trouble { id, label, code, reason } => {
                tx.add_trouble(folder, &Subject::Message(id.clone()), label, (code, reason), now)
            }
            Self::Arrived(key) => tx.set_arrived(*key),
            Self::Row(row) => tx.set_item(row),
            Self::Forget(key) => tx.forget_item(*key),
        }
    }
}

/// Notes trouble with an item at once, and tells of it.
pub(in crate::sync) async fn trouble<R, L>(
    run: &Run<'_, R, L>,
    place: &Place,
    subject: Subject,
    label: String,
    error: &ItemError,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let (folder, now, code, reason) = (place.key(), run.now(), error.code.clone(), error.message.clone());
    run.commit(move |tx| tx.add_trouble(folder, &subject, &label, (&code, &reason), now)).await
}
