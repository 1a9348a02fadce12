//! `pimsync setup`: sets an account up, and synchronizes it for the first time.
//!
//! Nothing is written before the server has accepted the sign-in. What is written then, in this order: the directories, the lock, the
//! marker, the account's directory, the password, identity.toml. With the same values nothing of it is written again.

mod search;
mod store;
mod values;

use std::path::PathBuf;

use serde::Serialize;

use super::account::{self, AccountRun};
use super::context::{Company, Context, Link};
use super::output::Output;
use super::{ExitCode, Global, sync};
use crate::identity::config::Tree;
use crate::identity::{Account, IdentityLock, Server};
use crate::pim::OtherMailbox;
use crate::remote::RemoteRead as _;
use crate::remote::auth::Scheme;
use crate::remote::reach::Pin;
use crate::state::State;
use crate::sync::{Mode, Request};
use values::Values;

/// Set an account up, and synchronize it for the first time
///
/// What is not given is asked for on a terminal. The server is found by the mail address (Autodiscover): the password goes only to servers with a trusted
/// certificate in the address's own domain, and anywhere else only after a yes (or --allow-redirect). The sign-in is tried before anything is written. Run again with other values it changes
/// the account; with the same values it changes nothing, so scripts can run it each time. The password is never taken from the command line: it
/// stays with a command that prints it (--password-command), or goes into a file that only you can read, outside the identity.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("password"))]
pub(super) struct Args {
    /// The mailbox's address, such as anna@example.org
    #[arg(value_name = "EMAIL", required_if_eq("non_interactive", "true"))]
    email: Option<String>,
    /// The server: its host, the address of its Outlook on the web, or the URL of its EWS end point; without it, it is looked for (Autodiscover)
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Let the password go to this host where the search for the server leads there, though it is not in the address's domain; can be repeated
    #[arg(long, value_name = "HOST")]
    allow_redirect: Vec<String>,
    /// Only tell where the server is looked for and what comes of it; nothing is written
    #[arg(long, conflicts_with = "server")]
    explain: bool,
    /// Who signs in, where that is not the address: often name@domain or DOMAIN\name
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// How to sign in; auto takes the best that the server offers, and keeps to that
    #[arg(long, value_name = "WAY", value_enum)]
    auth: Option<Auth>,
    /// A command that prints the password, such as "pass show work/mail"; it is run each time, by sh -c
    #[arg(long, value_name = "COMMAND", group = "password")]
    password_command: Option<String>,
    /// Read the password from the first line of standard input, and store it
    #[arg(long, group = "password")]
    password_stdin: bool,
    /// Read the password from the first line of this file, and store it
    #[arg(long, value_name = "FILE", group = "password")]
    password_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM), besides those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Trust this one certificate of the server, whoever issued it, and no other; its fingerprint is what openssl x509 -fingerprint -sha256 prints
    #[arg(long, value_name = "sha256:HEX")]
    pin: Option<Pin>,
    /// Show this certificate to servers that ask for one; the file holds it and its key (PEM)
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<PathBuf>,
    /// Go through this proxy, such as http://proxy:8080 or socks5h://127.0.0.1:1080, in place of the environment's
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Synchronize this mailbox, too: one that is shared with you, by its address, "archive" for your own archive, or archive:ADDRESS; can be repeated
    #[arg(long, value_name = "MAILBOX")]
    mailbox: Vec<OtherMailbox>,
    /// Act as the owner of this mailbox, where who signs in may (ApplicationImpersonation)
    #[arg(long, value_name = "ADDRESS")]
    impersonate: Option<String>,
    /// Never ask, but fail if something is missing
    #[arg(long)]
    non_interactive: bool,
    /// Leave the first sync out
    #[arg(long)]
    no_sync: bool,
    /// Set up an account on the embedded server, with a sample mailbox
    #[arg(
        long,
        conflicts_with_all = ["email", "server", "user", "auth", "password", "ca_file", "pin", "client_certificate", "proxy", "allow_redirect", "explain", "mailbox", "impersonate"],
    )]
    demo: bool,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Auth {
    /// As the server offers: NTLM before Negotiate before Basic
    Auto,
    /// Name and password with each request
    Basic,
    /// NTLMv2: the password is proved, not sent
    Ntlm,
    /// NTLMv2 within Negotiate
    Negotiate,
}

impl Auth {
    fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Auto => None,
            Self::Basic => Some(Scheme::Basic),
            Self::Ntlm => Some(Scheme::Ntlm),
            Self::Negotiate => Some(Scheme::Negotiate),
        }
    }
}

/// What is told of a run.
#[derive(Serialize)]
struct Results {
    account: String,
    email: String,
    server: String,
    /// Whether anything about the account was written.
    changed: bool,
    database: String,
    directory: String,
    config: String,
    /// The first sync; none when it was left out, or was made before.
    sync: Option<AccountRun>,
    /// The same of its public folders and other mailboxes.
    others: Vec<AccountRun>,
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    if args.explain {
        return search::explain(&context, &args, output);
    }
    let mut values = Values::gather(&context, &args)?;
    IdentityLock::check(&context.layout)?;
    store::check(&context, &values.account)?;
    let link = sign_in(&context, &values)?;
    // Kept, so that later runs need not ask, and nobody in between can talk them into sending the password itself.
    values.account.auth = values.account.auth.or_else(|| link.client.scheme().filter(|_| is_real(&values.account)));
    let missing = store::Missing::of(&context, &values);
    let (account, changed) = (&values.account, missing.anything());
    let wants_sync = !args.no_sync && (changed || !was_synchronized(&context, account)?);
    let mut runs = Vec::new();
    if changed || wants_sync {
        let _lock = store::lock(&context)?;
        let marker = store::store(&context, &values, &missing)?;
        if wants_sync {
            let sync = |tree: &Account, link| {
                account::sync_account(&context, &marker, tree, link, &Request::default(), output)
            };
            runs.push(sync(account, Ok(link)));
            let others = account.trees().into_iter().filter(|tree| tree.tree != Tree::Mailbox);
            runs.extend(others.map(|tree| sync(&tree, context.connect(&tree, Company::Others))));
        }
    }
    for failure in runs.iter().filter_map(|run| run.error.as_ref()) {
        output.complain(failure);
    }
    let code = account::code_of(&runs);
    let mut runs = runs.into_iter();
    let results = results(&context, account, changed, (runs.next(), runs.collect()));
    output.results(code, results, |results| text(results, &args, output))
}

fn is_real(account: &Account) -> bool {
    account.server != Server::Demo
}

/// Makes sure that the server takes the sign-in, and shows the mailboxes that are new.
fn sign_in(context: &Context, values: &Values) -> anyhow::Result<Link> {
    let link = match &values.new_password {
        Some(password) => context.connect_with(&values.account, Some(password.clone()), Company::Alone)?,
        None => context.connect(&values.account, Company::Alone)?,
    };
    context.runtime.block_on(link.client.special_folders())?;
    let known = values.before.as_ref().map(|account| account.mailboxes.as_slice()).unwrap_or_default();
    for tree in values.account.trees() {
        if let Tree::OtherMailbox { mailbox, .. } = &tree.tree
            && !known.contains(mailbox)
        {
            let password = values.new_password.clone();
            let other = match password {
                Some(password) => context.connect_with(&tree, Some(password), Company::Others)?,
                None => context.connect(&tree, Company::Others)?,
            };
            context.runtime.block_on(other.client.special_folders())?;
        }
    }
    Ok(link)
}

/// Whether a sync of the account was ever done to its end.
fn was_synchronized(context: &Context, account: &Account) -> anyhow::Result<bool> {
    let path = context.layout.state();
    if !path.exists() {
        return Ok(false);
    }
    let run = State::open_to_read(&path)?.read(|state| match state.account(account.name.as_str())? {
        Some(account) => state.last_run(account.key),
        None => Ok(None),
    })?;
    Ok(run.is_some_and(|run| run.succeeded()))
}

fn results(
    context: &Context,
    account: &Account,
    changed: bool,
    (sync, others): (Option<AccountRun>, Vec<AccountRun>),
) -> Results {
    let layout = &context.layout;
    Results {
        account: account.name.to_string(),
        email: account.email.clone(),
        server: account.server.as_str().to_owned(),
        changed,
        database: layout.database().display().to_string(),
        directory: layout.account(&account.name).display().to_string(),
        config: layout.config().display().to_string(),
        sync,
        others,
    }
}

fn text(results: &Results, args: &Args, output: &Output) -> String {
    let Results { account, directory, config, .. } = results;
    let told = if output.is_quiet() { sync::Told::Attention } else { sync::Told::All };
    let synced: String =
        results.sync.iter().chain(&results.others).map(|run| sync::text(run, Mode::Apply, told)).collect();
    if output.is_quiet() {
        return synced;
    }
    let what = if results.changed {
        format!("{account} is set up.\n")
    } else {
        format!("{account} was set up already; nothing was changed.\n")
    };
    let what_next = if results.sync.is_none() && results.changed && args.no_sync {
        "Next: pimsync sync synchronizes it for the first time.\n"
    } else {
        "Next: read the mail with a program that knows Maildir, such as neomutt, or change something in it, then run\n\
         \x20 pimsync sync --dry-run   to see what would be done\n\
         \x20 pimsync sync             to do it\n\
         \x20 pimsync status           to see how everything stands\n"
    };
    format!("{what}{synced}\nMail:     {directory}\nSettings: {config}\n\n{what_next}")
}
