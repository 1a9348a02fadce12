//! `pimsync backup list`: which archives there are.

use std::path::PathBuf;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use super::{Pick, bytes};
use crate::backup::manifest::Link;
use crate::backup::{Archive, BackupError, Form, Found, Known, OpenError, Record};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::time::{self, for_people};
use crate::pim::UnixTime;

/// List the archives of the identity
///
/// Each is opened to see whether it is whole, as its footer and manifest tell; `pimsync backup verify` looks closer. What is encrypted is not opened without
/// a key (PIMSYNC_AGE_IDENTITY); of an archive that was made on this machine it is then told what was noted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Look into this directory or s3://BUCKET/PREFIX, instead of the identity's Backups
    #[arg(long, value_name = "TARGET")]
    from: Option<PathBuf>,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Results {
    target: String,
    archives: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    archive: String,
    number: u32,
    #[serde(serialize_with = "time::serialize")]
    created: UnixTime,
    length: u64,
    encrypted: bool,
    /// What it holds; none where it cannot be told.
    items: Option<u64>,
    files: Option<u64>,
    /// The numbers of the archives that it builds upon.
    builds_upon: Option<Vec<u32>>,
    /// What was lost or unreadable when it was made.
    alarms: Option<u64>,
    error: Option<Failure>,
}

pub(super) fn run(args: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let target = Pick { archive: None, from: args.from.as_deref(), at: None, keys: None }.target(context)?;
    // What cannot be read of it tells nothing.
    let record = Record::read(&context.layout).unwrap_or_default();
    let known = record.target(&context.layout, target.location())?;
    let found = target.archives(context.layout.identity().as_str())?;
    let archives: Vec<Listed> = found.iter().map(|found| Listed::of(found, known)).collect();
    let code = if archives.iter().all(|listed| listed.error.is_none()) { ExitCode::Done } else { ExitCode::Held };
    for failure in archives.iter().filter_map(|listed| listed.error.as_ref()) {
        output.complain(failure);
    }
    let results = Results { target: target.location().to_string(), archives };
    output.results(code, results, text)
}

impl Listed {
    fn of(found: &Found, known: Option<&Known>) -> Self {
        let nothing = Self {
            archive: found.name.to_string(),
            number: found.name.number,
            created: found.name.created,
            length: found.length,
            encrypted: found.name.form == Form::Sealed,
            items: None,
            files: None,
            builds_upon: None,
            alarms: None,
            error: None,
        };
        let numbers = |chain: &[Link]| Some(chain.iter().map(|link| link.number).collect());
        match Archive::open(&found.stored) {
            Ok(archive) => {
                let manifest = archive.manifest();
                Self {
                    items: Some(manifest.files().filter(|entry| entry.kind.is_item()).count() as u64),
                    files: Some(manifest.files().count() as u64),
                    builds_upon: numbers(&manifest.header.chain),
                    alarms: Some(manifest.header.alarms),
                    ..nothing
                }
            }
            Err(BackupError::Sealed { source: OpenError::NoKey, .. }) => {
                match known.and_then(|known| known.noted(found)) {
                    Some(noted) => Self {
                        items: Some(noted.items),
                        files: Some(noted.files),
                        builds_upon: numbers(&noted.builds_upon),
                        alarms: Some(noted.alarms),
                        ..nothing
                    },
                    None => nothing,
                }
            }
            Err(error) => Self { error: Some(Failure::of(&error.into())), ..nothing },
        }
    }
}

fn builds_upon(listed: &Listed) -> String {
    match listed.builds_upon.as_deref() {
        Some([]) => "nothing".to_owned(),
        Some(numbers) => numbers.iter().map(|number| format!("{number:06}")).collect::<Vec<_>>().join(" "),
        None => "-".to_owned(),
    }
}

fn text(results: &Results) -> String {
    if results.archives.is_empty() {
        return format!("There is no archive in {}.\n", results.target);
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["Number", "Created", "Items", "Files", "Size", "Builds upon", "Alarms", ""]);
    for listed in &results.archives {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        table.add_row([
            format!("{:06}", listed.number),
            for_people(listed.created),
            number(listed.items),
            number(listed.files),
            bytes(listed.length),
            builds_upon(listed),
            if listed.error.is_some() { "damaged".to_owned() } else { number(listed.alarms) },
            if listed.encrypted { "encrypted".to_owned() } else { String::new() },
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if matches!(column.index, 2..=4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n\n{}\n", results.target, table.trim_fmt())
}
