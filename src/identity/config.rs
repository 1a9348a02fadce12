//! `identity.toml`: the accounts of an identity and their options. Never a secret.
//!
//! ```toml
//! format = 1
//!
//! [[account]]
//! name = "anna@example.org"          # also the name of its directory
//! email = "anna@example.org"
//! server = "https://mail.example.org/EWS/Exchange.asmx"   # or "demo:"
//! user = "EXAMPLE\\anna"             # default: the address
//! auth = "ntlm"                      # default: what the server offers; or "negotiate", "basic", "oauth2"
//! client_id = "0123…"                # of oauth2: the name of the program at the authority
//! tenant = "example.org"             # of oauth2: Microsoft's tenant; or authority = "https://login.example.org/realm"
//! grant = "device"                   # of oauth2: the default; or "browser", "application"
//! scope = "…"                        # of oauth2: default: EWS on the account's server
//! token_command = "oama access anna" # of oauth2: prints a token, in place of all these
//! password = "file"                  # the default; or password_command = "pass show mail/anna"; or password_credential = "mail"
//! ca_file = "/etc/ssl/our-ca.pem"    # optional
//! pin = "sha256:0123…"               # optional: the only certificate that the server may have
//! client_certificate = "/etc/me.pem" # optional: one's own, with its key
//! proxy = "socks5h://127.0.0.1:1080" # default: that of the environment
//! conflicts = "keep-both"            # the default; or "server", "local"
//! meetings = "quiet"                 # the default: nobody is mailed; or "send"
//! folders_at_a_time = 4              # the default; 1 to 4
//! poll_interval = 60                 # the default; seconds between two checks of `watch`
//! push_delay = 60                    # the default; seconds from the first local change of a folder to its push
//! at_once = ["Sent Items"]           # the default; folders whose local changes go out at once
//! notifications = "on"               # the default: `watch` lets the server tell what happens; or "off"
//! public_folders = ["Team/Calendar"] # none, unless they are named; pimsync folders --public lists what there is
//! mailboxes = ["shared@example.org"] # none, unless they are named; "archive" is one's own archive
//! impersonate = "anna@example.org"   # who signs in acts as the owner of this mailbox; default: as themselves
//! ```

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::auth::Auth;
use super::layout::FORMAT;
use super::{AccountName, PasswordSource, secrets};
use crate::local::foldername;
use crate::pim::event::Mailing;
use crate::pim::{OtherMailbox, PublicPath, SpecialFolder};
use crate::plan::ConflictPolicy;
use crate::remote::auth::oauth::Grant;
use crate::remote::reach::Reach;

pub use super::config_edit::store_account;

/// What identity.toml says, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The accounts, in the file's order.
    pub accounts: Vec<Account>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name: that of its directory, too.
    pub name: AccountName,
    /// The mailbox's address.
    pub email: String,
    /// Where it is.
    pub server: Server,
    /// Who signs in; the address, if not given.
    pub user: String,
    /// How to sign in.
    pub auth: Auth,
    /// How the server is reached, and whom to trust; paths are absolute.
    pub reach: Reach,
    /// Where the password comes from, or a program's own secret; `None` where there is neither.
    pub password: PasswordSource,
    /// What to do when both sides changed the same thing.
    pub conflicts: ConflictPolicy,
    /// Who is mailed about meetings.
    pub meetings: Mailing,
    /// How many folders are synchronized at a time, 1 to 4.
    pub folders_at_a_time: u8,
    /// When `watch` does what.
    pub watch: WatchSettings,
    /// The public folders that are synchronized, too.
    pub public_folders: Vec<PublicPath>,
    /// The mailboxes that are synchronized, too.
    pub mailboxes: Vec<OtherMailbox>,
    /// The address of the mailbox as whose owner one acts, where that is not who signs in.
    pub impersonate: Option<String>,
    /// Which of the account's trees of folders this is.
    pub tree: Tree,
}

/// A tree of folders of an account. Each is kept in step by itself, so that what is wrong with one holds up no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tree {
    /// The mailbox.
    #[default]
    Mailbox,
    /// The public folders that it names.
    PublicFolders {
        /// The account.
        of: AccountName,
    },
    /// Another mailbox.
    OtherMailbox {
        /// The account.
        of: AccountName,
        /// Which one.
        mailbox: OtherMailbox,
    },
}

impl Account {
    /// The account's trees, each with the settings that hold for it: the mailbox, the public folders where any are named, and the other mailboxes.
    pub fn trees(&self) -> Vec<Self> {
        let public = (!self.public_folders.is_empty()).then(|| self.public_tree());
        let others = self.mailboxes.iter().map(|mailbox| self.other_tree(mailbox));
        std::iter::once(self.clone()).chain(public).chain(others).collect()
    }

    /// Nobody is mailed about what is changed in a mailbox of others. Servers tell what happens in it by themselves to its owner only.
    fn other_tree(&self, mailbox: &OtherMailbox) -> Self {
        Self {
            name: self.name.other_mailbox(mailbox),
            tree: Tree::OtherMailbox { of: self.name.clone(), mailbox: mailbox.clone() },
            meetings: Mailing::Nobody,
            watch: WatchSettings { notifications: Notifications::Off, ..self.watch.clone() },
            ..self.clone()
        }
    }

    /// Changes in public folders go out at once, and nobody is mailed about what is in them. The server tells nothing of them by itself.
    fn public_tree(&self) -> Self {
        let at_once = vec![SpecialFolder::Public.as_str().to_owned()];
        Self {
            name: self.name.public_folders(),
            tree: Tree::PublicFolders { of: self.name.clone() },
            meetings: Mailing::Nobody,
            watch: WatchSettings { at_once, notifications: Notifications::Off, ..self.watch.clone() },
            ..self.clone()
        }
    }

    /// The address of the mailbox as whose owner one acts: the one that the settings name, or the account's own where a program signs in, which has none.
    pub fn acts_as(&self) -> Option<String> {
        let is_program = matches!(&self.auth, Auth::OAuth2(settings) if settings.grant == Grant::Application);
        self.impersonate.clone().or_else(|| is_program.then(|| self.email.clone()))
    }

    /// The name under which the password is stored.
    pub fn signs_in_as(&self) -> &AccountName {
        match &self.tree {
            Tree::Mailbox => &self.name,
            Tree::PublicFolders { of } | Tree::OtherMailbox { of, .. } => of,
        }
    }
}

/// When `watch` does what; left out, as Outlook for Mac 2011 did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// Seconds between two checks of all folders.
    pub poll_interval: u32,
    /// Seconds from the first local change of a folder to its push.
    pub push_delay: u32,
    /// Folders whose local changes go out at once, by path. `Sent Items` is the folder with that role, whatever its name.
    pub at_once: Vec<String>,
    /// Whether the server is asked to tell what happens.
    pub notifications: Notifications,
}

/// Whether the server is asked to tell what happens there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notifications {
    /// It is.
    #[default]
    On,
    /// It is not: the checks find everything.
    Off,
}

impl Default for WatchSettings {
    fn default() -> Self {
        let (at_once, notifications) = (vec![SENT_ITEMS.to_owned()], Notifications::default());
        Self { poll_interval: 60, push_delay: 60, at_once, notifications }
    }
}

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// The embedded server with its sample mailbox (`demo:`).
    Demo,
    /// The URL of an Exchange server's EWS end point.
    Ews(String),
}

/// Why identity.toml cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not there.
    #[error("{} is missing: run `pimsync setup`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It says something that cannot be understood.
    #[error("{}{}: {reason}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// The most folders that are synchronized at a time.
pub const MOST_FOLDERS: u8 = 4;

/// The folder whose local changes go out at once unless the settings say otherwise.
const SENT_ITEMS: &str = "Sent Items";

/// The shortest and the longest interval of `watch`, in seconds.
const POLL_INTERVALS: RangeInclusive<u32> = 10..=86_400;
/// The shortest and the longest delay of a push, in seconds.
const PUSH_DELAYS: RangeInclusive<u32> = 0..=86_400;

/// The word for the embedded server.
const DEMO: &str = "demo:";

impl Server {
    /// Reads a server's address: `demo:`, or an URL with `https`. Plain `http` only to this machine: passwords would cross the
    /// network in the clear.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == DEMO {
            return Ok(Self::Demo);
        }
        let example = "write it like https://mail.example.org/EWS/Exchange.asmx, or \"demo:\"";
        let url = Url::parse(text).map_err(|error| format!("server is no URL ({error}); {example}"))?;
        // Never told back: it may hold a password.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("server holds a user or password; those don't belong into this file".to_owned());
        }
        let this_machine = match url.host() {
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(format!("server names no host; {example}")),
        };
        match url.scheme() {
            "https" => Ok(Self::Ews(text.to_owned())),
            "http" if this_machine => Ok(Self::Ews(text.to_owned())),
            "http" => Err("server is http: the password would cross the network readably; use https".to_owned()),
            _ => Err(format!("server must be https; {example}")),
        }
    }

    /// The text that [`Self::parse`] reads.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Demo => DEMO,
            Self::Ews(url) => url,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    format: Spanned<i64>,
    #[serde(default)]
    account: Vec<Spanned<RawAccount>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    name: Spanned<String>,
    email: Spanned<String>,
    server: Spanned<String>,
    user: Option<Spanned<String>>,
    pub(super) auth: Option<Spanned<String>>,
    pub(super) client_id: Option<Spanned<String>>,
    pub(super) tenant: Option<Spanned<String>>,
    pub(super) authority: Option<Spanned<String>>,
    pub(super) grant: Option<Spanned<String>>,
    pub(super) scope: Option<Spanned<String>>,
    pub(super) token_command: Option<Spanned<String>>,
    ca_file: Option<Spanned<String>>,
    pin: Option<Spanned<String>>,
    client_certificate: Option<Spanned<String>>,
    proxy: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
    password_command: Option<Spanned<String>>,
    password_credential: Option<Spanned<String>>,
    conflicts: Option<Spanned<String>>,
    meetings: Option<Spanned<String>>,
    folders_at_a_time: Option<Spanned<i64>>,
    poll_interval: Option<Spanned<i64>>,
    push_delay: Option<Spanned<i64>>,
    at_once: Option<Spanned<Vec<String>>>,
    notifications: Option<Spanned<String>>,
    public_folders: Option<Vec<Spanned<String>>>,
    mailboxes: Option<Vec<Spanned<String>>>,
    impersonate: Option<Spanned<String>>,
}

/// What is wrong, and where in the text.
pub(super) type Fault = (Option<usize>, String);

pub(super) fn fault<T>(at: &Spanned<T>, reason: impl Into<String>) -> Fault {
    (Some(at.span().start), reason.into())
}

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ConfigError::Missing { path: path.to_owned() });
            }
            text => text.map_err(|source| ConfigError::Io { action: "read", path: path.to_owned(), source })?,
        };
        Self::parse(&text, path)
    }

    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        Self::check(text).map_err(|(at, reason)| ConfigError::Invalid {
            path: path.to_owned(),
            line: at.map(line),
            reason,
        })
    }

    fn check(text: &str) -> Result<Self, Fault> {
        // The error's own text would show the line, with what may be a misplaced password.
        let raw: RawConfig =
            toml::from_str(text).map_err(|error| (error.span().map(|span| span.start), error.message().to_owned()))?;
        if *raw.format.get_ref() != i64::from(FORMAT) {
            return Err(fault(&raw.format, format!("format must be {FORMAT}: another version of pimsync wrote this")));
        }
        let mut accounts: Vec<Account> = Vec::new();
        for spanned in &raw.account {
            let account = spanned.get_ref().check()?;
            let twin = |other: &Account| other.name.as_str().eq_ignore_ascii_case(account.name.as_str());
            if accounts.iter().any(twin) {
                return Err(fault(&spanned.get_ref().name, format!("there are two accounts named {}", account.name)));
            }
            accounts.push(account);
        }
        Ok(Self { accounts })
    }

    /// All trees of all accounts.
    pub fn trees(&self) -> Vec<Account> {
        self.accounts.iter().flat_map(Account::trees).collect()
    }

    /// The account with that name or address.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name.as_str() == name || account.email.eq_ignore_ascii_case(name))
    }
}

impl RawAccount {
    fn check(&self) -> Result<Account, Fault> {
        let server = Server::parse(self.server.get_ref()).map_err(|reason| fault(&self.server, reason))?;
        let email = self.email.get_ref();
        AccountName::from_email(email).map_err(|error| fault(&self.email, error.to_string()))?;
        let auth = self.auth()?;
        Ok(Account {
            name: AccountName::new(self.name.get_ref()).map_err(|error| fault(&self.name, error.to_string()))?,
            email: email.clone(),
            password: self.password(&server, &auth)?,
            auth,
            server,
            user: self.user.as_ref().map_or_else(|| email.clone(), |user| user.get_ref().clone()),
            reach: self.reach()?,
            conflicts: self.conflicts()?,
            meetings: self.meetings()?,
            folders_at_a_time: self.folders_at_a_time()?,
            watch: self.watch()?,
            public_folders: self.public_folders()?,
            mailboxes: self.mailboxes()?,
            impersonate: self.impersonate()?,
            tree: Tree::Mailbox,
        })
    }

    fn password(&self, server: &Server, auth: &Auth) -> Result<PasswordSource, Fault> {
        if !auth.takes_secret() {
            let given = [&self.password, &self.password_command, &self.password_credential];
            return match given.into_iter().flatten().next() {
                Some(password) => Err(fault(
                    password,
                    "with auth = \"oauth2\" there is no password; with grant = \"application\" it is the program's own secret",
                )),
                None => Ok(PasswordSource::None),
            };
        }
        if let Some(name) = &self.password_credential {
            if let Some(other) = self.password.as_ref().or(self.password_command.as_ref()) {
                return Err(fault(other, "give password_credential alone, or another source of the password"));
            }
            if !secrets::is_credential_name(name.get_ref()) {
                return Err(fault(name, "password_credential is the name that LoadCredential= gives, and no path"));
            }
            return Ok(PasswordSource::Credential(name.get_ref().clone()));
        }
        match (&self.password, &self.password_command) {
            (Some(password), Some(_)) => Err(fault(password, "give password or password_command, not both")),
            // Not told back: it may be the password.
            (Some(password), None) if password.get_ref() != "file" => Err(fault(
                password,
                "password can only be \"file\" (stored by pimsync setup); a password itself never belongs into this file",
            )),
            (None, Some(command)) if command.get_ref().trim().is_empty() => {
                Err(fault(command, "password_command is empty"))
            }
            (None, Some(command)) => Ok(PasswordSource::Command(command.get_ref().clone())),
            (_, None) if *server == Server::Demo => Ok(PasswordSource::None),
            (_, None) => Ok(PasswordSource::File),
        }
    }

    fn reach(&self) -> Result<Reach, Fault> {
        Ok(Reach {
            ca_file: absolute("ca_file", self.ca_file.as_ref())?,
            pin: parsed(self.pin.as_ref())?,
            client_certificate: absolute("client_certificate", self.client_certificate.as_ref())?,
            proxy: parsed(self.proxy.as_ref())?,
        })
    }

    fn conflicts(&self) -> Result<ConflictPolicy, Fault> {
        let Some(word) = &self.conflicts else { return Ok(ConflictPolicy::default()) };
        ConflictPolicy::from_word(word.get_ref())
            .ok_or_else(|| fault(word, "conflicts must be \"keep-both\", \"server\" or \"local\""))
    }

    fn meetings(&self) -> Result<Mailing, Fault> {
        let Some(word) = &self.meetings else { return Ok(Mailing::default()) };
        Mailing::from_word(word.get_ref()).ok_or_else(|| fault(word, "meetings must be \"quiet\" or \"send\""))
    }

    fn folders_at_a_time(&self) -> Result<u8, Fault> {
        let Some(number) = &self.folders_at_a_time else { return Ok(MOST_FOLDERS) };
        u8::try_from(*number.get_ref()).ok().filter(|number| (1..=MOST_FOLDERS).contains(number)).ok_or_else(|| {
            fault(number, format!("folders_at_a_time must be 1 to {MOST_FOLDERS}: servers allow few calls at once"))
        })
    }

    fn watch(&self) -> Result<WatchSettings, Fault> {
        let default = WatchSettings::default();
        let at_once = match &self.at_once {
            None => default.at_once,
            Some(folders) if folders.get_ref().iter().any(|folder| folder.trim_matches('/').is_empty()) => {
                return Err(fault(
                    folders,
                    "at_once names no folder in one place; name folders as pimsync status does",
                ));
            }
            Some(folders) => folders.get_ref().iter().map(|folder| folder.trim_matches('/').to_owned()).collect(),
        };
        Ok(WatchSettings {
            poll_interval: seconds("poll_interval", self.poll_interval.as_ref(), POLL_INTERVALS)?
                .unwrap_or(default.poll_interval),
            push_delay: seconds("push_delay", self.push_delay.as_ref(), PUSH_DELAYS)?.unwrap_or(default.push_delay),
            at_once,
            notifications: self.notifications()?,
        })
    }

    fn public_folders(&self) -> Result<Vec<PublicPath>, Fault> {
        let mut paths: Vec<PublicPath> = Vec::new();
        for text in self.public_folders.iter().flatten() {
            let path = text.get_ref().trim_matches('/');
            let names = path.split('/').map(foldername::decode).collect();
            let path = PublicPath::new(path, names).ok_or_else(|| {
                fault(
                    text,
                    "public_folders names no folder in one place; name folders as pimsync folders --public does",
                )
            })?;
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    fn mailboxes(&self) -> Result<Vec<OtherMailbox>, Fault> {
        let mut mailboxes: Vec<OtherMailbox> = Vec::new();
        for text in self.mailboxes.iter().flatten() {
            let mailbox: OtherMailbox = text.get_ref().parse().map_err(|reason: String| fault(text, reason))?;
            if matches!(&mailbox, OtherMailbox::Of(owner) if owner.eq_ignore_ascii_case(self.email.get_ref())) {
                return Err(fault(text, "mailboxes names the account's own mailbox, which is synchronized anyway"));
            }
            if !mailboxes.contains(&mailbox) {
                mailboxes.push(mailbox);
            }
        }
        Ok(mailboxes)
    }

    fn impersonate(&self) -> Result<Option<String>, Fault> {
        let Some(address) = &self.impersonate else { return Ok(None) };
        AccountName::from_email(address.get_ref()).map_err(|error| fault(address, error.to_string()))?;
        Ok(Some(address.get_ref().clone()))
    }

    fn notifications(&self) -> Result<Notifications, Fault> {
        match self.notifications.as_ref().map(|word| (word, word.get_ref().as_str())) {
            None => Ok(Notifications::default()),
            Some((_, "on")) => Ok(Notifications::On),
            Some((_, "off")) => Ok(Notifications::Off),
            Some((word, _)) => Err(fault(word, "notifications must be \"on\" or \"off\"")),
        }
    }
}

fn absolute(key: &str, path: Option<&Spanned<String>>) -> Result<Option<PathBuf>, Fault> {
    match path {
        Some(path) if !Path::new(path.get_ref()).is_absolute() => {
            Err(fault(path, format!("{key} must be a whole path, from / on")))
        }
        path => Ok(path.map(|path| PathBuf::from(path.get_ref()))),
    }
}

fn parsed<T: FromStr<Err = String>>(text: Option<&Spanned<String>>) -> Result<Option<T>, Fault> {
    text.map(|text| text.get_ref().parse().map_err(|reason: String| fault(text, reason))).transpose()
}

fn seconds(key: &str, number: Option<&Spanned<i64>>, range: RangeInclusive<u32>) -> Result<Option<u32>, Fault> {
    let Some(number) = number else { return Ok(None) };
    let seconds = u32::try_from(*number.get_ref()).ok().filter(|seconds| range.contains(seconds));
    let reason = || format!("{key} must be {} to {} seconds", range.start(), range.end());
    seconds.map(Some).ok_or_else(|| fault(number, reason()))
}

#[cfg(test)]
mod tests;
