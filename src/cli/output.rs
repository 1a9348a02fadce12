//! What a run says, and to whom: results to standard output, as text for people or as one JSON document for programs; all else to
//! standard error. `man 5 pimsync-json` describes the document.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

use super::failure::Failure;
use super::progress::Progress;
use super::{ExitCode, Global};

/// The version of the JSON document. It grows when a member changes its meaning or goes, not when one is added.
pub(super) const SCHEMA: u32 = 1;

/// Where a run's words go.
pub(super) struct Output {
    command: &'static str,
    identity: String,
    json: bool,
    quiet: bool,
    verbose: u8,
    /// Whether somebody watches.
    watched: bool,
    bars: MultiProgress,
}

/// What all JSON documents begin with.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: u32,
    command: &'a str,
    identity: &'a str,
    result: &'a str,
    exit_code: ExitCode,
    #[serde(flatten)]
    body: T,
}

/// The rest of the document of a run that failed as a whole.
#[derive(Serialize)]
struct Failed<'a> {
    error: &'a Failure,
}

impl Output {
    pub(super) fn new(command: &'static str, global: &Global, json: bool) -> Self {
        let watched = io::stderr().is_terminal() && !global.quiet;
        Self {
            command,
            identity: global.identity.clone(),
            json,
            quiet: global.quiet,
            verbose: global.verbose,
            watched,
            bars: MultiProgress::new(),
        }
    }

    /// Whether only what needs attention is told.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody sees what is said while it is said.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Sends the log to standard error, around the progress bars.
    pub(super) fn start_log(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => "warn",
            (false, 1) => "info",
            (false, 2) => "debug",
            (false, _) => "trace",
        };
        let filter = format!("error,pimsync={level}");
        // Fails only where one is installed already.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_target(false)
            .without_time()
            .with_ansi(self.watched && std::env::var_os("NO_COLOR").is_none())
            .with_writer(AroundBars(self.bars.clone()))
            .try_init();
    }

    /// Shows how far a run over an account is, where somebody watches.
    pub(super) fn progress(&self, account: &str) -> Progress {
        Progress::new(self.watched.then_some(&self.bars), account)
    }

    /// Gives the results: to people by `text`, to programs as a document with `body`.
    pub(super) fn results<T: Serialize>(
        &self,
        code: ExitCode,
        body: T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<ExitCode> {
        if self.json {
            self.document(code, body)?;
        } else {
            self.text(&text(&body))?;
        }
        Ok(code)
    }

    /// Says why a run failed as a whole.
    pub(super) fn failed(&self, error: &anyhow::Error) -> ExitCode {
        let failure = Failure::of(error);
        self.complain(&failure);
        if self.json {
            // There is nobody left to tell when this fails, too.
            let _ = self.document(failure.code, Failed { error: &failure });
        }
        failure.code
    }

    /// Tells people of a failure.
    pub(super) fn complain(&self, failure: &Failure) {
        self.remark(&format!("pimsync: {}", failure.message));
        if let Some(hint) = failure.hint {
            self.remark(&format!("hint: {hint}"));
        }
    }

    /// Tells people something that is no result.
    pub(super) fn remark(&self, text: &str) {
        self.bars.suspend(|| {
            // A closed standard error is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    /// A line that stays in sight and is changed in place, where somebody watches.
    pub(super) fn view(&self) -> Option<ProgressBar> {
        let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        self.watched.then(|| self.bars.add(ProgressBar::new_spinner().with_style(style)))
    }

    /// Gives one of many results as a line: `text` to people, `body` to programs. People who ask for quiet are told nothing.
    pub(super) fn line<T: Serialize>(&self, body: &T, text: &str) -> anyhow::Result<()> {
        if self.json {
            let mut line = serde_json::to_string(body)?;
            line.push('\n');
            return self.bars.suspend(|| self.text(&line));
        }
        if self.quiet || text.is_empty() { Ok(()) } else { self.bars.suspend(|| self.text(&format!("{text}\n"))) }
    }

    /// Whether all is told, not only what is news.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    fn document<T: Serialize>(&self, code: ExitCode, body: T) -> anyhow::Result<()> {
        let result = match code {
            ExitCode::Done => "done",
            ExitCode::Held => "held",
            _ => "failed",
        };
        let (command, identity) = (self.command, self.identity.as_str());
        let document = Document { schema: SCHEMA, command, identity, result, exit_code: code, body };
        let mut text = serde_json::to_string_pretty(&document)?;
        text.push('\n');
        self.text(&text)
    }

    fn text(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever read has read enough: `pimsync status | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }
}

/// Writes lines of the log above the progress bars.
struct AroundBars(MultiProgress);

impl<'a> MakeWriter<'a> for AroundBars {
    type Writer = AroundBars;

    fn make_writer(&'a self) -> Self::Writer {
        Self(self.0.clone())
    }
}

impl io::Write for AroundBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
