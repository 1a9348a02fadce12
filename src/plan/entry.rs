//! What to do about an entry: field by field, since contacts, events, notes and tasks are edited on both sides.
//!
//! As with messages, a change is taken in two halves. The *pull* brings what changed on the server into the file and into the base; what is then
//! still different in the file is what changed here, and the *push* takes it to the server. What was agreed has two sides, too: a server can keep a
//! value of its own whatever it is told (EWS.md calls it "silently unchanged"), and the file then goes on saying what its owner wrote. Such a field is
//! pushed again only when it is changed again.

use super::guard::{Brake, FolderSize, Guard};
use super::item::{ConflictPolicy, Held, Side};
use super::proof::MessageRemoval;
use crate::pim::event::{Answer, Attendee, Person};
use crate::pim::{
    Contact, ContactField, Entry, EntryField, EntryKind, Event, EventField, FolderKey, Note, Said, Task, TaskField,
};

/// What was agreed about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What the server said.
    pub server: Said,
    /// What the file said.
    pub here: Said,
}

/// What a file says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    /// What was agreed.
    Same,
    /// This.
    Now(Said),
    /// Something that is no entry, or that the server cannot hold.
    Unreadable,
    /// Nothing: it is not there.
    Away,
}

/// How the server's change is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The base says so from now on.
    Agree {
        /// What is agreed.
        agreed: Agreed,
        /// What the file is to say, where it does not say so already.
        file: Option<Said>,
        /// The fields that both sides changed: what the file says now is to be kept as a copy before it is written. Empty where nothing is lost.
        clash: Vec<EntryField>,
    },
    /// The file is gone, and the server's edit wins: it is written anew.
    Write(Said),
    /// The file is gone, and nothing changed there that anybody would miss: that it is gone is for the push.
    Leave,
    /// The file has to be mended first.
    Wait,
}

/// Takes in what the server says now.
pub fn pull(agreed: &Agreed, there: Said, here: Here, policy: ConflictPolicy) -> Pull {
    let changed = agreed.server.diff(&there);
    // What the file would say if nobody had changed it here.
    let mut followed = agreed.here.clone();
    changed.iter().for_each(|field| followed.take(&there, *field));
    // What was agreed is remembered without its bytes, and a file may have to be written of it.
    followed.entry.recall(&there.entry);
    let local = match here {
        Here::Away if changed.is_empty() => return Pull::Leave,
        Here::Away => return Pull::Write(followed),
        Here::Unreadable => return Pull::Wait,
        Here::Same => {
            let file = Some(followed.clone()).filter(|_| followed != agreed.here);
            return Pull::Agree { agreed: Agreed { server: there, here: followed }, file, clash: Vec::new() };
        }
        Here::Now(local) => local,
    };
    let merged = Said::merge(&agreed.here, &followed, &local);
    let (mut file, mut clash) = (merged.item, merged.conflicts);
    match policy {
        ConflictPolicy::KeepBoth => {}
        ConflictPolicy::Server => clash.clear(),
        ConflictPolicy::Local => clash.drain(..).for_each(|field| file.take(&local, field)),
    }
    let file = Some(file).filter(|file| *file != local);
    Pull::Agree { agreed: Agreed { server: there, here: followed }, file, clash }
}

/// What was agreed, where the server was told something and did not answer: the fields in which it says what it was told were agreed then. What
/// it dropped on the way, and was to be given back, is missing by nobody's wish: it is agreed to be missing, so that the file's word stands against it.
pub fn answered(mut agreed: Agreed, sent: &Said, there: &Said) -> Agreed {
    let mut still_open = sent.diff(there);
    still_open.retain(|field| !same_people(sent, there, *field));
    let missing = missing_on_the_way(&agreed.server, sent, there);
    let rewritten = match (&agreed.server.entry, &sent.entry) {
        (Entry::Event(from), Entry::Event(to)) => from.is_rewritten_as(to),
        _ => false,
    };
    for field in agreed.server.diff(sent).into_iter().filter(|field| !still_open.contains(field)) {
        agreed.server.take(sent, field);
        agreed.here.take(sent, field);
    }
    for field in missing {
        agreed.server.take(there, field);
        agreed.here.take(there, field);
    }
    if let (true, Entry::Event(sent), Entry::Event(there)) = (rewritten, &sent.entry, &there.entry) {
        for said in [&mut agreed.server, &mut agreed.here] {
            if let Entry::Event(event) = &mut said.entry {
                event.drop_files_on_the_way(sent, there);
            }
        }
    }
    agreed
}

fn missing_on_the_way(from: &Said, to: &Said, now: &Said) -> Vec<EntryField> {
    match (&from.entry, &to.entry, &now.entry) {
        (Entry::Event(from), Entry::Event(to), Entry::Event(now)) => {
            from.missing_on_the_way(to, now).into_iter().map(EntryField::Event).collect()
        }
        // A picture goes before another one comes.
        (Entry::Contact(from), Entry::Contact(to), Entry::Contact(now))
            if from.photo != to.photo && to.photo.is_some() && now.photo.is_none() =>
        {
            vec![EntryField::Contact(ContactField::Photo)]
        }
        _ => Vec::new(),
    }
}

/// What was agreed by an upload whose answer was lost: what was sent. Pictures, attachments, guests and the exceptions of a series are sent one by one
/// after it; one that the server does not have was never there. Whose a meeting is, the server says for itself, and the file may say otherwise.
pub fn uploaded(sent: &Said, there: &Said) -> Agreed {
    let missing: Vec<EntryField> = match (&sent.entry, &there.entry) {
        (Entry::Event(event), Entry::Event(now)) => {
            // Those whose invitation is to bring files are invited when it has them, and nobody to what somebody else organises.
            let guests = now.attendees.is_empty().then_some(EventField::Attendees);
            event.missing_after_creation(now).into_iter().chain(guests).map(EntryField::Event).collect()
        }
        (Entry::Contact(_), Entry::Contact(now)) if now.photo.is_none() => {
            vec![EntryField::Contact(ContactField::Photo)]
        }
        _ => Vec::new(),
    };
    let mut agreed = sent.clone();
    missing.into_iter().for_each(|field| agreed.take(there, field));
    if let (Entry::Event(agreed), Entry::Event(now)) = (&mut agreed.entry, &there.entry) {
        agreed.attachments = agreed.attachments.common(&now.attachments);
        agreed.drop_files_on_the_way(&agreed.clone(), now);
    }
    let mut server = agreed.clone();
    if !has_same_organiser(sent, there) {
        server.take(there, EntryField::Event(EventField::Organiser));
    }
    Agreed { server, here: agreed }
}

/// Whether both are meetings of the same person, or none.
fn has_same_organiser(one: &Said, other: &Said) -> bool {
    let (Entry::Event(one), Entry::Event(other)) = (&one.entry, &other.entry) else { return true };
    match (&one.organiser, &other.organiser) {
        (Some(one), Some(other)) => one.address.as_str().eq_ignore_ascii_case(other.address.as_str()),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// What a file is to say that is gone, and that comes back since the server's entry was edited, though what the server was told last did not
/// all come there: that, with what was edited.
pub fn written_again(agreed: &Agreed, sent: &Said, there: Said) -> Said {
    let bytes = there.entry.clone();
    let mut again = match pull(agreed, there, Here::Now(sent.clone()), ConflictPolicy::Server) {
        Pull::Agree { file: Some(file), .. } => file,
        Pull::Agree { .. } | Pull::Write(_) | Pull::Leave | Pull::Wait => sent.clone(),
    };
    again.entry.recall(&bytes);
    again
}

/// Two sides that nothing was agreed about, though they are one entry: the base was lost, or a download was cut off. Both changed since they said
/// nothing: what they say alike is agreed, what one of them says alone is added to the other, such as a category or an attachment; of the rest the
/// server's holds as the policy says, and nothing of the file goes without a copy.
pub fn adopt(there: Said, local: &Said, policy: ConflictPolicy) -> Pull {
    let nothing = Said::nothing(there.entry.kind());
    let nothing = Agreed { server: nothing.clone(), here: nothing };
    pull(&nothing, there, Here::Now(local.clone()), policy)
}

/// What a file's change asks of the server: what it shall say, and in which fields that differs from what it says; nothing where it does not.
pub fn push(agreed: &Agreed, here: &Said) -> Option<(Said, Vec<EntryField>)> {
    let changed = agreed.here.diff(here);
    let mut shall = agreed.server.clone();
    changed.iter().for_each(|field| shall.take(here, *field));
    // Who invites tells whether that may be sent.
    if changed.contains(&EntryField::Event(EventField::Attendees)) && !has_same_organiser(&shall, here) {
        shall.take(here, EntryField::Event(EventField::Organiser));
    }
    // What did not change is remembered without its bytes, and may have to be put back.
    shall.entry.recall(&here.entry);
    let sent = agreed.server.diff(&shall);
    (!sent.is_empty()).then_some((shall, sent))
}

/// Whether what was sent declines a meeting, which then goes to Deleted Items.
pub fn declines(server: &Said, sent: &Said) -> bool {
    let (Entry::Event(server), Entry::Event(sent)) = (&server.entry, &sent.entry) else { return false };
    let declined = sent.attendees.iter().filter(|attendee| attendee.answer == Answer::Declined);
    let before = |attendee: &Attendee| server.attendees.iter().find(|other| other.person == attendee.person);
    declined.into_iter().any(|attendee| before(attendee).is_none_or(|before| before.answer != Answer::Declined))
}

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What is agreed.
    pub agreed: Agreed,
    /// What the file is to say, where it does not say so already: the server changed other fields along.
    pub file: Option<Said>,
    /// The fields in which the server keeps another value than the one that it was sent. The file goes on saying what it does.
    pub refused: Vec<EntryField>,
}

/// Whether the server keeps of a completion what it has room for: the day (PidLidTaskDateCompleted), in whatever zone. The file keeps the time.
fn same_day(shall: &Said, back: &Said, field: EntryField) -> bool {
    let (Entry::Task(shall), Entry::Task(back)) = (&shall.entry, &back.entry) else { return false };
    let times = shall.completed.zip(back.completed);
    field == EntryField::Task(TaskField::Completed)
        && times.is_some_and(|(one, other)| one.0.abs_diff(other.0) <= 86_400)
}

/// Whether these are the same people, under names that the server has for them: an address tells who somebody is.
fn same_people(shall: &Said, back: &Said, field: EntryField) -> bool {
    let (Entry::Event(shall), Entry::Event(back)) = (&shall.entry, &back.entry) else { return false };
    let same = |one: &Person, other: &Person| {
        !one.address.is_empty() && one.address.as_str().eq_ignore_ascii_case(other.address.as_str())
    };
    match field {
        EntryField::Event(EventField::Organiser) => {
            shall.organiser.as_ref().zip(back.organiser.as_ref()).is_some_and(|(one, other)| same(one, other))
        }
        EntryField::Event(EventField::Attendees) => {
            let pairs = || shall.attendees.iter().zip(&back.attendees);
            shall.attendees.len() == back.attendees.len()
                && pairs().all(|(one, other)| {
                    same(&one.person, &other.person) && (one.role, one.answer) == (other.role, other.answer)
                })
        }
        _ => false,
    }
}

/// Compares what the server was to say with what it says after a push, read back. `here` is what the file says.
pub fn pushed(shall: &Said, sent: &[EntryField], back: Said, here: &Said) -> Pushed {
    let said = shall.diff(&Said::nothing(shall.entry.kind()));
    // That an occurrence is as ever says something, too.
    let is_said =
        |field: &EntryField| matches!(field, EntryField::Event(EventField::Occurrence(_))) || said.contains(field);
    let mut file = here.clone();
    let mut refused = Vec::new();
    for field in shall.diff(&back) {
        // What nothing was said of is the server's to say, such as the UID of an event that had none.
        if !sent.contains(&field) || !is_said(&field) || same_people(shall, &back, field) {
            file.take(&back, field);
        } else if !same_day(shall, &back, field) {
            refused.push(field);
        }
    }
    let agreed = Agreed { server: back, here: file.clone() };
    Pushed { agreed, file: Some(file).filter(|file| file != here), refused }
}

impl Said {
    /// What says nothing at all.
    pub fn nothing(kind: EntryKind) -> Self {
        let entry = match kind {
            EntryKind::Contact => Entry::Contact(Box::<Contact>::default()),
            EntryKind::Event => Entry::Event(Box::<Event>::default()),
            EntryKind::Note => Entry::Note(Note::default()),
            EntryKind::Task => Entry::Task(Box::<Task>::default()),
        };
        Self { entry, extra: crate::pim::Text::default() }
    }
}

/// An entry that is missing on a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The server reported it gone; the file says what was agreed.
    There,
    /// The server reported it gone; the file says something new, or nothing that can be read.
    ThereAndEditedHere,
    /// A complete listing of the directory does not have its file; on the server it is as agreed.
    Here,
    /// Both.
    Everywhere,
}

/// What becomes of an entry that is missing on a side.
#[derive(Debug, PartialEq, Eq)]
pub enum End<K> {
    /// Its file goes, too.
    Remove(K, MessageRemoval),
    /// It goes on the server, too.
    Delete(K, MessageRemoval),
    /// The edit wins: it is forgotten, so that its file counts as new.
    Upload(K),
    /// It is gone on both sides.
    Forget(K),
}

/// Decides about all missing entries together, so that the brake sees their number. `sizes` says how many entries each folder holds.
pub fn ends<K>(
    missing: impl IntoIterator<Item = (K, FolderKey, Missing)>,
    brake: Brake,
    sizes: &[FolderSize],
) -> (Vec<End<K>>, Vec<Held<K>>) {
    let mut guard = Guard::new(brake, sizes);
    let mut ends = Vec::new();
    for (key, folder, missing) in missing {
        match missing {
            Missing::There => guard.wish((key, folder), Side::Local, Side::Local),
            Missing::Here => guard.wish((key, folder), Side::Remote, Side::Remote),
            Missing::ThereAndEditedHere => ends.push(End::Upload(key)),
            Missing::Everywhere => ends.push(End::Forget(key)),
        }
    }
    let verdict = guard.judge();
    ends.extend(verdict.allowed.into_iter().map(|(key, side, proof)| match side {
        Side::Local => End::Remove(key, proof),
        Side::Remote => End::Delete(key, proof),
    }));
    (ends, verdict.held)
}

#[cfg(test)]
mod tests;
