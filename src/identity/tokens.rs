//! Tokens that a person's sign-in gave, kept where passwords are; and commands that print one.
//!
//! The file is for its owner alone, and says in four lines: whose the tokens are (authority and client, so that they are shown to nobody else), the
//! token that renews, the token that servers take, and when that is to be renewed and ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::secrets::{self, SecretError};
use super::{AccountName, Layout, OAuth2Settings, files};
use crate::clock::Clock;
use crate::pim::UnixTime;
use crate::remote::auth::oauth::{Access, Issuer, Kept, Life, SafeDoor, TokenError, Vault};

/// How often it is looked whether another process is done.
const LOOK: Duration = Duration::from_millis(50);
/// Renewals take seconds; longer than this nobody waits for another's.
const LONGEST: Duration = Duration::from_secs(180);

/// The tokens of an account, in a file.
#[derive(Clone)]
pub struct TokenFile {
    path: PathBuf,
    lock: PathBuf,
    whose: String,
    clock: Arc<dyn Clock>,
}

impl TokenFile {
    /// Those of an account that signs in with these settings.
    pub fn new(layout: &Layout, account: &AccountName, settings: &OAuth2Settings, clock: Arc<dyn Clock>) -> Self {
        let whose = format!("pimsync-oauth2 {} {}", settings.authority.as_str(), settings.client_id);
        Self { path: layout.secret(account), lock: layout.renewal_lock(), whose, clock }
    }

    /// Keeps what somebody's sign-in gave, in place of what was there.
    ///
    /// # Errors
    /// [`TokenError::Kept`].
    pub async fn store(&self, kept: &Kept) -> Result<(), TokenError> {
        self.lock().await?.keep(kept)
    }
}

#[async_trait]
impl Vault for TokenFile {
    fn read(&self) -> Result<Option<Kept>, TokenError> {
        match secrets::read_content(&self.path) {
            Ok(content) => Ok(read(&content, &self.whose)),
            Err(SecretError::Missing { .. }) => Ok(None),
            Err(error) => Err(TokenError::Kept(error.to_string())),
        }
    }

    async fn lock(&self) -> Result<Box<dyn SafeDoor>, TokenError> {
        let failed = |error: std::io::Error| TokenError::Kept(format!("cannot lock {}: {error}", self.lock.display()));
        self.lock.parent().map_or(Ok(()), files::make_dirs).map_err(failed)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.lock);
        let file = file.map_err(failed)?;
        let begin = self.clock.elapsed();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let (path, whose) = (self.path.clone(), self.whose.clone());
                    return Ok(Box::new(Locked { path, whose, _file: file }));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if self.clock.elapsed().saturating_sub(begin) > LONGEST => {
                    return Err(failed(std::io::Error::other("another process renews a token, and takes too long")));
                }
                Err(TryLockError::WouldBlock) => self.clock.alarm(LOOK).await,
            }
        }
    }
}

struct Locked {
    path: PathBuf,
    whose: String,
    _file: File,
}

impl SafeDoor for Locked {
    fn keep(&self, kept: &Kept) -> Result<(), TokenError> {
        store(&self.path, &self.whose, kept)
    }
}

fn store(path: &Path, whose: &str, kept: &Kept) -> Result<(), TokenError> {
    let (refresh, access) = (kept.refresh.as_ref().map(ExposeSecret::expose_secret), kept.access.token.expose_secret());
    let life = kept.access.life.map(|life| format!("{} {}", life.renew.0, life.end.0)).unwrap_or_default();
    let lines = [whose, refresh.unwrap_or_default(), access, &life];
    // Made in one piece, so that no part of it is left behind in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum()));
    for line in lines {
        content.extend_from_slice(line.as_bytes());
        content.push(b'\n');
    }
    secrets::store_content(path, &content).map_err(|error| TokenError::Kept(error.to_string()))
}

/// The tokens in a file; none where it holds something else, such as a password, or another authority's.
fn read(content: &[u8], whose: &str) -> Option<Kept> {
    let mut lines = std::str::from_utf8(content).ok()?.split('\n');
    lines.next().filter(|line| *line == whose)?;
    let (refresh, access, life) = (lines.next()?, lines.next()?, lines.next()?);
    let life = life
        .split_once(' ')
        .and_then(|(renew, end)| Some(Life { renew: UnixTime(renew.parse().ok()?), end: UnixTime(end.parse().ok()?) }));
    Some(Kept {
        refresh: (!refresh.is_empty()).then(|| SecretString::from(refresh)),
        access: Access { token: SecretString::from(access), life },
    })
}

/// A command that prints a token, and renews it by means of its own. It is run again when the server does not take what it printed.
pub struct TokenCommand {
    command: String,
    clock: Arc<dyn Clock>,
}

impl TokenCommand {
    /// Takes tokens from that command, run by `sh -c`.
    pub fn new(command: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { command: command.into(), clock }
    }
}

#[async_trait]
impl Issuer for TokenCommand {
    async fn issue(&self, refused: Option<&SecretString>) -> Result<Access, TokenError> {
        let printed = secrets::secret_line("token_command", &self.command, &*self.clock).await;
        let token = printed.map_err(|error| TokenError::Kept(error.to_string()))?;
        if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Kept(format!("token_command `{}` printed what is no token", self.command)));
        }
        if refused.is_some_and(|refused| refused.expose_secret() == token.expose_secret()) {
            let command = &self.command;
            return Err(TokenError::Kept(format!("token_command `{command}` prints a token that the server refuses")));
        }
        Ok(Access { token, life: None })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::SystemClock;
    use crate::identity::IdentityName;
    use crate::remote::auth::oauth::{Authority, Grant};

    fn kept(refresh: &str, access: &str) -> Kept {
        let life = Some(Life { renew: UnixTime(10), end: UnixTime(20) });
        Kept { access: Access { token: access.into(), life }, refresh: Some(refresh.into()) }
    }

    fn file(root: &Path, client_id: &str) -> TokenFile {
        let layout = Layout::new(Some(root), IdentityName::new("Main").unwrap()).unwrap();
        let authority = Authority::tenant("x.org").unwrap();
        let settings = OAuth2Settings { client_id: client_id.to_owned(), authority, grant: Grant::Device, scope: None };
        let account = AccountName::from_email("a@x.org").unwrap();
        TokenFile::new(&layout, &account, &settings, Arc::new(SystemClock::new()))
    }

    fn tokens(file: &TokenFile) -> Option<(String, String)> {
        let kept = file.read().unwrap()?;
        Some((kept.refresh?.expose_secret().to_owned(), kept.access.token.expose_secret().to_owned()))
    }

    #[tokio::test]
    async fn tokens_are_kept_for_their_owner_and_shown_to_their_authority_alone() {
        let root = tempfile::tempdir().unwrap();
        let ours = file(root.path(), "ours");
        assert!(ours.read().unwrap().is_none());
        ours.store(&kept("r1", "a1")).await.unwrap();
        ours.store(&kept("r2", "a2")).await.unwrap();
        assert_eq!(tokens(&ours), Some(("r2".to_owned(), "a2".to_owned())));
        assert_eq!(ours.read().unwrap().unwrap().access.life.unwrap().end, UnixTime(20));
        assert_eq!(ours.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(file(root.path(), "other").read().unwrap().is_none(), "another program's");
        secrets::store_file(&ours.path, &SecretString::from("a password")).unwrap();
        assert!(ours.read().unwrap().is_none(), "a password is never sent to an authority");
        std::fs::set_permissions(&ours.path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ours.read(), Err(TokenError::Kept(reason)) if reason.contains("chmod 600")));
    }

    #[tokio::test]
    async fn one_renews_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (file(root.path(), "x"), file(root.path(), "x"));
        let door = one.lock().await.unwrap();
        let waiting = tokio::spawn(async move { other.lock().await.map(drop) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        door.keep(&kept("r", "a")).unwrap();
        drop(door);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_command_is_run_again_when_its_token_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let count = root.path().join("count");
        let command = format!("echo x >> {0}; echo token-$(wc -l < {0})", count.display());
        let issuer = TokenCommand::new(command, Arc::new(SystemClock::new()));
        let first = issuer.issue(None).await.unwrap();
        assert_eq!(first.token.expose_secret(), "token-1");
        assert_eq!(issuer.issue(Some(&first.token)).await.unwrap().token.expose_secret(), "token-2");
        let stubborn = TokenCommand::new("echo same", Arc::new(SystemClock::new()));
        let error = stubborn.issue(Some(&SecretString::from("same"))).await.unwrap_err();
        assert!(error.to_string().contains("the server refuses"), "{error}");
    }
}
