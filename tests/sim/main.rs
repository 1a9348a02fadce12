//! The whole engine against an Exchange and a directory, while people edit both sides between any two of its steps, the server fails in every
//! scripted way, answers are lost, and runs are cut off. Afterwards nothing is lost, doubled, torn or skipped, and both sides agree.
//!
//! `PIMSYNC_SIM_SEEDS=N PIMSYNC_SIM_START=S cargo test --release --test sim` runs any range of seeds. A seed that fails prints how to repeat it,
//! and the shortest script found that fails alike.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod eager;
mod edits;
mod entries;
mod finds;
mod model;
mod play;
mod script;
mod shrink;
mod sides;
mod watch;
#[path = "../world/mod.rs"]
mod world;

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Failure;
use play::play;
use script::{Script, script, watched};

/// As many as do not keep anybody waiting.
const SEEDS: u64 = 6;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Plays a seed; twice, where it must give the same trace.
fn check(script: &Script) -> Result<(), Failure> {
    let (trace, failure) = play(script);
    if let Some(failure) = failure {
        return Err(failure);
    }
    if script.folders_at_once > 1 {
        return Ok(());
    }
    let (again, _) = play(script);
    match trace.iter().zip(&again).position(|(one, other)| one != other) {
        None if trace.len() == again.len() => Ok(()),
        at => {
            let at = at.unwrap_or(trace.len().min(again.len()));
            let around = |trace: &[String]| trace[at.saturating_sub(5)..trace.len().min(at + 3)].join("\n  ");
            let text = format!("two traces:\n  {}\n---\n  {}", around(&trace), around(&again));
            Err(Failure { kind: "not repeatable", text })
        }
    }
}

fn tell(seed: u64, script: &Script, failure: &Failure) -> String {
    let shrinks = failure.kind != "not repeatable" && number("PIMSYNC_SIM_SHRINK") != Some(0);
    let smallest = if shrinks { shrink::shrink(script, failure.kind) } else { script.clone() };
    let (trace, again) = play(&smallest);
    let failure = again.unwrap_or_else(|| failure.clone());
    let trace: Vec<String> = trace.into_iter().filter(|line| !line.contains(" 200")).collect();
    format!(
        "seed {seed}, {:?}, {:?}, {} at once: {}: {}\nto repeat it: PIMSYNC_SIM_SEEDS=1 PIMSYNC_SIM_START={seed} cargo test --test sim\n{}\nscript: {:?}\n",
        script.like,
        script.policy,
        script.folders_at_once,
        failure.kind,
        failure.text,
        trace.join("\n"),
        smallest.entries,
    )
}

/// Plays seeds on several threads; what failed is told as it comes, and returned in the order of the seeds.
fn check_all(seeds: Range<u64>, script: fn(u64) -> Script) -> Vec<(u64, &'static str)> {
    // A simulation waits for its own server about half of the time.
    let threads = 2 * std::thread::available_parallelism().map_or(1, NonZero::get);
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let script = script(seed);
            if let Err(failure) = check(&script) {
                println!("{}", tell(seed, &script, &failure));
                failed.lock().unwrap().push((seed, failure.kind));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(usize::try_from(seeds.end - seeds.start).unwrap()) {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    failed
}

fn check_range(script: fn(u64) -> Script) {
    let start = number("PIMSYNC_SIM_START").unwrap_or(1);
    let seeds = number("PIMSYNC_SIM_SEEDS").unwrap_or(SEEDS);
    let failed = check_all(start..start + seeds, script);
    assert!(failed.is_empty(), "{} of {seeds} seeds failed: {failed:?}", failed.len());
}

#[test]
fn nothing_is_lost_doubled_torn_or_skipped() {
    check_range(script);
}

#[test]
fn nor_where_a_watch_decides_what_is_done_when() {
    check_range(watched);
}
