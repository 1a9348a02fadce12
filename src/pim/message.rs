//! Messages as the server lists them: everything but the body.

use super::{ChangeKey, FolderId, ItemId, SearchKey, ServerMarks, Tag, UnixTime};

/// PidTagMessageClass, such as `IPM.Note`: what an item is, whatever folder it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemClass(pub String);

impl ItemClass {
    /// Whether the item is mirrored as a mail: every class that is not one of the other kinds, since classes of mail abound
    /// (`IPM.Note.SMIME`, `REPORT.IPM.Note.NDR`, `IPM.Schedule.Meeting.Request`, classes of other programs).
    pub fn is_mail(&self) -> bool {
        const OTHERS: [&str; 7] = [
            "IPM.Appointment",
            "IPM.Contact",
            "IPM.DistList",
            "IPM.Task",
            "IPM.StickyNote",
            "IPM.Activity",
            "IPM.Configuration",
        ];
        !OTHERS.iter().any(|other| self.is_of(other))
    }

    /// Whether it is that class or one below it.
    pub fn is_of(&self, class: &str) -> bool {
        self.0.get(..class.len()).is_some_and(|head| head.eq_ignore_ascii_case(class))
            && matches!(self.0.as_bytes().get(class.len()), None | Some(b'.'))
    }
}

/// An item in a listing of the server: its versions and what can change about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMessage {
    /// Its id, good until it moves.
    pub id: ItemId,
    /// Its version.
    pub change_key: ChangeKey,
    /// What it is.
    pub class: ItemClass,
    /// Bytes that the server counts for it; not the size of its MIME form.
    pub size: u64,
    /// Read, flagged, answered, categories, draft.
    pub marks: ServerMarks,
    /// When it was received, or created where nothing was received.
    pub received: Option<UnixTime>,
    /// Kept through moves, shared by copies.
    pub search_key: Option<SearchKey>,
    /// Message-ID header (RFC 5322 §3.6.4). Not an identity: duplicates are common.
    pub message_id: Option<String>,
    /// What pimsync left on it when it uploaded it.
    pub tag: Option<Tag>,
    /// Where it lies; told of messages that were asked for by their ids.
    pub folder: Option<FolderId>,
}
