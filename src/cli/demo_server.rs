//! `pimsync demo-server`: runs the embedded Exchange alone.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::ExitCode;
use crate::exchange::{FaultScript, List, Options, Personality, Role, Server, User, Way};

/// Run the embedded Exchange server alone, for any EWS client
///
/// It prints its URL and the logins, then serves until it is interrupted. Without --store all is forgotten at the end.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep the mailboxes in this database file
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Put this many sample messages into each new mailbox
    #[arg(long, value_name = "N", default_value_t = 200)]
    messages: usize,
    /// Hold every answer back for so long, such as 40ms or 1s
    #[arg(long, value_name = "D", default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// The mailboxes' addresses; each one's password is "demo" unless given as ADDRESS:PASSWORD
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "demo@example.org")]
    users: Vec<String>,
    /// Let one user work in another's mailbox: OWNER:USER:ROLE, with a role of owner, editor, poster, reviewer or visitor; can be repeated
    #[arg(long, value_name = "OWNER:USER:ROLE")]
    share: Vec<String>,
    /// Let these users act as the owner of any mailbox (ApplicationImpersonation)
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    impersonators: Vec<String>,
    /// Give these users an archive
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    archives: Vec<String>,
    /// Misbehave as this file of rules tells
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Whose behaviour to show
    #[arg(long, value_enum, default_value_t)]
    like: Personality,
    /// How one can sign in
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',', default_value = "basic")]
    auth: Vec<Way>,
    /// Write the body of every request and response into this folder
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let faults = match &args.faults {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            FaultScript::from_toml(&text).with_context(|| format!("in {}", path.display()))?
        }
        None => FaultScript::default(),
    };
    let users: Vec<User> = args.users.iter().map(|text| user(text)).collect();
    let server = Server::start(Options {
        listen: args.listen,
        store: args.store,
        users: users.clone(),
        like: args.like,
        ways: args.auth,
        latency: args.latency,
        faults,
        sample_messages: args.messages,
        lists: List::samples(),
        record: args.record,
        impersonators: args.impersonators,
        ..Options::default()
    })?;
    for text in &args.share {
        share(&server, text)?;
    }
    for address in &args.archives {
        server.archive(address)?;
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", server.url())?;
    for user in &users {
        writeln!(out, "{} {}", user.address, user.password)?;
    }
    out.flush()?;
    drop(out);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c()).context("cannot wait for the interrupt")?;
    Ok(ExitCode::Done)
}

/// Gives a user a role in all folders of another's mailbox.
fn share(server: &Server, text: &str) -> anyhow::Result<()> {
    let parts: Vec<&str> = text.split(':').collect();
    let [owner, user, role] = *parts.as_slice() else { anyhow::bail!("--share {text}: write it like OWNER:USER:ROLE") };
    let role = Role::from_word(role).with_context(|| format!("--share {text}: {role} is no role"))?;
    Ok(server.mailbox(owner)?.share(user, role)?)
}

fn user(text: &str) -> User {
    let (address, password) = text.split_once(':').unwrap_or((text, "demo"));
    User { address: address.to_owned(), password: password.to_owned() }
}

/// A duration as people write it: `40ms`, `1.5s`, or a plain number of milliseconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| character.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).unwrap_or((text, ""));
    let number: f64 = number.trim().parse().map_err(|_| format!("{text} is no duration"))?;
    let seconds = match unit {
        "" | "ms" => number / 1000.0,
        "s" => number,
        _ => return Err(format!("{unit} is no unit of time: ms and s are")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
