//! `identity.toml`: the accounts of an identity and their options. Never a secret.

use std::path::{Path, PathBuf};

use super::{AccountName, PasswordSource};

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
    /// Certificates to trust besides the system's (PEM), absolute.
    pub ca_file: Option<PathBuf>,
    /// Where the password comes from; `None` for the demo account.
    pub password: PasswordSource,
    /// What to do when both sides changed the same thing.
    pub conflicts: Conflicts,
    /// How many folders are synchronized at a time, 1 to 4.
    pub folders_at_a_time: u8,
}

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// The embedded server with its sample mailbox (`demo:`).
    Demo,
    /// The URL of an Exchange server's EWS end point.
    Ews(String),
}

/// Which version wins when both sides changed the same thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// The server's stays in place, the local one is kept as a copy.
    #[default]
    KeepBoth,
    /// The server's.
    Server,
    /// The local one.
    Local,
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

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let _ = path;
        todo!()
    }

    /// The account with that name or address; the only one when none is named.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name.as_str() == name || account.email.eq_ignore_ascii_case(name))
    }
}

/// Adds the account to the file, or changes the one with its name; the file is made if need be. Comments, order and layout of
/// all else stay. Durable, and never half written.
pub fn store_account(path: &Path, account: &Account) -> Result<(), ConfigError> {
    let _ = (path, account);
    todo!()
}
