//! What a person's sign-in gave, renewed from then on (RFC 6749 §6).
//!
//! An authority may take a refresh token once only, and lets nobody in any more when it is used twice. So one renewal is under way at a time for all
//! processes, behind a door that they share; who comes in looks first whether another has just renewed it. The order, in which a crash at any point
//! leaves a token that holds: the lock, the question, the new tokens durable in place of the old, the lock let go.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::ask::{Client, Form};
use super::{Access, Issuer, Kept, TokenError};

/// Where tokens are kept.
#[async_trait]
pub trait Vault: Send + Sync {
    /// What is kept now; nothing where nobody has signed in.
    ///
    /// # Errors
    /// [`TokenError::Kept`].
    fn read(&self) -> Result<Option<Kept>, TokenError>;

    /// Waits until nobody else renews anything.
    ///
    /// # Errors
    /// [`TokenError::Kept`] where that takes too long.
    async fn lock(&self) -> Result<Box<dyn SafeDoor>, TokenError>;
}

/// Nobody else renews anything while this lives.
pub trait SafeDoor: Send {
    /// Keeps these in place of the others; durable when it comes back, and never half written.
    ///
    /// # Errors
    /// [`TokenError::Kept`].
    fn keep(&self, kept: &Kept) -> Result<(), TokenError>;
}

/// Tokens that are renewed.
pub struct Refreshed(Arc<Inner>);

struct Inner {
    client: Client,
    user: String,
    vault: Box<dyn Vault>,
}

impl Refreshed {
    /// Renews what is kept in the vault for this person.
    pub fn new(client: Client, user: impl Into<String>, vault: Box<dyn Vault>) -> Self {
        Self(Arc::new(Inner { client, user: user.into(), vault }))
    }
}

#[async_trait]
impl Issuer for Refreshed {
    async fn issue(&self, refused: Option<&SecretString>) -> Result<Access, TokenError> {
        if let Some(access) = self.0.good(refused)? {
            return Ok(access);
        }
        let (inner, refused) = (Arc::clone(&self.0), refused.cloned());
        // Goes on when whoever waits for it is stopped: the authority may have dropped the old tokens already.
        let renewing = tokio::spawn(async move { inner.renew(refused.as_ref()).await });
        renewing.await.map_err(|error| TokenError::Kept(format!("the renewal of a token was stopped: {error}")))?
    }
}

impl Inner {
    /// The token that is kept, where it is good and not the refused one.
    fn good(&self, refused: Option<&SecretString>) -> Result<Option<Access>, TokenError> {
        let now = self.client.clock.now();
        let is_good = |access: &Access| access.is_good(now) && refused.is_none_or(|refused| !access.is(refused));
        Ok(self.vault.read()?.map(|kept| kept.access).filter(is_good))
    }

    async fn renew(&self, refused: Option<&SecretString>) -> Result<Access, TokenError> {
        let door = self.vault.lock().await?;
        // Another process may have been here before.
        if let Some(access) = self.good(refused)? {
            return Ok(access);
        }
        let nothing = || TokenError::Nothing { user: self.user.clone() };
        let old = self.vault.read()?.and_then(|kept| kept.refresh).ok_or_else(nothing)?;
        let scope = &self.client.registration.scope;
        let form = Form::new(&[("grant_type", "refresh_token"), ("scope", scope)]).secret("refresh_token", &old);
        let mut kept = self.client.token(form, None).await?.kept;
        // Where none comes the old one holds on.
        kept.refresh = kept.refresh.or(Some(old));
        door.keep(&kept)?;
        Ok(kept.access)
    }
}
