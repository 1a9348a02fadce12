//! What sends: once, to everybody who is meant, whatever becomes of the answer.

use super::throttling;
use crate::house::*;
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::pim::Tag;
use pimsync::remote::{ItemError, ItemErrorClass, Letter, RemoteSend, Whereabouts};

contract!(
    a_letter_is_sent_to_all_and_its_copy_is_found,
    a_lost_answer_is_no_second_letter,
    what_may_have_been_sent_is_not_sent_again,
    throttled_letters_are_sent_once_or_left,
    a_refused_letter_is_told,
    a_copy_that_was_filed_elsewhere_is_found,
);

const SELF: &str = "demo@example.org";

async fn send(house: &House, number: usize, blind: &[&str]) -> Result<(), ItemError> {
    let blind: Vec<String> = blind.iter().map(|address| (*address).to_owned()).collect();
    let body = InMemory(mime(&format!("letter {number}")));
    house.client.send(&Letter { tag: &tag(number), blind: &blind, body: &body }).await.unwrap()
}

async fn whereabouts(house: &House, tag: &Tag) -> Whereabouts {
    house.client.whereabouts(std::slice::from_ref(tag)).await.unwrap()[0]
}

async fn a_letter_is_sent_to_all_and_its_copy_is_found(house: House) {
    assert_eq!(whereabouts(&house, &tag(1)).await, Whereabouts::Nowhere);
    send(&house, 1, &["secret@example.org", "else@example.org"]).await.unwrap();
    assert_eq!(whereabouts(&house, &tag(1)).await, Whereabouts::Sent);
    assert_eq!(
        (house.subjects("Sent Items"), house.subjects("Inbox")),
        (vec!["letter 1".into()], vec!["letter 1".into()])
    );
    let copy = &house.mailbox.items("Sent Items").unwrap()[0];
    assert!(copy.read && !copy.draft);
    let received = &house.mailbox.items("Inbox").unwrap()[0];
    assert!(!received.read && !String::from_utf8_lossy(&received.mime).contains("secret"));
    assert!(
        received.extended.iter().all(|(_, values)| *values != [tag(1).as_str()]),
        "the tag is the sender's business"
    );
    // Who is in no header gets it, too.
    let text = String::from_utf8(mime("blind")).unwrap().replace("To: demo@example.org\r\n", "");
    let body = InMemory(text.into_bytes());
    let blind = [SELF.to_owned()];
    house.client.send(&Letter { tag: &tag(2), blind: &blind, body: &body }).await.unwrap().unwrap();
    assert_eq!(house.subjects("Inbox"), ["blind", "letter 1"]);
}

async fn a_lost_answer_is_no_second_letter(house: House) {
    for (number, action) in [Action::ResetAfterCommit, Action::CutBody { at: 40 }].into_iter().enumerate() {
        let rule = house.server.faults().add(Rule::on("CreateItem", action).nth(1));
        send(&house, number, &[]).await.unwrap();
        assert_eq!(house.server.faults().fired(rule), 1);
    }
    assert_eq!(house.subjects("Sent Items"), ["letter 0", "letter 1"]);
    assert_eq!(house.subjects("Inbox"), ["letter 0", "letter 1"]);
}

async fn what_may_have_been_sent_is_not_sent_again(house: House) {
    house.server.faults().add(Rule::on("CreateItem", Action::ResetBeforeCommit).nth(1));
    assert_eq!(send(&house, 1, &[]).await.unwrap_err().class, ItemErrorClass::Unknown);
    assert_eq!((house.count("CreateItem"), whereabouts(&house, &tag(1)).await), (1, Whereabouts::Nowhere));
    send(&house, 1, &[]).await.unwrap();
    assert_eq!(house.subjects("Inbox"), ["letter 1"]);
}

async fn throttled_letters_are_sent_once_or_left(house: House) {
    for (number, action) in throttling().into_iter().enumerate() {
        let rule = house.server.faults().add(Rule::on("CreateItem", action.clone()).nth(1));
        let before = house.subjects("Sent Items").len();
        match send(&house, number, &[]).await {
            Ok(()) => assert_eq!(house.subjects("Sent Items").len(), before + 1, "{action:?}"),
            Err(error) => {
                assert_eq!(error.class, ItemErrorClass::Unknown, "{action:?}");
                assert_eq!(house.subjects("Sent Items").len(), before, "{action:?}");
            }
        }
        assert_eq!(house.server.faults().fired(rule), 1, "{action:?}");
    }
    assert_eq!(house.subjects("Sent Items"), house.subjects("Inbox"));
}

async fn a_refused_letter_is_told(house: House) {
    for code in ["ErrorInvalidRecipients", "ErrorMessageSizeExceeded", "ErrorSendAsDenied"] {
        house.server.faults().add(Rule::on("CreateItem", Action::ItemError { code: code.to_owned() }).times(1));
        let refused = send(&house, 1, &[]).await.unwrap_err();
        assert_eq!((refused.class, refused.code.as_str()), (ItemErrorClass::Permanent, code));
    }
    let refused = send(&house, 1, &["nobody in particular"]).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ItemErrorClass::Permanent, "ErrorInvalidRecipients"));
    assert!(house.subjects("Sent Items").is_empty() && house.subjects("Inbox").is_empty());
}

async fn a_copy_that_was_filed_elsewhere_is_found(house: House) {
    house.mailbox.create_folder("", "Filed", "IPF.Note").unwrap();
    house.mailbox.create_folder("Filed", "2026", "IPF.Note").unwrap();
    for (number, folder) in ["Filed/2026", "Deleted Items", "Inbox"].into_iter().enumerate() {
        send(&house, number, &[]).await.unwrap();
        let copy = house.mailbox.items("Sent Items").unwrap()[0].id.clone();
        house.mailbox.move_item(&copy, folder).unwrap();
    }
    let tags: Vec<Tag> = (0..4).map(tag).collect();
    let found = house.client.whereabouts(&tags).await.unwrap();
    assert_eq!(found, [Whereabouts::Sent, Whereabouts::Sent, Whereabouts::Sent, Whereabouts::Nowhere]);
    // Where a folder cannot be searched, nobody knows whether it was sent.
    house.server.faults().add(Rule::on("FindItem", Action::Fault { code: "ErrorInvalidOperation".to_owned() }));
    assert!(house.client.whereabouts(&tags[3..]).await.is_err());
}
