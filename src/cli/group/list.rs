//! `pimsync group list`: the groups that there are.

use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use super::member::line;
use super::shelf::{Shelf, Stored};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::output::Output;

/// List the groups
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Results {
    groups: Vec<Listed>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    /// Below the Database directory.
    file: String,
    uid: Option<String>,
    members: usize,
}

impl Listed {
    fn of(stored: &Stored) -> Self {
        Self {
            name: stored.group.name.to_string(),
            file: stored.shown.clone(),
            uid: stored.group.uid.as_ref().map(ToString::to_string),
            members: stored.group.members.len(),
        }
    }
}

pub(super) fn run(_: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let shelf = Shelf::read(context);
    let mut groups: Vec<Listed> = shelf.groups.iter().map(Listed::of).collect();
    groups.sort_by_cached_key(|group| (group.name.to_lowercase(), group.name.clone()));
    let code = super::code_of(&shelf.problems, output);
    output.results(code, Results { groups, problems: shelf.problems }, text)
}

fn text(results: &Results) -> String {
    if results.groups.is_empty() {
        return "There is no group; pimsync group create makes one.\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["Group", "Members", "File"]);
    for group in &results.groups {
        table.add_row([line(&group.name), group.members.to_string(), group.file.clone()]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index == 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n", table.trim_fmt())
}
