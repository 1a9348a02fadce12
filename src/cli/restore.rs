//! `pimsync restore`: brings an item, a folder or everything back out of an archive, into a directory of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::backup::{Day, Pick, bytes, count, moment};
use super::context::Context;
use super::failure::UsageError;
use super::output::Output;
use super::time::{self, for_people};
use super::{ExitCode, Global};
use crate::backup::manifest::{Entry, Kind};
use crate::backup::{self, Archive, BackupError, OnDamage, Selection};
use crate::pim::UnixTime;

/// Bring an item, a folder or everything back from an archive
///
/// What is restored goes into a new directory, with the paths that it had in the identity's Database directory; nothing is ever
/// overwritten, and no account is touched. To have a message in its folder again, move its file from there into the folder's cur: the next sync
/// uploads it as a new one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive: its file, or its number; without it, the newest
    #[arg(value_name = "ARCHIVE", conflicts_with = "at")]
    archive: Option<String>,
    /// The newest archive that was made at that time or before, such as 2026-11-22 or "2026-11-22 10:30"
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Look for the archive in this directory, instead of the identity's Backups
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Restore into this directory, which must not exist, or be empty
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list", "dry_run"])]
    to: Option<PathBuf>,
    /// Only what lies in this folder, such as Inbox/Projects
    #[arg(long, value_name = "FOLDER")]
    folder: Option<String>,
    /// Only the item with this path or file name; can be given several times
    #[arg(long, value_name = "ITEM")]
    item: Vec<String>,
    /// Only messages with this Message-ID, or other items with this UID
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Only what was not received or changed before that time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what lies in On My Computer
    #[arg(long)]
    only_local: bool,
    /// Bring back all that is whole from an archive that is damaged or cut off
    #[arg(long)]
    salvage: bool,
    /// List the items, and restore nothing
    #[arg(long, conflicts_with_all = ["to", "dry_run", "salvage"])]
    list: bool,
    /// Say what would be restored, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Results {
    archive: String,
    /// Where it was restored to; none where nothing was written.
    directory: Option<String>,
    items: u64,
    files: u64,
    bytes: u64,
    lost: Vec<LostItem>,
    /// The items; only with `--list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<Vec<ListedItem>>,
}

#[derive(Serialize)]
struct LostItem {
    path: Option<String>,
    reason: String,
}

#[derive(Serialize)]
struct ListedItem {
    path: String,
    kind: Kind,
    id: Option<String>,
    size: u64,
    #[serde(serialize_with = "time::serialize")]
    modified: UnixTime,
}

impl Args {
    fn selection(&self) -> Result<Selection, UsageError> {
        Ok(Selection {
            folder: self.folder.clone(),
            items: self.item.clone(),
            id: self.message_id.clone(),
            since: self.since.as_deref().map(|since| moment(since, Day::Start)).transpose()?,
            only_local: self.only_local,
        })
    }
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    let selection = args.selection()?;
    let at = args.at.as_deref().map(|at| moment(at, Day::End)).transpose()?;
    let path = Pick { archive: args.archive.as_deref(), from: args.from.as_deref(), at }.one(&context)?;
    let mut archive = match Archive::open(&path) {
        Err(error @ (BackupError::Incomplete { .. } | BackupError::Manifest { .. })) if args.salvage => {
            return salvage(&args, &selection, &path, error, output);
        }
        archive => archive?,
    };
    let entries = backup::selected(&archive, &selection);
    let files: Vec<&Entry> = entries.into_iter().filter(|entry| entry.kind != Kind::Directory).collect();
    if files.is_empty() && !selection.is_everything() {
        return Err(UsageError(format!(
            "nothing in {} is what was asked for; --list shows what there is",
            path.display()
        ))
        .into());
    }
    let mut results = Results::of(&path, &files);
    let Some(to) = args.to.as_deref().filter(|_| !args.dry_run) else {
        results.listed = args.list.then(|| files.iter().map(|entry| ListedItem::of(entry)).collect());
        return output.results(ExitCode::Done, results, listed_text);
    };
    let on_damage = if args.salvage { OnDamage::Salvage } else { OnDamage::Fail };
    let restored = backup::restore(&mut archive, &selection, to, on_damage)?;
    results.directory = Some(to.display().to_string());
    (results.items, results.files, results.bytes) = (restored.items, restored.files, restored.bytes);
    let lost = restored.lost.into_iter();
    results.lost = lost.map(|(path, reason)| LostItem { path: Some(path.to_string()), reason }).collect();
    finish(results, output)
}

/// Brings out what can be had without a manifest.
fn salvage(
    args: &Args,
    selection: &Selection,
    path: &Path,
    error: BackupError,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let Some(to) = args.to.as_deref().filter(|_| !args.dry_run && selection.is_everything()) else {
        let why = "without a manifest there is nothing to select by: leave the selection out, and all that is whole is brought out";
        return Err(UsageError(format!("{error}; {why}")).into());
    };
    let salvaged = backup::salvage(path, to)?;
    let cut = format!("{error}; {} of its bytes belong to no whole frame", salvaged.unreadable);
    let lost = salvaged.refused.into_iter().chain([cut]).map(|reason| LostItem { path: None, reason }).collect();
    let results = Results {
        archive: path.display().to_string(),
        directory: Some(to.display().to_string()),
        // Which of the files are items is not known.
        items: 0,
        files: salvaged.files,
        bytes: salvaged.bytes,
        lost,
        listed: None,
    };
    finish(results, output)
}

fn finish(results: Results, output: &Output) -> anyhow::Result<ExitCode> {
    let code = if results.lost.is_empty() { ExitCode::Done } else { ExitCode::Held };
    for lost in &results.lost {
        let what = lost.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
        output.remark(&format!("lost: {what}{}", lost.reason));
    }
    let quiet = output.is_quiet();
    output.results(code, results, |results| if quiet { String::new() } else { restored_text(results) })
}

impl Results {
    fn of(path: &Path, files: &[&Entry]) -> Self {
        Self {
            archive: path.display().to_string(),
            directory: None,
            items: files.iter().filter(|entry| entry.kind.is_item()).count() as u64,
            files: files.len() as u64,
            bytes: files.iter().map(|entry| entry.size).sum(),
            lost: Vec::new(),
            listed: None,
        }
    }
}

impl ListedItem {
    fn of(entry: &Entry) -> Self {
        Self {
            path: entry.path.to_string(),
            kind: entry.kind,
            id: entry.id.as_deref().map(str::to_owned),
            size: entry.size,
            modified: entry.mtime(),
        }
    }
}

fn totals(results: &Results) -> String {
    format!("{}, {}, {}", count(results.items, "item"), count(results.files, "file"), bytes(results.bytes))
}

fn listed_text(results: &Results) -> String {
    let Some(listed) = &results.listed else {
        return format!("{}: would be restored (nothing was written): {}\n", results.archive, totals(results));
    };
    listed.iter().fold(String::new(), |mut text, item| {
        let id = item.id.as_deref().map(|id| format!("  {id}")).unwrap_or_default();
        let _ = writeln!(text, "{}  {:>9}  {}{id}", for_people(item.modified), bytes(item.size), item.path);
        text
    })
}

fn restored_text(results: &Results) -> String {
    let to = results.directory.as_deref().unwrap_or_default();
    format!("{to}: {} from {}\n", totals(results), results.archive)
}
