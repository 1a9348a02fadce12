//! What the EWS client owes its owner besides the contract: sign-ins, secrets, older servers, few requests.

use std::sync::Arc;

use crate::house::*;
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::pim::{FollowUp, ServerMarks, UnixTime};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{MarkUpdate, RemoteError, RemoteRead, RemoteWrite, Upload};

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_never_shown() {
    let house = House::like(Personality::Exchange);
    let sign_in = Box::new(Basic::new("demo@example.org", "wrong-secret".into()));
    let trace = tempfile::tempdir().unwrap();
    let client = EwsClient::new(Settings {
        trace: Some(trace.path().to_owned()),
        ..Settings::new(house.server.url(), sign_in, house.clock.clone())
    })
    .unwrap();
    let error = client.special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::SignInRefused { .. }), "{error}");
    let requests = std::fs::read_dir(trace.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with("-request.xml"));
    assert_eq!(requests.count(), 1, "accounts are locked after a few tries");
    assert!(!format!("{error:?} {client:?}").contains("wrong-secret"));
}

#[tokio::test]
async fn a_refusal_after_success_is_doubted_once() {
    let house = House::like(Personality::Exchange);
    house.client.special_folders().await.unwrap();
    house.server.faults().add(Rule::always(Action::Unauthorized401));
    house.server.clear_requests();
    let error = house.client.folder_changes(None).await.unwrap_err();
    assert!(matches!(error, RemoteError::SignInRefused { .. }), "{error}");
    assert_eq!(house.server.requests().len(), 2);
}

#[tokio::test]
async fn passwords_travel_in_the_clear_only_within_this_machine() {
    let new = |url: &str| {
        EwsClient::new(Settings::new(url, Box::new(Basic::new("a", "b".into())), Arc::new(TestClock::default())))
    };
    for refused in
        ["http://mail.example.org/EWS", "http://127.0.0.1.example.org/", "ftp://localhost/", "mail.example.org", ""]
    {
        assert!(matches!(new(refused), Err(RemoteError::Refused { .. })), "{refused}");
    }
    for allowed in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"] {
        assert!(new(allowed).is_ok(), "{allowed}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let house = House::like(Personality::Exchange);
    let clock = house.clock.clone();
    let settings = settings(&house.server, &clock);
    drop(house);
    let error = EwsClient::new(settings).unwrap().special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn older_servers_are_spoken_to_in_their_own_version() {
    let house = House::like(Personality::Exchange);
    let old = Action::Fault { code: "ErrorInvalidServerVersion".to_owned() };
    house.server.faults().add(Rule::always(old).containing("Exchange2013_SP1"));
    let mail = InMemory(mime("old"));
    let marks = ServerMarks { follow_up: FollowUp::Flagged, ..ServerMarks::default() };
    let upload = Upload { tag: tag(1), marks, received: UnixTime(1_600_000_000), body: &mail };
    let placed = all_ok(house.client.create_messages(&house.folder("Inbox"), &[upload]).await.unwrap());
    let now = listed(&house, &[placed[0].id.clone()]).await;
    assert_eq!(now[0].marks.follow_up, FollowUp::Flagged);
}

#[tokio::test]
async fn many_marks_cost_few_requests() {
    let house = House::like(Personality::Exchange);
    let subjects: Vec<String> = (0..450).map(|n| format!("m{n}")).collect();
    let ids = house.fill("Inbox", &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    let now = listed(&house, &ids).await;
    let updates: Vec<MarkUpdate> = now
        .iter()
        .map(|message| MarkUpdate {
            id: message.id.clone(),
            change_key: message.change_key.clone(),
            from: message.marks.clone(),
            to: ServerMarks { read: true, ..message.marks.clone() },
        })
        .collect();
    house.server.clear_requests();
    all_ok(house.client.update_marks(&updates).await.unwrap());
    assert_eq!(house.server.requests().len(), 5);
}

#[tokio::test]
async fn a_trace_holds_no_secret() {
    let house = House::like(Personality::Exchange);
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let settings = Settings { trace: Some(trace.clone()), ..settings(&house.server, &house.clock) };
    let client = EwsClient::new(settings).unwrap();
    let mail = InMemory(mime("traced"));
    all_ok(client.create_messages(&house.folder("Inbox"), &[upload(1, &mail)]).await.unwrap());
    client.special_folders().await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&trace).unwrap() {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("ZGVtb0BleGFtcGxlLm9yZzpkZW1v") && !text.to_lowercase().contains("authorization"));
        names.push(entry.file_name().into_string().unwrap());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions()) & 0o777, 0o600);
    }
    names.sort();
    assert_eq!(names[0], "000001-CreateItem-request.xml");
    assert!(names.contains(&"000002-GetFolder-response.xml".to_owned()));
    let sent = std::fs::read_to_string(trace.join("000001-CreateItem-request.xml")).unwrap();
    assert!(sent.ends_with("</s:Envelope>") && sent.contains("</t:MimeContent>"));
}
