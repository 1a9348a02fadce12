//! How a run ended, as the process's exit code.

use serde::{Serialize, Serializer};

/// What a run of pimsync tells the shell, cron or a script that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything was done.
    Done,
    /// The run failed.
    Failed,
    /// The arguments made no sense.
    Usage,
    /// Done, but something was held, skipped or in conflict.
    Held,
    /// The server refused the sign-in.
    SignInRefused,
    /// Another run holds the identity's lock.
    Locked,
    /// The server could not be found or reached.
    Unreachable,
    /// The server's certificate is not trusted.
    Untrusted,
    /// The server refuses EWS for the mailbox or the program.
    EwsDisabled,
    /// What `send` tells, as sendmail does.
    Mail(Sysexit),
}

/// The exit codes that mail programs know (`sysexits.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sysexit {
    /// Sent, or safe.
    Ok,
    /// The arguments make no sense.
    Usage,
    /// The message makes no sense.
    Data,
    /// An address makes no sense.
    NoUser,
    /// The server refuses it.
    Unavailable,
    /// It could not be read or kept.
    Io,
    /// The server is not reached.
    TryLater,
    /// There is no such account.
    Config,
}

impl Sysexit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] =
        [Self::Ok, Self::Usage, Self::Data, Self::NoUser, Self::Unavailable, Self::Io, Self::TryLater, Self::Config];

    /// What it means, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "The message was sent, or is kept safely and will be.",
            Self::Usage => "The arguments make no sense, or do not fit the message.",
            Self::Data => "The message makes no sense; it was not taken.",
            Self::NoUser => "A recipient is no mail address; the message was not taken.",
            Self::Unavailable => {
                "The server refuses the message, or with --retry, some are still not sent. It is kept, and a refused one is not tried again before pimsync send --retry."
            }
            Self::Io => "The message could not be read or kept.",
            Self::TryLater => "Only with --retry: the server is not reached.",
            Self::Config => "There is no such identity or account.",
        }
    }

    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 64,
            Self::Data => 65,
            Self::NoUser => 67,
            Self::Unavailable => 69,
            Self::Io => 74,
            Self::TryLater => 75,
            Self::Config => 78,
        }
    }
}

impl ExitCode {
    /// All of them but those of `send`, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Held,
        Self::SignInRefused,
        Self::Locked,
        Self::Unreachable,
        Self::Untrusted,
        Self::EwsDisabled,
    ];

    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Held => 3,
            Self::SignInRefused => 4,
            Self::Locked => 5,
            Self::Unreachable => 6,
            Self::Untrusted => 7,
            Self::EwsDisabled => 8,
            Self::Mail(code) => code.number(),
        }
    }

    /// What it means, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Everything was done.",
            Self::Failed => "The run failed; standard error says why.",
            Self::Usage => {
                "The arguments make no sense: an unknown option, a missing value, a folder, account or group that does not exist."
            }
            Self::Held => {
                "Done, but something was held back, skipped or in conflict, one of the folders failed, or a backup is overdue; the report and pimsync status say what."
            }
            Self::SignInRefused => {
                "The server, or who issues its tokens, refused the sign-in, or a person has to sign in again."
            }
            Self::Locked => "Another run works on this identity.",
            Self::Unreachable => {
                "The server could not be found or reached. Nothing is lost: the next run goes on where this one ended."
            }
            Self::Untrusted => "The server's certificate is not trusted.",
            Self::EwsDisabled => {
                "The server refuses EWS for this mailbox or this program: its administrator has switched it off."
            }
            Self::Mail(_) => "What sysexits.h says; only pimsync send.",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

impl Serialize for ExitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_rely_on_the_numbers() {
        let numbers: Vec<u8> = ExitCode::ALL.into_iter().map(ExitCode::number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let numbers: Vec<u8> = Sysexit::ALL.into_iter().map(|code| ExitCode::Mail(code).number()).collect();
        assert_eq!(numbers, [0, 64, 65, 67, 69, 74, 75, 78], "sysexits.h");
    }
}
