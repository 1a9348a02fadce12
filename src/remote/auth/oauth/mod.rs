//! Signing in by tokens of an authority's (OAuth 2.0, RFC 6749; RFC 6750): Exchange Online, hybrid Exchange, and whoever issues tokens for a server.
//!
//! ```text
//! device  code                  a person signs in: by a code on any other device, or in a browser on this machine
//!   └──────┴─ refresh           what that gave is renewed from then on, one renewal at a time for all processes
//!             application       a program signs in for itself, with a secret of its own
//!                └─ ask         one question to the authority; endpoints, where they are
//! ```
//!
//! Own code, since the crate that there is keeps tokens and secrets in memory that nobody wipes.

mod answer;
mod application;
mod ask;
mod authority;
mod claims;
mod code;
mod device;
mod error;
mod refresh;

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::{Manner, SignIn};
use crate::clock::Clock;
use crate::pim::UnixTime;

pub use application::Application;
pub use ask::{Client, Registration};
pub use authority::Authority;
pub use code::sign_in as sign_in_by_browser;
pub use device::{Invitation, sign_in as sign_in_by_device};
pub use error::{Refusal, TokenError};
pub use refresh::{Refreshed, SafeDoor, Vault};

/// How a token is got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// A person signs in on any device, with a code that is shown here (RFC 8628).
    #[default]
    Device,
    /// A person signs in in a browser on this machine (RFC 8252, with PKCE).
    Browser,
    /// A program signs in for itself, and acts for the owner of the mailbox (RFC 6749 §4.4).
    Application,
}

impl Grant {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Device, Self::Browser, Self::Application];

    /// Its name in settings and arguments.
    pub fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Browser => "browser",
            Self::Application => "application",
        }
    }

    /// The grant of that name in settings.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.word() == word)
    }
}

/// A token that servers take.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: SecretString,
    /// How long it holds; unknown, it is used until it is refused.
    pub life: Option<Life>,
}

/// How long a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// From then on it is renewed before it is used.
    pub renew: UnixTime,
    /// From then on it is refused.
    pub end: UnixTime,
}

/// What a person's sign-in gives, and what is kept of it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The token that servers take.
    pub access: Access,
    /// What it is renewed by; without it the person signs in again when it ends.
    pub refresh: Option<SecretString>,
}

impl Life {
    /// Requests take their time, and clocks differ: a token is renewed so many seconds before its end, or a fifth of its time where that is less.
    const MARGIN: i64 = 300;

    /// The life of a token that was given `now`, for so many seconds.
    pub fn new(now: UnixTime, seconds: u32) -> Self {
        let seconds = i64::from(seconds);
        let end = now.0.saturating_add(seconds);
        Self { renew: UnixTime(end - Self::MARGIN.min(seconds / 5)), end: UnixTime(end) }
    }
}

impl Access {
    /// Whether it is good for a request and the answer to it.
    pub fn is_good(&self, now: UnixTime) -> bool {
        self.life.is_none_or(|life| now < life.renew)
    }

    /// Whether it has ended.
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.life.is_some_and(|life| life.end <= now)
    }

    /// Whether it is this token.
    pub fn is(&self, token: &SecretString) -> bool {
        self.token.expose_secret() == token.expose_secret()
    }
}

/// What a token is to be good for where the settings don't say, by the server's URL (RFC 6749 §3.3): EWS, as Microsoft names that, for the person; or
/// for all that the program was allowed to. With the name of one's own server it is what hybrid Exchange takes.
pub fn scope(server: &str, grant: Grant) -> String {
    let url = url::Url::parse(server).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    match grant {
        Grant::Device | Grant::Browser => {
            format!("openid profile offline_access https://{host}/EWS.AccessAsUser.All")
        }
        Grant::Application => format!("https://{host}/.default"),
    }
}

/// Keeps what somebody's sign-in gave, if it is who was meant: another person's token would open another mailbox.
fn is_meant(tokens: answer::Tokens, wanted: &str) -> Result<Kept, TokenError> {
    match tokens.who {
        Some(found) if wanted.contains('@') && !found.eq_ignore_ascii_case(wanted) => {
            Err(TokenError::SomebodyElse { found, wanted: wanted.to_owned() })
        }
        _ => Ok(tokens.kept),
    }
}

/// Where tokens come from.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// A token; another than `refused`, which the server did not take.
    ///
    /// # Errors
    /// [`TokenError`].
    async fn issue(&self, refused: Option<&SecretString>) -> Result<Access, TokenError>;
}

/// A token that was just got; another must come from elsewhere.
pub struct Given(pub Access);

#[async_trait]
impl Issuer for Given {
    async fn issue(&self, refused: Option<&SecretString>) -> Result<Access, TokenError> {
        match refused {
            None => Ok(self.0.clone()),
            Some(_) => Err(TokenError::Kept("the server refuses the token that was just issued".to_owned())),
        }
    }
}

/// The number of a token of this run: from one to the next it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(u64);

/// Signs each request with a token, got when there is none, before it ends, and once when the server does not take it.
pub struct OAuth2 {
    user: String,
    issuer: Box<dyn Issuer>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    serial: u64,
    access: Option<Access>,
    refused: Option<SecretString>,
    /// Why there will be none before a person does something about it.
    gone: Option<TokenError>,
}

impl OAuth2 {
    /// Signs in as this person (a mail address) with what the issuer gives.
    pub fn new(user: impl Into<String>, issuer: Box<dyn Issuer>, clock: Arc<dyn Clock>) -> Self {
        Self { user: user.into(), issuer, clock, held: Mutex::default() }
    }

    /// The `Authorization` header for a request, and the number of the token in it.
    ///
    /// # Errors
    /// [`TokenError`]; one that a person has to mend stays, so that nobody is asked in a loop.
    pub async fn authorization(&self) -> Result<(SecretString, Serial), TokenError> {
        // Whoever comes meanwhile waits, and takes what came of it.
        let mut held = self.held.lock().await;
        if let Some(error) = &held.gone {
            return Err(error.clone());
        }
        let now = self.clock.now();
        if held.access.as_ref().is_none_or(|access| !access.is_good(now)) {
            match self.issuer.issue(held.refused.as_ref()).await {
                Ok(access) => {
                    held.serial += 1;
                    (held.access, held.refused) = (Some(access), None);
                }
                // Offline is not refused: the one that there is may serve a while yet.
                Err(error)
                    if error.is_passing() && held.access.as_ref().is_some_and(|access| !access.has_ended(now)) =>
                {
                    tracing::info!(%error, "the token was not renewed yet");
                }
                Err(error) => {
                    held.gone = (!error.is_passing()).then(|| error.clone());
                    return Err(error);
                }
            }
        }
        match &held.access {
            Some(access) => Ok((bearer(&access.token), Serial(held.serial))),
            None => Err(TokenError::Unreachable { host: String::new(), reason: "no token came".to_owned() }),
        }
    }

    /// Notes that the server did not take a token, so that another is got. Answers whether that was news: false where it was noted before, or another
    /// was got already.
    pub async fn discard(&self, serial: Serial) -> bool {
        let mut held = self.held.lock().await;
        if held.serial != serial.0 {
            return false;
        }
        match held.access.take() {
            Some(access) => {
                held.refused = Some(access.token);
                true
            }
            None => false,
        }
    }
}

impl SignIn for OAuth2 {
    fn user(&self) -> &str {
        &self.user
    }

    fn manner(&self) -> Manner<'_> {
        Manner::Token(self)
    }
}

impl std::fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuth2").field("user", &self.user).finish_non_exhaustive()
    }
}

fn bearer(token: &SecretString) -> SecretString {
    let token = token.expose_secret();
    // Made in one piece, so that no part of it is left behind in freed memory.
    let mut header = String::with_capacity("Bearer ".len() + token.len());
    header.push_str("Bearer ");
    header.push_str(token);
    SecretString::from(header)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::SystemClock;

    /// Gives what was laid out, one after the other.
    struct Laid {
        answers: StdMutex<Vec<Result<Access, TokenError>>>,
        asked: Arc<AtomicUsize>,
        refused: Refused,
    }

    #[async_trait]
    impl Issuer for Laid {
        async fn issue(&self, refused: Option<&SecretString>) -> Result<Access, TokenError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.refused.lock().unwrap().push(refused.map(|token| token.expose_secret().to_owned()));
            // The others come meanwhile.
            tokio::task::yield_now().await;
            self.answers.lock().unwrap().remove(0)
        }
    }

    /// What the issuer was told that the server refused.
    type Refused = Arc<StdMutex<Vec<Option<String>>>>;

    fn access(token: &str, seconds: i64) -> Access {
        let now = SystemClock::new().now();
        Access {
            token: token.into(),
            life: Some(Life { renew: UnixTime(now.0 + seconds - 300), end: UnixTime(now.0 + seconds) }),
        }
    }

    fn passing() -> TokenError {
        TokenError::Unreachable { host: "h".to_owned(), reason: "no".to_owned() }
    }

    fn signs_in(answers: Vec<Result<Access, TokenError>>) -> (Arc<OAuth2>, Arc<AtomicUsize>, Refused) {
        let (asked, refused) = (Arc::default(), Arc::default());
        let issuer = Laid { answers: StdMutex::new(answers), asked: Arc::clone(&asked), refused: Arc::clone(&refused) };
        (Arc::new(OAuth2::new("a@b", Box::new(issuer), Arc::new(SystemClock::new()))), asked, refused)
    }

    async fn token(oauth: &OAuth2) -> String {
        oauth.authorization().await.unwrap().0.expose_secret().to_owned()
    }

    #[tokio::test]
    async fn all_who_come_at_once_share_one_token() {
        let (oauth, asked, _) = signs_in(vec![Ok(access("one", 3600))]);
        let all = futures_util::future::join_all((0..8).map(|_| token(&oauth))).await;
        assert!(all.iter().all(|token| token == "Bearer one"), "{all:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(!format!("{oauth:?}").contains("one"));
    }

    #[tokio::test]
    async fn a_token_is_renewed_before_it_ends() {
        let (oauth, asked, _) = signs_in(vec![Ok(access("one", 200)), Err(passing()), Ok(access("two", 3600))]);
        assert_eq!(token(&oauth).await, "Bearer one");
        assert_eq!(token(&oauth).await, "Bearer one", "the authority is offline, and the token good");
        assert_eq!(token(&oauth).await, "Bearer two");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_once_for_all() {
        let (oauth, asked, refused) = signs_in(vec![Ok(access("one", 3600)), Ok(access("two", 3600))]);
        let (_, serial) = oauth.authorization().await.unwrap();
        let noted = futures_util::future::join_all((0..4).map(|_| oauth.discard(serial))).await;
        assert_eq!(noted.iter().filter(|noted| **noted).count(), 1);
        assert_eq!(token(&oauth).await, "Bearer two");
        assert!(!oauth.discard(serial).await, "the one that is used now was not refused");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_eq!(*refused.lock().unwrap(), [None, Some("one".to_owned())]);
    }

    #[test]
    fn a_token_of_a_short_life_is_used_too() {
        let life = Life::new(UnixTime(1000), 3600);
        assert_eq!((life.renew, life.end), (UnixTime(4300), UnixTime(4600)));
        let life = Life::new(UnixTime(1000), 60);
        assert_eq!((life.renew, life.end), (UnixTime(1048), UnixTime(1060)));
    }

    #[tokio::test]
    async fn what_a_person_must_mend_is_not_asked_for_again() {
        let refusal = TokenError::Nothing { user: "a@b".to_owned() };
        let (oauth, asked, _) = signs_in(vec![Err(passing()), Err(refusal)]);
        assert!(oauth.authorization().await.unwrap_err().is_passing());
        for _ in 0..3 {
            assert!(matches!(oauth.authorization().await, Err(TokenError::Nothing { .. })));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
