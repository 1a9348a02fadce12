//! Signing in to a server. One trait, [`SignIn`]; each way to sign in is an implementation.
//!
//! Some ways sign each request ([`Basic`]); others sign a connection once, which then belongs to who signed in ([`Ntlm`], alone or carried by
//! Negotiate). [`Offered`] asks the server first what it takes. [`OAuth2`] signs each request with a token that somebody else issues.

mod channel;
pub(crate) mod der;
mod ntlm;
pub mod oauth;
mod offer;
mod spnego;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

pub use channel::Channel;
pub use ntlm::Ntlm;
pub use oauth::OAuth2;
pub use offer::{Challenges, Offered, Unknown};
pub use spnego::Negotiate;

/// A scheme of HTTP authentication that takes a name and a password, as servers name it in `WWW-Authenticate` (RFC 9110 §11.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Name and password with each request (RFC 7617).
    Basic,
    /// NTLM (MS-NTHT), bound to the connection.
    Ntlm,
    /// SPNEGO (RFC 4559), bound to the connection; here it always carries NTLM.
    Negotiate,
}

impl Scheme {
    /// All, those first that are used rather: with the first two the password itself stays here.
    pub const ALL: [Self; 3] = [Self::Ntlm, Self::Negotiate, Self::Basic];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
        }
    }

    /// Its name in settings and arguments.
    pub fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Ntlm => "ntlm",
            Self::Negotiate => "negotiate",
        }
    }

    /// The scheme of that name in settings.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.word() == word)
    }

    /// Signs in this way with a name and a password.
    pub fn sign_in(self, user: impl Into<String>, password: SecretString) -> Box<dyn SignIn> {
        match self {
            Self::Basic => Box::new(Basic::new(user, password)),
            Self::Ntlm => Box::new(Ntlm::new(user, password)),
            Self::Negotiate => Box::new(Negotiate::new(user, password)),
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A way to sign in.
pub trait SignIn: Send + Sync {
    /// Who signs in, as shown to people.
    fn user(&self) -> &str;
    /// What it takes.
    fn manner(&self) -> Manner<'_>;
}

/// What a way to sign in takes.
pub enum Manner<'s> {
    /// The server must first be asked what it takes.
    Ask(&'s Offered),
    /// This `Authorization` header in each request.
    Request(Scheme, SecretString),
    /// A handshake on each connection.
    Connection(&'s dyn Handshakes),
    /// A token in each request, renewed from time to time.
    Token(&'s OAuth2),
}

impl Manner<'_> {
    /// The scheme, once it is known; none where no password is used.
    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Ask(_) | Self::Token(_) => None,
            Self::Request(scheme, _) => Some(*scheme),
            Self::Connection(handshakes) => Some(handshakes.scheme()),
        }
    }
}

/// A way to sign in that is bound to connections.
pub trait Handshakes: Send + Sync {
    /// The scheme that it uses.
    fn scheme(&self) -> Scheme;
    /// Begins to sign in on a new connection. `now` and `chance` go into the proof: the time of day in units of 100 ns since 1601, and eight
    /// bytes that were never used before.
    fn begin(&self, channel: &Channel, now: u64, chance: [u8; 8]) -> Box<dyn Handshake>;
}

/// A handshake on one connection: a first header, the server's challenge, a second header that proves who asks.
pub trait Handshake: Send {
    /// The `Authorization` header to begin with, of a request without a body.
    fn hello(&mut self) -> SecretString;
    /// The `Authorization` header that answers the server's challenge; it goes with the first real request.
    ///
    /// # Errors
    /// [`BadChallenge`] where the challenge makes no sense.
    fn prove(&mut self, challenge: &str) -> Result<SecretString, BadChallenge>;
}

/// A server's challenge that makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's {scheme} challenge {reason}")]
pub struct BadChallenge {
    /// The scheme.
    pub scheme: Scheme,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Name and password with each request (RFC 7617), over HTTPS only.
pub struct Basic {
    user: String,
    password: SecretString,
}

impl Basic {
    /// Signs in with this name (for most servers the full mail address, or `DOMAIN\name`) and password.
    pub fn new(user: impl Into<String>, password: SecretString) -> Self {
        Self { user: user.into(), password }
    }
}

impl SignIn for Basic {
    fn manner(&self) -> Manner<'_> {
        let mut pair = format!("{}:{}", self.user, self.password.expose_secret());
        let header = header(Scheme::Basic, pair.as_bytes());
        pair.zeroize();
        Manner::Request(Scheme::Basic, header)
    }

    fn user(&self) -> &str {
        &self.user
    }
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Basic").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An `Authorization` header with this token.
fn header(scheme: Scheme, token: &[u8]) -> SecretString {
    let encoded = Zeroizing::new(STANDARD.encode(token));
    // Made in one piece, so that no part of it is left behind in freed memory.
    let mut header = String::with_capacity(scheme.name().len() + 1 + encoded.len());
    header.push_str(scheme.name());
    header.push(' ');
    header.push_str(&encoded);
    SecretString::from(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_shows_nowhere_but_in_the_header() {
        let basic = Basic::new("demo@example.org", SecretString::from("sesame"));
        let Manner::Request(Scheme::Basic, header) = basic.manner() else { panic!("it signs each request") };
        assert_eq!(header.expose_secret(), "Basic ZGVtb0BleGFtcGxlLm9yZzpzZXNhbWU=");
        assert!(!format!("{basic:?}{header:?}").contains("sesame"));
    }

    #[test]
    fn a_scheme_is_known_by_its_word() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::from_word(scheme.word()), Some(scheme));
        }
        assert_eq!(Scheme::from_word("digest"), None);
    }
}
