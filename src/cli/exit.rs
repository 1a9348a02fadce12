//! How a run ended, as the process's exit code.

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

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        let number: u8 = match code {
            ExitCode::Done => 0,
            ExitCode::Failed => 1,
            ExitCode::Usage => 2,
            ExitCode::Held => 3,
            ExitCode::SignInRefused => 4,
            ExitCode::Locked => 5,
            ExitCode::Unreachable => 6,
        };
        number.into()
    }
}
