//! Meetings: whose they are, who is mailed about them, and the owner's answers.
//!
//! Unless the account says otherwise, nobody is ever mailed. Where it does, guests learn of a meeting of the owner's that is made, changed in what
//! concerns them, or deleted; not of one that is over. An answer is an item of its own (MS-OXWSMTGS `AcceptItem` and kin): what UpdateItem says
//! of it is passed over.

use std::sync::Arc;

use jiff::civil::Date;
use tokio::sync::OnceCell;

use super::super::answer::Response;
use super::super::payload::Payload;
use super::super::request::{Version, request};
use super::super::settle::{Fate, Writes};
use super::super::write::only as one;
use super::super::xml::Element;
use super::super::{EwsClient, Settings};
use super::event::{MY_RESPONSE, is_of_others};
use super::reading::only;
use super::request::{BodyType, ItemRef};
use crate::clock::Clock;
use crate::pim::event::{Answer, Mailing, When};
use crate::pim::recurrence::End;
use crate::pim::{ChangeKey, Entry, EntryKind, Event, ItemId};
use crate::remote::{ItemErrorClass, PerItem, RemoteError, RemoteRead};

/// What is known of the owner of the mailbox where meetings are concerned.
pub(in super::super) struct Meetings {
    /// The addresses that they are known by without asking.
    addresses: Vec<String>,
    /// The address that the server has for the first of these, once it was asked.
    primary: OnceCell<Option<String>>,
    mailing: Mailing,
    clock: Arc<dyn Clock>,
}

impl Meetings {
    pub(in super::super) fn new(settings: &Settings) -> Self {
        let mut addresses = vec![settings.address.clone(), settings.sign_in.user().to_owned()];
        addresses.retain(|address| address.contains('@'));
        addresses.dedup();
        Self { addresses, primary: OnceCell::new(), mailing: settings.mailing, clock: Arc::clone(&settings.clock) }
    }

    /// Whether that address is the owner's, as far as is known.
    pub(super) fn is_owner(&self, address: &str) -> bool {
        let primary = self.primary.get().and_then(Option::as_deref);
        let all = self.addresses.iter().map(String::as_str).chain(primary);
        !address.is_empty() && all.into_iter().any(|own| own.eq_ignore_ascii_case(address))
    }

    /// Who is mailed about a meeting of the owner's.
    pub(super) fn mailing(&self, event: &Event) -> Mailing {
        if event.attendees.is_empty() { Mailing::Nobody } else { self.mailing_when(event) }
    }

    /// The same, whoever is invited: nobody is told of what is over.
    pub(super) fn mailing_when(&self, event: &Event) -> Mailing {
        let today =
            jiff::Timestamp::from_second(self.clock.now().0).map(|now| now.to_zoned(jiff::tz::TimeZone::UTC).date());
        let is_over = last_day(event).zip(today.ok()).is_some_and(|(last, today)| last < today);
        if is_over { Mailing::Nobody } else { self.mailing }
    }

    /// What an answer is to do besides being noted.
    fn disposition(&self) -> &'static str {
        match self.mailing {
            Mailing::Nobody => "SaveOnly",
            Mailing::Concerned => "SendAndSaveCopy",
        }
    }

    /// The answer to a meeting of somebody else that an edit of the owner's line gives.
    pub(super) fn answer(&self, from: &Event, to: &Event) -> Option<Answer> {
        let own = |event: &Event| {
            let mut own = event.attendees.iter().filter(|attendee| self.is_owner(attendee.person.address.as_str()));
            own.next().map_or(Answer::None, |attendee| attendee.answer)
        };
        Some(own(to)).filter(|answer| *answer != Answer::None && *answer != own(from))
    }

    /// Puts into the owner's line what they answered: the list of guests does not say it.
    pub(super) fn add_answer(&self, event: &mut Event, item: &Element) {
        if !is_of_others(item) {
            return;
        }
        let said = RESPONSES.iter().find(|row| Some(row.1) == MY_RESPONSE.of(item)).map_or(Answer::None, |row| row.0);
        let own = event.attendees.iter_mut().filter(|attendee| self.is_owner(attendee.person.address.as_str()));
        own.for_each(|attendee| attendee.answer = said);
    }
}

/// The last day of a meeting by its own clock; `None` where it is not known, or never comes.
fn last_day(event: &Event) -> Option<Date> {
    match event.recurrence.as_ref().map(|rule| rule.end) {
        None => Some(match &event.details.when {
            When::AllDay { end, .. } => *end,
            When::Floating { end, .. } => end.date(),
            When::Zoned { end, .. } => end.time.date(),
        }),
        Some(End::On(day)) => Some(day),
        Some(End::After(_)) => event.recurrence.as_ref().and_then(|rule| rule.days().last()),
        Some(End::Never) => None,
    }
}

/// Each answer, how the server tells it, and the item that gives it.
const RESPONSES: [(Answer, &str, &str); 3] = [
    (Answer::Accepted, "Accept", "t:AcceptItem"),
    (Answer::Tentative, "Tentative", "t:TentativelyAcceptItem"),
    (Answer::Declined, "Decline", "t:DeclineItem"),
];

impl EwsClient {
    /// Makes sure that the owner's own address is known, where what they organise hangs on it.
    pub(super) async fn know_owner<'a>(&self, organisers: impl IntoIterator<Item = &'a str>) {
        let meetings = &self.meetings;
        let Some(address) = meetings.addresses.first() else { return };
        if meetings.primary.initialized() || organisers.into_iter().all(|organiser| meetings.is_owner(organiser)) {
            return;
        }
        // What the server does not tell now is asked for again by the next run.
        if let Ok(found) = self.primary_address(address).await {
            drop(meetings.primary.set(found));
        }
    }

    /// Gives the owner's answer to a meeting of somebody else; tells its version then. One that is declined is gone.
    pub(super) async fn answer(
        &self,
        id: &ItemId,
        change_key: &ChangeKey,
        answer: Answer,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let reply = Reply { disposition: self.meetings.disposition(), id, change_key, answer };
        if let Err(error) = one(self.settle(&reply, Vec::new()).await?) {
            return Ok(Err(error));
        }
        Ok(match only(self.get(&[ItemRef::Item(id)], BodyType::Best, &[]).await?) {
            Ok((_, change_key, _)) => Ok(change_key),
            Err(error) if error.class == ItemErrorClass::Gone && answer == Answer::Declined => Ok(change_key.clone()),
            Err(error) => Err(error),
        })
    }

    /// Which of these are meetings of the owner's that are to be called off by mail.
    pub(in super::super) async fn meetings_to_call_off(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, RemoteError> {
        if self.meetings.mailing == Mailing::Nobody || ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.entries(EntryKind::Event, ids).await?;
        let refs: Vec<ItemRef<'_>> = ids.iter().map(ItemRef::Item).collect();
        let responses = self.get(&refs, BodyType::Best, &[MY_RESPONSE]).await?;
        let mut own = Vec::new();
        for (found, response) in found.into_iter().zip(responses) {
            if let (Ok(found), Ok((id, _, item))) = (found, response)
                && let Entry::Event(event) = &found.entry
                && !is_of_others(&item)
                && self.meetings.mailing(event) == Mailing::Concerned
            {
                own.push(id);
            }
        }
        Ok(own)
    }
}

/// An answer to an invitation.
struct Reply<'a> {
    disposition: &'static str,
    id: &'a ItemId,
    change_key: &'a ChangeKey,
    answer: Answer,
}

impl Reply<'_> {
    fn row(&self) -> Option<&'static (Answer, &'static str, &'static str)> {
        RESPONSES.iter().find(|row| row.0 == self.answer)
    }
}

impl Writes for Reply<'_> {
    type Done = ();
    const OPERATION: &'static str = "CreateItem";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        usize::from(self.row().is_some())
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        let element = self.row().map_or("t:AcceptItem", |row| row.2);
        Payload::text(request(version, "m:CreateItem", &[("MessageDisposition", self.disposition)], |xml| {
            xml.element("m:Items", |xml| {
                xml.element(element, |xml| {
                    let (id, key) = (self.id.as_str(), self.change_key.as_str());
                    xml.empty("t:ReferenceItemId", &[("Id", id), ("ChangeKey", key)]);
                });
            });
        }))
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    /// What says so was answered; what was declined is no longer there.
    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let now = only(client.get(&[ItemRef::Item(self.id)], BodyType::Best, &[MY_RESPONSE]).await?);
        let wanted = self.row().map(|row| row.1);
        Ok(vec![match now {
            Ok((_, _, item)) if MY_RESPONSE.of(&item) == wanted => Fate::Settled(Ok(())),
            Ok(_) => Fate::NotDone,
            Err(error) if error.class == ItemErrorClass::Gone && self.answer == Answer::Declined => {
                Fate::Settled(Ok(()))
            }
            Err(error) => Fate::Settled(Err(error)),
        }])
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::clock::SystemClock;
    use crate::pim::event::{Attendee, Details, Person};
    use crate::remote::auth::Basic;

    fn meetings(user: &str, mailing: Mailing) -> Meetings {
        let sign_in = Box::new(Basic::new(user, "x".to_owned().into()));
        let settings = Settings::new("https://x.org/", sign_in, Arc::new(SystemClock::new()));
        Meetings::new(&Settings { address: "anna@x.org".to_owned(), mailing, ..settings })
    }

    fn meeting(end: Date, answer: Answer) -> Event {
        let person = Person { name: "Anna".into(), address: "Anna@X.org".into() };
        Event {
            details: Details { when: When::AllDay { first: end, end }, ..Details::default() },
            attendees: vec![Attendee { person, answer, ..Attendee::default() }],
            ..Event::default()
        }
    }

    #[test]
    fn the_owner_is_known_by_address_however_they_sign_in() {
        for user in ["X\\anna", "anna", "anna@x.org", "anna@internal.x.org"] {
            let known = meetings(user, Mailing::Nobody);
            assert!(known.is_owner("ANNA@x.org"), "{user}");
            assert!(!known.is_owner("bob@x.org") && !known.is_owner("") && !known.is_owner("X\\anna"));
        }
        assert!(meetings("anna@internal.x.org", Mailing::Nobody).is_owner("anna@internal.x.org"));
        let found = meetings("X\\anna", Mailing::Nobody);
        found.primary.set(Some("anna.smith@x.org".to_owned())).unwrap();
        assert!(found.is_owner("Anna.Smith@x.org"));
    }

    #[test]
    fn nobody_is_told_of_what_is_over_or_has_no_guests() {
        let (past, future) = (date(2001, 1, 1), date(2999, 1, 1));
        let send = meetings("anna@x.org", Mailing::Concerned);
        assert_eq!(send.mailing(&meeting(future, Answer::None)), Mailing::Concerned);
        assert_eq!(send.mailing(&meeting(past, Answer::None)), Mailing::Nobody);
        let alone = Event { attendees: Vec::new(), ..meeting(future, Answer::None) };
        assert_eq!(send.mailing(&alone), Mailing::Nobody);
        let quiet = meetings("anna@x.org", Mailing::Nobody);
        assert_eq!(quiet.mailing(&meeting(future, Answer::None)), Mailing::Nobody);
        assert_eq!((quiet.disposition(), send.disposition()), ("SaveOnly", "SendAndSaveCopy"));
    }

    #[test]
    fn only_an_answer_of_ones_own_is_one() {
        let owner = meetings("X\\anna", Mailing::Nobody);
        let said = |answer| meeting(date(2999, 1, 1), answer);
        assert_eq!(owner.answer(&said(Answer::None), &said(Answer::Tentative)), Some(Answer::Tentative));
        assert_eq!(owner.answer(&said(Answer::Accepted), &said(Answer::Accepted)), None);
        assert_eq!(owner.answer(&said(Answer::Accepted), &said(Answer::None)), None, "it cannot be taken back");
        let mut bob = said(Answer::Declined);
        bob.attendees[0].person.address = "bob@x.org".into();
        assert_eq!(owner.answer(&said(Answer::None), &bob), None);
    }
}
