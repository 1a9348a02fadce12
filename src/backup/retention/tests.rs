use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Monday 2026-11-23 00:00 UTC.
const MONDAY: i64 = 1_795_392_000;
const LATER: UnixTime = UnixTime(i64::MAX);

fn full(number: u32, created: i64) -> Candidate {
    let condition = Condition::Whole { needs: Vec::new(), alarms: 0 };
    Candidate { number, created: UnixTime(created), condition, verified: false }
}

fn needing(number: u32, created: i64, needs: &[u32]) -> Candidate {
    Candidate { condition: Condition::Whole { needs: needs.to_vec(), alarms: 0 }, ..full(number, created) }
}

fn kept(archives: &[Candidate], retention: &Retention) -> Vec<u32> {
    let verdicts = decide(archives, retention, LATER);
    let kept = archives.iter().zip(verdicts).filter(|(_, verdict)| matches!(verdict, Verdict::Keep(_)));
    kept.map(|(archive, _)| archive.number).collect()
}

#[test]
fn the_default_thins_out_as_time_machine_does() {
    // One each half an hour, for eight weeks.
    let archives: Vec<Candidate> =
        (0..48 * 56).map(|at| full(u32::try_from(at).unwrap() + 1, MONDAY + at * HOUR / 2)).collect();
    let kept = kept(&archives, &Retention::TIME_MACHINE);
    let age = |number: &u32| (48 * 56 - i64::from(*number)) / 2;
    let of = |from: i64, to: i64| kept.iter().filter(|number| (from..to).contains(&age(number))).count();
    // 24 hours, 31 days and 8 weeks, where the newest hour is of the newest day, and the newest 5 weeks end with one of those days.
    assert_eq!((of(0, 24), of(24, 31 * 24), of(31 * 24, i64::MAX)), (24, 30, 3));
    assert_eq!(kept.first(), Some(&(48 * 7)), "the first week's newest");
}

#[test]
fn each_rule_keeps_the_newest_of_its_time() {
    let rule = |rule: fn(&mut Retention)| {
        let mut retention = Retention::NONE;
        rule(&mut retention);
        // Two on each of two days in each of two months in each of two years.
        let days = [MONDAY - 399 * DAY, MONDAY - 398 * DAY, MONDAY - 40 * DAY, MONDAY - 39 * DAY, MONDAY, MONDAY + DAY];
        let archives: Vec<Candidate> =
            days.iter().flat_map(|day| [*day, *day + HOUR]).zip(1..).map(|(time, number)| full(number, time)).collect();
        kept(&archives, &retention)
    };
    assert_eq!(rule(|_| {}), [12]);
    assert_eq!(rule(|retention| retention.last = Keep::Newest(3)), [10, 11, 12]);
    assert_eq!(rule(|retention| retention.hourly = Keep::Newest(3)), [10, 11, 12]);
    assert_eq!(rule(|retention| retention.daily = Keep::Newest(3)), [8, 10, 12]);
    assert_eq!(rule(|retention| retention.weekly = Keep::All), [4, 8, 12]);
    assert_eq!(rule(|retention| retention.monthly = Keep::Newest(2)), [8, 12]);
    assert_eq!(rule(|retention| retention.yearly = Keep::All), [4, 12]);
}

#[test]
fn a_clock_that_was_wrong_for_a_day_costs_no_archive() {
    // One of January 1970 between those of each day, and one of 2099.
    let mut archives: Vec<Candidate> = (1..=100).map(|day| full(day, MONDAY + i64::from(day) * DAY)).collect();
    archives[49].created = UnixTime(DAY);
    archives[59].created = UnixTime(MONDAY + 30_000 * DAY);
    let retention = Retention { daily: Keep::Newest(10), ..Retention::NONE };
    let stay: Vec<u32> = [50, 60].into_iter().chain(91..=100).collect();
    assert_eq!(kept(&archives, &retention), stay);
    // A clock that is behind now believes none of them, and drops none.
    let verdicts = decide(&archives, &retention, UnixTime(0));
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Keep(_))));
}

#[test]
fn nothing_older_than_what_cannot_be_read_goes() {
    let mut archives: Vec<Candidate> = (1..=6).map(|number| full(number, MONDAY + i64::from(number))).collect();
    archives[3].condition = Condition::Unreadable;
    archives[0].condition = Condition::Foreign;
    assert_eq!(kept(&archives, &Retention::NONE), [1, 2, 3, 4, 6]);
    let verdicts = decide(&archives, &Retention::NONE, LATER);
    assert_eq!(verdicts[1], Verdict::Keep([Reason::MayBeNeeded(4)].into()));
    assert_eq!(verdicts[4], Verdict::Drop(Superseded { by: 6 }));
}

#[test]
fn what_others_build_upon_stays_and_so_does_the_last_good_one() {
    let mut archives =
        vec![full(1, MONDAY), needing(2, MONDAY + 1, &[1]), full(3, MONDAY + 2), needing(4, MONDAY + 3, &[1, 2])];
    assert_eq!(kept(&archives, &Retention::NONE), [1, 2, 4]);
    archives[3] = full(4, MONDAY + 3);
    archives[3].condition = Condition::Whole { needs: Vec::new(), alarms: 7 };
    archives[0].verified = true;
    let verdicts = decide(&archives, &Retention::NONE, LATER);
    assert_eq!(verdicts[0], Verdict::Keep([Reason::NewestVerified].into()));
    assert_eq!(verdicts[2], Verdict::Keep([Reason::NewestSound].into()));
    assert!(matches!(verdicts[1], Verdict::Drop(_)));
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let condition = prop_oneof![
        8 => (prop::collection::vec(1_u32..40, 0..3), 0_u64..2)
            .prop_map(|(needs, alarms)| Condition::Whole { needs, alarms }),
        1 => Just(Condition::Foreign),
        1 => Just(Condition::Unreadable),
    ];
    // Times that rise with the numbers, and now and then one that does not.
    let created = (1_u32..40).prop_flat_map(|number| {
        let usual = MONDAY + i64::from(number) * 9 * HOUR;
        (Just(number), prop_oneof![6 => Just(usual), 1 => any::<i64>(), 1 => 0..2 * MONDAY])
    });
    (created, condition, any::<bool>()).prop_map(|((number, created), condition, verified)| Candidate {
        number,
        created: UnixTime(created),
        condition,
        verified,
    })
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![4 => (0_u32..4).prop_map(Keep::Newest), 1 => Just(Keep::All)]
}

fn retention() -> impl Strategy<Value = Retention> {
    (keep(), keep(), keep(), keep(), keep(), keep()).prop_map(|(last, hourly, daily, weekly, monthly, yearly)| {
        Retention { last, hourly, daily, weekly, monthly, yearly }
    })
}

fn stays(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Keep(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_needed_is_ever_dropped(
        archives in prop::collection::vec(candidate(), 0..30), retention in retention(), now in prop_oneof![Just(i64::MAX), any::<i64>()],
    ) {
        let verdicts = decide(&archives, &retention, UnixTime(now));
        prop_assert_eq!(verdicts.len(), archives.len());
        let all = || archives.iter().zip(&verdicts);
        for (archive, verdict) in all() {
            match verdict {
                // Whatever stays has its reasons, and all that it builds upon.
                Verdict::Keep(reasons) => {
                    prop_assert!(!reasons.is_empty());
                    if let Condition::Whole { needs, .. } = &archive.condition {
                        prop_assert!(all().all(|(other, verdict)| !needs.contains(&other.number) || stays(verdict)));
                    }
                }
                // What goes is whole, and leaves a newer whole one behind; nothing newer is unreadable, and nothing is guessed by the clock.
                Verdict::Drop(superseded) => {
                    prop_assert!(archive.own() && archive.created.0 <= now);
                    prop_assert!(superseded.by() >= archive.number);
                    prop_assert!(all().any(|(other, verdict)| other.number == superseded.by() && other.own() && stays(verdict)));
                    prop_assert!(all().all(|(other, _)| other.condition != Condition::Unreadable || other.number <= archive.number));
                }
            }
        }
        for is_meant in [|_: &Candidate| true, |archive: &Candidate| archive.verified, Candidate::sound] {
            let newest = archives.iter().filter(|archive| archive.own() && is_meant(archive)).map(|archive| archive.number).max();
            let there = |(other, verdict): (&Candidate, &Verdict)| Some(other.number) == newest && is_meant(other) && stays(verdict);
            prop_assert!(newest.is_none() || all().any(there));
        }
    }

    #[test]
    fn what_was_asked_for_is_kept(archives in prop::collection::vec(candidate(), 0..30), count in 0_u32..10) {
        let whole = || archives.iter().filter(|archive| archive.own());
        let retention = Retention { last: Keep::Newest(count), weekly: Keep::All, ..Retention::NONE };
        let verdicts = decide(&archives, &retention, LATER);
        let left: Vec<&Candidate> =
            archives.iter().zip(&verdicts).filter(|(_, verdict)| stays(verdict)).map(|(archive, _)| archive).collect();
        prop_assert!(left.iter().filter(|archive| archive.own()).count() >= whole().count().min(count as usize));
        let weeks = |archives: &[&Candidate]| archives.iter().map(|archive| week(date(archive.created))).collect::<BTreeSet<_>>();
        prop_assert_eq!(weeks(&whole().collect::<Vec<_>>()), weeks(&left.into_iter().filter(|archive| archive.own()).collect::<Vec<_>>()));
        let all = Retention { last: Keep::All, ..Retention::NONE };
        let stay = decide(&archives, &all, LATER).iter().all(stays);
        prop_assert!(stay);
    }

    #[test]
    fn the_order_of_a_listing_is_nothing(archives in prop::collection::vec(candidate(), 0..20), retention in retention()) {
        let mut numbers = BTreeSet::new();
        let mut archives = archives;
        archives.retain(|archive| numbers.insert(archive.number));
        let mut backwards: Vec<Candidate> = archives.clone();
        backwards.reverse();
        let mut verdicts = decide(&backwards, &retention, LATER);
        verdicts.reverse();
        prop_assert_eq!(verdicts, decide(&archives, &retention, LATER));
    }

    #[test]
    fn a_second_prune_drops_nothing(steps in prop::collection::vec(0_i64..40 * HOUR, 0..60), retention in retention()) {
        let mut time = MONDAY;
        let mut archives: Vec<Candidate> = steps.iter().zip(1..).map(|(step, number)| { time += step; full(number, time) }).collect();
        let verdicts = decide(&archives, &retention, LATER);
        let mut verdicts = verdicts.iter();
        archives.retain(|_| verdicts.next().is_some_and(stays));
        let again = decide(&archives, &retention, LATER);
        prop_assert!(again.iter().all(stays));
    }
}
