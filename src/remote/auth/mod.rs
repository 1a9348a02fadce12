//! Signing in to a server. One trait; each way to sign in is an implementation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroize;

/// A way to sign in.
pub trait SignIn: Send + Sync {
    /// The `Authorization` header of the next request.
    fn authorization(&self) -> SecretString;
    /// Who signs in, as shown to people.
    fn user(&self) -> &str;
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
    fn authorization(&self) -> SecretString {
        let mut pair = format!("{}:{}", self.user, self.password.expose_secret());
        let mut header = format!("Basic {}", STANDARD.encode(&pair));
        pair.zeroize();
        let secret = SecretString::from(header.as_str());
        header.zeroize();
        secret
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_shows_nowhere_but_in_the_header() {
        let basic = Basic::new("demo@example.org", SecretString::from("sesame"));
        assert_eq!(basic.authorization().expose_secret(), "Basic ZGVtb0BleGFtcGxlLm9yZzpzZXNhbWU=");
        assert!(!format!("{basic:?}{:?}", basic.authorization()).contains("sesame"));
    }
}
