//! How an account signs in, as identity.toml says it.

use toml::Spanned;

use super::Server;
use super::config::{Fault, RawAccount, fault};
use crate::remote::auth::Scheme;
use crate::remote::auth::oauth::{self, Authority, Grant, Registration};

/// How an account signs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// With a password, as the server offers.
    #[default]
    Offered,
    /// With a password, in this way.
    Password(Scheme),
    /// With a token that an authority issues.
    OAuth2(OAuth2Settings),
    /// With a token that this command prints, run by `sh -c`.
    TokenCommand(String),
}

/// What is agreed with an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Settings {
    /// How the program is registered there.
    pub client_id: String,
    /// Who issues the tokens.
    pub authority: Authority,
    /// How they are got.
    pub grant: Grant,
    /// What they are to be good for; EWS of the account's server, if left out.
    pub scope: Option<String>,
}

/// The word for tokens.
pub(super) const OAUTH2: &str = "oauth2";

impl Auth {
    /// Its name in settings; none for what the server offers.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::Offered => None,
            Self::Password(scheme) => Some(scheme.word()),
            Self::OAuth2(_) | Self::TokenCommand(_) => Some(OAUTH2),
        }
    }

    /// Whether it takes a secret that is stored, or printed by a command: a password, or a program's own.
    pub fn takes_secret(&self) -> bool {
        match self {
            Self::Offered | Self::Password(_) => true,
            Self::OAuth2(settings) => settings.grant == Grant::Application,
            Self::TokenCommand(_) => false,
        }
    }

    /// The settings of a sign-in that a person makes, and that is renewed from then on.
    pub fn by_person(&self) -> Option<&OAuth2Settings> {
        match self {
            Self::OAuth2(settings) if settings.grant != Grant::Application => Some(settings),
            _ => None,
        }
    }
}

impl OAuth2Settings {
    /// How the program is known to the authority, and what it asks for a server.
    pub fn registration(&self, server: &Server) -> Registration {
        Registration {
            authority: self.authority.clone(),
            client_id: self.client_id.clone(),
            scope: self.scope.clone().unwrap_or_else(|| oauth::scope(server.as_str(), self.grant)),
        }
    }
}

/// What only goes with `auth = "oauth2"`.
fn of_tokens(raw: &RawAccount) -> [(&'static str, Option<&Spanned<String>>); 6] {
    [
        ("client_id", raw.client_id.as_ref()),
        ("tenant", raw.tenant.as_ref()),
        ("authority", raw.authority.as_ref()),
        ("grant", raw.grant.as_ref()),
        ("scope", raw.scope.as_ref()),
        ("token_command", raw.token_command.as_ref()),
    ]
}

impl RawAccount {
    pub(super) fn auth(&self) -> Result<Auth, Fault> {
        let word = self.auth.as_ref().map(|word| (word, word.get_ref().as_str()));
        if let Some((word, OAUTH2)) = word {
            return self.token_auth(word);
        }
        if let Some((key, Some(value))) = of_tokens(self).into_iter().find(|(_, value)| value.is_some()) {
            return Err(fault(value, format!("{key} only goes with auth = \"oauth2\"")));
        }
        let Some((word, text)) = word else { return Ok(Auth::Offered) };
        let scheme = Scheme::from_word(text).ok_or_else(|| {
            fault(
                word,
                "auth must be \"basic\", \"ntlm\", \"negotiate\" or \"oauth2\"; without it the server is asked what it takes",
            )
        })?;
        Ok(Auth::Password(scheme))
    }

    fn token_auth(&self, word: &Spanned<String>) -> Result<Auth, Fault> {
        if let Some(command) = &self.token_command {
            let others = of_tokens(self).into_iter().filter(|(key, _)| *key != "token_command");
            if let Some((key, Some(value))) = others.into_iter().find(|(_, value)| value.is_some()) {
                return Err(fault(value, format!("give {key} or token_command, not both")));
            }
            if command.get_ref().trim().is_empty() {
                return Err(fault(command, "token_command is empty"));
            }
            return Ok(Auth::TokenCommand(command.get_ref().clone()));
        }
        let Some(client_id) = &self.client_id else {
            return Err(fault(word, "auth = \"oauth2\" needs a client_id, or a token_command"));
        };
        let is_plain = |text: &str| !text.is_empty() && text.chars().all(|character| character.is_ascii_graphic());
        if !is_plain(client_id.get_ref()) {
            return Err(fault(client_id, "client_id is empty, or holds a space"));
        }
        if let Some(scope) = self.scope.as_ref().filter(|scope| scope.get_ref().trim().is_empty()) {
            return Err(fault(scope, "scope is empty"));
        }
        Ok(Auth::OAuth2(OAuth2Settings {
            client_id: client_id.get_ref().clone(),
            authority: self.authority()?,
            grant: self.grant()?,
            scope: self.scope.as_ref().map(|scope| scope.get_ref().clone()),
        }))
    }

    fn authority(&self) -> Result<Authority, Fault> {
        match (&self.tenant, &self.authority) {
            (Some(_), Some(authority)) => Err(fault(authority, "give tenant or authority, not both")),
            (None, Some(text)) => Authority::issuer(text.get_ref()).map_err(|reason| fault(text, reason)),
            (Some(text), None) => Authority::tenant(text.get_ref()).map_err(|reason| fault(text, reason)),
            (None, None) => Ok(Authority::Tenant(Authority::ANY_TENANT.to_owned())),
        }
    }

    fn grant(&self) -> Result<Grant, Fault> {
        let Some(word) = &self.grant else { return Ok(Grant::default()) };
        Grant::from_word(word.get_ref())
            .ok_or_else(|| fault(word, "grant must be \"device\", \"browser\" or \"application\""))
    }
}
