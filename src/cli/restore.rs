//! `pimsync restore`: brings an item, a folder or everything back out of an archive, into a directory of its own or as an identity.

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
use crate::backup::{self, Archive, BackupError, OnDamage, Restored, Selection, Stored};
use crate::identity::{IdentityLock, IdentityName, Layout, Marker};
use crate::pim::UnixTime;

/// Bring an item, a folder or everything back from an archive
///
/// With --to, what is restored goes into a new directory, with the paths that it had in the identity's Database directory; nothing is ever
/// overwritten, and no account is touched. To have a message in its folder again, move its file from there into the folder's cur: the next sync
/// uploads it as a new one.
///
/// With --into and a selection, the selected items are put back where they were, as new ones: the next sync uploads them. What is there already is
/// not put there twice.
///
/// With --into alone, everything in the archive becomes the identity of that name, a new one or one that is there. Its Database directory is then
/// moved aside, and it is said where to. The next sync compares both sides anew: what is equal is matched, what differs is kept in both versions,
/// what is only here is uploaded, what is only on the server comes here. It deletes nothing, and from then on nothing is deleted on the server until
/// pimsync sync --allow-deletes. Passwords are in no archive: pimsync setup asks for those that this machine does not have.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive: its file, or its number; without it, the newest
    #[arg(value_name = "ARCHIVE", conflicts_with = "at")]
    archive: Option<String>,
    /// The newest archive that was made at that time or before, such as 2026-11-22 or "2026-11-22 10:30"
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Look for the archive in this directory or s3://BUCKET/PREFIX (see pimsync-backup(1)), instead of the identity's Backups
    #[arg(long, value_name = "TARGET")]
    from: Option<PathBuf>,
    /// The file with the keys of encrypted archives, as age-keygen writes it; instead of it, PIMSYNC_AGE_IDENTITY can name it
    #[arg(long, value_name = "FILE")]
    age_identity: Option<PathBuf>,
    /// Restore into this directory, which must not exist, or be empty
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list", "dry_run", "into"])]
    to: Option<PathBuf>,
    /// Restore everything as the identity NAME, where what is there is moved aside; or put the selected items back into it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["to", "list"])]
    into: Option<String>,
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
    /// Whether an identity was restored as a whole.
    #[serde(skip)]
    whole: bool,
    /// The identity that it was restored as, or into.
    identity_restored: Option<String>,
    /// How many items were there already, and were not put there again.
    already_there: u64,
    /// Where that one's Database is that was there before.
    moved_aside: Option<String>,
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
    let stored =
        Pick { archive: args.archive.as_deref(), from: args.from.as_deref(), at, keys: args.age_identity.as_deref() }
            .one(&context)?;
    let mut archive = match Archive::open(&stored) {
        Err(error @ (BackupError::Incomplete { .. } | BackupError::Manifest { .. })) if args.salvage => {
            return salvage(&args, &selection, &stored, error, output);
        }
        archive => archive?,
    };
    let entries = backup::selected(&archive, &selection);
    let files: Vec<&Entry> = entries.into_iter().filter(|entry| entry.kind != Kind::Directory).collect();
    if files.is_empty() && !selection.is_everything() {
        return Err(UsageError(format!(
            "nothing in {} is what was asked for; --list shows what there is",
            stored.location()
        ))
        .into());
    }
    let mut results = Results::of(&stored, &files);
    let on_damage = if args.salvage { OnDamage::Salvage } else { OnDamage::Fail };
    if let Some(name) = args.into.as_deref().filter(|_| !args.dry_run) {
        return restore_into(name, &mut archive, &selection, on_damage, &context, results, output);
    }
    let Some(to) = args.to.as_deref().filter(|_| !args.dry_run) else {
        results.listed = args.list.then(|| files.iter().map(|entry| ListedItem::of(entry)).collect());
        return output.results(ExitCode::Done, results, listed_text);
    };
    let restored = backup::restore(&mut archive, &selection, to, on_damage)?;
    results.note(to, restored);
    finish(results, output)
}

/// Makes everything the Database of an identity, or puts items back into it.
fn restore_into(
    name: &str,
    archive: &mut Archive,
    selection: &Selection,
    on_damage: OnDamage,
    context: &Context,
    mut results: Results,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(Some(context.layout.root()), IdentityName::new(name)?)?;
    let now = context.now();
    if !selection.is_everything() {
        Marker::read(&layout)?;
        let _backup = IdentityLock::acquire_for_backup(&layout, now)?;
        let put = backup::put_back(archive, selection, &layout, on_damage, &context.env.clock)?;
        results.note(&layout.database(), put.restored);
        results.identity_restored = Some(name.to_owned());
        results.already_there = put.already_there;
        return finish(results, output);
    }
    layout.create_home()?;
    let _engine = IdentityLock::acquire(&layout, now)?;
    let _backup = IdentityLock::acquire_for_backup(&layout, now)?;
    let replaced = backup::replace(archive, &layout, on_damage, now)?;
    results.note(&layout.database(), replaced.restored);
    results.identity_restored = Some(name.to_owned());
    results.whole = true;
    results.moved_aside = replaced.moved_aside.map(|path| path.display().to_string());
    finish(results, output)
}

/// Brings out what can be had without a manifest.
fn salvage(
    args: &Args,
    selection: &Selection,
    stored: &Stored,
    error: BackupError,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let Some(to) = args.to.as_deref().filter(|_| !args.dry_run && selection.is_everything()) else {
        let why = match args.into {
            Some(_) => {
                "without a manifest it makes no identity: all that is whole is brought out into a directory (--to)"
            }
            None => {
                "without a manifest there is nothing to select by: leave the selection out, and all that is whole is brought out"
            }
        };
        return Err(UsageError(format!("{error}; {why}")).into());
    };
    let salvaged = backup::salvage(stored, to)?;
    let cut = format!("{error}; {} of its bytes belong to no whole frame", salvaged.unreadable);
    let lost = salvaged.refused.into_iter().chain([cut]).map(|reason| LostItem { path: None, reason }).collect();
    let results = Results {
        archive: stored.location().to_string(),
        directory: Some(to.display().to_string()),
        identity_restored: None,
        whole: false,
        moved_aside: None,
        already_there: 0,
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
    fn of(stored: &Stored, files: &[&Entry]) -> Self {
        Self {
            archive: stored.location().to_string(),
            directory: None,
            identity_restored: None,
            whole: false,
            moved_aside: None,
            already_there: 0,
            items: files.iter().filter(|entry| entry.kind.is_item()).count() as u64,
            files: files.len() as u64,
            bytes: files.iter().map(|entry| entry.size).sum(),
            lost: Vec::new(),
            listed: None,
        }
    }

    /// Notes what came back, and where.
    fn note(&mut self, to: &Path, restored: Restored) {
        self.directory = Some(to.display().to_string());
        (self.items, self.files, self.bytes) = (restored.items, restored.files, restored.bytes);
        let lost = restored.lost.into_iter();
        self.lost = lost.map(|(path, reason)| LostItem { path: Some(path.to_string()), reason }).collect();
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
    let mut text = format!("{to}: {} from {}\n", totals(results), results.archive);
    if let Some(aside) = &results.moved_aside {
        let _ = writeln!(text, "What was there before is now {aside}");
    }
    if results.already_there > 0 {
        let _ = writeln!(text, "{} there already, and left alone", count(results.already_there, "item"));
    }
    if let Some(identity) = results.identity_restored.as_ref().filter(|_| results.whole) {
        let _ = writeln!(
            text,
            "Next: pimsync --identity {identity} sync compares both sides anew and deletes nothing. From then on nothing is deleted on the server \
             until you run it with --allow-deletes."
        );
    }
    text
}
