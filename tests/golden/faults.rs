//! Requests that are refused as a whole.

use std::time::Duration;

use pimsync::clock::Clock;
use pimsync::pim::SyncState;
use pimsync::remote::{ChangePage, Reach, RemoteError, RemoteRead};

use super::{INBOX, Talk, folder};

async fn changes(talk: &Talk) -> Result<ChangePage, RemoteError> {
    talk.client.item_changes(&folder(INBOX), None, 100).await
}

fn empty() -> ChangePage {
    ChangePage {
        changes: Vec::new(),
        state: SyncState::new("AQAAAAAAAAAZAAAAZ3JvbW94"),
        reach: Reach::Changes { last: true },
    }
}

/// The server says for how long, in a fault or in the response: the client waits that long and asks for the same again.
#[tokio::test]
async fn a_server_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    for (busy, wait) in [
        ("fault-busy.exchange", Duration::from_millis(12_500)),
        ("response-busy.exchange", Duration::from_millis(7_250)),
        ("response-busy-inside.exchange", Duration::from_millis(7_250)),
        ("response-busy.gromox", Duration::from_secs(10)),
    ] {
        let talk = Talk::new(&[("item-changes", busy), ("item-changes", "item-changes-empty.gromox")]);
        talk.gives(&changes(&talk).await, &empty());
        assert_eq!(talk.clock.elapsed(), wait, "{busy}");
    }
}

#[tokio::test]
async fn an_older_server_is_asked_in_its_own_words() {
    let talk = Talk::new(&[
        ("item-changes", "fault-version.exchange"),
        ("item-changes-2010", "fault-version.exchange"),
        ("item-changes-2007", "item-changes-empty.gromox"),
    ]);
    talk.gives(&changes(&talk).await, &empty());
}

async fn refused(answer: &str) -> RemoteError {
    let talk = Talk::new(&[("item-changes", answer)]);
    let error = changes(&talk).await.unwrap_err();
    talk.went_as_it_should();
    error
}

#[tokio::test]
async fn refusals_keep_their_code_and_their_words() {
    let error = refused("fault-schema.exchange").await;
    let RemoteError::Rejected { operation, code, message } = &error else { panic!("{error:?}") };
    assert_eq!((*operation, code.as_str()), ("SyncFolderItems", "ErrorSchemaValidation"));
    assert_eq!(message, "The request failed schema validation.");

    let error = refused("fault-unknown.gromox").await;
    let RemoteError::Rejected { code, message, .. } = &error else { panic!("{error:?}") };
    assert_eq!((code.as_str(), message.as_str()), ("Client", "Unknown request 'SyncFolderItems'"));

    let error = refused("response-state.exchange").await;
    assert!(matches!(error, RemoteError::StateInvalid), "{error:?}");
    let error = refused("response-folder-gone.exchange").await;
    assert!(matches!(error, RemoteError::FolderGone), "{error:?}");
    let error = refused("fault-account.exchange").await;
    let RemoteError::Account { code, .. } = &error else { panic!("{error:?}") };
    assert_eq!(code, "ErrorNonExistentMailbox");
}
