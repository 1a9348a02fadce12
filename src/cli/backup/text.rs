//! Backups for people.

use super::TargetRun;

/// So many items are named; `--json` names them all.
const NAMED: usize = 3;

pub(super) fn taken(run: &TargetRun) -> String {
    let Some(archive) = &run.archive else { return String::new() };
    let odd = match run.left_alone.len() {
        0 => String::new(),
        odd => format!("; {} left alone: {}", count(odd as u64, "link, socket or device"), named(&run.left_alone)),
    };
    let (items, files) = (count(run.items, "item"), count(run.files, "file"));
    let pruned = run.pruned.as_ref().map(super::prune::Results::summary).unwrap_or_default();
    let new = match run.builds_upon.last() {
        Some(last) => format!("; {} new since archive {last:06}", count(run.stored, "file")),
        None => String::new(),
    };
    format!("{archive}: {items}, {files}, {} in {}{new}{odd}\n{pruned}", bytes(run.bytes), bytes(run.length))
}

/// A line for each sort of thing that needs attention.
pub(super) fn attention(run: &TargetRun) -> Vec<String> {
    let mut lines = Vec::new();
    let earlier = "earlier archives may hold them";
    if !run.lost.is_empty() {
        let what = count(run.lost.len() as u64, "item");
        lines.push(format!(
            "{what} that the last sync left here, and that no sync has removed, not archived; {earlier}: {}",
            named(&run.lost)
        ));
    }
    if !run.changed.is_empty() {
        let what = count(run.changed.len() as u64, "message");
        lines.push(format!(
            "{what} with another content than the last sync left, archived as they are; {earlier} as they were: {}",
            named(&run.changed)
        ));
    }
    if !run.unread.is_empty() {
        let items: Vec<String> = run
            .unread
            .iter()
            .map(|unread| match &unread.path {
                Some(path) => format!("{path} ({})", unread.reason),
                None => unread.reason.clone(),
            })
            .collect();
        lines.push(format!(
            "{} not archived, since they cannot be read: {}",
            count(items.len() as u64, "file"),
            named(&items)
        ));
    }
    lines
}

fn named(items: &[String]) -> String {
    let shown: Vec<&str> = items.iter().take(NAMED).map(String::as_str).collect();
    let more = items.len().saturating_sub(NAMED);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// `1 item`, `2 items`.
pub(in crate::cli) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A size as people say it.
pub(in crate::cli) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}
