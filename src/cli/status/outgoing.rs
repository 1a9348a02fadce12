//! Mail that waits to be sent.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::time::{self, for_people};
use crate::local::LocalError;
use crate::local::outgoing::{OUTGOING, Outgoing, Stage};
use crate::pim::UnixTime;

/// A letter that is not known to be sent.
#[derive(Serialize)]
pub(super) struct Waiting {
    /// Its files in Outgoing are called so.
    id: String,
    account: String,
    subject: String,
    recipients: Vec<String>,
    #[serde(serialize_with = "time::serialize")]
    accepted: UnixTime,
    /// `waiting`; `tried`, when it may have been sent; `refused`, when it is not tried again before a person says so.
    stage: Stage,
    tries: u32,
    reason: Option<String>,
}

/// The letters that wait, and what cannot be read of them.
pub(super) fn waiting(context: &Context) -> Result<(Vec<Waiting>, Vec<String>), LocalError> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (id, note) in Outgoing::of(&context.layout.database()).list()? {
        match note {
            Ok(note) => found.push(Waiting {
                id,
                account: note.account,
                subject: note.subject,
                recipients: note.recipients,
                accepted: UnixTime(note.accepted),
                stage: note.stage,
                tries: note.tries,
                reason: note.reason,
            }),
            Err(reason) => problems.push(format!("{OUTGOING}/{id}.json: {reason}")),
        }
    }
    Ok((found, problems))
}

/// The same for people.
pub(super) fn text(letters: &[Waiting]) -> String {
    if letters.is_empty() {
        return String::new();
    }
    let mut text = "\nTo be sent:\n".to_owned();
    for letter in letters {
        let since = for_people(letter.accepted);
        let reason = letter.reason.as_deref().unwrap_or("it goes out with the next pimsync sync or watch");
        let refused = if letter.stage == Stage::Refused { "refused: " } else { "" };
        let (account, recipients) = (&letter.account, letter.recipients.join(", "));
        let _ = writeln!(text, "  {account}: {:?} to {recipients}, since {since}: {refused}{reason}", letter.subject);
    }
    if letters.iter().any(|letter| letter.stage == Stage::Refused) {
        text.push_str(
            "What was refused is sent again by pimsync send --retry, and dropped by removing its files in Outgoing.\n",
        );
    }
    text
}
