//! What is looked at of an account: its password, and each step of the way to its mailbox.

use std::time::Duration;

use anyhow::anyhow;
use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::super::context::{Company, Context};
use super::super::failure::Failure;
use super::{Check, Outcome};
use crate::clock::Clock;
use crate::identity::config::Tree;
use crate::identity::{Account, Server};
use crate::remote::{RemoteError, RemoteRead as _};

/// A step of the network that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(10);

/// By these a proxy is named (curl's convention); names and connections are its business then.
const PROXY_VARIABLES: [&str; 6] = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

pub(super) async fn checks(context: &Context, account: &Account) -> Vec<Check> {
    let Server::Ews(url) = &account.server else {
        return vec![Check::skipped("server", "the embedded server needs no network, and runs while it is used")];
    };
    let mut checks = vec![password(context, account).await];
    checks.extend(way(url, account, &*context.env.clock).await);
    if checks.iter().any(|check| check.outcome == Outcome::Failed) {
        checks.push(Check::skipped("sign-in", "a step before it failed"));
    } else {
        checks.extend(mailbox(context, account).await);
    }
    checks
}

async fn password(context: &Context, account: &Account) -> Check {
    let file = context.layout.secret(&account.name);
    match account.password.read(&file, &*context.env.clock).await {
        Ok(_) => Check::ok("password", "it can be had"),
        Err(error) => Check::error("password", error),
    }
}

/// What comes in time.
async fn in_time<T>(work: impl Future<Output = T>, clock: &dyn Clock) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = clock.alarm(LIMIT) => None,
    }
}

/// The server's name and its connection.
async fn way(url: &str, account: &Account, clock: &dyn Clock) -> Vec<Check> {
    let place = Url::parse(url).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = place else { return vec![Check::error("name", anyhow!("{url} names no host"))] };
    if let Some(proxy) = &account.reach.proxy {
        return vec![Check::skipped("name", format!("{} is the proxy, which looks it up", proxy.as_str()))];
    }
    if let Some(variable) =
        PROXY_VARIABLES.iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    {
        return vec![Check::skipped("name", format!("{variable} names a proxy, which looks it up"))];
    }
    let unreachable = |reason: String| RemoteError::Unreachable { host: host.clone(), reason };
    // Brackets are of the URL, not of the address.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<_> = match in_time(lookup_host((bare, port)), clock).await {
        Some(Ok(found)) => found.collect(),
        Some(Err(error)) => return vec![Check::error("name", unreachable(format!("its name is not found: {error}")))],
        None => return vec![Check::error("name", unreachable("looking up its name takes too long".to_owned()))],
    };
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let name = Check::ok("name", format!("{host} is {}", listed.join(", ")));
    let mut refused = Vec::new();
    for address in &addresses {
        match in_time(TcpStream::connect(address), clock).await {
            Some(Ok(_)) => return vec![name, connected(*address, &refused)],
            Some(Err(error)) => refused.push(format!("{address}: {error}")),
            None => refused.push(format!("{address}: no answer")),
        }
    }
    vec![name, Check::error("connection", unreachable(refused.join("; ")))]
}

fn connected(address: std::net::SocketAddr, refused: &[String]) -> Check {
    let told = format!("{address} answers");
    if refused.is_empty() {
        return Check::ok("connection", told);
    }
    let told = format!("{told}, but {}", refused.join("; "));
    Check::warning("connection", told, "each new connection may wait for the address that does not answer")
}

/// The certificate, the sign-in and the mailbox, which one request tells of.
async fn mailbox(context: &Context, account: &Account) -> Vec<Check> {
    let link = match context.way().connect(account, Company::Alone).await {
        Ok(link) => link,
        Err(error) => return vec![Check::error("certificate", error)],
    };
    let secure = if account.server.as_str().starts_with("https") {
        Check::ok("certificate", "the server's certificate is trusted")
    } else {
        Check::skipped("certificate", "there is none: the server is this machine")
    };
    let signed_in = || Check::ok("sign-in", format!("the server takes it of {}", account.user));
    match link.client.special_folders().await {
        Ok(_) => {
            let mut checks = vec![secure, signed_in(), Check::ok("mailbox", "it answers")];
            checks.extend(other_mailboxes(context, account).await);
            checks
        }
        Err(error) => {
            let is_certificate = matches!(error, RemoteError::Untrusted { .. });
            let is_far = matches!(error, RemoteError::Unreachable { .. });
            let is_sign_in = matches!(error, RemoteError::Token(_) | RemoteError::TokenRefused { .. });
            let failure = Failure::of(&error.into());
            match failure.kind {
                _ if is_certificate => vec![Check::failed("certificate", failure)],
                _ if is_far => vec![Check::failed("connection", failure)],
                _ if is_sign_in => vec![secure, Check::failed("sign-in", failure)],
                "sign-in-refused" | "sign-in-not-offered" => vec![secure, Check::failed("sign-in", failure)],
                _ => vec![secure, signed_in(), Check::failed("mailbox", failure)],
            }
        }
    }
}

/// Whether the account's other mailboxes are shown.
async fn other_mailboxes(context: &Context, account: &Account) -> Vec<Check> {
    const CHECK: &str = "mailboxes";
    let mut checks = Vec::new();
    for tree in account.trees() {
        let Tree::OtherMailbox { mailbox, .. } = &tree.tree else { continue };
        let link = match context.way().connect(&tree, Company::Others).await {
            Ok(link) => link,
            Err(error) => {
                checks.push(Check::error(CHECK, error));
                continue;
            }
        };
        checks.push(match link.client.special_folders().await {
            Ok(_) => Check::ok(CHECK, format!("{} answers", mailbox.title())),
            Err(error) => Check::error(CHECK, error),
        });
    }
    checks
}
