//! `pimsync sync`: brings the server and the directory in step.

use std::fmt::Write as _;

use serde::Serialize;

use super::account::{self, AccountRun, tally_words};
use super::context::{Company, Context, chosen, chosen_trees, no_such_tree, owner_of, share_of};
use super::failure::{Failure, UsageError};
use super::output::Output;
use super::watch::{self, Wish};
use super::{ExitCode, Global};
use crate::identity::{IdentityLock, LockError};
use crate::local::on_my_computer;
use crate::plan::Brake;
use crate::sync::{Action, Depth, Mode, Notice, NoticeKind, Planned, Request};

/// Bring the server and the directory in step
///
/// Changes of the server come into the directory first, then local changes go to the server. Without FOLDER all mail folders are
/// synchronized. It can be interrupted at any time: the next run goes on where it ended. While pimsync watch runs, it has that do the work.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these folders, named as pimsync status names them, such as Inbox/Projects
    #[arg(value_name = "FOLDER")]
    folders: Vec<String>,
    /// Only this account, by its name or its address
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Show what would be done, and write nothing anywhere
    #[arg(long)]
    dry_run: bool,
    /// Carry out deletions that are held back because they are many, or because the identity was restored from a backup
    ///
    /// A run that would delete more than 20 % of a folder of 25 or more messages, on either side, holds those deletions until they are
    /// allowed. Look at what would go first: pimsync sync --dry-run --allow-deletes. After pimsync restore --into nothing at all is deleted on the server
    /// until a run over all folders of all accounts with this option has succeeded.
    #[arg(long)]
    allow_deletes: bool,
    /// Compare complete listings of both sides, instead of what they say has changed
    #[arg(long)]
    full: bool,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// What people are told of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// All.
    All,
    /// Only what needs attention.
    Attention,
}

/// What is told of a run.
#[derive(Serialize)]
pub(super) struct Results {
    pub(super) dry_run: bool,
    pub(super) accounts: Vec<AccountRun>,
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let wish = args.wish(output);
    let request = request_of(&wish);
    let context = Context::new(global)?;
    let identity = context.identity()?;
    let accounts = chosen(&identity.config, owner_of(args.account.as_deref()))?;
    if accounts.len() > 1 && !args.folders.is_empty() {
        return Err(UsageError(
            "this identity has several accounts: say with --account whose folders are meant".to_owned(),
        )
        .into());
    }
    let _lock = match lock_for(&context, request.mode) {
        Ok(lock) => lock,
        Err(held @ LockError::Held { .. }) => {
            if context.is_traced() {
                output.remark("pimsync: if pimsync watch does the sync, --trace-soap has no effect: give it to that");
            }
            return watch::hand_over(&context, wish, output)?.ok_or_else(|| held.into());
        }
        Err(error) => return Err(error.into()),
    };
    // Once more: it may have been restored while the lock was another run's.
    let identity = context.identity()?;
    let trees = chosen_trees(&identity.config, args.account.as_deref())?;
    if request.mode == Mode::Apply {
        complete_local_folders(&context, output);
    }
    let company = if trees.len() > 1 { Company::Others } else { Company::Alone };
    let runs: Vec<AccountRun> = trees
        .iter()
        .filter_map(|tree| {
            let request = Request { folders: share_of(tree, &request.folders)?, ..request.clone() };
            let link = context.connect(tree, company);
            Some(account::sync_account(&context, &identity.marker, tree, link, &request, output))
        })
        .collect();
    if runs.is_empty() {
        return Err(no_such_tree().into());
    }
    for failure in runs.iter().filter_map(|run| run.error.as_ref()) {
        output.complain(failure);
    }
    let all = runs.len() == identity.config.trees().len() && runs.iter().all(|run| run.error.is_none());
    if all && wish.confirms() && identity.marker.fence.is_some() {
        identity.marker.clone().lift_fence(&context.layout)?;
    }
    let code = account::code_of(&runs);
    output.results(code, Results { dry_run: args.dry_run, accounts: runs }, |results| {
        results.accounts.iter().map(|run| text(run, request.mode, wish.told())).collect()
    })
}

impl Args {
    fn wish(&self, output: &Output) -> Wish {
        Wish {
            account: self.account.clone(),
            folders: self.folders.clone(),
            dry_run: self.dry_run,
            allow_deletes: self.allow_deletes,
            full: self.full,
            quiet: output.is_quiet(),
        }
    }
}

impl Wish {
    pub(super) fn told(&self) -> Told {
        if self.quiet { Told::Attention } else { Told::All }
    }

    /// Whether a run that succeeds shows that deletions are meant everywhere.
    pub(super) fn confirms(&self) -> bool {
        self.allow_deletes && !self.dry_run && self.folders.is_empty()
    }
}

/// What is asked of the engine.
pub(super) fn request_of(wish: &Wish) -> Request {
    Request {
        folders: wish.folders.clone(),
        later: Vec::new(),
        brake: if wish.allow_deletes { Brake::Released } else { Brake::On },
        mode: if wish.dry_run { Mode::DryRun } else { Mode::Apply },
        depth: if wish.full { Depth::Full } else { Depth::Changes },
    }
}

/// An identity that an earlier version made lacks some of them. That is no reason to leave the mailbox unsynchronized.
pub(super) fn complete_local_folders(context: &Context, output: &Output) {
    if let Err(error) = on_my_computer::complete(&context.layout.database()) {
        output.complain(&Failure::of(&error.into()));
    }
}

/// A dry run takes no lock, since that would write, but it waits its turn, too.
fn lock_for(context: &Context, mode: Mode) -> Result<Option<IdentityLock>, LockError> {
    match mode {
        Mode::Apply => Ok(Some(IdentityLock::acquire(&context.layout, context.now())?)),
        Mode::DryRun => IdentityLock::check(&context.layout).map(|()| None),
    }
}

/// What was done for an account, for people. Nothing for one that failed: that was told already.
pub(super) fn text(run: &AccountRun, mode: Mode, told: Told) -> String {
    let done = match mode {
        _ if run.error.is_some() => String::new(),
        Mode::DryRun => planned_text(run),
        Mode::Apply if told == Told::Attention => String::new(),
        Mode::Apply => done_text(run),
    };
    done + &notices_text(&run.account, &run.report.notices)
}

fn done_text(run: &AccountRun) -> String {
    let folders = run.report.folders_seen;
    let looked = format!("{folders} folder{} looked at", if folders == 1 { "" } else { "s" });
    let Some(words) = tally_words(&run.total) else {
        return format!("{}: in step, nothing to do ({looked})\n", run.account);
    };
    let mut text = format!("{}: {words} ({looked})\n", run.account);
    let rows: Vec<_> =
        run.report.folders.iter().filter_map(|(path, tally)| Some((path.as_str(), tally_words(tally)?))).collect();
    let width = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    for (path, words) in rows {
        let _ = writeln!(text, "  {path:width$}  {words}");
    }
    text
}

fn planned_text(run: &AccountRun) -> String {
    if run.report.planned.is_empty() {
        return format!("{}: nothing would be done\n", run.account);
    }
    let mut text = format!("{}: would be done (nothing was written):\n", run.account);
    for Planned { folder, action, item, detail } in &run.report.planned {
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        let _ = writeln!(text, "  {folder}: {}: {item}{detail}", action_words(*action));
    }
    text
}

fn action_words(action: Action) -> &'static str {
    match action {
        Action::CreateFolderHere => "create the folder here",
        Action::MoveFolderHere => "rename or move the folder here",
        Action::RemoveFolderHere => "remove the folder here",
        Action::CreateFolderThere => "create the folder on the server",
        Action::MoveFolderThere => "rename or move the folder on the server",
        Action::RemoveFolderThere => "remove the folder on the server",
        Action::Download => "download",
        Action::ChangeHere => "change here",
        Action::MoveHere => "move here",
        Action::DeleteHere => "delete here",
        Action::Adopt => "match, it is on both sides",
        Action::Upload => "upload",
        Action::ChangeThere => "change on the server",
        Action::MoveThere => "move on the server",
        Action::DeleteThere => "delete on the server",
    }
}

/// What a person should know of, a line each.
pub(super) fn notices_text<'n>(account: &str, notices: impl IntoIterator<Item = &'n Notice>) -> String {
    let mut text = String::new();
    for notice in notices {
        let kind = match notice.kind {
            NoticeKind::Held => "held back",
            NoticeKind::Refused => "refused by the server",
            NoticeKind::Skipped => "skipped",
            NoticeKind::Conflict => "conflict",
            NoticeKind::FolderFailed => "folder failed",
        };
        let item = notice.item.as_deref().map(|item| format!("{item}: ")).unwrap_or_default();
        let folder = if notice.folder.is_empty() { account } else { &notice.folder };
        let _ = writeln!(text, "{kind}: {folder}: {item}{}", notice.text);
    }
    text
}
