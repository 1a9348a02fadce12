//! What is heard of a mailbox, and what becomes of it when the server falls silent.

use std::sync::Arc;
use std::time::Duration;

use crate::house::*;
use pimsync::exchange::{Action, Options, Personality, Rule, Server};
use pimsync::remote::ews::EwsClient;
use pimsync::remote::{Heard, ItemErrorClass, RemoteError, RemoteListen, RemoteRead, Silence, Subscription, Telling};
use tokio::sync::mpsc;

contract!(
    what_happens_is_heard_as_it_happens,
    what_happened_before_it_was_listened_is_heard,
    who_asks_hears_what_happened_since,
    changes_of_folders_are_heard,
    a_lost_subscription_is_told_apart,
    a_subscription_that_was_ended_is_gone,
    a_connection_that_breaks_is_an_error_and_the_subscription_stays,
    a_server_that_tells_nothing_at_once_says_so,
    who_listens_takes_no_turn_from_others,
    throttling_holds_the_ear_back_too,
);

async fn subscribed(client: &EwsClient, telling: Telling) -> Subscription {
    client.subscribe(telling).await.unwrap().unwrap()
}

/// A house whose minutes are short.
fn quick(house: &House) -> House {
    let minute = Duration::from_millis(600);
    let server = Server::start(Options { like: house.like, minute, ..Options::default() }).unwrap();
    let clock = Arc::new(TestClock::default());
    let client = EwsClient::new(settings(&server, &clock)).unwrap();
    House { like: house.like, mailbox: server.mailbox("demo@example.org").unwrap(), server, client, clock }
}

/// Listens until `done`; all that was heard until then.
async fn listen_until(house: &House, subscription: &mut Subscription, done: impl Fn(&Heard) -> bool) -> Vec<Heard> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut hear = |heard| tell.send(heard).unwrap();
    let mut all = Vec::new();
    tokio::select! {
        silence = house.client.listen(subscription, &mut hear) => panic!("{silence:?}"),
        () = async {
            while let Some(heard) = told.recv().await {
                let last = done(&heard);
                all.push(heard);
                if last {
                    return;
                }
            }
        } => {}
    }
    all
}

/// Asks once; what is heard.
async fn ask(house: &House, subscription: &mut Subscription) -> (Vec<Heard>, Result<Silence, RemoteError>) {
    let mut all = Vec::new();
    let mut hear = |heard| all.push(heard);
    let silence = house.client.listen(subscription, &mut hear).await;
    (all, silence)
}

async fn what_happens_is_heard_as_it_happens(house: House) {
    let house = quick(&house);
    let mut subscription = subscribed(&house.client, Telling::Streaming).await;
    let (inbox, drafts) = (house.folder("Inbox"), house.folder("Drafts"));
    let happens = |heard: &Heard| match heard {
        Heard::Ready => {
            let ids = house.fill("Inbox", &["new"]);
            house.mailbox.move_item(ids[0].as_str(), "Drafts").unwrap();
            false
        }
        heard => *heard == Heard::In(drafts.clone()),
    };
    let heard = listen_until(&house, &mut subscription, happens).await;
    assert_eq!(heard[0], Heard::Ready);
    assert!(heard.contains(&Heard::In(inbox)), "{heard:?}");
}

async fn what_happened_before_it_was_listened_is_heard(house: House) {
    let house = quick(&house);
    let mut subscription = subscribed(&house.client, Telling::Streaming).await;
    house.fill("Inbox", &["new"]);
    let inbox = Heard::In(house.folder("Inbox"));
    listen_until(&house, &mut subscription, |heard| *heard == inbox).await;
}

async fn who_asks_hears_what_happened_since(house: House) {
    let mut subscription = subscribed(&house.client, Telling::Pull).await;
    let (heard, silence) = ask(&house, &mut subscription).await;
    assert_eq!((heard, silence.unwrap()), (vec![Heard::Ready], Silence::Over));
    let subjects: Vec<String> = (0..120).map(|number| number.to_string()).collect();
    house.fill("Inbox", &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    let (heard, _) = ask(&house, &mut subscription).await;
    let inbox = Heard::In(house.folder("Inbox"));
    assert!(heard.iter().filter(|heard| **heard == inbox).count() >= 120, "all pieces are asked for");
    let (heard, silence) = ask(&house, &mut subscription).await;
    assert_eq!((heard, silence.unwrap()), (vec![Heard::Ready], Silence::Over), "and none twice");
}

async fn changes_of_folders_are_heard(house: House) {
    let mut subscription = subscribed(&house.client, Telling::Pull).await;
    let made = house.mailbox.create_folder("Inbox", "New", "IPF.Note").unwrap();
    let (heard, _) = ask(&house, &mut subscription).await;
    assert!(heard.contains(&Heard::Folders), "{heard:?}");
    house.mailbox.rename_folder(&made, "Newer").unwrap();
    let (heard, _) = ask(&house, &mut subscription).await;
    assert!(heard.len() > 1, "{heard:?}");
    house.mailbox.delete_folder(&made).unwrap();
    let (heard, _) = ask(&house, &mut subscription).await;
    assert!(heard.contains(&Heard::Folders), "{heard:?}");
}

async fn a_lost_subscription_is_told_apart(house: House) {
    for telling in [Telling::Streaming, Telling::Pull] {
        let mut subscription = subscribed(&house.client, telling).await;
        house.server.forget_subscriptions();
        let (_, silence) = ask(&house, &mut subscription).await;
        assert_eq!(silence.unwrap(), Silence::Lost, "{telling:?}");
    }
    let house = quick(&house);
    let mut subscription = subscribed(&house.client, Telling::Streaming).await;
    let mut hear = |heard| {
        if heard == Heard::Ready {
            house.server.forget_subscriptions();
        }
    };
    assert_eq!(house.client.listen(&mut subscription, &mut hear).await.unwrap(), Silence::Lost, "while it is listened");
}

async fn a_subscription_that_was_ended_is_gone(house: House) {
    let mut subscription = subscribed(&house.client, Telling::Streaming).await;
    house.client.unsubscribe(&subscription).await;
    house.client.unsubscribe(&subscription).await;
    assert_eq!(ask(&house, &mut subscription).await.1.unwrap(), Silence::Lost);
}

async fn a_connection_that_breaks_is_an_error_and_the_subscription_stays(house: House) {
    let house = quick(&house);
    let mut subscription = subscribed(&house.client, Telling::Streaming).await;
    let mut hear = |heard| {
        if heard == Heard::Ready {
            house.server.break_streams();
        }
    };
    let broken = house.client.listen(&mut subscription, &mut hear).await;
    assert!(matches!(broken, Err(RemoteError::Unreachable { .. })), "{broken:?}");
    house.fill("Inbox", &["new"]);
    let inbox = Heard::In(house.folder("Inbox"));
    listen_until(&house, &mut subscription, |heard| *heard == inbox).await;
}

async fn a_server_that_tells_nothing_at_once_says_so(house: House) {
    house.client.special_folders().await.unwrap();
    let no = Action::Fault { code: "ErrorInvalidRequest".to_owned() };
    house.server.faults().add(Rule::on("Subscribe", no).containing("Streaming"));
    let refused = house.client.subscribe(Telling::Streaming).await.unwrap().unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ItemErrorClass::Permanent, "ErrorInvalidRequest"));
    subscribed(&house.client, Telling::Pull).await;
}

/// Four requests can be under way at a time, however many listen.
async fn who_listens_takes_no_turn_from_others(house: House) {
    let mut ears: Vec<Subscription> = Vec::new();
    for _ in 0..5 {
        ears.push(subscribed(&house.client, Telling::Streaming).await);
    }
    let (ready, mut all_ready) = mpsc::unbounded_channel();
    let listening = futures_util::future::join_all(ears.iter_mut().map(|ear| {
        let ready = ready.clone();
        let client = &house.client;
        async move {
            let mut hear = |heard| ready.send(heard).unwrap();
            client.listen(ear, &mut hear).await
        }
    }));
    tokio::select! {
        ended = listening => panic!("{ended:?}"),
        () = async {
            for _ in 0..5 {
                assert_eq!(all_ready.recv().await, Some(Heard::Ready));
            }
            house.client.special_folders().await.unwrap();
        } => {}
    }
}

async fn throttling_holds_the_ear_back_too(house: House) {
    let mut subscription = subscribed(&house.client, Telling::Streaming).await;
    let busy = Action::ServerBusyInMessage { backoff_ms: Some(20_000) };
    house.server.faults().add(Rule::on("GetStreamingEvents", busy).nth(1));
    let (heard, silence) = ask(&house, &mut subscription).await;
    assert_eq!((heard, silence.unwrap()), (vec![], Silence::Over));
    let before = pimsync::clock::Clock::elapsed(&*house.clock);
    listen_until(&house, &mut subscription, |heard| *heard == Heard::Ready).await;
    let waited = pimsync::clock::Clock::elapsed(&*house.clock) - before;
    assert!(waited >= Duration::from_secs(20), "{waited:?}");
}
