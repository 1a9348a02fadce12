//! The promises, over scripts of anything that can happen.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const FOLDERS: [&str; 3] = ["Inbox", "Sent Items", "Inbox/Projects"];

/// Something that happens so long after the last thing did.
#[derive(Clone, Debug)]
struct Act {
    after: Duration,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Change(usize, Haste),
    Hint(usize),
    Unsure,
    Connected,
    Disconnected,
    /// The clock on the wall is set by so many seconds; a sleep, if that is forward.
    Jump(i64),
}

/// How pieces of work go, one after the other.
type Course = Vec<(Duration, Outcome)>;

/// A folder changed here.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: Duration,
    folder: &'static str,
    haste: Haste,
    /// How many pieces of work had begun by then.
    begun: usize,
}

/// What was seen.
#[derive(Debug, Default)]
struct Log {
    begun: Vec<(Duration, Work)>,
    ended: Vec<(Duration, Outcome)>,
    changes: Vec<Change>,
    hints: Vec<(Duration, &'static str)>,
}

/// Plays a script out: the machine is asked when something happens, and when it wanted to be.
struct Play {
    timing: Timing,
    now: Duration,
    wall: i64,
    wake_at: Duration,
    /// When the work under way ends, and how.
    ends: Option<(Duration, Outcome)>,
    course: std::vec::IntoIter<(Duration, Outcome)>,
    log: Log,
}

impl Play {
    fn moment(&self) -> Moment {
        Moment { elapsed: self.now, wall: UnixTime(self.wall + i64::try_from(self.now.as_secs()).unwrap()) }
    }

    fn tell(&mut self, event: Event) {
        let orders = self.timing.on(self.moment(), event);
        assert!(orders.wake_in > Duration::ZERO && orders.wake_in <= HEARTBEAT);
        self.wake_at = self.now + orders.wake_in;
        if let Some(work) = orders.begin {
            assert_eq!(self.ends, None, "two pieces of work at a time");
            if let Scope::Folders(folders) = &work.scope {
                assert!(!folders.is_empty());
            }
            let (takes, outcome) = self.course.next().unwrap_or((Duration::from_millis(300), Outcome::Done));
            self.ends = Some((self.now + takes, outcome));
            self.log.begun.push((self.now, work));
        }
    }

    /// Lets time pass until then.
    fn pass(&mut self, until: Duration) {
        loop {
            let next = self.ends.map_or(self.wake_at, |(at, _)| at.min(self.wake_at));
            if next > until {
                break;
            }
            self.now = next;
            match self.ends {
                Some((at, outcome)) if at == next => {
                    self.ends = None;
                    self.log.ended.push((next, outcome));
                    self.tell(Event::Ended(outcome));
                }
                _ => self.tell(Event::Tick),
            }
        }
        self.now = until;
    }

    fn act(&mut self, act: &Act) {
        self.pass(self.now + act.after);
        match act.what {
            What::Change(folder, haste) => {
                let begun = self.log.begun.len();
                self.log.changes.push(Change { at: self.now, folder: FOLDERS[folder], haste, begun });
                self.tell(Event::LocalChange(FOLDERS[folder].to_owned(), haste));
            }
            What::Hint(folder) => {
                self.log.hints.push((self.now, FOLDERS[folder]));
                self.tell(Event::ServerHint(FOLDERS[folder].to_owned()));
            }
            What::Unsure => self.tell(Event::Unsure),
            What::Connected => self.tell(Event::Connected),
            What::Disconnected => self.tell(Event::Disconnected),
            What::Jump(seconds) => {
                self.wall += seconds;
                self.tell(Event::Tick);
            }
        }
    }
}

/// Plays a script, and a quiet time after it.
fn play(rhythm: Rhythm, acts: &[Act], course: Course, quiet: Duration) -> Log {
    let start = Moment { elapsed: Duration::from_secs(1000), wall: UnixTime(1_700_001_000) };
    let mut play = Play {
        timing: Timing::new(rhythm, start),
        now: start.elapsed,
        wall: 1_700_000_000,
        wake_at: start.elapsed,
        ends: None,
        course: course.into_iter(),
        log: Log::default(),
    };
    play.tell(Event::Tick);
    acts.iter().for_each(|act| play.act(act));
    play.pass(play.now + quiet);
    play.log
}

fn seconds(most: u64) -> impl Strategy<Value = Duration> {
    prop_oneof![0..3000_u64, 0..most * 1000].prop_map(Duration::from_millis)
}

fn rhythm() -> impl Strategy<Value = Rhythm> {
    prop_oneof![
        2 => Just(Rhythm::default()),
        1 => (10..900_u64, 0..900_u64).prop_map(|(poll, push)| Rhythm {
            poll_interval: Duration::from_secs(poll),
            push_delay: Duration::from_secs(push),
        }),
    ]
}

fn change() -> impl Strategy<Value = What> {
    (0..3_usize).prop_map(|folder| What::Change(folder, if folder == 1 { Haste::AtOnce } else { Haste::Delayed }))
}

fn calm_acts() -> impl Strategy<Value = Vec<Act>> {
    let what = prop_oneof![3 => change(), 1 => (0..3_usize).prop_map(What::Hint)];
    vec((seconds(150), what).prop_map(|(after, what)| Act { after, what }), 0..40)
}

fn wild_acts() -> impl Strategy<Value = Vec<Act>> {
    let what = prop_oneof![
        4 => change(),
        2 => (0..3_usize).prop_map(What::Hint),
        1 => Just(What::Unsure),
        1 => Just(What::Connected),
        1 => Just(What::Disconnected),
        1 => prop_oneof![-1_000_000..1_000_000_i64, -90..90_i64].prop_map(What::Jump),
    ];
    vec((seconds(150), what).prop_map(|(after, what)| Act { after, what }), 0..60)
}

fn wild_course() -> impl Strategy<Value = Course> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Done),
        2 => Just(Outcome::Unreachable),
        1 => Just(Outcome::Failed),
        1 => (0..100_000_u64).prop_map(|seconds| Outcome::Wait(Duration::from_secs(seconds))),
    ];
    vec((seconds(200), outcome), 0..60)
}

impl Log {
    fn checks(&self) -> Vec<Duration> {
        self.begun.iter().filter(|(_, work)| work.scope == Scope::All).map(|(at, _)| *at).collect()
    }

    /// When work that pushes the folder began after the change.
    fn push_of(&self, change: &Change) -> Option<Duration> {
        self.begun.iter().skip(change.begun).find(|(_, work)| work.pushes(change.folder)).map(|(at, _)| *at)
    }

    /// Whether a change still waited when another one came. One whose work failed waits on.
    fn waited(&self, first: &Change, other: &Change) -> bool {
        let between = self.begun.iter().zip(&self.ended).take(other.begun).skip(first.begun);
        !between.into_iter().any(|((_, work), (_, outcome))| work.pushes(first.folder) && *outcome == Outcome::Done)
    }

    /// The first changes: those of a folder of which none waited.
    fn firsts(&self) -> Vec<Change> {
        let mut firsts: Vec<Change> = Vec::new();
        for change in &self.changes {
            let last = firsts.iter().rfind(|first| first.folder == change.folder);
            if !last.is_some_and(|first| self.waited(first, change)) {
                firsts.push(*change);
            }
        }
        firsts
    }
}

const MOMENT: Duration = Duration::from_millis(2);

proptest! {
    /// Where nothing fails and no clock is set, the promised times are kept to the letter, but for work under way.
    #[test]
    fn the_promised_times_are_kept(rhythm in rhythm(), acts in calm_acts(), takes in vec(0..5000_u64, 0..60)) {
        let course: Course = takes.iter().map(|ms| (Duration::from_millis(*ms), Outcome::Done)).collect();
        let longest = Duration::from_millis(takes.iter().copied().max().unwrap_or(0).max(300)) * 2 + REST * 2 + MOMENT;
        let log = play(rhythm, &acts, course, rhythm.poll_interval + rhythm.push_delay + longest);
        for pair in log.checks().windows(2) {
            prop_assert!(pair[1] - pair[0] >= rhythm.poll_interval, "{:?}", log.checks());
            prop_assert!(pair[1] - pair[0] <= rhythm.poll_interval + longest, "{:?}", log.checks());
        }
        for change in log.firsts() {
            let due = change.at + if change.haste == Haste::AtOnce { Duration::ZERO } else { rhythm.push_delay };
            let push = log.push_of(&change);
            prop_assert!(push.is_some_and(|push| push >= due && push <= due + longest), "{change:?} went out at {push:?}");
        }
        for (at, folder) in &log.hints {
            let pulled = log.begun.iter().find(|(begun, work)| begun >= at && work.pulls(folder)).map(|(begun, _)| *begun);
            prop_assert!(pulled.is_some_and(|pulled| pulled <= *at + longest), "{folder}: hint at {at:?}, taken at {pulled:?}");
        }
    }

    /// Whatever happens, each change goes out once the world is calm again: also one during work, and one whose work failed.
    #[test]
    fn no_change_is_lost(rhythm in rhythm(), acts in wild_acts(), course in wild_course()) {
        let quiet = LONGEST_PAUSE * 70;
        let log = play(rhythm, &acts, course, quiet);
        for change in &log.changes {
            let mut after = log.begun.iter().zip(&log.ended).skip(change.begun);
            let done = after.any(|((_, work), (_, outcome))| work.pushes(change.folder) && *outcome == Outcome::Done);
            prop_assert!(done, "{change:?} never went out");
        }
        let last = log.ended.last().map(|(_, outcome)| *outcome);
        prop_assert_eq!(last, Some(Outcome::Done));
    }

    /// No clock, no flapping connection and no burst makes more work than this.
    #[test]
    fn nothing_storms(rhythm in rhythm(), acts in wild_acts(), course in wild_course()) {
        let log = play(rhythm, &acts, course, Duration::from_secs(3600));
        for pair in log.begun.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= REST);
        }
        for pair in log.checks().windows(2) {
            prop_assert!(pair[1] - pair[0] >= SHORTEST_CHECK.min(rhythm.poll_interval));
        }
    }

    /// A delayed change never goes out early, unless the clock says that the time has passed.
    #[test]
    fn nothing_goes_out_early(rhythm in rhythm(), mut acts in wild_acts(), course in wild_course()) {
        acts.retain(|act| !matches!(act.what, What::Jump(1..)));
        let log = play(rhythm, &acts, course, Duration::from_secs(3600));
        for change in log.firsts() {
            if change.haste == Haste::Delayed && let Some(push) = log.push_of(&change) {
                prop_assert!(push >= change.at + rhythm.push_delay, "{change:?} went out at {push:?}");
            }
        }
    }

    /// A clock that runs back, also the one that never should, holds nothing up.
    #[test]
    fn nothing_stalls(rhythm in rhythm(), times in vec((0..1_000_000_u64, -1_000_000..1_000_000_i64), 1..30)) {
        let mut timing = Timing::new(rhythm, Moment { elapsed: Duration::from_secs(500_000), wall: UnixTime(0) });
        for (elapsed, wall) in times {
            let mut now = Moment { elapsed: Duration::from_secs(elapsed), wall: UnixTime(wall) };
            timing.on(now, Event::LocalChange("Inbox".to_owned(), Haste::Delayed));
            timing.on(now, Event::Ended(Outcome::Unreachable));
            let limit = now.elapsed + rhythm.push_delay + rhythm.poll_interval + LONGEST_RETRY + REST;
            loop {
                let orders = timing.on(now, Event::Tick);
                if orders.begin.is_some_and(|work| work.pushes("Inbox")) {
                    break;
                }
                timing.on(now, Event::Ended(Outcome::Done));
                now.elapsed += orders.wake_in;
                prop_assert!(now.elapsed <= limit);
            }
        }
    }
}

fn at(seconds: u64) -> Moment {
    Moment { elapsed: Duration::from_secs(seconds), wall: UnixTime(1_700_000_000 + i64::try_from(seconds).unwrap()) }
}

/// Connected, and the first check done.
fn connected() -> Timing {
    let mut timing = Timing::new(Rhythm::default(), at(0));
    assert_eq!(timing.on(at(0), Event::Tick).begin.unwrap().scope, Scope::All);
    assert_eq!(timing.on(at(2), Event::Ended(Outcome::Done)).begin, None);
    timing
}

fn delayed(folder: &str) -> Event {
    Event::LocalChange(folder.to_owned(), Haste::Delayed)
}

#[test]
fn a_change_that_is_told_late_keeps_its_time() {
    let mut timing = connected();
    timing.on(at(20), Event::EarlierChange("Inbox".to_owned(), Haste::Delayed, Duration::from_secs(5)));
    timing.on(at(60), Event::Tick);
    timing.on(at(61), Event::Ended(Outcome::Done));
    assert_eq!(timing.on(at(64), Event::Tick).begin, None);
    assert!(timing.on(at(65), Event::Tick).begin.unwrap().pushes("Inbox"));
}

#[test]
fn a_check_leaves_changes_alone_that_have_more_time() {
    let mut timing = connected();
    timing.on(at(30), delayed("Inbox"));
    timing.on(at(50), delayed("Inbox"));
    let check = timing.on(at(60), Event::Tick).begin.unwrap();
    assert!(check.pulls("Inbox") && !check.pushes("Inbox") && check.pushes("Drafts"));
    timing.on(at(61), Event::Ended(Outcome::Done));
    assert_eq!(timing.on(at(89), Event::Tick).begin, None);
    let push = timing.on(at(90), Event::Tick).begin.unwrap();
    assert_eq!(push, Work { scope: Scope::Folders(BTreeSet::from(["Inbox".to_owned()])), later: BTreeSet::new() });
}

#[test]
fn a_hint_takes_the_servers_changes_in_and_leaves_ours_their_time() {
    let mut timing = connected();
    timing.on(at(10), delayed("Inbox"));
    let work = timing.on(at(20), Event::ServerHint("Inbox".to_owned())).begin.unwrap();
    assert!(work.pulls("Inbox") && !work.pushes("Inbox"));
    assert_eq!(timing.pending(at(20)).collect::<Vec<_>>(), [("Inbox", Duration::from_secs(50))]);
}

#[test]
fn a_change_during_a_sync_has_its_own_time() {
    let mut timing = connected();
    timing.on(at(5), delayed("Inbox"));
    assert!(timing.on(at(65), Event::Tick).begin.is_some(), "the check that was due at 60");
    timing.on(at(70), delayed("Inbox"));
    timing.on(at(71), Event::Ended(Outcome::Done));
    assert_eq!(timing.pending(at(71)).collect::<Vec<_>>(), [("Inbox", Duration::from_secs(59))]);
}

#[test]
fn an_unreachable_server_is_tried_at_growing_distances_and_then_checked() {
    let mut timing = connected();
    let mut now = 60;
    timing.on(at(now), Event::Tick).begin.unwrap();
    for wait in [10, 20, 40, 80, 160, 300, 300] {
        timing.on(at(now), Event::Ended(Outcome::Unreachable));
        assert_eq!(timing.on(at(now + wait - 1), Event::ServerHint("Inbox".to_owned())).begin, None);
        now += wait;
        assert_eq!(timing.on(at(now), Event::Tick).begin.unwrap().scope, Scope::All);
    }
    timing.on(at(now), Event::Ended(Outcome::Unreachable));
    let work = timing.on(at(now + 15), Event::Connected).begin.unwrap();
    assert_eq!(work.scope, Scope::All);
}

#[test]
fn what_is_due_after_a_sleep_is_done_at_once() {
    let mut timing = connected();
    timing.on(at(10), delayed("Inbox"));
    let mut now = at(11);
    now.wall = UnixTime(now.wall.0 + 8 * 3600);
    let work = timing.on(now, Event::Tick).begin.unwrap();
    assert!(work.scope == Scope::All && work.pushes("Inbox"));
}
