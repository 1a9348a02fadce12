//! What a server's response codes mean. Decisions go by code, never by the text beside it: that is in the mailbox's language.

use super::codes_table::CODES;
use crate::remote::ItemErrorClass;

/// What a response code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeClass {
    /// Done.
    Success,
    /// No right to it.
    Access,
    /// The account as a whole: stop, and tell the person.
    Account,
    /// Not tried, because something before it in the batch failed.
    Batch,
    /// A rule of calendars or tasks.
    Calendar,
    /// The request was wrong.
    OurFault,
    /// Changed meanwhile.
    Conflict,
    /// Not there.
    Gone,
    /// Cannot be rendered. Never a deletion.
    Unrenderable,
    /// About subscriptions.
    Notification,
    /// Too much asked for at once.
    Paging,
    /// Will fail each time.
    Permanent,
    /// Mailbox full.
    Quota,
    /// A folder or sync state that is no longer known.
    Resync,
    /// Passing: the whole mailbox slows down.
    Transient,
    /// Passing or not: a few tries, then the item is singled out.
    Suspect,
    /// The server is older than the request.
    Version,
    /// Not met by a mirror so far: like [`CodeClass::Permanent`].
    Unclassified,
}

impl CodeClass {
    /// The class of a code; codes that no schema knows count as unclassified.
    pub(super) fn of(code: &str) -> Self {
        let found = CODES.binary_search_by(|(known, _)| (*known).cmp(code)).ok();
        found.and_then(|at| CODES.get(at)).map_or(Self::Unclassified, |(_, class)| *class)
    }
}

/// What a code means for the one item that it was given for.
pub(super) fn item_class(code: &str) -> ItemErrorClass {
    if code == "ErrorFolderExists" {
        return ItemErrorClass::Exists;
    }
    match CodeClass::of(code) {
        CodeClass::Access => ItemErrorClass::Denied,
        CodeClass::Conflict => ItemErrorClass::Conflict,
        CodeClass::Gone | CodeClass::Resync => ItemErrorClass::Gone,
        CodeClass::Unrenderable => ItemErrorClass::Unrenderable,
        CodeClass::Quota => ItemErrorClass::Quota,
        CodeClass::Batch | CodeClass::Transient | CodeClass::Suspect | CodeClass::Account => ItemErrorClass::Transient,
        CodeClass::Success
        | CodeClass::Calendar
        | CodeClass::OurFault
        | CodeClass::Notification
        | CodeClass::Paging
        | CodeClass::Permanent
        | CodeClass::Version
        | CodeClass::Unclassified => ItemErrorClass::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_without_repeats() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn known_codes_have_their_class_and_unknown_ones_are_permanent() {
        for (code, class) in [
            ("NoError", CodeClass::Success),
            ("ErrorServerBusy", CodeClass::Transient),
            ("ErrorInternalServerError", CodeClass::Suspect),
            ("ErrorItemNotFound", CodeClass::Gone),
            ("ErrorIrresolvableConflict", CodeClass::Conflict),
            ("ErrorInvalidSyncStateData", CodeClass::Resync),
            ("ErrorInvalidServerVersion", CodeClass::Version),
            ("ErrorPasswordExpired", CodeClass::Account),
            ("ErrorNewInSomeLaterVersion", CodeClass::Unclassified),
            ("", CodeClass::Unclassified),
        ] {
            assert_eq!(CodeClass::of(code), class, "{code}");
        }
        assert_eq!(item_class("ErrorNewInSomeLaterVersion"), ItemErrorClass::Permanent);
        assert_eq!(item_class("ErrorFolderExists"), ItemErrorClass::Exists);
        assert_eq!(item_class("ErrorItemCorrupt"), ItemErrorClass::Unrenderable);
    }
}
