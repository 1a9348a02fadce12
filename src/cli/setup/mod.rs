//! `pimsync setup`: sets an account up, and synchronizes it for the first time.
//!
//! Nothing is written before the server has accepted the sign-in. What is written then, in this order: the directories, the lock, the
//! marker, the account's directory, the password, identity.toml. With the same values nothing of it is written again.

mod changes;
mod from;
mod search;
mod store;
mod tokens;
mod values;

use std::path::PathBuf;

use serde::Serialize;

use super::account::{self, AccountRun};
use super::context::{Company, Context, Fresh, Link};
use super::output::Output;
use super::{ExitCode, Global, sync};
use crate::identity::config::Tree;
use crate::identity::{Account, Auth, IdentityLock, Server};
use crate::pim::OtherMailbox;
use crate::remote::RemoteRead as _;
use crate::remote::reach::Pin;
use crate::state::State;
use crate::sync::{Mode, Request};
use values::Values;

/// Set an account up, and synchronize it for the first time
///
/// What is not given is asked for on a terminal. The server is found by the mail address (Autodiscover): the password goes only to servers with a trusted
/// certificate in the address's own domain, and anywhere else only after a yes (or --allow-redirect). The sign-in is tried before anything is written. Run again with other values it changes
/// the account; with the same values it changes nothing, so scripts can run it each time. The password is never taken from the command line: it
/// stays with a command that prints it (--password-command), or goes into a file that only you can read, outside the identity. --from sets many accounts up
/// from one file, and --check only tells what would be changed.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("password"))]
pub(super) struct Args {
    /// The mailbox's address, such as anna@example.org
    #[arg(value_name = "EMAIL")]
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
    auth: Option<Way>,
    #[command(flatten)]
    tokens: tokens::TokenArgs,
    /// A command that prints the password, such as "pass show work/mail"; it is run each time, by sh -c
    #[arg(long, value_name = "COMMAND", group = "password")]
    password_command: Option<String>,
    /// The name under which the service manager hands the password over (systemd's LoadCredential=); this has to run as such a service, too
    #[arg(long, value_name = "NAME", group = "password")]
    password_credential: Option<String>,
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
    /// Set up the accounts that this file describes, in whichever identities it says, instead of one; what it does not say stays as it is
    /// (see pimsync-identity(5))
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["email", "server", "user", "auth", "password", "ca_file", "pin", "client_certificate", "proxy", "allow_redirect", "explain", "demo", "client_id", "tenant", "authority", "grant", "scope", "token_command", "mailbox", "impersonate"],
    )]
    from: Option<PathBuf>,
    /// Only say what would be changed, and whether the sign-in works; nothing is changed
    #[arg(long, conflicts_with_all = ["explain", "demo"])]
    check: bool,
    /// Never ask, but fail if something is missing
    #[arg(long)]
    non_interactive: bool,
    /// Leave the first sync out
    #[arg(long)]
    no_sync: bool,
    /// Set up an account on the embedded server, with a sample mailbox
    #[arg(
        long,
        conflicts_with_all = ["email", "server", "user", "auth", "password", "ca_file", "pin", "client_certificate", "proxy", "allow_redirect", "explain", "client_id", "tenant", "authority", "grant", "scope", "token_command", "mailbox", "impersonate"],
    )]
    demo: bool,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// As the server offers: NTLM before Negotiate before Basic
    Auto,
    /// Name and password with each request
    Basic,
    /// NTLMv2: the password is proved, not sent
    Ntlm,
    /// NTLMv2 within Negotiate
    Negotiate,
    /// A token that an authority such as Microsoft's issues
    Oauth2,
}

/// What is told of a run.
#[derive(Serialize)]
struct Results {
    account: String,
    email: String,
    server: String,
    /// Whether anything about the account was written.
    changed: bool,
    /// What was written, in words; with --check what would be.
    changes: Vec<String>,
    database: String,
    directory: String,
    config: String,
    /// The first sync; none when it was left out, or was made before.
    sync: Option<AccountRun>,
    /// The same of its public folders and other mailboxes.
    others: Vec<AccountRun>,
    #[serde(skip)]
    code: ExitCode,
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.from {
        return from::run(file, &args, &global, output);
    }
    let context = Context::new(global)?;
    if args.explain {
        return search::explain(&context, &args, output);
    }
    let mut values = Values::gather(&context, &args)?;
    if !args.check {
        IdentityLock::check(&context.layout)?;
    }
    let results = set_up(&context, &mut values, &args, output)?;
    output.results(results.code, results, |results| text(results, &args, output))
}

/// Sets an account up, or only looks at what that would change.
fn set_up(context: &Context, values: &mut Values, args: &Args, output: &Output) -> anyhow::Result<Results> {
    store::check(context, &values.account)?;
    let mut link = sign_in(context, values, args)?;
    // Kept, so that later runs need not ask, and nobody in between can talk them into sending the password itself.
    if let (Auth::Offered, Server::Ews(_), Some(scheme)) =
        (&values.account.auth, &values.account.server, link.client.scheme())
    {
        values.account.auth = Auth::Password(scheme);
    }
    let missing = store::Missing::of(context, values);
    let (account, changed) = (&values.account, missing.anything());
    let changes = changes::of(values, &missing);
    if args.check {
        return Ok(results(context, account, false, changes, Vec::new()));
    }
    let wants_sync = !args.no_sync && (changed || !was_synchronized(context, account)?);
    let mut runs = Vec::new();
    if changed || wants_sync {
        let _lock = store::lock(context)?;
        let marker = store::store(context, values, &missing)?;
        if let Some(Fresh::Tokens(_)) = values.fresh {
            // From here on the tokens are renewed where they are kept.
            link = context.connect(account, Company::Alone)?;
        }
        if wants_sync {
            let sync =
                |tree: &Account, link| account::sync_account(context, &marker, tree, link, &Request::default(), output);
            runs.push(sync(account, Ok(link)));
            let others = account.trees().into_iter().filter(|tree| tree.tree != Tree::Mailbox);
            runs.extend(others.map(|tree| sync(&tree, context.connect(&tree, Company::Others))));
        }
    }
    for failure in runs.iter().filter_map(|run| run.error.as_ref()) {
        output.complain(failure);
    }
    Ok(results(context, account, changed, changes, runs))
}

/// Makes sure that the server takes the sign-in, and shows the mailboxes that are new. A person who has to sign in to an authority does so here.
fn sign_in(context: &Context, values: &mut Values, args: &Args) -> anyhow::Result<Link> {
    let kept = tokens::kept(context, values)?;
    if let (Some(settings), None) = (values.account.auth.by_person().cloned(), &kept) {
        values.fresh = Some(Fresh::Tokens(tokens::sign_in(context, &values.account, &settings, args)?));
    }
    let connect = |tree: &Account, company| match &values.fresh {
        Some(fresh) => context.connect_with(tree, fresh, company),
        None => context.connect(tree, company),
    };
    let link = match kept {
        Some(link) => link,
        None => {
            let link = connect(&values.account, Company::Alone)?;
            context.runtime.block_on(link.client.special_folders())?;
            link
        }
    };
    let known = values.before.as_ref().map(|account| account.mailboxes.as_slice()).unwrap_or_default();
    for tree in values.account.trees() {
        if let Tree::OtherMailbox { mailbox, .. } = &tree.tree
            && !known.contains(mailbox)
        {
            let other = connect(&tree, Company::Others)?;
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
    changes: Vec<String>,
    runs: Vec<AccountRun>,
) -> Results {
    let layout = &context.layout;
    let code = account::code_of(&runs);
    let mut runs = runs.into_iter();
    let (sync, others) = (runs.next(), runs.collect());
    Results {
        account: account.name.to_string(),
        email: account.email.clone(),
        server: account.server.as_str().to_owned(),
        changed,
        changes,
        database: layout.database().display().to_string(),
        directory: layout.account(&account.name).display().to_string(),
        config: layout.config().display().to_string(),
        sync,
        others,
        code,
    }
}

/// What `--check` tells of an account.
fn checked(results: &Results) -> String {
    let Results { account, changes, .. } = results;
    if changes.is_empty() {
        return format!("{account}: the sign-in works, and nothing would be changed.\n");
    }
    let changes: String = changes.iter().map(|change| format!("  {change}\n")).collect();
    format!("{account}: the sign-in works. This would be changed:\n{changes}")
}

fn text(results: &Results, args: &Args, output: &Output) -> String {
    if args.check {
        return checked(results);
    }
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
