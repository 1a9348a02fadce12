//! Progress bars: items, bytes, rate and time left, and the folders that are worked on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::sync::{Observer, Progress as Event};

const TEMPLATE: &str = "{spinner} {prefix} {wide_bar} {pos}/{len} messages, {volume}, {rate}, {eta} left\n  {wide_msg}";

/// A bar for a run over one account; nothing at all where nobody watches.
pub(super) struct Progress {
    observer: Arc<Bar>,
}

struct Bar {
    bar: ProgressBar,
    bytes: Arc<AtomicU64>,
    folders: Mutex<BTreeSet<String>>,
}

impl Progress {
    pub(super) fn new(bars: Option<&MultiProgress>, account: &str) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let bar = match bars {
            Some(bars) => bars.add(ProgressBar::new(0)),
            None => ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden()),
        };
        bar.set_style(style(&bytes));
        bar.set_prefix(account.to_owned());
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { observer: Arc::new(Bar { bar, bytes, folders: Mutex::default() }) }
    }

    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer) as Arc<dyn Observer>
    }

    /// Takes the bar away: the report says the rest.
    pub(super) fn finish(&self) {
        self.observer.bar.finish_and_clear();
    }
}

fn style(bytes: &Arc<AtomicU64>) -> ProgressStyle {
    let bytes = Arc::clone(bytes);
    let volume = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        // A bar that cannot be drawn is no bar.
        let _ = write!(out, "{}", HumanBytes(bytes.load(Ordering::Relaxed)));
    };
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = write!(out, "{:.0}/s", state.per_sec());
    };
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("volume", volume).with_key("rate", rate)
}

impl Bar {
    fn folders(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut folders);
        let names: Vec<&str> = folders.iter().map(String::as_str).collect();
        self.bar.set_message(names.join(", "));
    }
}

impl Observer for Bar {
    fn progress(&self, event: &Event<'_>) {
        match event {
            Event::FolderBegun { folder, expected } => {
                self.bar.inc_length(*expected);
                self.folders(|folders| {
                    folders.insert((*folder).to_owned());
                });
            }
            Event::FolderDone { folder } => self.folders(|folders| {
                folders.remove(*folder);
            }),
            Event::Bytes(count) => {
                self.bytes.fetch_add(*count, Ordering::Relaxed);
            }
            Event::Messages(count) => {
                self.bar.inc(*count);
                // More came than the server had told.
                if self.bar.length().is_some_and(|length| length < self.bar.position()) {
                    self.bar.set_length(self.bar.position());
                }
            }
            Event::UploadsAhead(count) => self.bar.inc_length(*count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_sound() {
        ProgressStyle::with_template(TEMPLATE).unwrap();
    }

    #[test]
    fn more_messages_than_expected_are_no_more_than_all() {
        let progress = Progress::new(None, "demo");
        let observer = progress.observer();
        observer.progress(&Event::FolderBegun { folder: "Inbox", expected: 2 });
        observer.progress(&Event::Messages(5));
        assert_eq!(progress.observer.bar.length(), Some(5));
    }
}
