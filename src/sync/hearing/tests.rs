//! A server that plays a script, and a clock that nobody waits for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use super::*;
use crate::clock::Wait;
use crate::pim::UnixTime;
use crate::remote::{ItemError, ItemErrorClass, PerItem};
use crate::sync::timing::Event;

/// What the server does when it is subscribed to, or listened to.
#[derive(Clone, Debug)]
enum Does {
    Grants,
    Refuses,
    IsGone,
    /// Says this, and goes on or hangs up after so many seconds.
    Tells(Vec<Heard>, u64, Silence),
    Breaks(u64),
}

#[derive(Default)]
struct Play {
    script: Mutex<VecDeque<Does>>,
    /// Seconds.
    now: Mutex<u64>,
    log: Mutex<Vec<String>>,
    signals: Arc<Signals>,
    notes: Mutex<Vec<Listening>>,
    /// Whether the last check went well.
    board: watch::Sender<Board>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Play {
    fn note(&self, what: &str) {
        let now = *lock(&self.now);
        lock(&self.log).push(format!("{now} {what}"));
    }

    /// What was said until now is part of the story.
    fn hear_signals(&self) {
        for event in self.signals.take_events() {
            if event == Event::Disconnected {
                self.board.send_replace(Board::default());
            }
            self.note(&format!("{event:?}"));
        }
    }

    /// What comes next; at the end all is stopped.
    fn next(&self) -> Option<Does> {
        self.hear_signals();
        let next = lock(&self.script).pop_front();
        if next.is_none() {
            self.signals.stop();
        }
        next
    }
}

impl Clock for Play {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }
    fn elapsed(&self) -> Duration {
        Duration::from_secs(*lock(&self.now))
    }
    fn sleep(&self, time: Duration) -> Wait {
        self.hear_signals();
        *lock(&self.now) += time.as_secs();
        Box::pin(tokio::task::yield_now())
    }
    fn alarm(&self, _: Duration) -> Wait {
        Box::pin(std::future::pending())
    }
    fn random(&self) -> u64 {
        0
    }
}

impl RemoteListen for Play {
    async fn subscribe(&self, telling: Telling) -> Result<PerItem<Subscription>, RemoteError> {
        let next = self.next();
        self.note(&format!("subscribes {telling:?}"));
        match next {
            Some(Does::Grants) => Ok(Ok(Subscription { id: String::new(), telling, watermark: None })),
            Some(Does::Refuses) => {
                let (class, code, message) = (ItemErrorClass::Permanent, "No".to_owned(), "never".to_owned());
                Ok(Err(ItemError { class, code, message }))
            }
            Some(Does::IsGone) => Err(RemoteError::Unreachable { host: String::new(), reason: String::new() }),
            Some(other) => panic!("{other:?} is for who listens"),
            None => std::future::pending().await,
        }
    }

    async fn listen(&self, _: &mut Subscription, hear: &mut (dyn FnMut(Heard) + Send)) -> Result<Silence, RemoteError> {
        let next = self.next();
        self.note("listens");
        let (seconds, end) = match next {
            Some(Does::Tells(heard, seconds, silence)) => {
                heard.into_iter().for_each(hear);
                (seconds, Ok(silence))
            }
            Some(Does::Breaks(seconds)) => {
                (seconds, Err(RemoteError::Unreachable { host: String::new(), reason: String::new() }))
            }
            Some(other) => panic!("{other:?} is for who subscribes"),
            None => std::future::pending().await,
        };
        *lock(&self.now) += seconds;
        end
    }

    async fn unsubscribe(&self, _: &Subscription) {
        self.note("says farewell");
    }
}

/// An ear whose server is the play.
struct Listener(Arc<Play>);

impl Ear for Listener {
    type Remote = Play;

    async fn remote(&self) -> Option<Arc<Play>> {
        Some(Arc::clone(&self.0))
    }
    fn folder(&self, id: &FolderId) -> Option<String> {
        (id.as_str() == "in").then(|| "Inbox".to_owned())
    }
    fn note(&self, listening: Listening) {
        lock(&self.0.notes).push(listening);
    }
}

fn well() -> Board {
    Board { well_since: Some(UnixTime(1)), ..Board::default() }
}

/// Plays the script out; what happened, and how it was listened.
async fn play(script: impl IntoIterator<Item = Does>) -> (Vec<String>, Vec<Listening>) {
    let play = Arc::new(Play { script: Mutex::new(script.into_iter().collect()), ..Play::default() });
    play.board.send_replace(well());
    let ear = Arc::new(Listener(Arc::clone(&play)));
    let hearing = Hearing::new(ear, play.clone(), Arc::clone(&play.signals), play.board.subscribe());
    let checks = async {
        // A check finds the server again a minute after it was lost.
        let mut board = play.board.subscribe();
        loop {
            board.wait_for(|board| board.well_since.is_none()).await.unwrap();
            *lock(&play.now) += 60;
            play.board.send_replace(well());
        }
    };
    tokio::select! {
        () = hearing.run() => {}
        () = checks => {}
    }
    let log = lock(&play.log).clone();
    let notes = lock(&play.notes).clone();
    (log, notes)
}

fn told(folder: &str) -> Heard {
    Heard::In(FolderId::new(folder))
}

#[tokio::test]
async fn what_is_heard_says_where_to_look() {
    let heard = vec![Heard::Ready, told("in"), told("in"), told("strange"), told("strange")];
    let again = vec![told("strange")];
    let script = [
        Does::Grants,
        Does::Tells(heard, 1800, Silence::Over),
        Does::Tells(again, 1800, Silence::Over),
        Does::Tells(vec![Heard::Folders], 1800, Silence::Over),
    ];
    let (log, notes) = play(script).await;
    let expected = [
        "0 subscribes Streaming",
        "0 Unsure",
        "0 listens",
        // A folder that nobody knows is looked for, once.
        "1800 ServerHint(\"Inbox\")",
        "1800 Unsure",
        "1801 listens",
        "3602 listens",
        "5402 Unsure",
        "5403 listens",
        "5403 says farewell",
    ];
    assert_eq!(log, expected);
    assert_eq!(notes, [Listening::To(Telling::Streaming)]);
}

#[tokio::test]
async fn after_a_lost_subscription_comes_a_new_one_and_a_round() {
    let ready = || vec![Heard::Ready];
    let script = [
        Does::Grants,
        Does::Tells(ready(), 900, Silence::Lost),
        Does::Grants,
        Does::Breaks(900),
        Does::Grants,
        Does::Tells(ready(), 900, Silence::Over),
    ];
    let (log, _) = play(script).await;
    let expected = [
        "0 subscribes Streaming",
        "0 Unsure",
        "0 listens",
        "901 subscribes Streaming",
        "901 Unsure",
        "901 listens",
        "1802 subscribes Streaming",
        "1802 Unsure",
        "1802 listens",
        "2703 listens",
        "2703 says farewell",
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn where_nothing_is_told_at_once_it_is_asked_for_and_else_left_to_the_checks() {
    let over = || Does::Tells(vec![Heard::Ready, told("in")], 0, Silence::Over);
    let (log, notes) = play([Does::Refuses, Does::Grants, over(), over()]).await;
    let expected = [
        "0 subscribes Streaming",
        "1 subscribes Pull",
        "1 Unsure",
        "1 listens",
        "1 ServerHint(\"Inbox\")",
        "16 listens",
        "16 ServerHint(\"Inbox\")",
        "31 listens",
        "31 says farewell",
    ];
    assert_eq!(log, expected);
    assert_eq!(notes, [Listening::To(Telling::Pull)]);

    let (log, notes) = play([Does::Refuses, Does::Refuses, Does::Refuses]).await;
    let expected = ["0 subscribes Streaming", "1 subscribes Pull", "3601 subscribes Streaming", "3602 subscribes Pull"];
    assert_eq!(log, expected);
    assert_eq!(notes, [Listening::Not("No: never".to_owned())]);
}

#[tokio::test]
async fn connections_that_do_not_last_are_tried_ever_more_seldom_and_then_given_up() {
    let bad = [Does::Breaks(2), Does::Tells(vec![], 0, Silence::Over), Does::Breaks(100), Does::Breaks(2)];
    let script = bad.into_iter().flat_map(|bad| [Does::Grants, bad]);
    let (log, _) = play(script).await;
    let log: Vec<&String> = log.iter().filter(|line| line.contains("subscribes")).collect();
    let expected = [
        "0 subscribes Streaming",
        "3 subscribes Streaming",
        "13 subscribes Streaming",
        "133 subscribes Streaming",
        "136 subscribes Pull",
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn while_the_server_is_away_it_is_left_to_the_checks_to_find_it() {
    let script = [
        Does::Grants,
        Does::Breaks(1000),
        Does::IsGone,
        Does::Grants,
        Does::Tells(vec![Heard::Ready], 1800, Silence::Over),
    ];
    let (log, _) = play(script).await;
    let expected = [
        "0 subscribes Streaming",
        "0 Unsure",
        "0 listens",
        "1001 subscribes Streaming",
        "1001 Disconnected",
        "1062 subscribes Streaming",
        "1062 Connected",
        "1062 listens",
        "2863 listens",
        "2863 says farewell",
    ];
    assert_eq!(log, expected);
}
