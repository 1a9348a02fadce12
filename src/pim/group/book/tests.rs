use proptest::prelude::*;

use super::*;

fn address(text: &str) -> EmailAddress {
    EmailAddress::new(text).unwrap()
}

fn uid(text: &str) -> Uid {
    Uid::new(text).unwrap()
}

fn person(id: &str, emails: &[&str]) -> Person {
    let emails = emails.iter().map(|email| address(email)).collect();
    Person { uid: Uid::new(id), name: Text::new(id), emails, preferred: 0, source: format!("{id}.vcf") }
}

fn group(id: &str, members: Vec<Member>) -> Group {
    Group { uid: Uid::new(id), name: Text::new(id), members }
}

fn plain(text: &str) -> Member {
    Member::Address(Mailbox { name: Text::default(), address: address(text) })
}

fn nested(id: &str) -> Member {
    Member::Linked(Link::to_group(uid(id), Text::new(id)))
}

fn reached(book: &AddressBook, group: &Group) -> Vec<String> {
    book.expand([group]).mailboxes.iter().map(|mailbox| mailbox.address.to_string()).collect()
}

fn added(people: &[Person], text: &str) -> Member {
    AddressBook::new(people.to_vec(), Vec::new()).member_for(Mailbox::parse(text).unwrap())
}

#[test]
fn a_member_follows_its_contact_to_a_new_address() {
    let before = [person("anna", &["anna@old", "anna@home"]), person("ben", &["ben@x"])];
    let team = group("team", vec![added(&before, "ANNA@old"), added(&before, "stranger@x")]);
    assert_eq!(team.members[1], plain("stranger@x"));
    let now = |emails: &[&str]| AddressBook::new(vec![person("anna", emails)], Vec::new());
    assert_eq!(reached(&now(&["anna@new", "anna@home"]), &team), ["anna@new", "stranger@x"]);
    assert_eq!(
        reached(&now(&["anna@work", "anna@old"]), &team),
        ["anna@old", "stranger@x"],
        "an address that stays is meant"
    );
    assert_eq!(reached(&AddressBook::default(), &team), ["ANNA@old", "stranger@x"], "the contact is gone");
    let home = group("home", vec![added(&before, "anna@home")]);
    assert_eq!(reached(&now(&["anna@old", "anna@new-home"]), &home), ["anna@new-home"], "not the one at work");
    assert_eq!(reached(&now(&["anna@only"]), &home), ["anna@only"]);
    let none = now(&[]).expand([&home]);
    assert_eq!((none.mailboxes.len(), &none.unreached[0].reason), (0, &UnreachedReason::NoAddress));
}

#[test]
fn a_contact_that_was_named_is_reached_where_it_prefers() {
    let mut anna = person("anna", &["a@1", "a@2"]);
    anna.preferred = 1;
    let book = AddressBook::new(vec![anna.clone()], Vec::new());
    let team = group("team", vec![book.member_of(&anna).unwrap()]);
    assert_eq!(reached(&book, &team), ["a@2"]);
    anna.preferred = 0;
    assert_eq!(reached(&AddressBook::new(vec![anna], Vec::new()), &team), ["a@1"]);
}

#[test]
fn an_address_that_two_contacts_have_follows_neither() {
    let anna = person("anna", &["office@x"]);
    assert_eq!(added(&[anna.clone(), person("ben", &["office@x"])], "office@x"), plain("office@x"));
    assert_eq!(
        added(&[anna.clone(), person("", &["office@x"])], "office@x"),
        plain("office@x"),
        "one of them has no UID"
    );
    let twice = added(&[anna.clone(), anna], "office@x");
    assert!(
        matches!(&twice, Member::Linked(link) if link.uid == uid("anna")),
        "one contact in two accounts: {twice:?}"
    );
}

#[test]
fn two_files_of_one_contact_that_disagree_are_told() {
    let files = [person("anna", &["anna@old"]), Person { source: "b.vcf".to_owned(), ..person("anna", &["anna@new"]) }];
    let book = AddressBook::new(files.to_vec(), Vec::new());
    let team = group("team", vec![added(&files, "anna@new")]);
    let found = book.expand([&team]);
    assert_eq!(found.mailboxes[0].address, address("anna@new"), "the one that has the address which was last seen");
    assert_eq!(found.unreached[0].reason, UnreachedReason::Ambiguous(vec!["anna.vcf".to_owned()]));
    let mut same = team.clone();
    book.note_seen(&mut same);
    assert_eq!(same, team, "who knows which one is right");
}

#[test]
fn a_contact_with_hundreds_of_addresses_is_one() {
    let all: Vec<String> = (0..300).map(|number| format!("{number}@x")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let book = AddressBook::new(vec![person("anna", &all)], Vec::new());
    for place in [0, 253, 254, 255, 256, 299] {
        let team = group("team", vec![book.member_for(Mailbox::parse(all[place]).unwrap())]);
        assert_eq!(reached(&book, &team), [all[place]]);
    }
}

#[test]
fn what_was_seen_is_noted() {
    let mut team = group("team", vec![added(&[person("anna", &["a@old"])], "a@old")]);
    let book = AddressBook::new(vec![person("anna", &["a@work", "a@new"])], Vec::new());
    book.note_seen(&mut team);
    assert_eq!(reached(&AddressBook::default(), &team), ["a@work"]);
}

#[test]
fn groups_within_groups_are_opened_and_circles_end() {
    let groups = vec![
        group("a", vec![plain("1@x"), nested("b"), plain("4@x")]),
        group("b", vec![plain("2@x"), nested("c"), nested("a"), plain("1@X")]),
        group("c", vec![nested("c"), plain("3@x"), nested("gone"), Member::Unusable("?".into())]),
    ];
    let book = AddressBook::new(Vec::new(), groups.clone());
    let found = book.expand([&groups[0]]);
    let addresses: Vec<_> = found.mailboxes.iter().map(|mailbox| mailbox.address.as_str()).collect();
    assert_eq!(addresses, ["1@x", "2@x", "3@x", "4@x"]);
    let missed: Vec<_> = found.unreached.iter().map(|missed| (missed.member.as_str(), &missed.reason)).collect();
    assert_eq!(missed, [("gone", &UnreachedReason::Missing), ("?", &UnreachedReason::Unusable)]);
    assert!(book.is_within(&uid("c"), &groups[0]) && !book.is_within(&uid("x"), &groups[0]));
}

#[test]
fn a_chain_of_a_hundred_thousand_groups_ends() {
    let name = |number: usize| format!("g{number}");
    let groups: Vec<Group> = (0..100_000).map(|number| group(&name(number), vec![nested(&name(number + 1))])).collect();
    let book = AddressBook::new(vec![person("g100000", &["last@x"])], groups.clone());
    assert_eq!(reached(&book, &groups[0]), ["last@x"]);
}

#[test]
fn a_name_means_all_who_have_it_and_a_uid_one() {
    let mut people = vec![person("u1", &[]), person("u2", &[]), person("u2", &[])];
    people.iter_mut().for_each(|person| person.name = "Anna".into());
    let book = AddressBook::new(people, vec![group("anna", Vec::new())]);
    assert_eq!(book.candidates("anna").len(), 1, "it is the group's UID");
    let book = AddressBook { groups: vec![Group { uid: None, ..book.groups[0].clone() }], ..book };
    assert_eq!(book.candidates(" anna").len(), 3);
    assert_eq!(book.candidates("urn:uuid:u2").len(), 1);
    assert_eq!(book.candidates(""), []);
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let member = prop_oneof![
        (0..6u8).prop_map(|number| plain(&format!("{number}@x"))),
        (0..8u8).prop_map(|number| nested(&format!("g{number}"))),
        (0..4u8, 0..4u8).prop_map(|(id, last)| Member::Linked(Link {
            uid: uid(&format!("p{id}")),
            name: Text::default(),
            last_seen: Some(address(&format!("seen{last}@x"))),
            place: NonZeroU8::new(last),
        })),
    ];
    prop::collection::vec(member, 0..6)
}

proptest! {
    #[test]
    fn nobody_is_left_out_and_nobody_comes_twice(all in prop::collection::vec(members(), 1..7)) {
        let groups: Vec<Group> = all.into_iter().enumerate().map(|(number, members)| group(&format!("g{number}"), members)).collect();
        let people = vec![person("p0", &["p0@x"]), person("p1", &["1@x", "seen2@x"])];
        let book = AddressBook::new(people, groups.clone());
        let found = book.expand([&groups[0]]);
        let keys: BTreeSet<String> = found.mailboxes.iter().map(|mailbox| mailbox.address.key().to_owned()).collect();
        prop_assert_eq!(keys.len(), found.mailboxes.len());
        // The same, by closing over "is in" until nothing is added.
        let mut open: BTreeSet<usize> = BTreeSet::from([0]);
        loop {
            let more: BTreeSet<usize> = open.iter().flat_map(|at| &groups[*at].members).filter_map(|member| match book.reach(member) {
                Reached::Group(inner) => groups.iter().position(|group| group.uid == inner.uid),
                _ => None,
            }).collect();
            let before = open.len();
            open.extend(more);
            if open.len() == before {
                break;
            }
        }
        let expected: BTreeSet<String> = open.iter().flat_map(|at| &groups[*at].members).filter_map(|member| match book.reach(member) {
            Reached::Address(mailbox) | Reached::LastSeen(mailbox) | Reached::Contact(mailbox, _) => Some(mailbox.address.key().to_owned()),
            _ => None,
        }).collect();
        prop_assert_eq!(keys, expected);
    }
}
