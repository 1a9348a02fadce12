//! `pimsync group show`: who is in a group, and where each is reached now.

use std::fmt::Write as _;

use serde::Serialize;

use super::member::{MemberLine, line};
use super::shelf::Shelf;
use crate::cli::ExitCode;
use crate::cli::backup::count;
use crate::cli::context::Context;
use crate::cli::output::Output;

/// Show the members of a group
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The group, by its name, its file or its UID
    #[arg(value_name = "GROUP")]
    group: String,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Results {
    name: String,
    file: String,
    uid: Option<String>,
    members: Vec<MemberLine>,
    problems: Vec<String>,
}

pub(super) fn run(args: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let mut shelf = Shelf::read(context);
    let book = shelf.book();
    let code = super::code_of(&shelf.problems, output);
    let stored = shelf.find(&args.group)?;
    let results = Results {
        name: stored.group.name.to_string(),
        file: stored.shown.clone(),
        uid: stored.group.uid.as_ref().map(ToString::to_string),
        members: stored.group.members.iter().map(|member| MemberLine::of(member, &book)).collect(),
        problems: shelf.problems.clone(),
    };
    output.results(code, results, text)
}

fn text(results: &Results) -> String {
    let members = count(results.members.len() as u64, "member");
    let mut text = format!("{} ({}): {members}\n", line(&results.name), results.file);
    for member in &results.members {
        let remark = member.remark().map(|remark| format!(" ({remark})")).unwrap_or_default();
        let _ = writeln!(text, "  {}{remark}", member.who());
    }
    text
}
