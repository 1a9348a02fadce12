//! `status` for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::pending::Pending;
use super::{AccountStanding, FolderResult, FolderStanding, OnlyThere, PendingPush, Standing, Watched};
use crate::cli::time::for_people;
use crate::cli::watch::HeardHow;
use crate::pim::FolderKind;

pub(super) fn text(standing: &Standing) -> String {
    let mut text = format!("{}\n", standing.database);
    if let Some(restored) = standing.restored {
        let since = for_people(restored);
        let _ = writeln!(
            text,
            "Restored from a backup {since}: nothing is deleted on the server until you run pimsync sync --allow-deletes."
        );
    }
    if let Some(running) = &standing.running {
        let who = match (running.pid, running.since) {
            (Some(pid), Some(since)) => format!(" (process {pid}, since {})", for_people(since)),
            _ => String::new(),
        };
        match &running.watch {
            Some(accounts) => {
                let _ = writeln!(text, "pimsync watch runs{who}.");
                accounts.iter().for_each(|account| text.push_str(&watched_text(account)));
            }
            None => {
                let _ = writeln!(text, "A run is under way{who}.");
            }
        }
    }
    for account in &standing.accounts {
        text.push_str(&account_text(account, standing.running.is_some()));
    }
    text.push_str(&super::outgoing::text(&standing.outgoing));
    text.push_str(&only_here_text(standing));
    text.push_str(&backups_text(standing));
    text
}

/// How an account stands that is watched.
fn watched_text(watched: &Watched) -> String {
    let now = match (watched.busy, watched.connected_since) {
        (true, _) => "being synchronized".to_owned(),
        (false, Some(since)) => format!("connected since {}", for_people(since)),
        (false, None) => "not connected".to_owned(),
    };
    let next = watched.next_check.map(|time| format!(", next check {}", for_people(time))).unwrap_or_default();
    let heard = match watched.heard {
        Some(HeardHow::Streaming) => "; the server tells of changes at once",
        Some(HeardHow::Pull) => "; the server tells of changes when it is asked, every few seconds",
        Some(HeardHow::Checks) => "; changes on the server are found by the checks alone",
        None => "",
    };
    let mut text = format!("  {}: {now}{next}{heard}\n", watched.account);
    for PendingPush { folder, due } in &watched.pending {
        let _ = writeln!(text, "    {folder}: local changes go out {}", for_people(*due));
    }
    text
}

fn account_text(account: &AccountStanding, running: bool) -> String {
    let mut text = format!("\n{}  {}\n{}\n", account.account, account.server, last_run_text(account, running));
    let (synced, other): (Vec<_>, Vec<_>) = account.folders.iter().partition(|folder| folder.synced);
    if !synced.is_empty() {
        let _ = write!(text, "\n{}\n", folders_table(&synced));
    }
    text.push_str(&only_there_text(&synced));
    if !other.is_empty() {
        let _ = write!(text, "\nNot synced yet:\n{}", not_synced_text(&other));
    }
    text.push_str(&attention_text(account));
    text
}

fn last_run_text(account: &AccountStanding, running: bool) -> String {
    let Some(run) = &account.last_run else { return "Never synchronized.".to_owned() };
    let began = for_people(run.started);
    match &run.result {
        Some(result) => format!("Last sync {began}: {result}: {}", run.note.text),
        None if running => format!("Sync under way since {began}."),
        None => format!("Last sync {began}: cut off; the next one goes on where it ended."),
    }
}

fn folders_table(folders: &[&FolderStanding]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["Folder", "Items", "Server", "Pending", "Last sync", "Result"]);
    for folder in folders {
        table.add_row([
            folder.path.clone(),
            folder.items.to_string(),
            folder.server_items.map_or_else(|| "-".to_owned(), |count| count.to_string()),
            folder.pending.as_ref().map_or_else(|| "unknown".to_owned(), pending_words),
            folder.last_sync.map_or_else(|| "-".to_owned(), for_people),
            result_word(folder.result).to_owned(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if matches!(column.index, 1 | 2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn result_word(result: FolderResult) -> &'static str {
    match result {
        FolderResult::Done => "done",
        FolderResult::Held => "held",
        FolderResult::Failed => "failed",
        FolderResult::Never => "never",
        FolderResult::NotSynced => "not synced",
    }
}

fn pending_words(pending: &Pending) -> String {
    let parts = [(pending.new, "new"), (pending.changed, "changed"), (pending.gone, "gone")];
    let words: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// So many things that are on the server only are named of a folder.
const NAMED: usize = 10;

/// What folders of contacts and their like hold that has no file: distribution lists above all. Nothing where that is nothing.
fn only_there_text(folders: &[&FolderStanding]) -> String {
    let mut text = String::new();
    for folder in folders.iter().filter(|folder| folder.kind != FolderKind::Mail.as_str() && folder.last_sync.is_some())
    {
        let items = folder.only_there.iter().filter(|found| found.class.is_some()).count();
        let known = folder.items + folder.skipped.len() as u64 + items as u64;
        let unnamed = folder.server_items.unwrap_or_default().saturating_sub(known);
        let names = folder.only_there.iter().map(only_there_words);
        let mut lines: Vec<String> = names.take(NAMED).collect();
        let further = unnamed + folder.only_there.len().saturating_sub(NAMED) as u64;
        if further > 0 {
            lines.push(format!("{further} more"));
        }
        if !lines.is_empty() {
            let _ = writeln!(text, "  {}: {}", folder.path, lines.join("; "));
        }
    }
    let heading = "\nOn the server only, where they stay (they have no place in a file):\n";
    if text.is_empty() { text } else { heading.to_owned() + &text }
}

fn only_there_words(found: &OnlyThere) -> String {
    let name = &found.name;
    let words = match found.class.as_deref() {
        None => return name.clone(),
        Some("IPM.DistList") => "distribution list",
        Some("IPM.Activity") => "journal entry",
        Some(class) => return format!("item {name:?} of class {class}"),
    };
    format!("{words} {name:?}")
}

fn not_synced_text(folders: &[&FolderStanding]) -> String {
    folders.iter().fold(String::new(), |mut text, folder| {
        let count = folder.server_items.map(|count| format!(", {count} items on the server")).unwrap_or_default();
        let _ = writeln!(text, "  {} ({}{count})", folder.path, folder.kind);
        text
    })
}

/// What is on this machine only; nothing where that is nothing.
fn only_here_text(standing: &Standing) -> String {
    let mut text = String::new();
    let folders: Vec<_> = standing.only_here.iter().filter(|folder| folder.items > 0).collect();
    if !folders.is_empty() {
        text.push_str("\nOnly here, in On My Computer:\n");
    }
    for folder in folders {
        let plural = if folder.items == 1 { "" } else { "s" };
        let _ = writeln!(text, "  {} ({}, {} item{plural})", folder.path, folder.kind, folder.items);
    }
    for problem in &standing.problems {
        let _ = writeln!(text, "  {problem}");
    }
    text
}

/// When all that was backed up, what is only here above all.
fn backups_text(standing: &Standing) -> String {
    if standing.backups.is_empty() {
        return "\nNever backed up (pimsync backup).\n".to_owned();
    }
    standing.backups.iter().fold("\nLast backups:\n".to_owned(), |mut text, backup| {
        let _ = writeln!(text, "  {}", backup.text());
        text
    })
}

fn attention_text(account: &AccountStanding) -> String {
    let mut text = String::new();
    section(&mut text, "Held back", account, |folder| {
        folder.held.iter().map(|held| format!("{} on the {} side ({})", held.detail, held.side, held.reason)).collect()
    });
    section(&mut text, "Skipped", account, |folder| {
        let line = |item: &super::Skipped| {
            let next = for_people(item.retry_at);
            format!("{}: {} ({}); since {}, next try {next}", item.item, item.reason, item.code, for_people(item.since))
        };
        folder.skipped.iter().map(line).collect()
    });
    section(
        &mut text,
        "In conflict (compare with the message in the folder, then delete the copy)",
        account,
        |folder| folder.conflicts.iter().map(|copy| format!("{} (since {})", copy.path, for_people(copy.at))).collect(),
    );
    section(&mut text, "Failed", account, |folder| folder.error.iter().cloned().collect());
    if !account.problems.is_empty() {
        text.push_str("\nLeft alone:\n");
        for problem in &account.problems {
            let _ = writeln!(text, "  {problem}");
        }
    }
    text
}

/// A heading and a line for each thing that the folders have to tell; nothing where there is none.
fn section(
    text: &mut String,
    heading: &str,
    account: &AccountStanding,
    lines: impl Fn(&FolderStanding) -> Vec<String>,
) {
    let mut body = String::new();
    for folder in &account.folders {
        for line in lines(folder) {
            let _ = writeln!(body, "  {}: {line}", folder.path);
        }
    }
    if !body.is_empty() {
        let _ = write!(text, "\n{heading}:\n{body}");
    }
}
