//! Letters that wait: each is sent exactly once, under lost answers, refusals in passing, and a sender that is killed at every step.
//! `PIMSYNC_TEST_LETTERS` says how many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::house::*;
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::local::outgoing::{Note, Outgoing, Stage, letter_id};
use pimsync::sync::NoticeKind;
use pimsync::sync::sending::{GRACE, SendError, SendStep, Sender, Which, never_cut};

const ACCOUNT: &str = "anna";

fn accept(outgoing: &Outgoing, number: usize) {
    let note = Note {
        account: ACCOUNT.to_owned(),
        tag: tag(number).as_str().to_owned(),
        recipients: vec!["demo@example.org".to_owned()],
        blind: Vec::new(),
        subject: format!("letter {number}"),
        accepted: 0,
        stage: Stage::Waiting,
        tries: 0,
        not_before: 0,
        reason: None,
    };
    let body = mime(&format!("letter {number}"));
    outgoing.accept(&letter_id(SystemTime::UNIX_EPOCH, number as u128), b"", &mut body.as_slice(), note).unwrap();
}

async fn flush(
    house: &House,
    outgoing: &Outgoing,
    which: Which,
    fault: &(dyn Fn(SendStep) -> Result<(), SendError> + Send + Sync),
) -> Result<pimsync::sync::sending::Posted, SendError> {
    Sender { remote: &house.client, outgoing, account: ACCOUNT, clock: &*house.clock, fault }.flush(which).await
}

/// How often each subject is in a folder.
fn counts(house: &House, folder: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    house.subjects(folder).into_iter().for_each(|subject| *counts.entry(subject).or_default() += 1);
    counts
}

#[tokio::test]
async fn letters_are_sent_exactly_once_each() {
    let most = std::env::var("PIMSYNC_TEST_LETTERS").map_or(100, |count| count.parse().unwrap());
    for (like, count) in [(Personality::Exchange, most), (Personality::Gromox, most / 2)] {
        let house = House::like(like);
        let home = tempfile::tempdir().unwrap();
        let outgoing = Outgoing::of(home.path());
        (0..count).for_each(|number| accept(&outgoing, number));
        let actions = [
            (Action::ResetAfterCommit, 3),
            (Action::ResetBeforeCommit, 5),
            (Action::CutBody { at: 50 }, 7),
            (Action::ServerBusyInMessage { backoff_ms: Some(1000) }, 11),
            (Action::Http503 { retry_after: None }, 13),
        ];
        for (action, every) in actions {
            house.server.faults().add(Rule::on("CreateItem", action).every(every));
        }
        let steps = AtomicU64::new(0);
        // Killed at every ninth step, of either kind.
        let kill = |step: SendStep| match steps.fetch_add(1, Ordering::SeqCst) % 9 {
            8 => Err(SendError::CutOff(step)),
            _ => Ok(()),
        };
        let (mut rounds, mut killed) = (0, 0);
        while !outgoing.list().unwrap().is_empty() {
            killed +=
                usize::from(matches!(flush(&house, &outgoing, Which::Due, &kill).await, Err(SendError::CutOff(_))));
            house.clock.advance(47);
            rounds += 1;
            assert!(rounds < 20_000, "it does not end: {} are left", outgoing.list().unwrap().len());
        }
        assert!(killed > count / 10, "{killed}");
        let expected: BTreeMap<String, usize> = (0..count).map(|number| (format!("letter {number}"), 1)).collect();
        assert_eq!(counts(&house, "Sent Items"), expected);
        assert_eq!(counts(&house, "Inbox"), expected);
    }
}

#[tokio::test]
async fn a_letter_without_an_answer_is_not_sent_again_before_it_is_sure() {
    let house = House::like(Personality::Exchange);
    let home = tempfile::tempdir().unwrap();
    let outgoing = Outgoing::of(home.path());
    accept(&outgoing, 1);
    house.server.faults().add(Rule::on("CreateItem", Action::ResetBeforeCommit).nth(1));
    let posted = flush(&house, &outgoing, Which::Due, &never_cut).await.unwrap();
    assert_eq!((posted.sent, posted.notices[0].kind), (0, NoticeKind::Held));
    for _ in 0..3 {
        flush(&house, &outgoing, Which::All, &never_cut).await.unwrap();
        house.clock.advance(30);
    }
    assert_eq!(house.count("CreateItem"), 1);
    house.clock.advance(i64::try_from(GRACE.as_secs()).unwrap());
    assert_eq!(flush(&house, &outgoing, Which::Due, &never_cut).await.unwrap().sent, 1);
    assert_eq!(house.subjects("Inbox"), ["letter 1"]);
}

#[tokio::test]
async fn what_is_refused_is_kept_with_its_recipients_and_stops_nothing() {
    let house = House::like(Personality::Exchange);
    let home = tempfile::tempdir().unwrap();
    let outgoing = Outgoing::of(home.path());
    (1..=3).for_each(|number| accept(&outgoing, number));
    std::fs::write(home.path().join("Outgoing/000-odd.json"), "{").unwrap();
    let refusal = Action::ItemError { code: "ErrorInvalidRecipients".to_owned() };
    house.server.faults().add(Rule::on("CreateItem", refusal).for_subject("letter 2"));
    let posted = flush(&house, &outgoing, Which::Due, &never_cut).await.unwrap();
    assert_eq!(posted.sent, 2);
    let refused = posted.notices.iter().find(|notice| notice.kind == NoticeKind::Refused).unwrap();
    assert!(refused.item.as_ref().unwrap().contains("demo@example.org"), "{refused:?}");
    assert!(refused.text.contains("ErrorInvalidRecipients"), "{refused:?}");
    // It is not tried again before a person says so.
    house.clock.advance(1_000_000);
    let before = house.count("CreateItem");
    assert_eq!(flush(&house, &outgoing, Which::Due, &never_cut).await.unwrap().notices.len(), 2);
    assert_eq!(house.count("CreateItem"), before);
    house.server.faults().clear();
    assert_eq!(flush(&house, &outgoing, Which::All, &never_cut).await.unwrap().sent, 1);
    assert_eq!(house.subjects("Sent Items"), ["letter 1", "letter 2", "letter 3"]);
}

/// A backup taken while it waited, restored after it was sent.
#[tokio::test]
async fn a_letter_that_comes_back_is_not_sent_again() {
    let house = House::like(Personality::Exchange);
    let home = tempfile::tempdir().unwrap();
    let outgoing = Outgoing::of(home.path());
    accept(&outgoing, 1);
    assert_eq!(flush(&house, &outgoing, Which::Due, &never_cut).await.unwrap().sent, 1);
    accept(&outgoing, 1);
    assert_eq!(flush(&house, &outgoing, Which::Due, &never_cut).await.unwrap().sent, 1);
    assert_eq!((house.count("CreateItem"), house.subjects("Inbox")), (1, vec!["letter 1".to_owned()]));
}
