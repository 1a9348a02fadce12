//! Whoever flags or files a message under a category on one side must find that on the other, and nothing else changed by it,
//! although the two sides cannot say the same things.

use crate::model::cases;
use crate::model::edits::{category, follow_up, marks, verb};
use crate::model::oracle::assert_marks_agree;
use pimsync::pim::marks::{Categories, FollowUp, LastVerb, Marks, pull, push};
use pimsync::pim::{Category, Flag, Flags, FolderKey, ServerMarks};
use pimsync::plan::{Brake, Case, ConflictPolicy, LocalState, Op, RemoteState, Seen, plan};
use proptest::prelude::*;

/// What a file can say of a message of which the server says `remote`: `T`, and both of "replied" and "passed" where one is the last.
fn agreeing(remote: &ServerMarks, trashed: bool, both: bool) -> Marks {
    let mut local = remote.to_local();
    local.flags = local.flags.with(Flag::Trashed, trashed);
    if both && remote.verb.flag().is_some() {
        local.flags = local.flags.with(Flag::Replied, true).with(Flag::Passed, true);
    }
    local
}

/// What both sides agreed on.
fn agreed() -> impl Strategy<Value = (ServerMarks, Marks)> {
    (marks(), any::<bool>(), any::<bool>()).prop_map(|(remote, trashed, both)| {
        let local = agreeing(&remote, trashed, both);
        (remote, local)
    })
}

fn local_marks() -> impl Strategy<Value = Marks> {
    (any::<u8>(), categories()).prop_map(|(bits, categories)| Marks { flags: Flags::from_bits(bits), categories })
}

fn categories() -> impl Strategy<Value = Categories> {
    prop::collection::btree_set(0..8u8, 0..4).prop_map(|numbers| numbers.into_iter().map(category).collect())
}

/// Pull, then push, as the plan does it: what the server and the file say afterwards.
fn merged(base: &(ServerMarks, Marks), remote: &ServerMarks, local: &Marks) -> (ServerMarks, Marks) {
    let agreed = pull(&base.0, remote, &base.1);
    let file = pull(&base.0, remote, local);
    (push(&agreed, &file, remote), file)
}

/// What the server and the file say of a message after it was found on both sides and known to neither.
fn adopted(remote: &ServerMarks, local: &Marks) -> (ServerMarks, Marks) {
    let there = RemoteState { at: (), folder: FolderKey(1), marks: remote.clone(), edited: false };
    let here = LocalState { at: (), folder: FolderKey(1), marks: local.clone(), edited: false };
    let case = Case { base: None, remote: Seen::Here(there), local: Seen::Here(here) };
    let plan = plan([case], ConflictPolicy::KeepBoth, Brake::On, &[]);
    let [Op::Adopt { marks: file, agreed, .. }] = plan.pulls.as_slice() else {
        panic!("not adopted: {:?}", plan.pulls)
    };
    assert!(plan.pushes.is_empty(), "pushed before the base knows it: {:?}", plan.pushes);
    // What is pushed once the base knows it.
    (push(agreed, file, remote), file.clone())
}

/// The file with the server's draft mark: another one is no change of marks but a new message.
fn as_draft(mut local: Marks, remote: &ServerMarks) -> Marks {
    local.flags = local.flags.with(Flag::Draft, remote.draft);
    local
}

/// Names as they are spelt, which equality passes over.
fn spelt(categories: &Categories) -> Vec<&str> {
    categories.iter().map(|category| category.0.as_str()).collect()
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn without_a_change_nothing_changes(base in agreed(), other in marks(), local in local_marks()) {
        prop_assert_eq!(pull(&base.0, &base.0, &local), local.clone());
        prop_assert_eq!(push(&local, &local, &other), other);
        prop_assert_eq!(merged(&base, &base.0, &base.1), base);
    }

    #[test]
    fn both_sides_agree_afterwards_and_stay_so(base in agreed(), remote in marks(), local in local_marks()) {
        let remote = ServerMarks { draft: base.0.draft, ..remote };
        let local = as_draft(local, &base.0);
        let (server, file) = merged(&base, &remote, &local);
        assert_marks_agree(&server, &file);
        let now = (server.clone(), file.clone());
        prop_assert_eq!(merged(&now, &server, &file), now);
    }

    #[test]
    fn what_changed_on_the_server_alone_comes_down_whole(base in agreed(), remote in marks()) {
        let remote = ServerMarks { draft: base.0.draft, ..remote };
        let (server, file) = merged(&base, &remote, &base.1);
        prop_assert_eq!(&server, &remote, "the server is told nothing");
        assert_marks_agree(&server, &file);
        prop_assert_eq!(file.flags.has(Flag::Trashed), base.1.flags.has(Flag::Trashed));
    }

    #[test]
    fn what_changed_in_the_file_alone_goes_up_whole(base in agreed(), local in local_marks()) {
        let local = as_draft(local, &base.0);
        let (server, file) = merged(&base, &base.0, &local);
        prop_assert_eq!(&file, &local, "the file is left alone");
        assert_marks_agree(&server, &file);
        if !base.1.flags.has(Flag::Flagged) && !local.flags.has(Flag::Flagged) {
            prop_assert_eq!(server.follow_up, base.0.follow_up, "a completed task stays one");
        }
    }

    #[test]
    fn a_field_changed_on_the_server_changes_that_field_of_the_file(base in agreed(), remote in marks(), field in 0..4u8) {
        let mut changed = base.0.clone();
        let mut expected = base.1.clone();
        let set = |flags: Flags, flag: Flag, on: bool| flags.with(flag, on);
        match field {
            0 => {
                changed.read = remote.read;
                expected.flags = set(expected.flags, Flag::Seen, remote.read);
            }
            1 => {
                changed.follow_up = remote.follow_up;
                expected.flags = set(expected.flags, Flag::Flagged, remote.follow_up == FollowUp::Flagged);
            }
            2 => {
                changed.categories = remote.categories.clone();
                expected.categories = remote.categories;
            }
            _ => {
                changed.verb = remote.verb;
                let file = pull(&base.0, &changed, &base.1);
                let neither = |flags: Flags| flags.with(Flag::Replied, false).with(Flag::Passed, false);
                prop_assert_eq!(neither(file.flags), neither(base.1.flags));
                prop_assert_eq!(file.categories, base.1.categories);
                return Ok(());
            }
        }
        prop_assert_eq!(pull(&base.0, &changed, &base.1), expected);
    }

    #[test]
    fn a_flag_changed_in_the_file_changes_that_field_of_the_server(base in agreed(), flag in 0..6usize) {
        let flag = Flag::ALL.get(flag).copied().unwrap_or(Flag::Seen);
        let mut local = base.1.clone();
        local.flags = local.flags.with(flag, !local.flags.has(flag));
        let server = push(&base.1, &local, &base.0);
        let mut expected = base.0.clone();
        match flag {
            Flag::Seen => expected.read = !expected.read,
            Flag::Flagged if local.flags.has(Flag::Flagged) => expected.follow_up = FollowUp::Flagged,
            Flag::Flagged => expected.follow_up = FollowUp::NotFlagged,
            Flag::Replied | Flag::Passed => expected.verb = server.verb,
            Flag::Draft | Flag::Trashed => {}
        }
        prop_assert_eq!(server, expected);
    }

    #[test]
    fn changes_to_different_fields_are_merged_in_either_order(
        base in agreed(), follow_up in follow_up(), seen: bool, here in categories(), there in categories(),
    ) {
        let remote = ServerMarks { follow_up, categories: there.clone(), ..base.0.clone() };
        let mut local = Marks { categories: here.clone(), ..base.1.clone() };
        local.flags = local.flags.with(Flag::Seen, seen);
        let (server, file) = merged(&base, &remote, &local);
        prop_assert_eq!(server.read, seen);
        prop_assert_eq!(server.follow_up, follow_up);
        let told_first = push(&base.1, &local, &remote);
        prop_assert_eq!(&told_first, &server, "pushed before the pull, it is the same");
        let known = &base.0.categories;
        for category in here.union(&there).chain(known) {
            let kept = here.contains(category) && there.contains(category);
            let gained = !known.contains(category);
            prop_assert_eq!(server.categories.contains(category), kept || gained);
        }
        prop_assert_eq!(file.categories, server.categories);
    }

    #[test]
    fn another_spelling_is_no_other_category(base in agreed()) {
        let capitals: Categories =
            base.0.categories.iter().map(|category| Category(category.0.to_uppercase())).collect();
        let remote = ServerMarks { categories: capitals.clone(), ..base.0.clone() };
        let (server, file) = merged(&base, &remote, &base.1);
        prop_assert_eq!(spelt(&server.categories), spelt(&capitals));
        prop_assert_eq!(spelt(&file.categories), spelt(&base.1.categories));
    }

    #[test]
    fn the_newest_of_two_verbs_is_the_last_one(base in agreed(), verb in verb()) {
        prop_assume!(base.0.verb != verb);
        let remote = ServerMarks { verb, ..base.0.clone() };
        let file = pull(&base.0, &remote, &base.1);
        match verb.flag() {
            Some(flag) => prop_assert!(file.flags.has(flag)),
            None => prop_assert!(!file.flags.has(Flag::Replied) && !file.flags.has(Flag::Passed)),
        }
    }

    #[test]
    fn a_new_file_becomes_a_message_that_reads_as_the_file(local in local_marks()) {
        let server = local.to_server();
        assert_marks_agree(&server, &local);
    }

    #[test]
    fn a_message_that_neither_side_was_known_to_have_keeps_what_both_say_of_it(remote in marks(), local in local_marks()) {
        let local = as_draft(local, &remote);
        let (server, file) = adopted(&remote, &local);
        assert_marks_agree(&server, &file);
        let both: Categories = local.categories.union(&remote.categories).cloned().collect();
        prop_assert_eq!(&file.categories, &both);
        prop_assert_eq!(&server.categories, &both);
        for flag in [Flag::Seen, Flag::Flagged, Flag::Trashed] {
            prop_assert_eq!(file.flags.has(flag), local.flags.has(flag) || remote.to_local().flags.has(flag));
        }
    }

    #[test]
    fn a_downloaded_file_says_what_the_server_says(remote in marks()) {
        assert_marks_agree(&remote, &remote.to_local());
    }
}

#[test]
fn forwarding_after_a_reply_and_taking_it_back() {
    let flags = |letters: &[u8]| Marks { flags: Flags::from_letters(letters), ..Marks::default() };
    let server = |verb| ServerMarks { verb, ..ServerMarks::default() };
    for (before, after, verb, told) in [
        (b"R".as_slice(), b"PR".as_slice(), LastVerb::ReplyAll, LastVerb::Forward),
        (b"PR", b"R", LastVerb::Forward, LastVerb::Reply),
        (b"PR", b"", LastVerb::Forward, LastVerb::None),
        (b"PR", b"R", LastVerb::ReplyAll, LastVerb::ReplyAll),
        (b"R", b"P", LastVerb::Reply, LastVerb::Forward),
        (b"", b"PR", LastVerb::None, LastVerb::Reply),
        (b"", b"S", LastVerb::Other(5), LastVerb::Other(5)),
    ] {
        assert_eq!(push(&flags(before), &flags(after), &server(verb)).verb, told, "{before:?} {after:?} {verb:?}");
    }
}
