//! What `state.db` and the directory say of an account, put together.

use std::collections::{BTreeMap, HashMap};

use super::pending::{LocalFolders, Pending};
use super::{AccountStanding, ConflictCopy, FolderResult, FolderStanding, HeldBack, LastRun, Skipped};
use crate::cli::account::RunNote;
use crate::cli::context::Context;
use crate::identity::Account;
use crate::local::{MailTree, find_conflict_copy};
use crate::pim::{FolderKey, FolderKind};
use crate::state::{AccountKey, FolderRow, Reader, RunRow, State, StateError, Subject, Trouble};

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
        if let Some(known) = known {
            let conflicts = known.conflict_copies(context);
            standing.folders = known.folders(&state, &mut local, conflicts)?;
            standing.last_run = known.last_run.map(last_run);
        }
    }
    standing.folders.extend(local.unknown_to_base().into_iter().map(new_folder));
    standing.folders.sort_by_cached_key(|folder| (!folder.synced, folder.path.to_lowercase()));
    standing.problems.extend(local.into_problems());
    Ok(standing)
}

fn last_run(run: RunRow) -> LastRun {
    let note = note_of(&run);
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
    }
}

/// What `state.db` knows of an account, read as one picture.
struct Known {
    folders: Vec<FolderRow>,
    items: HashMap<FolderKey, u64>,
    last_run: Option<RunRow>,
    held: Vec<crate::state::HeldRow>,
    troubles: Vec<Trouble>,
    conflicts: Vec<crate::state::Conflict>,
}

impl Known {
    fn read(state: &Reader<'_>, account: AccountKey) -> Result<Self, StateError> {
        let folders = state.folders(account)?;
        let items =
            folders.iter().map(|row| Ok((row.key, state.count_items(row.key)?))).collect::<Result<_, StateError>>()?;
        Ok(Self {
            folders,
            items,
            last_run: state.last_run(account)?,
            held: state.held(account)?,
            troubles: state.troubles(account)?,
            conflicts: state.conflicts(account)?,
        })
    }

    /// The conflict copies that are still there, by folder: one that is gone was settled.
    fn conflict_copies(&self, context: &Context) -> BTreeMap<FolderKey, Vec<ConflictCopy>> {
        let mut copies: BTreeMap<FolderKey, Vec<ConflictCopy>> = BTreeMap::new();
        for conflict in &self.conflicts {
            let noted = std::path::Path::new(&conflict.path);
            if let Some(now) = find_conflict_copy(&context.layout.database(), noted) {
                let copy = ConflictCopy { path: now.display().to_string(), at: conflict.at };
                copies.entry(conflict.folder).or_default().push(copy);
            }
        }
        copies
    }

    fn folders(
        &self,
        state: &State,
        local: &mut LocalFolders,
        mut conflicts: BTreeMap<FolderKey, Vec<ConflictCopy>>,
    ) -> Result<Vec<FolderStanding>, StateError> {
        let mut folders = Vec::new();
        for row in self.folders.iter().filter(|row| row.kind != FolderKind::Internal) {
            let conflicts = conflicts.remove(&row.key).unwrap_or_default();
            folders.push(self.folder(state, row, local, conflicts)?);
        }
        Ok(folders)
    }

    fn folder(
        &self,
        state: &State,
        row: &FolderRow,
        local: &mut LocalFolders,
        conflicts: Vec<ConflictCopy>,
    ) -> Result<FolderStanding, StateError> {
        let path = self.path(row);
        let synced = row.kind == FolderKind::Mail && row.dir.is_some();
        let pending = if synced { local.pending(state, row)? } else { None };
        let held: Vec<HeldBack> = self.held.iter().filter(|held| held.folder == row.key).map(held_back).collect();
        let skipped: Vec<Skipped> =
            self.troubles.iter().filter(|trouble| trouble.folder == row.key).map(skipped).collect();
        let note = self.last_run.as_ref().map(note_of).unwrap_or_default();
        let error = note.failed.get(&path).cloned();
        let in_step = held.is_empty() && skipped.is_empty() && conflicts.is_empty();
        let last_sync = if synced { self.last_sync(row, &path, &note) } else { None };
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
        })
    }

    /// When the folder was last in step with the server. A run that asks what changed covers the folders that did not, too.
    fn last_sync(&self, row: &FolderRow, path: &str, note: &RunNote) -> Option<crate::pim::UnixTime> {
        let asked = row.listing.asked_at;
        let covered =
            note.only.is_empty() || note.only.iter().any(|only| only.trim_matches('/').eq_ignore_ascii_case(path));
        let run = self.last_run.as_ref().filter(|run| run.result.as_deref().is_some_and(|result| result != "failed"));
        let ended =
            run.filter(|_| covered && asked.is_some() && !note.failed.contains_key(path)).and_then(|run| run.ended);
        asked.max(ended)
    }

    /// The folder's path: its directory's, or that of the names down to it.
    fn path(&self, row: &FolderRow) -> String {
        if let Some(dir) = &row.dir {
            return dir.clone();
        }
        let mut names = vec![row.name.as_str()];
        let mut at = row;
        while let Some(parent) = at.parent.and_then(|key| self.folders.iter().find(|row| row.key == key)) {
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

fn held_back(held: &crate::state::HeldRow) -> HeldBack {
    HeldBack { side: held.side.clone(), reason: held.reason.clone(), detail: held.detail.clone(), count: held.count }
}

fn skipped(trouble: &Trouble) -> Skipped {
    let side = match &trouble.subject {
        Subject::Message(_) => "remote",
        Subject::File(_) => "local",
    };
    Skipped {
        side,
        item: trouble.label.clone(),
        code: trouble.code.clone(),
        reason: trouble.reason.clone(),
        since: trouble.since,
        retry_at: trouble.retry_at,
    }
}
