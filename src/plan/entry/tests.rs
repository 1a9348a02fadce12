use proptest::prelude::*;

use super::*;
use crate::pim::{ContactField, Text};

/// A contact with three fields that can differ: so many values of each that changes can be equal, or not.
fn said(values: (u8, u8, u8)) -> Said {
    let text = |number: u8| if number == 0 { Text::default() } else { Text::new(&number.to_string()) };
    let contact =
        Contact { display_name: text(values.0), company: text(values.1), note: text(values.2), ..Contact::default() };
    Said { entry: Entry::Contact(Box::new(contact)), extra: Text::default() }
}

fn values() -> impl Strategy<Value = (u8, u8, u8)> {
    (0..3u8, 0..3u8, 0..3u8)
}

fn agreed_of(server: (u8, u8, u8), here: (u8, u8, u8)) -> Agreed {
    Agreed { server: said(server), here: said(here) }
}

const POLICIES: [ConflictPolicy; 3] = ConflictPolicy::ALL;

proptest! {
    /// A sync of both halves with a server that takes everything: what either side changed is on both, unless both changed the same field.
    #[test]
    fn both_halves_bring_the_sides_together(base in values(), there in values(), local in values(), which in 0..3usize) {
        let policy = POLICIES[which];
        let agreed = agreed_of(base, base);
        let here = if local == base { Here::Same } else { Here::Now(said(local)) };
        let Pull::Agree { agreed, file, clash } = pull(&agreed, said(there), here, policy) else { panic!("both are there") };
        let file = file.unwrap_or_else(|| said(local));
        let shall = push(&agreed, &file).map_or_else(|| agreed.server.clone(), |(shall, _)| shall);
        prop_assert_eq!(&shall, &file, "both sides say the same");
        let [base, there, local, end] = [said(base), said(there), said(local), file];
        for field in [ContactField::DisplayName, ContactField::Company, ContactField::Note].map(EntryField::Contact) {
            let is = |one: &Said, other: &Said| !one.diff(other).contains(&field);
            let wanted = match (is(&there, &base), is(&local, &base)) {
                (true, _) => &local,
                (false, true) => &there,
                (false, false) if policy == ConflictPolicy::Local => &local,
                (false, false) => &there,
            };
            prop_assert!(is(&end, wanted), "{:?} of {:?}", field, end);
            let lost = !is(&there, &base) && !is(&local, &base) && !is(&there, &local);
            prop_assert_eq!(clash.contains(&field), lost && policy == ConflictPolicy::KeepBoth);
        }
    }

    /// A field of which the server keeps its own value is not pushed for ever, and the file's value is not lost.
    #[test]
    fn what_the_server_refuses_is_pushed_once(base in values(), local in values(), kept in values()) {
        let agreed = agreed_of(base, base);
        let here = said(local);
        prop_assume!(local.0 != 0 && local.1 != 0 && local.2 != 0);
        let Some((shall, sent)) = push(&agreed, &here) else { return Ok(()) };
        // The server keeps what it likes of the fields that were sent.
        let mut back = shall.clone();
        sent.iter().for_each(|field| back.take(&said(kept), *field));
        let after = pushed(&shall, &sent, back.clone(), &here);
        prop_assert_eq!(&after.agreed.server, &back);
        prop_assert_eq!(after.file.as_ref(), None, "nothing changed along");
        prop_assert_eq!(&after.refused, &shall.diff(&back));
        prop_assert_eq!(push(&after.agreed, &here), None);
        // Nor does an update that says nothing new bring the server's value into the file.
        let again = pull(&after.agreed, back, Here::Same, ConflictPolicy::KeepBoth);
        let Pull::Agree { agreed, file, clash } = again else { panic!("both are there") };
        prop_assert_eq!((agreed, file, clash), (after.agreed, None, vec![]));
    }

    /// Nothing that a file said goes without a copy when a base was lost.
    #[test]
    fn adopting_loses_nothing(there in values(), local in values(), which in 0..3usize) {
        let policy = POLICIES[which];
        let (remote, here) = (said(there), said(local));
        let Pull::Agree { agreed, file, clash } = adopt(remote.clone(), &here, policy) else { panic!("both are there") };
        prop_assert_eq!(&agreed, &Agreed { server: remote.clone(), here: remote.clone() });
        let file = file.unwrap_or_else(|| here.clone());
        for field in here.diff(&file) {
            let was_nothing = !here.diff(&Said::nothing(EntryKind::Contact)).contains(&field);
            prop_assert!(was_nothing || clash.contains(&field) || policy == ConflictPolicy::Server, "{:?}", field);
        }
        if there == local {
            prop_assert_eq!((file, clash), (here, vec![]));
        }
    }
}

#[test]
fn what_was_sent_and_not_answered_is_no_edit_of_others() {
    let agreed = agreed_of((1, 1, 1), (1, 1, 1));
    let sent = said((2, 1, 1));
    // It came there, and the file was edited once more.
    let known = answered(agreed.clone(), &sent, &said((2, 1, 1)));
    let now = pull(&known, said((2, 1, 1)), Here::Now(said((0, 1, 1))), ConflictPolicy::KeepBoth);
    let Pull::Agree { file, clash, .. } = now else { panic!("both are there") };
    assert_eq!((file, clash), (None, vec![]));
    // It did not come there.
    assert_eq!(answered(agreed.clone(), &sent, &said((1, 1, 2))), agreed);
}

#[test]
fn an_edit_wins_over_a_deletion() {
    let agreed = agreed_of((1, 1, 1), (1, 1, 1));
    assert_eq!(pull(&agreed, said((2, 1, 1)), Here::Away, ConflictPolicy::KeepBoth), Pull::Write(said((2, 1, 1))));
    assert_eq!(pull(&agreed, said((1, 1, 1)), Here::Away, ConflictPolicy::KeepBoth), Pull::Leave);
    let (ends, held) = ends([('a', FolderKey(1), Missing::ThereAndEditedHere)], Brake::On, &[]);
    assert_eq!((ends, held), (vec![End::Upload('a')], vec![]));
}

#[test]
fn a_file_that_cannot_be_read_waits() {
    let agreed = agreed_of((1, 1, 1), (1, 1, 1));
    assert_eq!(pull(&agreed, said((2, 1, 1)), Here::Unreadable, ConflictPolicy::Server), Pull::Wait);
}

#[test]
fn deletions_pass_the_brake_together() {
    let missing = |count: u8, what| (0..count).map(move |key| (key, FolderKey(1), what));
    let sizes = [FolderSize { folder: FolderKey(1), items: 100 }];
    for what in [Missing::Here, Missing::There] {
        let (allowed, held) = ends(missing(20, what), Brake::On, &sizes);
        assert_eq!((allowed.len(), held.len()), (20, 0));
        let (allowed, held) = ends(missing(21, what), Brake::On, &sizes);
        assert_eq!((allowed.len(), held.len()), (0, 21));
    }
    let (allowed, held) = ends(missing(30, Missing::Everywhere), Brake::On, &sizes);
    assert_eq!((allowed.len(), held.len()), (30, 0));
}

#[test]
fn what_nothing_was_said_of_is_the_servers_to_say() {
    let shall = said((1, 0, 0));
    let sent = shall.diff(&Said::nothing(EntryKind::Contact));
    let after = pushed(&shall, &sent, said((1, 2, 0)), &said((1, 0, 0)));
    assert_eq!((after.file, after.refused), (Some(said((1, 2, 0))), vec![]));
}

#[test]
fn a_server_that_keeps_the_day_of_a_completion_refuses_nothing() {
    let done = |at: i64| Said {
        entry: Entry::Task(Box::new(Task { completed: Some(crate::pim::UnixTime(at)), ..Task::default() })),
        extra: crate::pim::Text::default(),
    };
    let (here, day) = (done(1_800_000_000), done(1_800_000_000 / 86_400 * 86_400));
    let sent = [EntryField::Task(crate::pim::TaskField::Completed)];
    let same = pushed(&here, &sent, day.clone(), &here);
    assert_eq!((same.file, same.refused, same.agreed), (None, vec![], Agreed { server: day, here: here.clone() }));
    assert_eq!(pushed(&here, &sent, done(1_700_000_000), &here).refused, sent, "another day is another one");
}

/// Where nothing was agreed, what only one side has was taken away by nobody.
#[test]
fn adopting_unites_what_there_can_be_many_of() {
    use crate::pim::event::Details;
    use crate::pim::{Attachment, Blob, Category};
    let event = |categories: &[&str], files: &[&str]| {
        let details = Details {
            categories: categories.iter().map(|name| Category((*name).to_owned())).collect(),
            ..Details::default()
        };
        let file = |name: &&str| Attachment::new(name, Blob::new(name.as_bytes().to_vec()));
        let event = Event { details, attachments: files.iter().map(file).collect(), ..Event::default() };
        Said { entry: Entry::Event(Box::new(event)), extra: Text::default() }
    };
    let (there, here) = (event(&["Blue", "Red"], &["agenda", "plan"]), event(&["Green", "Red"], &["minutes", "plan"]));
    let both = event(&["Blue", "Green", "Red"], &["agenda", "minutes", "plan"]);
    for policy in [ConflictPolicy::KeepBoth, ConflictPolicy::Local, ConflictPolicy::Server] {
        let Pull::Agree { agreed, file, clash } = adopt(there.clone(), &here, policy) else { panic!("both are there") };
        assert_eq!((file.as_ref(), clash), (Some(&both), vec![]));
        let (shall, _) = push(&agreed, &both).expect("the server lacks some of it");
        assert_eq!(shall, both);
    }
}
