//! What `state.db` and the directory say of an account, put together.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::pending::{LocalFolders, Pending};
use super::{AccountStanding, ConflictCopy, FolderResult, FolderStanding, HeldBack, LastRun, OnlyThere, Skipped};
use crate::cli::account::RunNote;
use crate::cli::context::Context;
use crate::identity::Account;
use crate::identity::config::Tree;
use crate::local::{LocalError, MailTree, find_conflict_copy};
use crate::pim::{EntryKind, FolderKey, FolderKind, UnixTime};
use crate::state::{AccountKey, CategoryListRow, FolderRow, Reader, RunRow, State, StateError, Subject, Trouble};

/// How an account stands.
pub(super) fn account(context: &Context, account: &Account) -> anyhow::Result<AccountStanding> {
    let layout = &context.layout;
    let mut standing = AccountStanding {
        account: account.name.to_string(),
        email: account.email.clone(),
        server: account.server.as_str().to_owned(),
        last_run: None,
        folders: Vec::new(),
        problems: Vec::new(),
    };
    let tree = MailTree::open(&layout.database(), account.name.as_str(), context.env.clock.clone());
    let mut local = match LocalFolders::read(tree) {
        Ok(local) => local,
        // The first sync makes it.
        Err(LocalError::FolderGone { .. }) if account.tree != Tree::Mailbox && !is_known(context, account)? => {
            LocalFolders::unknown()
        }
        Err(error) => {
            standing.problems.push(error.to_string());
            LocalFolders::unknown()
        }
    };
    if layout.state().exists() {
        let state = State::open_to_read(&layout.state())?;
        let known = state.read(|state| match state.account(account.name.as_str())? {
            Some(account) => Known::read(state, account.key).map(Some),
            None => Ok(None),
        })?;
        if let Some(mut known) = known {
            let conflicts = known.conflict_copies(context);
            standing.folders = known.folders(&state, &mut local, conflicts)?;
            standing.problems.extend(known.list_problems());
            standing.problems.extend(known.unshown(&standing.folders));
            standing.last_run = known.last_run.map(|(run, note)| last_run(run, note));
        }
    }
    standing.folders.extend(local.unknown_to_base().into_iter().map(new_folder));
    standing.folders.sort_by_cached_key(|folder| (!folder.synced, folder.path.to_lowercase()));
    standing.problems.extend(local.into_problems());
    Ok(standing)
}

/// Whether a sync of the tree ever began.
fn is_known(context: &Context, account: &Account) -> anyhow::Result<bool> {
    let path = context.layout.state();
    if !path.exists() {
        return Ok(false);
    }
    Ok(State::open_to_read(&path)?.read(|state| state.account(account.name.as_str()))?.is_some())
}

fn last_run(run: RunRow, note: RunNote) -> LastRun {
    LastRun { started: run.started, ended: run.ended, result: run.result, note }
}

fn note_of(run: &RunRow) -> RunNote {
    let summary = run.summary.as_deref().unwrap_or_default();
    serde_json::from_str(summary).unwrap_or_else(|_| RunNote { text: summary.to_owned(), ..RunNote::default() })
}

/// A directory that no sync has met yet.
fn new_folder((path, pending): (String, Option<Pending>)) -> FolderStanding {
    FolderStanding {
        path,
        kind: FolderKind::Mail.as_str(),
        synced: true,
        items: 0,
        server_items: None,
        pending,
        last_sync: None,
        result: FolderResult::Never,
        error: None,
        held: Vec::new(),
        skipped: Vec::new(),
        conflicts: Vec::new(),
        only_there: Vec::new(),
    }
}

/// How many items a folder holds in the base, of whichever sort.
fn count(state: &Reader<'_>, row: &FolderRow) -> Result<u64, StateError> {
    Ok(state.count_items(row.key)? + state.count_entries(row.key)?)
}

/// What `state.db` knows of an account, read as one picture.
struct Known {
    folders: BTreeMap<FolderKey, FolderRow>,
    items: HashMap<FolderKey, u64>,
    last_run: Option<(RunRow, RunNote)>,
    held: HashMap<FolderKey, Vec<HeldBack>>,
    skipped: HashMap<FolderKey, Vec<Skipped>>,
    conflicts: Vec<crate::state::Conflict>,
    categories: CategoryListRow,
    only_there: HashMap<FolderKey, Vec<OnlyThere>>,
}

impl Known {
    fn read(state: &Reader<'_>, account: AccountKey) -> Result<Self, StateError> {
        let folders = state.folders(account)?;
        let items = folders.iter().map(|row| Ok((row.key, count(state, row)?))).collect::<Result<_, StateError>>()?;
        let last_run = state.last_run(account)?.map(|run| {
            let note = note_of(&run);
            (run, note)
        });
        Ok(Self {
            folders: folders.into_iter().map(|row| (row.key, row)).collect(),
            items,
            last_run,
            held: by_folder(state.held(account)?.into_iter().map(|held| (held.folder, held_back(held)))),
            skipped: by_folder(state.troubles(account)?.into_iter().map(|trouble| (trouble.folder, skipped(trouble)))),
            conflicts: state.conflicts(account)?,
            categories: state.category_list(account)?,
            only_there: by_folder(state.only_there(account)?.into_iter().map(|row| (row.folder, only_there(row)))),
        })
    }

    /// Why the master list of categories is not in step.
    fn list_problems(&self) -> Vec<String> {
        let CategoryListRow { held, trouble, .. } = &self.categories;
        let names: Vec<&str> = held.iter().map(|category| category.0.as_str()).collect();
        let held = format!(
            "categories.toml: the deletion of {} is held; if it is meant, run `pimsync sync --allow-deletes`",
            names.join(", ")
        );
        let held = Some(held).filter(|_| !names.is_empty());
        held.into_iter().chain(trouble.iter().map(|reason| format!("categories.toml: {reason}"))).collect()
    }

    /// Folders that failed and that were never here, such as public ones that the settings name and the server does not show.
    fn unshown(&self, shown: &[FolderStanding]) -> Vec<String> {
        let failed = self.last_run.iter().flat_map(|(_, note)| &note.failed);
        let is_shown = |path: &str| shown.iter().any(|folder| folder.path == path);
        failed.filter(|(path, _)| !is_shown(path)).map(|(path, why)| format!("{path}: {why}")).collect()
    }

    /// The conflict copies that are still there, by folder: one that is gone was settled.
    fn conflict_copies(&self, context: &Context) -> HashMap<FolderKey, Vec<ConflictCopy>> {
        let database = context.layout.database();
        by_folder(self.conflicts.iter().filter_map(|conflict| {
            let now = find_conflict_copy(&database, Path::new(&conflict.path))?;
            Some((conflict.folder, ConflictCopy { path: now.display().to_string(), at: conflict.at }))
        }))
    }

    fn folders(
        &mut self,
        state: &State,
        local: &mut LocalFolders,
        mut conflicts: HashMap<FolderKey, Vec<ConflictCopy>>,
    ) -> Result<Vec<FolderStanding>, StateError> {
        let (mut held, mut skipped) = (std::mem::take(&mut self.held), std::mem::take(&mut self.skipped));
        let mut folders = Vec::new();
        let mut only_there = std::mem::take(&mut self.only_there);
        let is_told = |row: &&FolderRow| !matches!(row.kind, FolderKind::Internal | FolderKind::Branch);
        for row in self.folders.values().filter(is_told) {
            let attention = Attention {
                held: held.remove(&row.key).unwrap_or_default(),
                skipped: skipped.remove(&row.key).unwrap_or_default(),
                conflicts: conflicts.remove(&row.key).unwrap_or_default(),
                only_there: only_there.remove(&row.key).unwrap_or_default(),
            };
            folders.push(self.folder(state, row, local, attention)?);
        }
        Ok(folders)
    }

    fn folder(
        &self,
        state: &State,
        row: &FolderRow,
        local: &mut LocalFolders,
        Attention { held, skipped, conflicts, only_there }: Attention,
    ) -> Result<FolderStanding, StateError> {
        let path = self.path(row);
        let synced = row.dir.is_some() && (row.kind == FolderKind::Mail || EntryKind::of_folder(row.kind).is_some());
        let pending = if synced { local.pending(state, row)? } else { None };
        let error = self.last_run.as_ref().and_then(|(_, note)| note.failed.get(&path)).cloned();
        let in_step = held.is_empty() && skipped.is_empty() && conflicts.is_empty();
        let last_sync = if synced { self.last_sync(row, &path) } else { None };
        let result = match (synced, &error) {
            (false, _) => FolderResult::NotSynced,
            (true, Some(_)) => FolderResult::Failed,
            (true, None) if last_sync.is_none() => FolderResult::Never,
            (true, None) if in_step => FolderResult::Done,
            (true, None) => FolderResult::Held,
        };
        Ok(FolderStanding {
            path,
            kind: row.kind.as_str(),
            synced,
            items: self.items.get(&row.key).copied().unwrap_or(0),
            server_items: row.total,
            pending,
            last_sync,
            result,
            error,
            held,
            skipped,
            conflicts,
            only_there,
        })
    }

    /// When the folder was last in step with the server. A run that asks what changed covers the folders that did not, too.
    fn last_sync(&self, row: &FolderRow, path: &str) -> Option<UnixTime> {
        let asked = row.listing.asked_at?;
        let named = |only: &String| only.trim_matches('/').eq_ignore_ascii_case(path);
        let covers =
            |note: &RunNote| (note.only.is_empty() || note.only.iter().any(named)) && !note.failed.contains_key(path);
        let run = self.last_run.as_ref().filter(|(run, note)| run.succeeded() && covers(note));
        Some(run.and_then(|(run, _)| run.ended).map_or(asked, |ended| asked.max(ended)))
    }

    /// The folder's path: its directory's, or that of the names down to it.
    fn path(&self, row: &FolderRow) -> String {
        if let Some(dir) = &row.dir {
            return dir.clone();
        }
        let mut names = vec![row.name.as_str()];
        let mut at = row;
        while let Some(parent) = at.parent.and_then(|key| self.folders.get(&key)) {
            // A base that goes in circles is wrong, but no reason to go along.
            if names.len() > self.folders.len() {
                break;
            }
            names.push(parent.name.as_str());
            at = parent;
        }
        names.reverse();
        names.join("/")
    }
}

/// What a folder has to tell.
struct Attention {
    held: Vec<HeldBack>,
    skipped: Vec<Skipped>,
    conflicts: Vec<ConflictCopy>,
    only_there: Vec<OnlyThere>,
}

fn only_there(row: crate::state::OnlyThere) -> OnlyThere {
    OnlyThere { class: Some(row.class).filter(|class| !class.is_empty()), name: row.name }
}

fn by_folder<T>(all: impl Iterator<Item = (FolderKey, T)>) -> HashMap<FolderKey, Vec<T>> {
    let mut groups: HashMap<FolderKey, Vec<T>> = HashMap::new();
    all.for_each(|(folder, one)| groups.entry(folder).or_default().push(one));
    groups
}

fn held_back(held: crate::state::HeldRow) -> HeldBack {
    HeldBack { side: held.side, reason: held.reason, detail: held.detail, count: held.count }
}

fn skipped(trouble: Trouble) -> Skipped {
    let side = match &trouble.subject {
        Subject::Message(_) => "remote",
        Subject::File(_) => "local",
    };
    Skipped {
        side,
        item: trouble.label,
        code: trouble.code,
        reason: trouble.reason,
        since: trouble.since,
        retry_at: trouble.retry_at,
    }
}
