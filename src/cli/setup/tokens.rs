//! Signing in by tokens: what is agreed with the authority, and the person who signs in there.

use std::io::Write as _;

use super::values::Values;
use super::{Args, Way};
use crate::cli::context::{Company, Context, Link};
use crate::cli::failure::UsageError;
use crate::identity::{Account, Auth, OAuth2Settings};
use crate::remote::auth::Scheme;
use crate::remote::auth::oauth::{
    self, Authority, Grant, Kept, TokenError, Vault as _, sign_in_by_browser, sign_in_by_device,
};
use crate::remote::{RemoteError, RemoteRead as _};

/// What `--auth oauth2` takes besides.
#[derive(Debug, Default, clap::Args)]
pub(super) struct TokenArgs {
    /// With oauth2: the id under which the program is registered with the authority; for Exchange Online an application that the tenant's
    /// administrator allows EWS
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// With oauth2: the tenant of Microsoft's that issues the tokens, by its domain or its number; without it, that of who signs in
    #[arg(long, value_name = "TENANT", conflicts_with = "authority")]
    tenant: Option<String>,
    /// With oauth2: another authority that issues the tokens (OpenID Connect), by its URL
    #[arg(long, value_name = "URL")]
    authority: Option<String>,
    /// With oauth2: how tokens are got; device, if not given
    #[arg(long, value_name = "HOW", value_enum)]
    grant: Option<GrantArg>,
    /// With oauth2: what the tokens are to be good for, where that is not EWS on the account's server
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// With oauth2: a command that prints a token, in place of all these; it is run by sh -c, and again when the server refuses what it printed
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["client_id", "tenant", "authority", "grant", "scope", "password_command", "password_credential", "password_stdin", "password_file"])]
    token_command: Option<String>,
}

/// How tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GrantArg {
    /// A person signs in on any device, with a code that is shown here
    Device,
    /// A person signs in in a browser on this machine
    Browser,
    /// A program signs in for itself, with a secret of its own, and acts for the owner of the mailbox
    Application,
}

impl GrantArg {
    fn grant(self) -> Grant {
        match self {
            Self::Device => Grant::Device,
            Self::Browser => Grant::Browser,
            Self::Application => Grant::Application,
        }
    }
}

impl TokenArgs {
    fn are_given(&self) -> bool {
        let Self { client_id, tenant, authority, grant, scope, token_command } = self;
        [client_id, tenant, authority, scope, token_command].iter().any(|given| given.is_some()) || grant.is_some()
    }
}

/// How the account signs in: as given, else as before.
pub(super) fn auth(args: &Args, known: Option<&Auth>) -> anyhow::Result<Auth> {
    let is_known = matches!(known, Some(Auth::OAuth2(_) | Auth::TokenCommand(_)));
    match args.auth {
        Some(Way::Oauth2) => by_tokens(&args.tokens, known),
        None if args.tokens.are_given() || is_known => by_tokens(&args.tokens, known),
        Some(_) if args.tokens.are_given() => {
            Err(UsageError("--client-id, --token-command and their like only go with --auth oauth2".to_owned()).into())
        }
        Some(Way::Auto) => Ok(Auth::Offered),
        Some(Way::Basic) => Ok(Auth::Password(Scheme::Basic)),
        Some(Way::Ntlm) => Ok(Auth::Password(Scheme::Ntlm)),
        Some(Way::Negotiate) => Ok(Auth::Password(Scheme::Negotiate)),
        None => Ok(known.cloned().unwrap_or_default()),
    }
}

fn by_tokens(args: &TokenArgs, known: Option<&Auth>) -> anyhow::Result<Auth> {
    if let Some(command) = &args.token_command {
        return Ok(Auth::TokenCommand(command.clone()));
    }
    let known = match known {
        Some(Auth::TokenCommand(command)) if !args.are_given() => return Ok(Auth::TokenCommand(command.clone())),
        Some(Auth::OAuth2(settings)) => Some(settings),
        _ => None,
    };
    let client_id = args.client_id.clone().or_else(|| known.map(|known| known.client_id.clone()));
    let client_id = client_id.ok_or_else(|| {
        UsageError(
            "--client-id is missing: each tenant allows applications of its own, so that none can come with pimsync"
                .to_owned(),
        )
    })?;
    let wrong = |option: &'static str| move |reason: String| UsageError(format!("{option}: {reason}"));
    let authority = match (&args.tenant, &args.authority) {
        (_, Some(url)) => Authority::issuer(url).map_err(wrong("--authority"))?,
        (Some(tenant), None) => Authority::tenant(tenant).map_err(wrong("--tenant"))?,
        (None, None) => {
            known.map_or_else(|| Authority::Tenant(Authority::ANY_TENANT.to_owned()), |known| known.authority.clone())
        }
    };
    let grant = args.grant.map(GrantArg::grant).or_else(|| known.map(|known| known.grant)).unwrap_or_default();
    let scope = args.scope.clone().or_else(|| known.and_then(|known| known.scope.clone()));
    Ok(Auth::OAuth2(OAuth2Settings { client_id, authority, grant, scope }))
}

/// The way to the server with the tokens that are kept; none where a person has to sign in.
pub(super) fn kept(context: &Context, values: &Values) -> anyhow::Result<Option<Link>> {
    let (account, before) = (&values.account, values.before.as_ref());
    let Some(settings) = account.auth.by_person() else { return Ok(None) };
    // Another scope or another person's tokens are others.
    let are_its = before.is_some_and(|before| before.auth == account.auth && before.user == account.user);
    let vault = context.way().token_file(account, settings);
    if !are_its || vault.read().map_err(RemoteError::from)?.is_none() {
        return Ok(None);
    }
    let link = context.connect(account, Company::Alone)?;
    match context.runtime.block_on(link.client.special_folders()) {
        Ok(_) => Ok(Some(link)),
        Err(RemoteError::Token(error)) if error.wants_person() => Ok(None),
        Err(RemoteError::TokenRefused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Lets the person sign in.
pub(super) fn sign_in(
    context: &Context,
    account: &Account,
    settings: &OAuth2Settings,
    args: &Args,
) -> anyhow::Result<Kept> {
    if args.non_interactive || args.check {
        return Err(RemoteError::from(TokenError::Nothing { user: account.user.clone() }).into());
    }
    let client = context.way().token_client(account, settings).map_err(RemoteError::from)?;
    let say = |words: String| {
        // Who sees none of it cannot sign in, and the time runs out.
        let _ = writeln!(std::io::stderr(), "{words}");
    };
    let signing = async {
        match settings.grant {
            Grant::Browser => {
                let invite = |url: &url::Url| {
                    say(format!("To sign in as {}, open this in a browser on this machine:\n{url}", account.user))
                };
                sign_in_by_browser(&client, &account.user, invite).await
            }
            Grant::Device | Grant::Application => {
                let invite = |invitation: &oauth::Invitation| {
                    let oauth::Invitation { place, code, time } = invitation;
                    let minutes = time.as_secs().div_ceil(60);
                    say(format!(
                        "To sign in as {}, open {place} in any browser, and enter the code {code} within {minutes} minutes.",
                        account.user
                    ));
                };
                sign_in_by_device(&client, &account.user, invite).await
            }
        }
    };
    Ok(context.runtime.block_on(signing).map_err(RemoteError::from)?)
}

/// Keeps what a sign-in gave.
pub(super) fn store(context: &Context, account: &Account, kept: &Kept) -> anyhow::Result<()> {
    let Some(settings) = account.auth.by_person() else { return Ok(()) };
    let vault = context.way().token_file(account, settings);
    Ok(context.runtime.block_on(vault.store(kept)).map_err(RemoteError::from)?)
}
