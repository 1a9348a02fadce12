//! Answers that are out of taste, hostile or wrong.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::canned::{Canned, endless, http, ok, whole};
use crate::house::{Bodies, House, InMemory, TestClock, mime, present, upload};
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::pim::{FolderId, ItemId, ServerMarks, UnixTime};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings, TimeLimits};
use pimsync::remote::{ChangePage, Fetched, ItemErrorClass, RemoteError, RemoteRead, RemoteWrite};

fn client(canned: &Canned) -> EwsClient {
    let sign_in = Box::new(Basic::new("ada@example.org", "secret".into()));
    EwsClient::new(Settings::new(canned.url(), sign_in, Arc::new(TestClock::default()))).unwrap()
}

async fn changes(answer: Vec<u8>) -> Result<ChangePage, RemoteError> {
    client(&Canned::new(vec![answer])).item_changes(&FolderId::new("f"), None, 10).await
}

fn page(changes: &str) -> String {
    format!(
        "<Envelope><Body><SyncFolderItemsResponse><ResponseMessages><Message ResponseClass='Success'>\
         <SyncState>s1</SyncState><Changes>{changes}</Changes></Message></ResponseMessages></SyncFolderItemsResponse></Body></Envelope>"
    )
}

fn item(inside: &str) -> String {
    page(&format!("<Create><Message><ItemId Id='i' ChangeKey='k'/>{inside}</Message></Create>"))
}

#[tokio::test]
async fn what_servers_leave_out_has_a_default() {
    let page = changes(ok(item("").as_bytes())).await.unwrap();
    let [message] = present(&page)[..] else { panic!("{page:?}") };
    assert_eq!((message.id.as_str(), message.change_key.as_str(), message.class.0.as_str()), ("i", "k", "IPM.Note"));
    assert_eq!((message.size, &message.marks, message.received), (0, &ServerMarks::default(), None));
    assert!(page.is_last() && page.state.as_str() == "s1");
}

#[tokio::test]
async fn odd_dresses_are_seen_through() {
    let inside = "<Unknown><Deep/></Unknown><IsRead> true </IsRead><DateTimeReceived>2026-11-03T12:00:00.123456789Z</DateTimeReceived>\
        <ExtendedProperty><ExtendedFieldURI PropertyTag='0x300b'/><Value>a&#x1F;b</Value></ExtendedProperty>\
        <ExtendedProperty><ExtendedFieldURI PropertyTag='4225'/><Value>102</Value></ExtendedProperty>\
        <InternetMessageId>&lt;a&amp;b&gt;<![CDATA[<c>]]>&unknown;</InternetMessageId>";
    let plain = item(inside);
    let prefixed = plain
        .replace("<E", "<x:E")
        .replace("</E", "</x:E")
        .replace("<IsRead", "<y:IsRead")
        .replace("</IsRead", "</y:IsRead");
    let mut with_bom = b"\xEF\xBB\xBF<?xml version=\"1.0\"?><!-- hi --><?pi x?>\n".to_vec();
    with_bom.extend_from_slice(plain.as_bytes());
    for body in [plain.clone().into_bytes(), prefixed.into_bytes(), with_bom] {
        for head in ["200 OK", "200 OK\r\nContent-Type: text/xml", "200 OK\r\nContent-Type: text/xml; charset=utf-8"] {
            let page = changes(http(head, &body)).await.unwrap();
            let message = present(&page)[0];
            assert!(message.marks.read);
            assert_eq!(message.received, Some(UnixTime(1_793_707_200)));
            assert_eq!(message.search_key.as_ref().unwrap().as_str(), "ab");
            assert_eq!(message.marks.verb.number(), 102);
            assert_eq!(message.message_id.as_deref(), Some("<a&b><c>&unknown;"));
        }
    }
}

#[tokio::test]
async fn hostile_answers_are_errors_and_nothing_worse() {
    let deep = format!("<Envelope><Body>{}", "<a>".repeat(1_000_000));
    let long_name = format!("<Envelope><{}", "a".repeat(20 << 20));
    let long_text = item(&format!("<Subject>{}</Subject>", "a".repeat(17 << 20)));
    let bomb = "<!DOCTYPE a [<!ENTITY b \"cccc\">]><Envelope><Body>&b;</Body></Envelope>";
    for body in [
        &deep,
        &long_name,
        &long_text,
        bomb,
        "",
        "no XML",
        "<html>login</html>",
        "<Envelope>",
        "<Envelope><Body></Body>",
    ] {
        let error = changes(ok(body.as_bytes())).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. } | RemoteError::Unreachable { .. }), "{error}");
    }
    let whole = item("<Subject>x</Subject>");
    for cut in 0..whole.len() - "</Envelope>".len() {
        assert!(changes(http("200 OK", &whole.as_bytes()[..cut])).await.is_err(), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_fault_is_a_fault_whatever_the_status() {
    let fault = "<s:Envelope><s:Body><s:Fault><faultcode>SOAP:ErrorInvalidSyncStateData</faultcode></s:Fault></s:Body></s:Envelope>";
    for head in ["200 OK", "500 Oops", "503 Oops"] {
        let error = changes(http(head, fault.as_bytes())).await.unwrap_err();
        assert!(matches!(error, RemoteError::StateInvalid), "{head}: {error}");
    }
}

/// gromox may send a second answer after such a fault.
#[tokio::test]
async fn a_connection_is_left_after_a_fault_that_came_as_a_success() {
    let fault = "<Envelope><Body><Fault><faultcode>Client</faultcode></Fault></Body></Envelope>";
    let canned = Canned::new(vec![ok(page("").as_bytes()), ok(fault.as_bytes()), ok(page("").as_bytes())]);
    let client = client(&canned);
    let folder = FolderId::new("f");
    client.item_changes(&folder, None, 10).await.unwrap();
    client.item_changes(&folder, None, 10).await.unwrap_err();
    assert_eq!(canned.connections.load(Ordering::SeqCst), 1);
    client.item_changes(&folder, None, 10).await.unwrap();
    assert_eq!(canned.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn statuses_say_what_to_do() {
    let error = changes(http("403 No", b"")).await.unwrap_err();
    assert!(matches!(&error, RemoteError::EwsDisabled { status: 403, .. }), "{error}");
    let error = changes(http("404 No", b"")).await.unwrap_err();
    assert!(error.to_string().contains("is there EWS at"), "{error}");
    let error = changes(http("302 Found\r\nLocation: https://evil.example.org/", b"")).await.unwrap_err();
    assert!(error.to_string().contains("evil.example.org"), "{error}");
    let account = "<Envelope><Body><R><ResponseMessages><M ResponseClass='Error'><ResponseCode>ErrorNonExistentMailbox</ResponseCode></M></ResponseMessages></R></Body></Envelope>";
    assert!(matches!(changes(ok(account.as_bytes())).await, Err(RemoteError::Account { .. })));
}

#[tokio::test]
async fn cookies_are_kept_and_requests_have_a_length() {
    let canned = Canned::new(vec![http("200 OK\r\nSet-Cookie: X-BackEndCookie=abc; path=/", page("").as_bytes())]);
    let client = client(&canned);
    client.item_changes(&FolderId::new("f"), None, 10).await.unwrap();
    client.item_changes(&FolderId::new("f"), None, 10).await.unwrap();
    let body = InMemory(mime("x"));
    let _ = client.create_messages(&FolderId::new("f"), &[upload(1, &body)]).await;
    let requests = canned.requests.lock().unwrap();
    assert!(!requests[0].contains("cookie:") && requests[1].contains("cookie: x-backendcookie=abc"));
    assert!(requests[0].contains("user-agent: pimsync/") && requests[0].contains("x-anchormailbox: ada@example.org"));
    assert!(requests.iter().all(|request| !request.contains("transfer-encoding") && !request.contains("100-continue")));
}

fn body_answer(mime: &str, id: &str) -> String {
    format!(
        "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'><ResponseCode>NoError</ResponseCode><Items><Message>\
         {mime}<ItemId Id='{id}' ChangeKey='k'/><Subject>Rebuilt</Subject></Message></Items></M></ResponseMessages></R></Body></Envelope>"
    )
}

async fn body(answer: &str) -> (Result<Fetched, ItemErrorClass>, String) {
    let mut sink = Bodies::default();
    let items = [(ItemId::new("i"), 10)];
    let mut results = client(&Canned::new(vec![ok(answer.as_bytes())])).bodies(&items, &mut sink).await.unwrap();
    (results.remove(0).map_err(|error| error.class), sink.text(0))
}

#[tokio::test]
async fn base64_comes_in_many_dresses() {
    for text in
        ["SGVsbG8=", "SGVsbG8", "\r\n SGVs\r\nbG8=\r\n", "SGVs&#xD;\nbG8=", "<![CDATA[SGVsbG8=]]>", "SGVs<!-- -->bG8="]
    {
        let answer = body_answer(&format!("<MimeContent CharacterSet='UTF-8'>{text}</MimeContent>"), "i");
        assert_eq!(body(&answer).await, (Ok(Fetched::Rendered), "Hello".to_owned()), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_body_is_never_taken_for_one() {
    for mime in [
        "",
        "<MimeContent/>",
        "<MimeContent></MimeContent>",
        "<MimeContent>*</MimeContent>",
        "<MimeContent>SGVsb</MimeContent>",
    ] {
        let (fetched, text) = body(&body_answer(mime, "i")).await;
        assert_eq!(fetched, Ok(Fetched::Rebuilt), "{mime}");
        assert!(text.contains("Subject: Rebuilt\r\n"), "{text}");
    }
    let (fetched, _) = body(&body_answer("<MimeContent>SGVsbG8=</MimeContent>", "another")).await;
    assert_eq!(fetched, Err(ItemErrorClass::Transient), "an answer about another item is no answer");
}

/// What is not there yet is not never there: the server may be slow.
#[tokio::test]
async fn an_upload_without_an_answer_is_not_sent_again() {
    let house = House::like(Personality::Exchange);
    let limits = TimeLimits { idle: Duration::from_millis(300), ..TimeLimits::default() };
    let client = EwsClient::new(Settings { limits, ..crate::house::settings(&house.server, &house.clock) }).unwrap();
    house.server.faults().add(Rule::on("CreateItem", Action::Slow { ms: 1500 }).nth(1));
    let body = InMemory(mime("slow"));
    let results = client.create_messages(&house.folder("Inbox"), &[upload(1, &body)]).await.unwrap();
    match &results[0] {
        Ok(_) => {}
        Err(error) => assert_eq!(error.class, ItemErrorClass::Unknown, "{error}"),
    }
    assert!(house.count("CreateItem") <= 1);
}

/// gromox faults a whole request for one id that it cannot read.
#[tokio::test]
async fn one_bad_id_costs_only_itself() {
    let house = House::like(Personality::Exchange);
    let ids = house.fill("Inbox", &["a", "b", "c"]);
    let fault = Action::Fault { code: "ErrorInvalidIdMalformed".to_owned() };
    house.server.faults().add(Rule::on("GetItem", fault).containing(ids[1].as_str()));
    let messages = house.client.messages(&ids).await.unwrap();
    assert!(messages[0].is_ok() && messages[2].is_ok());
    assert_eq!(messages[1].as_ref().unwrap_err().class, ItemErrorClass::Permanent);
    let items: Vec<(ItemId, u64)> = ids.into_iter().map(|id| (id, 500)).collect();
    let bodies = house.client.bodies(&items, &mut Bodies::default()).await.unwrap();
    assert!(bodies[0].is_ok() && bodies[2].is_ok() && bodies[1].is_err());
}

/// Nothing of an answer may grow without bounds, and none may be read for ever.
#[tokio::test]
async fn answers_without_end_are_given_up() {
    let inside = "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'>";
    let long = "c".repeat(1 << 20);
    let cases = [
        (inside, "<Unknown>text</Unknown>".to_owned()),
        (inside, format!("<a b='{long}'/>")),
        (inside, format!("{long} ")),
        (inside, format!("<!-- {long} -->")),
    ];
    for (start, piece) in cases {
        let (start, again) = (start.to_owned(), piece.clone());
        let canned = Canned::with(move |_| endless(&start, &again));
        let error = client(&canned).item_changes(&FolderId::new("f"), None, 10).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{}: {error}", &piece[..20]);
    }
    // What follows the answer means nothing, and is not waited for either.
    let whole = page("");
    let canned = Canned::with(move |_| endless(&whole, &format!("<?pi {long}?>")));
    assert!(client(&canned).item_changes(&FolderId::new("f"), None, 10).await.unwrap().is_last());
}

#[tokio::test]
async fn a_listing_of_folders_without_end_is_given_up() {
    let mut number = 0;
    let canned = Canned::with(move |_| {
        number += 1;
        let answer = format!(
            "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'><SyncState>s{number}</SyncState>\
             <IncludesLastFolderInRange>false</IncludesLastFolderInRange><Changes/></M></ResponseMessages></R></Body></Envelope>"
        );
        whole(ok(answer.as_bytes()))
    });
    let error = client(&canned).folder_changes(None).await.unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
}

/// Asked for together with others, a body that does not end costs only itself.
#[tokio::test]
async fn a_body_without_end_is_given_up() {
    let answer = |id: &str| body_answer("<MimeContent>SGVsbG8=</MimeContent>", id);
    for piece in ["QUJD", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\r\n", "\r\n \t", "&#xD;"] {
        let open = body_answer("<MimeContent>", "bad").split("<ItemId").next().unwrap().to_owned();
        let answer = answer("good");
        let canned =
            Canned::with(
                move |request| {
                    if request.contains("bad") { endless(&open, piece) } else { whole(ok(answer.as_bytes())) }
                },
            );
        let items = [(ItemId::new("bad"), 10), (ItemId::new("good"), 10)];
        let mut sink = Bodies::default();
        let results = client(&canned).bodies(&items, &mut sink).await.unwrap();
        let error = results[0].as_ref().unwrap_err();
        assert_eq!((error.class, sink.text(1).as_str()), (ItemErrorClass::Permanent, "Hello"), "{piece}: {error}");
        assert!(error.to_string().contains("10 bytes"), "{error}");
    }
}

/// gromox says a fault twice on one connection: what is asked next must not be answered by it.
#[tokio::test]
async fn a_fault_that_is_said_twice_answers_nothing_else() {
    let house = House::like(Personality::Gromox);
    house.fill("Inbox", &["a", "b"]);
    house.fill("Drafts", &["c"]);
    for _ in 0..10 {
        let nowhere = FolderId::new("nonsense");
        assert!(house.client.item_changes(&nowhere, None, 10).await.is_err());
        for (folder, count) in [("Inbox", 2), ("Drafts", 1)] {
            let page = house.client.item_changes(&house.folder(folder), None, 10).await.unwrap();
            assert_eq!(page.changes.len(), count, "{folder}");
        }
    }
}
