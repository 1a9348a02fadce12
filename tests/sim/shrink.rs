//! Leaves out of a failing script whatever it fails without.

use std::time::{Duration, Instant};

use super::play::play;
use super::script::{Entry, Script};

/// How long a person will wait for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The smallest script found that fails in the same way.
pub fn shrink(script: &Script, kind: &'static str) -> Script {
    let end = Instant::now() + PATIENCE;
    let mut best = script.clone();
    let fails = |script: &Script| Instant::now() < end && play(script).1.is_some_and(|failure| failure.kind == kind);
    loop {
        let before = best.entries.len();
        let mut size = (best.entries.len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < best.entries.len() {
                let mut fewer = best.clone();
                fewer.entries.drain(at..(at + size).min(fewer.entries.len()));
                if fails(&fewer) { best = fewer } else { at += size }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
        for at in 0..best.entries.len() {
            let mut simpler = best.clone();
            if let Some(Entry::Run { cut: cut @ Some(_), .. } | Entry::Watch { cut: cut @ Some(_), .. }) =
                simpler.entries.get_mut(at)
            {
                *cut = None;
                if fails(&simpler) {
                    best = simpler;
                }
            }
        }
        if best.entries.len() == before || Instant::now() >= end {
            return best;
        }
    }
}
