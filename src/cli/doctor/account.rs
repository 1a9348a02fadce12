//! What is looked at of an account: its password or tokens, each step of the way to its mailbox, the server's clock, and whether the server is where
//! its domain says.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::super::context::{Company, Context};
use super::super::failure::{Failure, WRONG_CLOCK, is_far};
use super::{Check, Outcome};
use crate::clock::Clock;
use crate::identity::config::Tree;
use crate::identity::{Account, Auth, Server};
use crate::remote::ews::autodiscover::{Consent, Search, Verdict};
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
    let is_refused =
        checks.iter().any(|check| matches!(check.check, "password" | "sign-in") && check.outcome == Outcome::Failed);
    checks.push(if is_refused {
        // Another try could lock the account.
        Check::skipped("discovery", "the sign-in failed")
    } else {
        discovery(context, account, url).await
    });
    checks
}

async fn password(context: &Context, account: &Account) -> Check {
    match &account.auth {
        Auth::TokenCommand(_) => return Check::skipped("password", "there is none: a command prints tokens"),
        Auth::OAuth2(_) if !account.auth.takes_secret() => {
            return Check::skipped("password", "there is none: tokens are renewed");
        }
        Auth::Offered | Auth::Password(_) | Auth::OAuth2(_) => {}
    }
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
    let looked = link.client.special_folders().await;
    let clock = link.client.ahead().map(clock);
    let mut checks = match looked {
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
    };
    checks.extend(clock);
    checks
}

/// By how many seconds the server's clock is ahead.
fn clock(ahead: i64) -> Check {
    let seconds = ahead.unsigned_abs();
    // An answer takes its time.
    if seconds < 5 {
        return Check::ok("clock", "it agrees with the server's");
    }
    let told = format!("it is {seconds} seconds {} the server's", if ahead > 0 { "behind" } else { "ahead of" });
    if is_far(ahead) { Check::warning("clock", told, WRONG_CLOCK) } else { Check::ok("clock", told) }
}

/// Where Autodiscover says that the server is. The password goes where it went when the account was set up: to hosts in the address's own domain,
/// and to the server itself.
async fn discovery(context: &Context, account: &Account, url: &str) -> Check {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    if url.starts_with("http:") {
        return Check::skipped("discovery", "the server is this machine");
    }
    let file = context.layout.secret(&account.name);
    let password = match &account.auth {
        Auth::Offered | Auth::Password(_) => account.password.read(&file, &*context.env.clock).await.ok().flatten(),
        Auth::OAuth2(_) | Auth::TokenCommand(_) => None,
    };
    let auth = match account.auth {
        Auth::Password(scheme) => Some(scheme),
        Auth::Offered | Auth::OAuth2(_) | Auth::TokenCommand(_) => None,
    };
    let (reach, clock) = (account.reach.clone(), Arc::clone(&context.env.clock));
    let search = Search { address: account.email.clone(), user: account.user.clone(), password, auth, reach, clock };
    match search.run(&mut OnlyTo(&host), &mut Vec::new()).await {
        Ok(found) if found.host_str().is_some_and(|found| found.eq_ignore_ascii_case(&host)) => {
            Check::ok("discovery", format!("it leads to {host}, too"))
        }
        Ok(found) => Check::warning(
            "discovery",
            format!("it leads to {found}, not to {host}"),
            "if the server has moved, run pimsync setup with the account's address and --server with that URL",
        ),
        Err(error) => {
            Check::skipped("discovery", format!("the settings name the server, and nothing else does: {error}"))
        }
    }
}

/// Nobody is there to be asked.
struct OnlyTo<'a>(&'a str);

impl Consent for OnlyTo<'_> {
    fn may_go_to(&mut self, host: &str, _: &str) -> Verdict {
        if host.eq_ignore_ascii_case(self.0) { Verdict::Yes } else { Verdict::No }
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
