//! Why a run failed: what happened, to what, what to do next, and which exit code says so.

mod token;

use serde::Serialize;

use super::ExitCode;
use crate::backup::{AccessError, BackupError, Location, SealError};
use crate::identity::{ConfigError, LayoutError, LockError, MarkerError, SecretError};
use crate::local::LocalError;
use crate::remote::RemoteError;
use crate::remote::auth::Scheme;
use crate::remote::ews::autodiscover::DiscoveryError;
use crate::state::StateError;
use crate::sync::SyncError;

/// The arguments make no sense, in a way that their definition cannot tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// A failure with a hint of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Hinted {
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// A failure as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    /// A word for its sort, which scripts can rely on.
    pub(super) kind: &'static str,
    /// What happened, and to what.
    pub(super) message: String,
    /// What to do next.
    pub(super) hint: Option<&'static str>,
    #[serde(skip)]
    pub(super) code: ExitCode,
}

impl Failure {
    pub(super) fn of(error: &anyhow::Error) -> Self {
        let (kind, code, hint) = error.chain().find_map(classify).unwrap_or(("failed", ExitCode::Failed, None));
        Self { kind, message: message(error), hint, code }
    }
}

/// The error and its causes, without what an outer one says already of an inner one.
fn message(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |mut text, cause| {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
        text
    })
}

type Class = (&'static str, ExitCode, Option<&'static str>);

fn classify(error: &(dyn std::error::Error + 'static)) -> Option<Class> {
    if let Some(error) = error.downcast_ref::<SyncError>() {
        return Some(match error {
            SyncError::Remote(error) => remote(error),
            SyncError::Local(error) => local(error),
            SyncError::State(error) => state(error),
            SyncError::NoSuchFolder(_) => ("no-such-folder", ExitCode::Usage, None),
            // Watch was told to end.
            SyncError::CutOff(_) => (STOPPED, ExitCode::Failed, Some(LATER)),
            SyncError::Internal(_) => ("internal", ExitCode::Failed, Some(REPORT_IT)),
        });
    }
    if let Some(error) = error.downcast_ref::<DiscoveryError>() {
        return Some(match error {
            DiscoveryError::NotFound { untrusted: Some(_), .. } => {
                ("server-not-found", ExitCode::Untrusted, Some(CERTIFICATE))
            }
            DiscoveryError::NotFound { .. } => ("server-not-found", ExitCode::Unreachable, Some(NOT_FOUND)),
            DiscoveryError::NotAllowed { .. } => ("redirect-not-allowed", ExitCode::Usage, Some(NOT_ALLOWED)),
            DiscoveryError::Refused(error) => remote(error),
            DiscoveryError::Unusable(_) => ("usage", ExitCode::Usage, None),
        });
    }
    if let Some(Hinted { hint, .. }) = error.downcast_ref() {
        return Some(("failed", ExitCode::Failed, Some(hint)));
    }
    let usage = ("usage", ExitCode::Usage, None);
    None.or_else(|| error.downcast_ref::<RemoteError>().map(remote))
        .or_else(|| error.downcast_ref::<LocalError>().map(local))
        .or_else(|| error.downcast_ref::<StateError>().map(state))
        .or_else(|| error.downcast_ref::<LockError>().map(lock))
        .or_else(|| error.downcast_ref::<MarkerError>().map(|_| ("marker", ExitCode::Failed, None)))
        .or_else(|| error.downcast_ref::<ConfigError>().map(|_| ("config", ExitCode::Failed, Some(MAN_IDENTITY))))
        .or_else(|| error.downcast_ref::<SecretError>().map(|_| ("password", ExitCode::Failed, None)))
        .or_else(|| error.downcast_ref::<LayoutError>().map(layout))
        .or_else(|| error.downcast_ref::<BackupError>().map(backup))
        .or_else(|| error.downcast_ref::<AccessError>().map(|_| usage))
        .or_else(|| error.downcast_ref::<SealError>().map(|_| usage))
        .or_else(|| error.downcast_ref::<UsageError>().map(|_| usage))
}

/// The word for a run that was stopped at a step after which nothing is left to settle.
pub(super) const STOPPED: &str = "stopped";

const REPORT_IT: &str = "this is a fault of pimsync: please report it, with the output of the same command with -vv. Nothing is lost: the next run \
                         goes on where this one ended";
const MAN_IDENTITY: &str = "man 5 pimsync-identity describes the file";
const NETWORK: &str = "check the network and the server's address, then run the same command again; nothing is lost";
const CERTIFICATE: &str = "if the server's certificate is of its organisation's own authority, get that authority's certificate from a source you \
                           trust, and run pimsync setup --ca-file FILE; a wrong certificate can also mean that somebody listens in";
const REFUSED: &str = "check the user name and the password; pimsync setup stores others. Some servers know you as DOMAIN\\name (--user), and some have \
                       Basic sign-in switched off";
const REFUSED_HANDSHAKE: &str = "check the user name and the password; pimsync setup stores others. Some servers know you as DOMAIN\\name (--user). Where a \
                                 proxy ends the encrypted connection in front of the server, this way to sign in is refused whatever the password is: then \
                                 pimsync setup --auth basic may work. It is not tried again by itself, so that no account is locked";
const OTHER_WAY: &str = "pimsync setup --auth auto takes what the server offers";
const NO_WAY: &str =
    "ask the administrator of the server which of these can be switched on for EWS: Basic, NTLM or Negotiate";
const NOT_FOUND: &str = "name it with --server: the host that you know from Outlook on the web; the same command with --explain shows where it was looked for";
const NOT_ALLOWED: &str = "if you know that host to be your organisation's or its provider's, add --allow-redirect HOST; else somebody may be after the password";
/// What to do about a clock that is wrong.
pub(super) const WRONG_CLOCK: &str = "this machine's clock differs from the server's by five minutes or more, and a sign-in is refused for that: set it right (timedatectl \
                                      set-ntp true), then run the same command again; the password may be right";
const TOKENS: &str = "the server takes tokens, which an authority such as Microsoft's issues: pimsync setup --auth oauth2 --client-id ID";
const TOKEN_REFUSED: &str = "the token was new, and is refused all the same: the application may not be among those that the server allows EWS (in Exchange Online                              EWSAllowedAppIDs), --scope may be of another server, or this machine's clock may be wrong. pimsync setup with the account's address lets you sign in anew";
const PASSWORD_EXPIRED: &str = "the password has expired or must be changed: sign in to Outlook on the web, which lets you change it, then run pimsync setup with the new one";
const ACCOUNT_DISABLED: &str = "the account is disabled or locked: ask its administrator. It is not tried again by itself in a loop, which would keep it locked";
const EWS_OFF: &str = "ask the administrator of the server for EwsEnabled of the mailbox, and for EwsApplicationAccessPolicy, which may not let pimsync in (it calls itself pimsync/ and its \
                       version)";
const EWS_OFF_ONLINE: &str = "Exchange Online has EWS switched off since 1 October 2026, unless the tenant's administrator sets EWSEnabled to true and puts the application's id \
                              (--client-id) on its list EWSAllowedAppIDs; that is possible until 1 April 2027. From then on Microsoft Graph is the only way in, which this \
                              version does not speak. What is here already stays as it is";
const LATER: &str = "nothing is lost: the next run goes on where this one ended";

fn remote(error: &RemoteError) -> Class {
    match error {
        RemoteError::Unreachable { .. } => ("unreachable", ExitCode::Unreachable, Some(NETWORK)),
        RemoteError::Untrusted { .. } => ("certificate", ExitCode::Untrusted, Some(CERTIFICATE)),
        RemoteError::SignInRefused { ahead: Some(ahead), .. } if is_far(*ahead) => {
            ("sign-in-refused", ExitCode::SignInRefused, Some(WRONG_CLOCK))
        }
        RemoteError::TokenRefused { ahead: Some(ahead), .. } if is_far(*ahead) => {
            ("token-refused", ExitCode::SignInRefused, Some(WRONG_CLOCK))
        }
        RemoteError::SignInRefused { scheme, .. } => {
            let hint = if *scheme == Scheme::Basic { REFUSED } else { REFUSED_HANDSHAKE };
            ("sign-in-refused", ExitCode::SignInRefused, Some(hint))
        }
        RemoteError::TokenRefused { .. } => ("token-refused", ExitCode::SignInRefused, Some(TOKEN_REFUSED)),
        RemoteError::Token(error) => token::class(error),
        RemoteError::NoSignIn { wanted, offered, .. } => {
            let takes_tokens = offered.iter().any(|scheme| scheme.eq_ignore_ascii_case("Bearer"));
            let hint = match wanted {
                Some(_) => OTHER_WAY,
                None if takes_tokens => TOKENS,
                None => NO_WAY,
            };
            ("sign-in-not-offered", ExitCode::SignInRefused, Some(hint))
        }
        RemoteError::Account { code, .. } if is_about_sign_in(code) => {
            let hint = if code == "ErrorAccountDisabled" { ACCOUNT_DISABLED } else { PASSWORD_EXPIRED };
            ("sign-in-refused", ExitCode::SignInRefused, Some(hint))
        }
        RemoteError::Account { .. } => ("account", ExitCode::Failed, Some("ask the administrator of the server")),
        RemoteError::Throttled { .. } => {
            ("throttled", ExitCode::Failed, Some("run the same command again later; nothing is lost"))
        }
        RemoteError::Refused { .. } => ("refused", ExitCode::Failed, None),
        RemoteError::EwsDisabled { host, .. } => {
            let hint = if is_exchange_online(host) { EWS_OFF_ONLINE } else { EWS_OFF };
            ("ews-disabled", ExitCode::EwsDisabled, Some(hint))
        }
        RemoteError::Quota => {
            ("quota", ExitCode::Failed, Some("make room in the mailbox, then run the same command again"))
        }
        RemoteError::Protocol { .. } | RemoteError::Rejected { .. } => (
            "protocol",
            ExitCode::Failed,
            Some(
                "run it again with --trace-soap DIR to see what the server said; the files hold messages, but no password",
            ),
        ),
        RemoteError::StateInvalid | RemoteError::FolderGone | RemoteError::AccessDenied => {
            ("remote", ExitCode::Failed, Some(LATER))
        }
        RemoteError::Io(_) => ("disk", ExitCode::Failed, Some(LATER)),
    }
}

/// Whether clocks differ by more than what servers bear in a sign-in (five minutes, which is Kerberos' default).
pub(super) fn is_far(ahead: i64) -> bool {
    ahead.unsigned_abs() >= 300
}

/// Whether a mailbox is with Microsoft, in any of its clouds.
fn is_exchange_online(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    ["office365.com", "office.com", "office365.us", "outlook.cn", "outlook.com"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Response codes of an account that nobody can sign in to.
fn is_about_sign_in(code: &str) -> bool {
    matches!(code, "ErrorPasswordExpired" | "ErrorPasswordChangeRequired" | "ErrorAccountDisabled")
}

fn local(error: &LocalError) -> Class {
    match error {
        LocalError::FolderGone { .. } => {
            ("directory-missing", ExitCode::Failed, Some("is its disk mounted? Nothing was changed on either side"))
        }
        _ => ("disk", ExitCode::Failed, None),
    }
}

fn state(error: &StateError) -> Class {
    match error {
        StateError::Newer { .. } | StateError::Damaged { .. } => ("state", ExitCode::Failed, None),
        StateError::Sqlite(_) => ("state", ExitCode::Failed, Some("is the disk full, or the file not yours to write?")),
    }
}

fn lock(error: &LockError) -> Class {
    match error {
        LockError::Held { .. } => (
            "locked",
            ExitCode::Locked,
            Some("wait until it ends, or end pimsync watch if it is that; pimsync status says how it stands meanwhile"),
        ),
        LockError::Io { .. } => ("disk", ExitCode::Failed, None),
    }
}

fn backup(error: &BackupError) -> Class {
    match error {
        BackupError::Io { at: Location::Object(_), source, .. } => store(source.kind()),
        BackupError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => (
            "disk",
            ExitCode::Failed,
            Some("is its disk mounted? A directory for archives is not made, but must be there"),
        ),
        BackupError::Io { .. } | BackupError::NoRoom { .. } => ("disk", ExitCode::Failed, None),
        BackupError::State(error) => state(error),
        BackupError::Sealed { .. } => ("encrypted", ExitCode::Failed, None),
        BackupError::SealedChanged { .. } => (
            "archive",
            ExitCode::Failed,
            Some("with its key (--age-identity), pimsync restore --salvage brings out all that is whole"),
        ),
        BackupError::Incomplete { .. } | BackupError::Manifest { .. } | BackupError::Damaged { .. } => {
            ("archive", ExitCode::Failed, Some("pimsync restore --salvage brings out all that is whole"))
        }
        BackupError::OtherFormat { .. } | BackupError::Record { .. } => ("archive", ExitCode::Failed, None),
        BackupError::NoArchive { .. } => (
            "no-such-archive",
            ExitCode::Usage,
            Some("pimsync backup list shows which there are; --from says where they lie"),
        ),
        BackupError::Taken { .. } => ("taken", ExitCode::Usage, None),
    }
}

/// What an object store said.
fn store(kind: std::io::ErrorKind) -> Class {
    match kind {
        std::io::ErrorKind::NotConnected => ("unreachable", ExitCode::Unreachable, Some(STORE_NETWORK)),
        std::io::ErrorKind::PermissionDenied => ("sign-in-refused", ExitCode::SignInRefused, Some(STORE_REFUSED)),
        std::io::ErrorKind::NotFound => {
            ("object-storage", ExitCode::Failed, Some("is it the right name? A bucket is not made, but must be there"))
        }
        _ => ("object-storage", ExitCode::Failed, None),
    }
}

const STORE_NETWORK: &str =
    "check the network, AWS_REGION and AWS_ENDPOINT_URL, then run the same command again; nothing is lost";
const STORE_REFUSED: &str = "check the credentials in the environment, AWS_REGION, and what the bucket's owner allows: to list, get, put and delete";

fn layout(error: &LayoutError) -> Class {
    match error {
        LayoutError::BadName { .. } | LayoutError::EmptyRoot | LayoutError::NoHome => ("usage", ExitCode::Usage, None),
        LayoutError::Io { .. } => ("disk", ExitCode::Failed, None),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use anyhow::Context as _;

    use super::*;
    use crate::remote::auth::oauth::TokenError;

    fn failure(error: impl Into<anyhow::Error>) -> Failure {
        Failure::of(&error.into())
    }

    #[test]
    fn a_script_can_tell_what_to_do_from_the_exit_code() {
        let host = || "mail.example.org".to_owned();
        let unreachable = || RemoteError::Unreachable { host: host(), reason: "timed out".to_owned() };
        let refused =
            RemoteError::SignInRefused { host: host(), user: "demo".to_owned(), scheme: Scheme::Ntlm, ahead: None };
        let not_offered = RemoteError::NoSignIn { host: host(), offered: vec!["Bearer".to_owned()], wanted: None };
        let expired = RemoteError::Account { code: "ErrorPasswordExpired".to_owned(), message: String::new() };
        let untrusted = RemoteError::Untrusted { host: host(), reason: "expired".to_owned() };
        let disabled = RemoteError::EwsDisabled { host: host(), status: 403 };
        let nobody = RemoteError::Token(TokenError::Nothing { user: "demo".to_owned() });
        assert_eq!(failure(untrusted).code, ExitCode::Untrusted);
        assert_eq!(failure(disabled).code, ExitCode::EwsDisabled);
        assert_eq!(failure(nobody).code, ExitCode::SignInRefused);
        assert_eq!(failure(unreachable()).code, ExitCode::Unreachable);
        assert_eq!(failure(SyncError::from(unreachable())).code, ExitCode::Unreachable);
        assert_eq!(failure(refused).code, ExitCode::SignInRefused);
        assert_eq!(failure(not_offered).code, ExitCode::SignInRefused);
        assert_eq!(failure(expired).code, ExitCode::SignInRefused);
        assert_eq!(failure(LockError::Held { holder: None }).code, ExitCode::Locked);
        assert_eq!(failure(SyncError::NoSuchFolder("x".to_owned())).code, ExitCode::Usage);
        assert_eq!(failure(UsageError(String::new())).code, ExitCode::Usage);
        assert_eq!(failure(anyhow::anyhow!("odd")).code, ExitCode::Failed);
    }

    #[test]
    fn a_wrong_clock_is_told_before_a_wrong_password() {
        let hint = |ahead| {
            let (host, user) = ("mail.example.org".to_owned(), "demo".to_owned());
            failure(RemoteError::SignInRefused { host, user, scheme: Scheme::Ntlm, ahead }).hint.unwrap()
        };
        assert!([None, Some(0), Some(-299), Some(299)].into_iter().all(|ahead| hint(ahead) != WRONG_CLOCK));
        assert!([i64::MIN, -300, 300, 7200].into_iter().all(|ahead| hint(Some(ahead)) == WRONG_CLOCK));
    }

    #[test]
    fn who_is_with_exchange_online_is_told_of_its_end() {
        let hint = |host: &str| failure(RemoteError::EwsDisabled { host: host.to_owned(), status: 403 }).hint.unwrap();
        for host in ["outlook.office365.com", "OUTLOOK.office.com", "outlook.office365.us"] {
            assert!(hint(host).contains("1 April 2027") && hint(host).contains("Graph"), "{host}");
        }
        for host in ["mail.example.org", "myoffice365.com", "office365.com.example.org"] {
            assert!(hint(host).contains("EwsEnabled"), "{host}");
        }
    }

    #[test]
    fn context_does_not_hide_the_kind() {
        let error = anyhow::Error::from(LockError::Held { holder: None }).context("cannot begin");
        assert_eq!(Failure::of(&error).code, ExitCode::Locked);
    }

    #[test]
    fn a_cause_is_not_told_twice() {
        let source = io::Error::other("the disk is on fire");
        let error = LocalError::Io { action: "read", path: PathBuf::from("/mail"), source };
        assert_eq!(failure(error).message, "cannot read /mail: the disk is on fire");
        let error = RemoteError::Io(io::Error::other("the disk is on fire"));
        let error = Err::<(), _>(error).context("in Inbox").unwrap_err();
        assert_eq!(
            Failure::of(&error).message,
            "in Inbox: writing or reading a message on disk failed: the disk is on fire"
        );
    }
}
