//! Sends the letters of one account: each exactly once, whatever is cut off when.
//!
//! # Order of writing
//! 1. The letter is accepted: message and note are durable.
//! 2. It is noted as tried ([`SendStep::Noted`]).
//! 3. The server sends it ([`SendStep::Sent`]).
//! 4. It is removed.
//!
//! A letter that is noted as tried is looked for by its tag before it is sent again, and not before [`GRACE`] has passed: what the server is still
//! at would be sent twice. So is one that was only waiting, since its note may come out of a backup.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use super::report::{Notice, NoticeKind};
use super::timing::growing;
use crate::clock::Clock;
use crate::local::LocalError;
use crate::local::outgoing::{Letter, Note, OUTGOING, Outgoing, Stage};
use crate::pim::Tag;
use crate::remote::{self, BodySource, ItemError, ItemErrorClass, RemoteError, RemoteSend, Whereabouts};

/// How long after a try without an answer a letter that is nowhere counts as not sent.
pub const GRACE: Duration = Duration::from_secs(120);
/// So many letters are looked for together.
const AT_ONCE: usize = 25;
/// The first pause after a failure in passing; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause of that kind.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A boundary at which tests cut a send off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendStep {
    /// A letter is noted as tried; the server was not asked.
    Noted,
    /// The server was asked, and may have answered; the note does not say so.
    Sent,
}

/// Why no more letters are sent in this run.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The server cannot be used. The letters stay.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The letters cannot be read or written.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// It was cut off.
    #[error("cut off at {0:?}")]
    CutOff(SendStep),
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was sent.
    Yes,
    /// It was not, for this reason, and is tried again.
    Later(String),
    /// The server refused it, for this reason. It is kept, and not tried again before a person says so.
    Refused(String),
}

/// Which letters are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those whose time has come.
    Due,
    /// All, also those that were refused.
    All,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// How many were sent.
    pub sent: u64,
    /// What a person should know of the others.
    pub notices: Vec<Notice>,
}

impl Posted {
    /// Takes down what became of a letter.
    fn add(&mut self, id: &str, note: &Note, sent: Sent) {
        match sent {
            Sent::Yes => self.sent += 1,
            Sent::Later(reason) => self.notices.push(notice(NoticeKind::Held, &about(note), reason)),
            Sent::Refused(reason) => {
                let kept = format!("it stays in {OUTGOING}/{id}.eml");
                let text =
                    format!("{reason}; {kept}: pimsync send --retry sends it again, and removing {id}.json drops it");
                self.notices.push(notice(NoticeKind::Refused, &about(note), text));
            }
        }
    }
}

/// Sends the letters of an account.
pub struct Sender<'a, R> {
    /// The server.
    pub remote: &'a R,
    /// The identity's letters.
    pub outgoing: &'a Outgoing,
    /// The account.
    pub account: &'a str,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Cuts off where a test says so.
    pub fault: &'a (dyn Fn(SendStep) -> Result<(), SendError> + Send + Sync),
}

/// Nothing is cut off.
pub fn never_cut(_: SendStep) -> Result<(), SendError> {
    Ok(())
}

impl<R: RemoteSend> Sender<'_, R> {
    /// Sends what waits.
    ///
    /// # Errors
    /// The first that concerns the account. What was sent until then is sent.
    pub async fn flush(&self, which: Which) -> Result<Posted, SendError> {
        self.outgoing.clear()?;
        let (mut posted, mut due) = (Posted::default(), Vec::new());
        for (id, note) in self.outgoing.list()? {
            let note = match note {
                Ok(note) if note.account != self.account => continue,
                Ok(note) => note,
                Err(reason) => {
                    posted.notices.push(notice(NoticeKind::Held, &id, format!("its note cannot be read: {reason}")));
                    continue;
                }
            };
            let is_due = note.stage != Stage::Refused && note.not_before <= self.clock.now().0;
            if which == Which::All || is_due {
                due.push(id);
            } else {
                let sent = kept(note.stage, note.reason.clone().unwrap_or_default());
                posted.add(&id, &note, sent);
            }
        }
        for ids in due.chunks(AT_ONCE) {
            self.send_known(ids, &mut posted).await?;
        }
        Ok(posted)
    }

    /// Sends nothing, and says why of each letter.
    ///
    /// # Errors
    /// Where the letters cannot be listed.
    pub fn hold(&self, reason: &str) -> Result<Posted, SendError> {
        let letters = self.outgoing.list()?.into_iter().filter_map(|(_, note)| note.ok());
        let own = letters.filter(|note| note.account == self.account);
        let notices = own.map(|note| notice(NoticeKind::Held, &about(&note), reason.to_owned()));
        Ok(Posted { sent: 0, notices: notices.collect() })
    }

    /// Sends a letter that was just accepted by this process, and so certainly was not sent.
    ///
    /// # Errors
    /// Why the server cannot be used, or the letter not be noted. It stays.
    pub async fn send_new(&self, letter: Letter) -> Result<Sent, SendError> {
        self.send(letter).await
    }

    /// Sends letters of which nobody knows whether they were sent. They are taken up before they are looked for, so that nobody else sends one in
    /// between.
    async fn send_known(&self, ids: &[String], posted: &mut Posted) -> Result<(), SendError> {
        let mut letters = Vec::new();
        for id in ids {
            // Where it is none, somebody else is at it.
            letters.extend(self.outgoing.take(id)?);
        }
        let tags: Vec<Tag> = letters.iter().map(|letter| Tag::new(letter.note.tag.clone())).collect();
        if tags.is_empty() {
            return Ok(());
        }
        let found = self.remote.whereabouts(&tags).await?;
        for (letter, whereabouts) in letters.into_iter().zip(found) {
            let (id, note) = (letter.id().to_owned(), letter.note.clone());
            posted.add(&id, &note, self.send_found(letter, whereabouts).await?);
        }
        Ok(())
    }

    async fn send_found(&self, mut letter: Letter, whereabouts: Whereabouts) -> Result<Sent, SendError> {
        let now = self.clock.now().0;
        match whereabouts {
            Whereabouts::Sent => {
                letter.done()?;
                return Ok(Sent::Yes);
            }
            Whereabouts::UnderWay => {
                return self.later(
                    letter,
                    now + seconds(GRACE),
                    "the server has it, and has not sent it yet".to_owned(),
                );
            }
            Whereabouts::Nowhere => {}
        }
        if letter.note.stage == Stage::Tried && letter.note.not_before > now {
            let reason = letter.note.reason.clone().unwrap_or_default();
            let at = letter.note.not_before;
            return self.later(letter, at, reason);
        }
        letter.note.stage = Stage::Waiting;
        self.send(letter).await
    }

    async fn send(&self, mut letter: Letter) -> Result<Sent, SendError> {
        letter.note.stage = Stage::Tried;
        letter.note.tries = letter.note.tries.saturating_add(1);
        letter.note.not_before = self.clock.now().0.saturating_add(seconds(GRACE));
        letter.note.reason = Some("it is not known whether the server sent it".to_owned());
        letter.save()?;
        (self.fault)(SendStep::Noted)?;
        let tag = Tag::new(letter.note.tag.clone());
        let body = Body(&letter);
        let sent = self.remote.send(&remote::Letter { tag: &tag, blind: &letter.note.blind, body: &body }).await;
        (self.fault)(SendStep::Sent)?;
        let now = self.clock.now().0;
        match sent? {
            Ok(()) => {
                letter.done()?;
                Ok(Sent::Yes)
            }
            // Nothing new is known.
            Err(ItemError { class: ItemErrorClass::Unknown, message, .. }) => {
                self.later(letter, now.saturating_add(seconds(GRACE)), message)
            }
            Err(error) if matches!(error.class, ItemErrorClass::Transient | ItemErrorClass::Quota) => {
                letter.note.stage = Stage::Waiting;
                let pause = growing(FIRST_PAUSE, letter.note.tries.saturating_sub(1), LONGEST_PAUSE);
                self.later(letter, now.saturating_add(seconds(pause)), error.to_string())
            }
            Err(error) => {
                letter.note.stage = Stage::Refused;
                letter.note.reason = Some(error.to_string());
                letter.save()?;
                Ok(Sent::Refused(error.to_string()))
            }
        }
    }

    fn later(&self, mut letter: Letter, not_before: i64, reason: String) -> Result<Sent, SendError> {
        letter.note.not_before = not_before;
        letter.note.reason = Some(reason.clone());
        letter.save()?;
        Ok(Sent::Later(reason))
    }
}

/// A letter in words.
fn about(note: &Note) -> String {
    format!("{:?} to {}", note.subject, note.recipients.join(", "))
}

fn kept(stage: Stage, reason: String) -> Sent {
    match stage {
        Stage::Refused => Sent::Refused(reason),
        Stage::Waiting | Stage::Tried => Sent::Later(reason),
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// A letter that a run over the account tells of.
fn notice(kind: NoticeKind, about: &str, text: String) -> Notice {
    Notice { folder: OUTGOING.to_owned(), kind, item: Some(about.to_owned()), text }
}

/// The message of a letter.
struct Body<'a>(&'a Letter);

impl BodySource for Body<'_> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let file: File = self.0.open()?;
        Ok(Box::new(file))
    }
}
