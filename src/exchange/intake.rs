//! Turns the bytes of a mail into an item.

use super::mime;
use super::store::{Meta, NewItem};
use super::time;

/// The item that a mail makes, as if it had just been delivered: unread, no draft.
pub(super) fn from_mime(bytes: Vec<u8>) -> NewItem {
    let summary = mime::parse(&bytes);
    let headers = summary.headers;
    let now = time::now_millis();
    NewItem {
        class: summary.class.to_owned(),
        element: "Message".to_owned(),
        subject: headers.subject,
        message_id: headers.message_id,
        is_read: false,
        is_draft: false,
        associated: false,
        received: headers.date.unwrap_or(now),
        sent: headers.date.unwrap_or(now),
        has_attachments: summary.has_attachments,
        meta: Meta {
            from: headers.from,
            sender: headers.sender,
            to: headers.to,
            cc: headers.cc,
            bcc: headers.bcc,
            reply_to: headers.reply_to,
            in_reply_to: headers.in_reply_to,
            references: headers.references,
            importance: headers.importance,
            ..Meta::default()
        },
        mime: bytes,
    }
}
