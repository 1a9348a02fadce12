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
    /// The server could not be reached.
    Unreachable,
}

impl ExitCode {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::Failed, Self::Usage, Self::Held, Self::SignInRefused, Self::Locked, Self::Unreachable];

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
            Self::SignInRefused => "The server refused the sign-in.",
            Self::Locked => "Another run works on this identity.",
            Self::Unreachable => {
                "The server could not be reached. Nothing is lost: the next run goes on where this one ended."
            }
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
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
    }
}
