//! `cargo bench`: whole runs of the program, each against a bare client or another program in turn, reported as ratios.
//!
//! `cargo bench -- NAME...` runs some; `cargo bench -- --list` names them. `PIMSYNC_BENCH_ROUNDS` says how often (5), `PIMSYNC_BENCH_SCALE`
//! divides all counts. Directories are made below the target directory, so on its disk.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod backups;
mod bare;
mod entries;
mod home;
mod mailbox;
mod measure;
mod works;

use std::path::Path;
use std::time::Duration;

use measure::Cost;

/// The figures, by name.
const WORKS: &[(&str, fn())] = &[
    ("first-sync", works::first_sync),
    ("first-sync-50ms", works::first_sync_far),
    ("upload", works::upload),
    ("nothing", works::nothing),
    ("flags", works::flags),
    ("large-message", works::large_message),
    ("many-folders", works::many_folders),
    ("growth", works::growth),
    ("one-of-many", works::one_of_many),
    ("entries-first-sync", entries::first_sync),
    ("entries-nothing", entries::nothing),
    ("one-of-many-events", entries::one_of_many),
    ("backup-full", backups::full),
    ("backup-nothing-new", backups::nothing_new),
    ("restore", backups::restore),
    ("restore-one-item", backups::one_item),
];

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|first| first.to_str()) {
        Some("measure") => std::process::exit(measure::main(arguments)),
        Some("bare") => {
            let mut text = || arguments.next().unwrap().into_string().unwrap();
            let (work, url, dir) = (text(), text(), text());
            bare::run(&work, &url, Path::new(&dir)).unwrap();
        }
        _ => run(std::env::args().skip(1).filter(|argument| argument != "--bench").collect()),
    }
}

fn run(wanted: Vec<String>) {
    if wanted.iter().any(|name| name == "--list") {
        WORKS.iter().for_each(|(name, _)| println!("{name}: bench"));
        return;
    }
    let unknown = wanted.iter().find(|name| !WORKS.iter().any(|(known, _)| known == name));
    if let Some(name) = unknown {
        eprintln!("there is no bench {name}; --list names them");
        std::process::exit(2);
    }
    for (name, work) in WORKS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("\n== {name}");
            work();
        }
    }
}

/// A setting from the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// A count, smaller where a quick run was asked for.
fn scaled(count: usize) -> usize {
    (count / number("PIMSYNC_BENCH_SCALE", 1)).max(1)
}

/// Measures two works in turn, and tells medians, spreads and ratios.
fn compare(reference: &str, mut one: impl FnMut() -> Cost, mut other: impl FnMut() -> Cost) {
    let rounds = number("PIMSYNC_BENCH_ROUNDS", 5);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(one());
        ours.push(other());
    }
    tell(reference, &theirs);
    tell("pimsync", &ours);
    let ratio = |of: fn(&Cost) -> Duration| median(&ours, of).as_secs_f64() / median(&theirs, of).as_secs_f64();
    println!("ratio: time {:.2}, processor {:.2}", ratio(|cost| cost.wall), ratio(|cost| cost.processor));
}

fn tell(who: &str, costs: &[Cost]) {
    let walls = sorted(costs, |cost| cost.wall);
    println!(
        "{who}: {} ({} – {}), processor {}, memory {:.1} MB",
        seconds(median(costs, |cost| cost.wall)),
        seconds(walls[0]),
        seconds(walls[walls.len() - 1]),
        seconds(median(costs, |cost| cost.processor)),
        megabytes(costs.iter().map(|cost| cost.memory).max().unwrap_or(0)),
    );
}

fn sorted(costs: &[Cost], of: fn(&Cost) -> Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = costs.iter().map(of).collect();
    times.sort();
    times
}

fn median(costs: &[Cost], of: fn(&Cost) -> Duration) -> Duration {
    let times = sorted(costs, of);
    times[times.len() / 2]
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
