//! `pimsync folders`: which folders there are.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use super::context::{Company, Context, chosen, chosen_trees};
use super::output::Output;
use super::{ExitCode, Global};
use crate::identity::config::Tree;
use crate::identity::{Account, Config};
use crate::local::foldername;
use crate::pim::FolderKind;
use crate::remote::Rights;
use crate::remote::ews::{PublicFolder, Store};
use crate::state::State;

/// List folders: those that are synchronized, or all public ones
///
/// Without --public it lists the folders that the last sync knew, and asks no server. With it the server is asked for all public folders that it shows
/// you. Those that `public_folders` in identity.toml names, by the paths that are listed here, are synchronized, in Public Folders in the account's
/// directory.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask the server for all public folders
    #[arg(long)]
    public: bool,
    /// Only this account, by its name or its address
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Results {
    accounts: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    account: String,
    folders: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    path: String,
    kind: &'static str,
    /// Items that the server counts.
    items: Option<u64>,
    /// Whether its items are synchronized.
    synced: bool,
    /// What may be done in it: `write`, `read` or `none`; none where that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rights: Option<&'static str>,
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    let identity = context.identity()?;
    let accounts = match args.public {
        true => public(&context, &identity.config, args.account.as_deref())?,
        false => known(&context, &identity.config, args.account.as_deref())?,
    };
    output.results(ExitCode::Done, Results { accounts }, text)
}

/// The folders that the last sync knew.
fn known(context: &Context, config: &Config, account: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    let trees = chosen_trees(config, account)?;
    let state = match context.layout.state().exists() {
        true => Some(State::open_to_read(&context.layout.state())?),
        false => None,
    };
    trees
        .iter()
        .map(|tree| {
            let rows = state.as_ref().map(|state| {
                state.read(|state| match state.account(tree.name.as_str())? {
                    Some(account) => state.folders(account.key),
                    None => Ok(Vec::new()),
                })
            });
            let rows = rows.transpose()?.unwrap_or_default();
            let shown = rows.into_iter().filter(|row| !matches!(row.kind, FolderKind::Internal | FolderKind::Branch));
            let mut folders: Vec<Line> = shown
                .filter_map(|row| {
                    let synced = row.kind != FolderKind::Journal;
                    Some(Line { path: row.dir?, kind: row.kind.as_str(), items: row.total, synced, rights: None })
                })
                .collect();
            folders.sort_by_cached_key(|folder| folder.path.to_lowercase());
            Ok(Listed { account: tree.name.to_string(), folders })
        })
        .collect()
}

/// The public folders that the server shows.
fn public(context: &Context, config: &Config, account: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    let accounts = chosen(config, account)?;
    let company = if accounts.len() > 1 { Company::Others } else { Company::Alone };
    let ask = |account: &Account| {
        let tree = Account { tree: Tree::PublicFolders { of: account.name.clone() }, ..account.clone() };
        let link = context.connect(&tree, company)?;
        let found = match &*link.client {
            Store::Public(public) => context.runtime.block_on(public.catalogue())?,
            Store::Mailbox(_) => Vec::new(),
        };
        let named = |path: &str| account.public_folders.iter().any(|named| named.as_str() == path);
        let folders = found.iter().map(|folder| line_of(folder, named)).collect();
        Ok(Listed { account: account.name.to_string(), folders })
    };
    accounts.into_iter().map(ask).collect()
}

fn line_of(folder: &PublicFolder, named: impl Fn(&str) -> bool) -> Line {
    let names: Vec<String> = folder.names.iter().map(|name| foldername::encode(name, &|_| false).name).collect();
    let path = names.join("/");
    let rights = match folder.rights {
        Some(Rights::Write) => "write",
        Some(Rights::ReadOnly) => "read",
        None => "none",
    };
    Line { synced: named(&path), path, kind: folder.kind.as_str(), items: folder.total, rights: Some(rights) }
}

fn text(results: &Results) -> String {
    let mut text = String::new();
    for Listed { account, folders } in &results.accounts {
        if results.accounts.len() > 1 {
            let _ = writeln!(text, "{}{account}", if text.is_empty() { "" } else { "\n" });
        }
        match folders.as_slice() {
            [] => text.push_str("no folder is known\n"),
            folders => {
                let _ = writeln!(text, "{}", table(folders));
            }
        }
    }
    text
}

fn table(folders: &[Line]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let with_rights = folders.iter().any(|folder| folder.rights.is_some());
    let rights = with_rights.then_some("You may");
    table.set_header(["Folder", "Kind", "Items"].into_iter().chain(rights).chain(["Synchronized"]));
    for folder in folders {
        let items = folder.items.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let synced = if folder.synced { "yes" } else { "-" };
        let rights = with_rights.then(|| folder.rights.unwrap_or("-").to_owned());
        let head = [folder.path.clone(), folder.kind.to_owned(), items];
        table.add_row(head.into_iter().chain(rights).chain([synced.to_owned()]));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index == 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
