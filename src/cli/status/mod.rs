//! `pimsync status`: how everything stands. It only reads, asks no server, and waits for nobody.

mod backups;
mod gather;
mod outgoing;
mod pending;
mod text;

use std::path::PathBuf;

use serde::Serialize;

use super::account::RunNote;
use super::context::{Context, chosen_trees};
use super::failure::Failure;
use super::output::Output;
use super::watch::{self, HeardHow, WatchedAccount};
use super::{ExitCode, Global, time};
use crate::identity::{IdentityLock, LockError};
use crate::local::on_my_computer::{self, OnlyHere};
use crate::pim::UnixTime;
use backups::BackupStanding;
use pending::Pending;

/// Show how everything stands: folders, pending changes, the last sync, what needs attention
///
/// It reads the directory and what the last sync noted; it asks no server, and works while a sync runs. Pending are the changes in the
/// directory that the next sync will bring to the server; a message that was moved to another folder shows as gone there and new here.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this account, by its name or its address
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Say nothing but whether the last verified backup is older than that, such as 36h or "2 days": then a line for each target, and exit code 3
    ///
    /// For monitoring. Verified are the archives that backup --verify or backup verify with --read-data or --rehearse found to be what was
    /// written. When all is well, nothing is said.
    #[arg(long, value_name = "DURATION")]
    max_age: Option<String>,
    /// Only the backups in this directory or bucket, instead of all that were ever made anywhere; can be given several times
    #[arg(long, value_name = "TARGET")]
    target: Vec<PathBuf>,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// How an identity stands.
#[derive(Serialize)]
struct Standing {
    database: String,
    /// When it was restored from a backup, as long as nothing is deleted on the server for that.
    #[serde(serialize_with = "time::serialize_option")]
    restored: Option<UnixTime>,
    /// The run that is under way.
    running: Option<Running>,
    accounts: Vec<AccountStanding>,
    /// The folders of On My Computer.
    only_here: Vec<LocalStanding>,
    /// Mail that waits to be sent.
    outgoing: Vec<outgoing::Waiting>,
    /// When it was backed up, by target.
    backups: Vec<BackupStanding>,
    /// What cannot be looked at in On My Computer and Outgoing.
    problems: Vec<String>,
}

/// A folder that is on this machine only.
#[derive(Serialize)]
struct LocalStanding {
    path: String,
    kind: &'static str,
    items: u64,
}

#[derive(Serialize)]
struct Running {
    /// None in the instant after it began.
    pid: Option<u32>,
    #[serde(serialize_with = "time::serialize_option")]
    since: Option<UnixTime>,
    /// How a running `watch` stands.
    watch: Option<Vec<Watched>>,
}

/// How an account stands that is watched.
#[derive(Serialize)]
struct Watched {
    account: String,
    /// None while the server is not reached.
    #[serde(serialize_with = "time::serialize_option")]
    connected_since: Option<UnixTime>,
    #[serde(serialize_with = "time::serialize_option")]
    next_check: Option<UnixTime>,
    /// Whether it is being synchronized.
    busy: bool,
    pending: Vec<PendingPush>,
    /// How changes on the server are learned of: `streaming`, `pull` or `checks`; none until that is known.
    heard: Option<HeardHow>,
}

/// A folder with local changes that wait.
#[derive(Serialize)]
struct PendingPush {
    folder: String,
    /// When they go out.
    #[serde(serialize_with = "time::serialize")]
    due: UnixTime,
}

impl From<WatchedAccount> for Watched {
    fn from(watched: WatchedAccount) -> Self {
        let push = |(folder, due)| PendingPush { folder, due: UnixTime(due) };
        Self {
            account: watched.account,
            connected_since: watched.connected_since.map(UnixTime),
            next_check: watched.next_check.map(UnixTime),
            busy: watched.busy,
            pending: watched.pending.into_iter().map(push).collect(),
            heard: watched.heard,
        }
    }
}

#[derive(Serialize)]
struct AccountStanding {
    account: String,
    email: String,
    server: String,
    last_run: Option<LastRun>,
    folders: Vec<FolderStanding>,
    /// What cannot be looked at, or is not synchronized, in the account's directory.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct LastRun {
    #[serde(serialize_with = "time::serialize")]
    started: UnixTime,
    /// None while it runs, and when it was cut off.
    #[serde(serialize_with = "time::serialize_option")]
    ended: Option<UnixTime>,
    /// `done`, `held` or `failed`; none as with `ended`.
    result: Option<String>,
    #[serde(flatten)]
    note: RunNote,
}

#[derive(Serialize)]
struct FolderStanding {
    path: String,
    kind: &'static str,
    /// Whether its items are synchronized.
    synced: bool,
    /// Items that both sides agreed on.
    items: u64,
    /// Items that the server counted when it was last asked.
    server_items: Option<u64>,
    /// None where it cannot be told.
    pending: Option<Pending>,
    #[serde(serialize_with = "time::serialize_option")]
    last_sync: Option<UnixTime>,
    result: FolderResult,
    /// Why it failed.
    error: Option<String>,
    held: Vec<HeldBack>,
    skipped: Vec<Skipped>,
    conflicts: Vec<ConflictCopy>,
    /// What is on the server and has no file here, and is never touched.
    only_there: Vec<OnlyThere>,
}

/// Something that has no file here.
#[derive(Serialize)]
struct OnlyThere {
    /// Its item class (PidTagMessageClass); none where it is attached to an item that has a file.
    class: Option<String>,
    /// What it is called.
    name: String,
}

/// How the last sync of a folder went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum FolderResult {
    /// In step.
    Done,
    /// Something was held back, skipped or is in conflict.
    Held,
    /// It could not be synchronized.
    Failed,
    /// It never was.
    Never,
    /// This kind of folder is not synchronized yet.
    NotSynced,
}

#[derive(Serialize)]
struct HeldBack {
    /// The side that would be changed.
    side: String,
    reason: String,
    detail: String,
    count: u64,
}

#[derive(Serialize)]
struct Skipped {
    /// The side that the item is on.
    side: &'static str,
    item: String,
    code: String,
    reason: String,
    #[serde(serialize_with = "time::serialize")]
    since: UnixTime,
    #[serde(serialize_with = "time::serialize")]
    retry_at: UnixTime,
}

#[derive(Serialize)]
struct ConflictCopy {
    /// Below the Database directory.
    path: String,
    #[serde(serialize_with = "time::serialize")]
    at: UnixTime,
}

impl From<OnlyHere> for LocalStanding {
    fn from(folder: OnlyHere) -> Self {
        Self { path: folder.path, kind: folder.kind.as_str(), items: folder.items }
    }
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let most = args.max_age.as_deref().map(backups::duration).transpose()?;
    let context = Context::new(global)?;
    let identity = context.identity()?;
    let accounts = chosen_trees(&identity.config, args.account.as_deref())?;
    let running = match IdentityLock::check(&context.layout) {
        Ok(()) => None,
        Err(LockError::Held { holder }) => {
            let watch = watch::standing(&context).map(|all| all.into_iter().map(Watched::from).collect());
            Some(Running { pid: holder.map(|holder| holder.pid), since: holder.map(|holder| holder.since), watch })
        }
        // Who holds the lock is worth telling, but not knowing it is no reason to fail.
        Err(error) => {
            output.complain(&Failure::of(&error.into()));
            None
        }
    };
    let (only_here, problems) = on_my_computer::only_here(&context.layout.database());
    let (outgoing, unread) = outgoing::waiting(&context)?;
    let standing = Standing {
        database: context.layout.database().display().to_string(),
        restored: identity.marker.fence,
        running,
        accounts: accounts.iter().map(|account| gather::account(&context, account)).collect::<Result<_, _>>()?,
        backups: backups::standing(&context, &args.target)?,
        only_here: only_here.into_iter().map(LocalStanding::from).collect(),
        problems: problems.iter().map(pending::words).chain(unread).collect(),
        outgoing,
    };
    let Some(most) = most else { return output.results(ExitCode::Done, standing, text::text) };
    let overdue = backups::overdue(&standing.backups, most);
    overdue.iter().for_each(|line| output.remark(&format!("pimsync: {line}")));
    let code = if overdue.is_empty() { ExitCode::Done } else { ExitCode::Held };
    output.results(code, standing, |_| String::new())
}
