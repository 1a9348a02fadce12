//! Numbers for monitoring, as a file for the textfile collector of Prometheus's node_exporter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::super::account::AccountRun;
use crate::pim::UnixTime;
use crate::sync::watch::Board;

/// What is counted.
pub(super) struct Metrics {
    file: PathBuf,
    identity: String,
    accounts: BTreeMap<String, Counts>,
}

#[derive(Default)]
struct Counts {
    /// By result.
    runs: BTreeMap<&'static str, u64>,
    last_success: Option<UnixTime>,
    connected: bool,
    pending: usize,
    needs_attention: usize,
    moved: [u64; 6],
}

/// What is done with items, as labels.
const DONE: [&str; 6] = ["downloaded", "uploaded", "changed_here", "changed_there", "deleted_here", "deleted_there"];

/// Whether `watch` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    Ended,
}

impl Metrics {
    pub(super) fn new(file: PathBuf, identity: &str) -> Self {
        Self { file, identity: identity.to_owned(), accounts: BTreeMap::new() }
    }

    pub(super) fn count(&mut self, run: &AccountRun) {
        let counts = self.accounts.entry(run.account.clone()).or_default();
        *counts.runs.entry(run.result).or_default() += 1;
        if run.error.is_none() {
            counts.last_success = Some(run.ended);
            counts.needs_attention = run.report.notices.len();
        }
        let total = &run.total;
        let done = [
            total.downloaded,
            total.uploaded,
            total.changed_here,
            total.changed_there,
            total.deleted_here,
            total.deleted_there,
        ];
        counts.moved.iter_mut().zip(done).for_each(|(sum, count)| *sum += count);
    }

    pub(super) fn show(&mut self, account: &str, board: &Board) {
        let counts = self.accounts.entry(account.to_owned()).or_default();
        counts.connected = board.well_since.is_some();
        counts.pending = board.pending.len();
    }

    /// Replaces the file, so that a reader sees the old or the new one. All may read it: the collector is somebody else.
    pub(super) fn write(&self, life: Life) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", self.file.display());
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut draft = tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| ".".as_ref())).with_context(failed)?;
        draft.write_all(self.text(life).as_bytes()).with_context(failed)?;
        draft.as_file().set_permissions(Permissions::from_mode(0o644)).with_context(failed)?;
        draft.persist(&self.file).map_err(|error| error.error).with_context(failed)?;
        Ok(())
    }

    fn text(&self, life: Life) -> String {
        let mut text = String::new();
        let identity = label(&self.identity);
        let up = u8::from(life == Life::Running);
        family(&mut text, "pimsync_watch_up", "gauge", "Whether pimsync watch runs.");
        let _ = writeln!(text, "pimsync_watch_up{{identity={identity}}} {up}");
        let each = |text: &mut String, name: &str, value: &dyn Fn(&Counts) -> Option<i64>| {
            for (account, counts) in &self.accounts {
                if let Some(value) = value(counts) {
                    let _ = writeln!(text, "{name}{{identity={identity},account={}}} {value}", label(account));
                }
            }
        };
        let connected = |counts: &Counts| Some(i64::from(counts.connected));
        family(&mut text, "pimsync_connected", "gauge", "Whether the last run over the account succeeded.");
        each(&mut text, "pimsync_connected", &connected);
        let name = "pimsync_last_success_timestamp_seconds";
        family(&mut text, name, "gauge", "When a run over the account last succeeded.");
        each(&mut text, name, &|counts| counts.last_success.map(|time| time.0));
        family(&mut text, "pimsync_pending_folders", "gauge", "Folders with local changes that wait.");
        each(&mut text, "pimsync_pending_folders", &|counts| i64::try_from(counts.pending).ok());
        family(&mut text, "pimsync_attention", "gauge", "What was held back, skipped or in conflict in the last run.");
        each(&mut text, "pimsync_attention", &|counts| i64::try_from(counts.needs_attention).ok());
        family(&mut text, "pimsync_runs_total", "counter", "Runs since the start, by result.");
        for (account, counts) in &self.accounts {
            for (result, count) in &counts.runs {
                let account = label(account);
                let labels = format!("identity={identity},account={account},result=\"{result}\"");
                let _ = writeln!(text, "pimsync_runs_total{{{labels}}} {count}");
            }
        }
        family(&mut text, "pimsync_items_total", "counter", "Items since the start, by what was done with them.");
        for (account, counts) in &self.accounts {
            for (done, count) in DONE.iter().zip(counts.moved) {
                let account = label(account);
                let labels = format!("identity={identity},account={account},done=\"{done}\"");
                let _ = writeln!(text, "pimsync_items_total{{{labels}}} {count}");
            }
        }
        text
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value in quotes, escaped as the text format wants it.
fn label(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_readable_and_says_when_watch_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pimsync.prom");
        let mut metrics = Metrics::new(file.clone(), "A \"b\" \\");
        let pending = vec![("Inbox".to_owned(), UnixTime(1))];
        metrics.show("a@x.org", &Board { pending, well_since: Some(UnixTime(0)), ..Board::default() });
        metrics.write(Life::Running).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("pimsync_watch_up{identity=\"A \\\"b\\\" \\\\\"} 1\n"), "{text}");
        assert!(text.contains("account=\"a@x.org\"} 1\n"), "{text}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        metrics.write(Life::Ended).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains("\\\\\"} 0\n"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
