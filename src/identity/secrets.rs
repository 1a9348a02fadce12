//! Where passwords come from. They are in no file of the identity, no log and no argument list.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

/// Where an account's password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The first line that this command prints, run by `sh -c`.
    Command(String),
    /// The file under `Secrets`, which only its owner can read.
    File,
    /// There is none: the demo account.
    None,
}

/// Why there is no password. Never holds one, nor what a command printed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// None is stored.
    #[error("no password is stored in {}: run `pimsync setup` again, or set password_command in identity.toml", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others can read it.
    #[error("others than you can read {}: run chmod 600 on it, and change the password if the machine is shared", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{what} gave an empty password")]
    Empty {
        /// The file or command.
        what: String,
    },
    /// It is not text.
    #[error("{what} gave a password that is not UTF-8")]
    NotText {
        /// The file or command.
        what: String,
    },
    /// The command failed.
    #[error("password_command `{command}` failed ({status}); try it in a shell")]
    CommandFailed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
    },
    /// The command took too long.
    #[error("password_command `{command}` gave no answer within {} seconds; it was stopped", limit.as_secs())]
    TimedOut {
        /// The command.
        command: String,
        /// How long it was given.
        limit: Duration,
    },
    /// It cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl PasswordSource {
    /// Gets the password. `file` is where a stored one lies ([`super::Layout::secret`]). A command may ask its person for a
    /// passphrase, so it gets two minutes; nothing is written to its input.
    pub fn read(&self, file: &Path) -> Result<Option<SecretString>, SecretError> {
        let _ = file;
        todo!()
    }
}

/// Stores a password in a file for its owner alone, in a directory for its owner alone; durable, replacing an earlier one.
pub fn store_file(file: &Path, password: &SecretString) -> Result<(), SecretError> {
    let _ = (file, password);
    todo!()
}
