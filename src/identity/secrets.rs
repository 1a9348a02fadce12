//! Where passwords come from. They are in no file of the identity, no log and no argument list.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::files;
use crate::clock::{Clock, within};
use crate::local::platform;

/// Where an account's password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The first line that this command prints, run by `sh -c`.
    Command(String),
    /// The file under `Secrets`, which only its owner can read.
    File,
    /// What the service manager hands over under this name (systemd.exec(5), `LoadCredential=`).
    Credential(String),
    /// There is none: the demo account, and who signs in with tokens.
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
    /// The service manager hands none over.
    #[error("there is no credential {name}: {reason}")]
    NoCredential {
        /// Its name.
        name: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Others can read it.
    #[error("others than you can read {}: run chmod 600 on it, and change the password if the machine is shared", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{what} gave an empty password: run `pimsync setup` again, or try the command in a shell")]
    Empty {
        /// The file or command.
        what: String,
    },
    /// It is not text.
    #[error("{what} gave a password that is not UTF-8: run `pimsync setup` again, or try the command in a shell")]
    NotText {
        /// The file or command.
        what: String,
    },
    /// The command failed.
    #[error("{what} `{command}` failed ({status}); try it in a shell")]
    CommandFailed {
        /// What names the command, such as `password_command`.
        what: &'static str,
        /// The command.
        command: String,
        /// How it ended.
        status: String,
    },
    /// The command took too long.
    #[error("{what} `{command}` gave no answer within {} seconds and was stopped; try it in a shell: it may wait for somebody", limit.as_secs())]
    TimedOut {
        /// What names the command, such as `password_command`.
        what: &'static str,
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

/// Names the directory in which the service manager hands secrets over.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

const PASSWORD_COMMAND: &str = "password_command";

/// How long a command may take: it may ask its person for a passphrase.
const LIMIT: Duration = Duration::from_secs(120);

/// No password is longer.
const MAX_BYTES: u64 = 64 * 1024;

impl PasswordSource {
    /// Gets the password. `file` is where a stored one lies ([`super::Layout::secret`]).
    ///
    /// A command's input is empty, its error output goes to ours, and it gets two minutes.
    pub async fn read(&self, file: &Path, clock: &dyn Clock) -> Result<Option<SecretString>, SecretError> {
        match self {
            Self::Command(command) => secret_line(PASSWORD_COMMAND, command, clock).await.map(Some),
            Self::File => read_file(file).map(Some),
            Self::Credential(name) => read_credential(name, std::env::var_os(CREDENTIALS)).map(Some),
            Self::None => Ok(None),
        }
    }
}

/// Stores a password in a file for its owner alone, in a directory for its owner alone; durable, replacing an earlier one.
pub fn store_file(file: &Path, password: &SecretString) -> Result<(), SecretError> {
    let password = password.expose_secret().as_bytes();
    // Made in one piece, so that no part of it is left behind in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    content.extend_from_slice(password);
    content.push(b'\n');
    store_content(file, &content)
}

/// The same with all that the file is to hold.
pub(super) fn store_content(file: &Path, content: &[u8]) -> Result<(), SecretError> {
    let io = |source| SecretError::Io { action: "write", path: file.to_owned(), source };
    file.parent().map_or(Ok(()), files::make_dirs).and_then(|()| files::write(file, content)).map_err(io)
}

/// Removes a stored password. Returns whether there was one.
pub fn remove_file(file: &Path) -> Result<bool, SecretError> {
    match std::fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SecretError::Io { action: "remove", path: file.to_owned(), source }),
    }
}

/// Reads a stored password.
pub fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    first_line(&read_content(path)?, &path.display().to_string())
}

/// Whether a credential can have that name: that of a file, and no path.
pub(super) fn is_credential_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.chars().any(|character| character == '/' || character.is_control())
}

/// Reads what the service manager hands over. It guards who can read that, in ways of its own.
fn read_credential(name: &str, directory: Option<OsString>) -> Result<SecretString, SecretError> {
    let none = |reason: String| SecretError::NoCredential { name: name.to_owned(), reason };
    let Some(directory) = directory.filter(|directory| !directory.is_empty()) else {
        return Err(none(format!(
            "{CREDENTIALS} is not set; pimsync must run as a service that has LoadCredential={name}:FILE, or in systemd-run -p with that"
        )));
    };
    let path = Path::new(&directory).join(name);
    let file = std::fs::File::open(&path).map_err(|error| none(format!("{}: {error}", path.display())))?;
    let content = read_all(file).map_err(|error| none(format!("{}: {error}", path.display())))?;
    first_line(&content, &format!("the credential {name}"))
}

/// All that a file holds that its owner alone can read.
pub(super) fn read_content(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let io = |source| SecretError::Io { action: "read", path: path.to_owned(), source };
    let file = match platform::open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SecretError::Missing { path: path.to_owned() });
        }
        file => file.map_err(io)?,
    };
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(io(io::Error::other("it is no regular file")));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned() });
    }
    read_all(file).map_err(io)
}

/// The first line that a command prints, run as a password's is. `what` names it in errors.
///
/// # Errors
/// That it failed, took too long, or printed nothing.
pub async fn secret_line(what: &'static str, command: &str, clock: &dyn Clock) -> Result<SecretString, SecretError> {
    first_line(&run(what, command, LIMIT, clock).await?, &format!("{what} `{command}`"))
}

/// All that a command prints, run as a password's is. `what` names it in errors.
///
/// # Errors
/// That it failed, or took too long.
pub async fn secret_output(
    what: &'static str,
    command: &str,
    clock: &dyn Clock,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    run(what, command, LIMIT, clock).await
}

async fn run(
    what: &'static str,
    command: &str,
    limit: Duration,
    clock: &dyn Clock,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |status: String| SecretError::CommandFailed { what, command: command.to_owned(), status };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    // Never grows, so that no part of it is left behind in freed memory.
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    let ended = within(clock, limit, async {
        if let Some(pipe) = child.stdout.take() {
            pipe.take(MAX_BYTES).read_to_end(&mut output).await?;
        }
        child.wait().await
    });
    match ended.await {
        None => Err(SecretError::TimedOut { what, command: command.to_owned(), limit }),
        Some(Err(error)) => Err(failed(error.to_string())),
        Some(Ok(status)) if !status.success() => Err(failed(status.to_string())),
        Some(Ok(_)) => Ok(output),
    }
}

fn read_all(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Never grows, so that no part of it is left behind in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    source.take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

fn first_line(content: &[u8], what: &str) -> Result<SecretString, SecretError> {
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err(SecretError::Empty { what: what.to_owned() }),
        Ok(password) => Ok(SecretString::from(password)),
        Err(_) => Err(SecretError::NotText { what: what.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;
    use crate::clock::SystemClock;

    fn command(text: &str) -> Result<SecretString, SecretError> {
        within_time(text, Duration::from_secs(20))
    }

    fn within_time(text: &str, limit: Duration) -> Result<SecretString, SecretError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let output = runtime.block_on(run(PASSWORD_COMMAND, text, limit, &SystemClock::new()))?;
        first_line(&output, text)
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(command("printf 'geheim ß\\r\\nuser: x\\n'").unwrap().expose_secret(), "geheim ß");
        assert_eq!(command("printf ' spaced '").unwrap().expose_secret(), " spaced ");
        assert_eq!(command("cat; echo end").unwrap().expose_secret(), "end", "its input is empty");
    }

    #[test]
    fn a_command_that_fails_gives_no_password() {
        assert!(matches!(command("echo half; exit 3"), Err(SecretError::CommandFailed { .. })));
        assert!(matches!(command("true"), Err(SecretError::Empty { .. })));
        assert!(matches!(command("printf '\\377'"), Err(SecretError::NotText { .. })));
        let hanging = within_time("exec tail -f /dev/null", Duration::from_millis(50));
        assert!(matches!(hanging, Err(SecretError::TimedOut { .. })));
    }

    #[test]
    fn a_service_manager_hands_a_password_over() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("mail"), "geheim\n").unwrap();
        let directory = || Some(root.path().as_os_str().to_owned());
        assert_eq!(read_credential("mail", directory()).unwrap().expose_secret(), "geheim");
        for (name, directory, told) in [
            ("mail", None, "LoadCredential=mail"),
            ("mail", Some(OsString::new()), "LoadCredential=mail"),
            ("other", directory(), "no credential other"),
        ] {
            let error = read_credential(name, directory).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(is_credential_name("mail.anna@x"));
        for bad in ["", "..", ".x", "a/b", "/etc/passwd", "a\n"] {
            assert!(!is_credential_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn no_error_tells_the_password() {
        let error = command("echo hunter2; exit 1").unwrap_err();
        assert!(!format!("{error} {error:?}").replace("echo hunter2", "").contains("hunter2"));
    }

    #[test]
    fn a_stored_password_is_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("Secrets/Main/a@b");
        assert!(matches!(read_file(&file), Err(SecretError::Missing { .. })));
        for password in ["one", "two"] {
            store_file(&file, &SecretString::from(password)).unwrap();
            let read = read_file(&file).unwrap();
            assert_eq!(read.expose_secret(), password);
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_file(&file), Err(SecretError::Exposed { .. })));
        assert!(remove_file(&file).unwrap() && !remove_file(&file).unwrap());
    }
}
