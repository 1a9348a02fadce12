//! Meetings: whose they are, the owner's answers, and who is mailed.

use std::sync::Arc;

use jiff::civil::date;
use pimsync::exchange::{Action, Options, Personality, Rule, Server, User};
use pimsync::pim::event::{Answer, Attendee, Details, Mailing, Person, When};
use pimsync::pim::{ChangeKey, Entry, EntryKind, Event, FolderId, ItemId, ServerEntry};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{
    Disposal, EntryUpdate, EntryUpload, ItemErrorClass, PerItem, RemoteRead, RemoteWrite, Versioned,
};

use crate::house::*;

contract!(
    an_answer_is_noted_and_mailed_only_where_that_is_asked_for,
    a_lost_reply_to_an_answer_is_looked_up,
    what_is_the_organisers_is_not_sent,
    guests_learn_of_an_own_meeting_only_where_that_is_asked_for,
);

const OWNER: &str = "demo@example.org";
const BEN: &str = "ben@example.org";
const BOTH: [Mailing; 2] = [Mailing::Nobody, Mailing::Concerned];

/// A server with two people, and the owner's client.
struct Two {
    server: Server,
    client: EwsClient,
    clock: Arc<TestClock>,
}

impl Two {
    fn like(house: &House, mailing: Mailing) -> Self {
        let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
        let options = Options { like: house.like, users: vec![user(OWNER), user(BEN)], ..Options::default() };
        let server = Server::start(options).unwrap();
        let clock = Arc::new(TestClock::default());
        let client = client(&server, &clock, OWNER, mailing);
        Self { server, client, clock }
    }

    fn calendar(&self, user: &str) -> FolderId {
        FolderId::new(self.server.mailbox(user).unwrap().folder("Calendar").unwrap())
    }

    fn subjects(&self, user: &str, folder: &str) -> Vec<String> {
        let items = self.server.mailbox(user).unwrap().items(folder).unwrap();
        items.into_iter().map(|item| item.subject).collect()
    }

    /// Ben invites the owner; the entry in the owner's calendar.
    async fn invited(&self) -> ServerEntry {
        let ben = client(&self.server, &self.clock, BEN, Mailing::Concerned);
        let (tag, entry) = (tag(1), meeting(&[OWNER]));
        let upload = EntryUpload { tag: &tag, entry: &entry, extra: None };
        all_ok(ben.create_entries(&self.calendar(BEN), &[upload]).await.unwrap());
        let items = self.server.mailbox(OWNER).unwrap().items("Calendar").unwrap();
        self.read(&ItemId::new(items[0].id.clone())).await
    }

    async fn read(&self, id: &ItemId) -> ServerEntry {
        all_ok(self.client.entries(EntryKind::Event, std::slice::from_ref(id)).await.unwrap()).remove(0)
    }

    async fn change(&self, now: &ServerEntry, to: &Entry) -> PerItem<ChangeKey> {
        let update = EntryUpdate { id: &now.id, change_key: &now.change_key, from: &now.entry, to, extra: None };
        self.client.update_entries(&[update]).await.unwrap().remove(0)
    }
}

fn client(server: &Server, clock: &Arc<TestClock>, user: &str, mailing: Mailing) -> EwsClient {
    let sign_in = Box::new(Basic::new(user, "demo".into()));
    EwsClient::new(Settings { mailing, ..Settings::new(server.url(), sign_in, clock.clone()) }).unwrap()
}

fn meeting(guests: &[&str]) -> Entry {
    let guest = |address: &&str| Attendee {
        person: Person { name: "".into(), address: (*address).into() },
        ..Attendee::default()
    };
    let day = date(2131, 5, 6);
    Entry::Event(Box::new(Event {
        uid: "plans@example.org".into(),
        details: Details {
            subject: "Plans".into(),
            when: When::AllDay { first: day, end: day.tomorrow().unwrap() },
            ..Details::default()
        },
        attendees: guests.iter().map(guest).collect(),
        ..Event::default()
    }))
}

fn event(entry: &mut Entry) -> &mut Event {
    let Entry::Event(event) = entry else { panic!("{entry:?} is no event") };
    event
}

fn answered(now: &ServerEntry, answer: Answer) -> Entry {
    let mut to = now.entry.clone();
    event(&mut to).attendees[0].answer = answer;
    to
}

async fn an_answer_is_noted_and_mailed_only_where_that_is_asked_for(house: House) {
    for mailing in BOTH {
        let two = Two::like(&house, mailing);
        let mut now = two.invited().await;
        assert_eq!(event(&mut now.entry).attendees[0].answer, Answer::None);
        for (count, answer) in [Answer::Tentative, Answer::Accepted].into_iter().enumerate() {
            let wanted = answered(&now, answer);
            let key = two.change(&now, &wanted).await.unwrap();
            now = two.read(&now.id).await;
            assert_eq!((&now.change_key, event(&mut now.entry).attendees[0].answer), (&key, answer));
            let mailed = if mailing == Mailing::Concerned { count + 1 } else { 0 };
            assert_eq!(two.subjects(BEN, "Inbox").len(), mailed);
        }
        two.change(&now, &answered(&now, Answer::Declined)).await.unwrap();
        let gone = two.client.entries(EntryKind::Event, std::slice::from_ref(&now.id)).await.unwrap().remove(0);
        assert_eq!(gone.unwrap_err().class, ItemErrorClass::Gone, "it went to Deleted Items");
        assert_eq!(two.subjects(OWNER, "Deleted Items").len(), 1);
    }
}

async fn a_lost_reply_to_an_answer_is_looked_up(house: House) {
    for answer in [Answer::Accepted, Answer::Declined] {
        let two = Two::like(&house, Mailing::Concerned);
        let now = two.invited().await;
        two.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit).times(1));
        two.change(&now, &answered(&now, answer)).await.unwrap();
        assert_eq!(two.subjects(BEN, "Inbox").len(), 1, "it was given once");
    }
}

async fn what_is_the_organisers_is_not_sent(house: House) {
    for mailing in BOTH {
        let two = Two::like(&house, mailing);
        let now = two.invited().await;
        let mut to = now.entry.clone();
        event(&mut to).details.location = "Elsewhere".into();
        event(&mut to).details.sensitivity = pimsync::pim::Sensitivity::Private;
        two.change(&now, &to).await.unwrap();
        let mut then = two.read(&now.id).await;
        let details = &event(&mut then.entry).details;
        assert_eq!((details.location.as_str(), details.sensitivity), ("", pimsync::pim::Sensitivity::Private));
        assert_eq!((two.subjects(BEN, "Inbox").len(), two.subjects(OWNER, "Sent Items").len()), (0, 0));
    }
}

async fn guests_learn_of_an_own_meeting_only_where_that_is_asked_for(house: House) {
    for mailing in BOTH {
        let told = usize::from(mailing == Mailing::Concerned);
        let two = Two::like(&house, mailing);
        let (tag, entry) = (tag(1), meeting(&[BEN]));
        let upload = EntryUpload { tag: &tag, entry: &entry, extra: None };
        let placed = all_ok(two.client.create_entries(&two.calendar(OWNER), &[upload]).await.unwrap()).remove(0);
        assert_eq!(two.subjects(BEN, "Inbox").len(), told);
        let mut now = two.read(&placed.id).await;
        let mut to = now.entry.clone();
        event(&mut to).details.subject = "Other plans".into();
        two.change(&now, &to).await.unwrap();
        assert_eq!(two.subjects(BEN, "Inbox").len(), 2 * told);
        now = two.read(&placed.id).await;
        // What only its owner sees is told to nobody.
        let mut to = now.entry.clone();
        event(&mut to).details.sensitivity = pimsync::pim::Sensitivity::Private;
        two.change(&now, &to).await.unwrap();
        assert_eq!(two.subjects(BEN, "Inbox").len(), 2 * told);
        now = two.read(&placed.id).await;
        let item = (Versioned { id: now.id.clone(), change_key: now.change_key.clone() }, message_removal());
        all_ok(two.client.delete_messages(&[item], Disposal::ToDeletedItems).await.unwrap());
        assert_eq!(two.subjects(BEN, "Inbox").len(), 3 * told);
        assert_eq!(two.subjects(OWNER, "Sent Items").len(), 3 * told);
    }
}
