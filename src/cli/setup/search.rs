//! The server of an address whose server was not named.

use serde::Serialize;

use super::Args;
use super::values::{Asker, Who};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::identity::{Auth, OAuth2Settings, Server};
use crate::remote::auth::oauth::Authority;
use crate::remote::ews::autodiscover::{Attempt, Consent, DiscoveryError, Search, Verdict};

/// Whom Microsoft's tenants have their mailboxes with, where nothing else is said.
const EXCHANGE_ONLINE: &str = "https://outlook.office365.com/EWS/Exchange.asmx";

/// What was looked at, and what came of it.
#[derive(Serialize)]
struct Explanation {
    email: String,
    server: Option<String>,
    attempts: Vec<Attempt>,
}

/// Looks for the server. Where none is found, the person is asked, if there is one.
pub(super) fn server(context: &Context, args: &Args, who: &Who, asker: &Asker) -> anyhow::Result<Server> {
    if let Auth::OAuth2(OAuth2Settings { authority: Authority::Tenant(_), .. }) = &who.auth {
        return Ok(Server::Ews(EXCHANGE_ONLINE.to_owned()));
    }
    let (found, attempts) = search(context, args, who, asker)?;
    for Attempt { way, place, outcome } in &attempts {
        tracing::info!(%way, place, outcome, "looked for the server");
    }
    match found {
        Ok(url) => Ok(Server::Ews(url)),
        Err(DiscoveryError::NotFound { untrusted: None, .. }) if asker.can_ask() => {
            asker.tell(&format!("No server was found for {}.", who.email))?;
            let named = asker.ask("Server (as in the address of Outlook on the web): ", "--server URL")?;
            Ok(crate::cli::server_url::server(&named)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells what is tried to find the server, and why what was taken; changes nothing.
pub(super) fn explain(context: &Context, args: &Args, output: &Output) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(args);
    let email = asker.or_ask(args.email.clone(), "Mail address: ", "EMAIL")?;
    let known = context.config_or_none()?.account(&email).cloned();
    let who = Who::gather(args, email, known.as_ref(), &asker)?;
    let (found, attempts) = search(context, args, &who, &asker)?;
    let (server, code) = match found {
        Ok(url) => (Some(url), ExitCode::Done),
        Err(error) => {
            let failure = Failure::of(&error.into());
            output.complain(&failure);
            (None, failure.code)
        }
    };
    output.results(code, Explanation { email: who.email, server, attempts }, text)
}

fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    for Attempt { way, place, outcome } in &explanation.attempts {
        text.push_str(&format!("{way:8}  {place}\n          {outcome}\n"));
    }
    match &explanation.server {
        Some(url) => text.push_str(&format!("Server: {url}\n")),
        None => text.push_str("No server.\n"),
    }
    text
}

type Found = (Result<String, DiscoveryError>, Vec<Attempt>);

fn search(context: &Context, args: &Args, who: &Who, asker: &Asker) -> anyhow::Result<Found> {
    let search = Search {
        address: who.email.clone(),
        user: who.user.clone(),
        password: context.runtime.block_on(who.password(context))?,
        auth: match who.auth {
            Auth::Password(scheme) => Some(scheme),
            Auth::Offered | Auth::OAuth2(_) | Auth::TokenCommand(_) => None,
        },
        reach: who.reach.clone(),
        clock: context.env.clock.clone(),
    };
    let (mut person, mut attempts) = (Person { allowed: &args.allow_redirect, asker }, Vec::new());
    let found = context.runtime.block_on(search.run(&mut person, &mut attempts));
    Ok((found.map(String::from), attempts))
}

/// Who says where the password may go.
struct Person<'a> {
    allowed: &'a [String],
    asker: &'a Asker,
}

impl Consent for Person<'_> {
    fn may_go_to(&mut self, host: &str, by: &str) -> Verdict {
        if self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            return Verdict::Yes;
        }
        let question = format!(
            "{by} says that the server is at {host}, which is not in the address's domain. Send the password there? [y/N] "
        );
        let answer = self.asker.ask_or_none(&question).unwrap_or_default();
        if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") { Verdict::Yes } else { Verdict::No }
    }
}
