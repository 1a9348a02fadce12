//! A program signs in for itself, with a secret of its own (RFC 6749 §4.4). It has no mailbox: it acts for the owner of one.

use async_trait::async_trait;
use secrecy::SecretString;

use super::ask::{Client, Form};
use super::{Access, Issuer, TokenError};

/// A program that signs in for itself.
pub struct Application {
    client: Client,
    secret: SecretString,
}

impl Application {
    /// Signs in with that secret.
    pub fn new(client: Client, secret: SecretString) -> Self {
        Self { client, secret }
    }
}

#[async_trait]
impl Issuer for Application {
    async fn issue(&self, _: Option<&SecretString>) -> Result<Access, TokenError> {
        let scope = &self.client.registration.scope;
        let form = Form::new(&[("grant_type", "client_credentials"), ("scope", scope)]);
        Ok(self.client.token(form, Some(&self.secret)).await?.kept.access)
    }
}
